"""Drills: what goes wrong at night, done on purpose. See docs/drills.md."""
