"""A database's clock that a test may put forward: leases, due times and schedules all ask it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from django_push.clock import DatabaseClock, clock


class MovingClock:
    """``forward(hours=3)``; ``now()`` as the pipeline sees it."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def forward(self, **how_far: float) -> None:
        self._ahead += timedelta(**how_far)
        self._forget()

    def set(self, moment: datetime) -> None:
        """Go on from ``moment``."""
        self._ahead += moment - self.now()
        self._forget()

    def now(self) -> datetime:
        return clock("default").now()

    @staticmethod
    def _forget() -> None:
        clock("default")._monotonic = float("-inf")


@pytest.fixture
def moving_clock(monkeypatch, db) -> MovingClock:
    moving, ask = MovingClock(), DatabaseClock._ask

    def later(self: DatabaseClock) -> None:
        ask(self)
        self._at += moving._ahead

    monkeypatch.setattr(DatabaseClock, "_ask", later)
    moving._forget()
    yield moving
    moving._forget()
