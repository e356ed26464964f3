"""Saying no: which part of a where is meant, why, and what to write instead."""

from __future__ import annotations

from ..exceptions import InvalidPush

__all__ = ["refused"]

_SHOWN = 80


def refused(message: str, *, code: str, at: str) -> InvalidPush:
    """The error to raise. ``at`` is a path such as ``audience.where.badge.$gt``."""
    return InvalidPush(message, code=code, field=at if len(at) <= 300 else f"{at[:300]}…")


def shown(name: object) -> str:
    """A name from outside, short enough for a message."""
    text = str(name)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
