"""Push notifications for Django: registry, console, pipeline."""
