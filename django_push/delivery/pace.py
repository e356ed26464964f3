"""A push's speed limit: one line of slots for all workers, a meter inside each batch.

A batch of a rated push holds at most one second's worth. It is claimed by taking the push's next
slot, which is as long as its open devices take at that rate; the worker then hands them over as
the slot's time passes. Time that nobody used is gone: after a minute without a worker the push
goes on at its rate, not sixty times as fast.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import F

from .rows import histories, unlocked

__all__ = ["AHEAD", "DONE", "Due", "Meter", "take_slot"]

DONE = F("successes") + F("failures") + F("skipped")
"""Devices of a batch that have their outcome."""

AHEAD = timedelta(seconds=0.4)
"""How long before its slot a batch may be claimed: longer than workers sleep between two looks,
or every slot would begin late and the push be slower than it was allowed."""
LATE = 0.3
"""Seconds that a batch may lag behind its slot and still catch up. What catches up is beyond the
rate for a while: with 0.5 s it was 6 % in the worst ten seconds of a busy machine."""


class Due(NamedTuple):
    """A batch that may be claimed, as far as its claim has to know it."""

    pk: int
    push: int
    rate: int | None
    crashes: int
    size: int
    done: int
    """Devices that have their outcome."""

    @property
    def open(self) -> int:
        return self.size - self.done


def take_slot(batch: Due, now: datetime) -> datetime | None:
    """When a batch may begin, now or up to :data:`AHEAD` from now; ``None``: not yet."""
    if not batch.rate:
        return now
    line = histories().filter(pk=batch.push)
    # Who holds the row (a cancel, another claim) may wait for batches that this claim holds.
    found = list(unlocked(line).values_list("next_slot_at", flat=True))
    if not found:
        return None
    begins = max(found[0] or now, now)
    if begins > now + AHEAD:
        return None
    ends = begins + timedelta(seconds=batch.open / batch.rate)
    # Fenced by what was read, where rows cannot be locked.
    return begins if line.filter(next_slot_at=found[0]).update(next_slot_at=ends) else None


class Meter:
    """How many devices of a batch may have been handed over by now."""

    def __init__(self, rate: int, begins: float) -> None:
        """``rate`` in devices per second, ``begins`` by ``time.monotonic()``."""
        self._rate, self._begins = rate, begins
        self.passed = 0
        """Devices that were handed over."""

    def allowed(self) -> int:
        """How many may go now."""
        elapsed = time.monotonic() - self._begins
        return int(elapsed * self._rate) + 1 - self.passed if elapsed >= 0 else 0

    @property
    def is_late(self) -> bool:
        """Whether so much has not gone in its time that it would be a burst now."""
        return self.allowed() - 1 > max(self._rate * LATE, 1)
