"""Until when a device may be sent to: counted from its own moment, never late."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ..conf import push_settings
from ..models import PushBatch

__all__ = ["Expiry", "expiry", "expiry_of", "is_late", "late"]

NOW_OR_NEVER = 60
"""Seconds that a push with time to live 0 may wait in our own queue."""


class Expiry(NamedTuple):
    """Unix seconds."""

    expires_at: int | None
    """What providers are told; 0 means "now or never" (time to live 0), to them as to us."""
    gives_up_at: int
    """After it nothing is handed over. "Now or never" is never after a minute: a one-time code
    does not go out hours later."""


def expiry(due: datetime, time_to_live: int | None, expires_at: datetime | None) -> Expiry:
    """Of what is due at ``due``: the earlier of an interval in seconds (the project's default
    without one) and a moment."""
    if time_to_live == 0:
        gives_up = due + timedelta(seconds=NOW_OR_NEVER)
        if expires_at is not None:
            gives_up = min(gives_up, expires_at)
        return Expiry(0, int(gives_up.timestamp()))
    ends = due + timedelta(seconds=time_to_live or push_settings.TIME_TO_LIVE)
    if expires_at is not None:
        ends = min(ends, expires_at)
    return Expiry(int(ends.timestamp()), int(ends.timestamp()))


def expiry_of(batch: PushBatch) -> Expiry:
    """Of the devices of a batch."""
    content: Mapping[str, Any] = batch.history.content
    if batch.due_at is None:
        return Expiry(content.get("expires_at"), content.get("gives_up_at") or 0)
    local = content["local"]
    ends = local["expires_at"]
    return expiry(
        batch.due_at, local["time_to_live"], datetime.fromisoformat(ends) if ends else None
    )


def late() -> timedelta:
    """By how much a push at the devices' own clocks, or one of a series, may be late."""
    return timedelta(seconds=push_settings.LATE_SECONDS)


def is_late(batch: PushBatch, now: datetime) -> bool:
    """Whether the clocks of a batch's devices have passed the time meant for them.

    A batch that waits its turn in a push with a speed limit is not late.
    """
    if batch.due_at is None:
        return False
    planned = not batch.late and batch.wakes_at is None  # late batches have numbers of their own
    in_line = batch.seq * batch.size / batch.rate if batch.rate and planned else 0.0
    meant = max(batch.due_at, batch.wakes_at or batch.due_at)
    return now > meant + late() + timedelta(seconds=in_line)
