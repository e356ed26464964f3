"""Devices per second over a push's life: a drawing without script or inline style, and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from django.db.models import Sum
from django.db.models.functions import TruncSecond

from ..models import PushHistory
from .words import moment, number

__all__ = ["Chart", "Slot"]

HEIGHT, WIDTH = 100, 1000
"""Units of the drawing; the page stretches it."""
MOST_SLOTS = 60
FEWEST_SLOTS = 3
"""What took less has no course worth a picture."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A span of the push: its bar, and its row of the table."""

    start: datetime
    seconds: int
    accepted: int
    not_reached: int
    x: float
    width: float
    accepted_height: float
    not_reached_height: float

    @property
    def when(self) -> str:
        return moment(self.start)

    @property
    def accepted_words(self) -> str:
        return number(round(self.accepted / self.seconds))

    @property
    def not_reached_words(self) -> str:
        return number(round(self.not_reached / self.seconds))

    @property
    def accepted_y(self) -> float:
        return round(HEIGHT - self.accepted_height, 2)

    @property
    def not_reached_y(self) -> float:
        return round(HEIGHT - self.accepted_height - self.not_reached_height, 2)


@dataclass(frozen=True, slots=True)
class Chart:
    """Counted where batches of devices were finished: that is as fine as the ledger knows it."""

    slots: Sequence[Slot]

    def __bool__(self) -> bool:
        return len(self.slots) >= FEWEST_SLOTS

    @classmethod
    def of(cls, history: PushHistory) -> Chart:
        done = _per_second(history)
        if not done:
            return cls(())
        began = min(history.started_at or done[0][0], done[0][0]).replace(microsecond=0)
        seconds = int((done[-1][0] - began).total_seconds()) + 1
        each = ceil(seconds / MOST_SLOTS)
        return cls(_slots(done, began, each, ceil(seconds / each)))

    @property
    def top(self) -> str:
        """The busiest moment, which the tallest bar stands for."""
        return number(round(max(self._speeds(), default=0)))

    @property
    def span(self) -> tuple[str, str]:
        return self.slots[0].when, self.slots[-1].when

    def _speeds(self) -> list[float]:
        return [(slot.accepted + slot.not_reached) / slot.seconds for slot in self.slots]


def _per_second(history: PushHistory) -> list[tuple[datetime, int, int]]:
    rows: Any = (
        history.batches.filter(settled_at__isnull=False, devices__gt=0)
        .annotate(second=TruncSecond("settled_at", tzinfo=UTC))
        .values("second")
        .annotate(accepted=Sum("successes"), not_reached=Sum("failures"))
        .order_by("second")
    )
    return [(row["second"], row["accepted"], row["not_reached"]) for row in rows]


def _slots(
    done: Sequence[tuple[datetime, int, int]], began: datetime, each: int, count: int
) -> list[Slot]:
    accepted, missed = [0] * count, [0] * count
    for second, taken, refused in done:
        place = int((second - began).total_seconds()) // each
        accepted[place] += taken
        missed[place] += refused
    scale = HEIGHT / max(1, *(a + b for a, b in zip(accepted, missed, strict=True)))
    width = WIDTH / count
    return [
        Slot(
            start=began + timedelta(seconds=place * each),
            seconds=each,
            accepted=accepted[place],
            not_reached=missed[place],
            x=round(place * width, 2),
            width=round(width * 0.86, 2),
            accepted_height=round(accepted[place] * scale, 2),
            not_reached_height=round(missed[place] * scale, 2),
        )
        for place in range(count)
    ]
