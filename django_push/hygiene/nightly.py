"""The nightly clean-up: once a night, by one worker of all, without a query in between.

Each process knows by its own clock when the night begins, with some minutes of chance so that fifty
workers do not ask together. The row of :class:`~django_push.models.CleanUp` decides who does it.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import date, timedelta
from typing import Any

from django.db import close_old_connections, connections
from django.db.models import DateTimeField, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.dateparse import parse_time

from ..clock import clock
from ..conf import alias, push_settings
from ..delivery import worker_name
from ..models import CleanUp
from .chunks import rows_of
from .pruning import Pruned, prune
from .purging import purge

__all__ = ["NightWatch", "clean_up", "night"]

logger = logging.getLogger("django_push.hygiene")

LEASE = timedelta(minutes=10)
RENEWED = 60.0
"""Seconds after which the lease is renewed."""
LOOK = 900.0
"""Seconds between two looks at the clock, at the most; half to all of it, by chance."""
REST = 0.5
"""Seconds of rest between two chunks at the most; else as long as the chunk took."""
KEPT = timedelta(days=365)
"""How long the rows of former nights are kept."""


def clean_up(owner: str = "", stopped: Callable[[], bool] = lambda: False) -> bool:
    """Prune devices and purge history, unless somebody does or did so today.

    ``stopped`` is asked after each chunk; what is left is done when the next worker looks.
    ``True`` when this call did the work, to its end.
    """
    today, owner = timezone.localdate(), owner or worker_name()
    if not _claim(today, owner):
        return False
    pruned, purged = _so_far(today)
    renewed = began = time.monotonic()
    for steps in (prune(pruned), purge(purged)):
        chunk = time.monotonic()
        for _ in steps:
            if stopped():
                _mine(today, owner).update(lease_until=None, report=_report(pruned, purged))
                return False
            renewed = _renew(today, owner, renewed, _report(pruned, purged))
            if not renewed:
                return False
            time.sleep(min(time.monotonic() - chunk, REST))
            chunk = time.monotonic()
    report, now = _report(pruned, purged), clock(alias()).now()
    _mine(today, owner).update(finished_at=now, lease_until=None, report=report)
    rows_of(CleanUp).filter(night__lt=today - KEPT).delete()
    logger.info("Cleaned up in %.1f s: %s", time.monotonic() - began, report)
    return True


def _claim(today: date, owner: str) -> bool:
    """Take this night, unless it is done or another live worker has it."""
    now = clock(alias()).now()
    nights = rows_of(CleanUp)
    if nights.filter(night=today).filter(finished_at__isnull=False).exists():
        return False
    nights.bulk_create([CleanUp(night=today)], ignore_conflicts=True)
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    open_ = nights.filter(free, night=today, finished_at=None)
    began = Coalesce("started_at", Value(now, output_field=DateTimeField()))
    return bool(open_.update(owner=owner, lease_until=now + LEASE, started_at=began))


def _so_far(today: date) -> tuple[Pruned, Counter[str]]:
    """What was done this night by those who did not come to its end."""
    done: dict[str, Any] = rows_of(CleanUp).values_list("report", flat=True).get(night=today)
    counts = {each.name: done.get(each.name, 0) for each in fields(Pruned)}
    return Pruned(**counts), Counter(done.get("purged", {}))


def _report(pruned: Pruned, purged: Counter[str]) -> dict[str, Any]:
    return {**asdict(pruned), "purged": dict(purged)}


def _renew(today: date, owner: str, renewed: float, report: dict[str, Any]) -> float:
    """When the lease was renewed last; 0 when it is ours no more."""
    if time.monotonic() - renewed < RENEWED:
        return renewed
    until = clock(alias()).now() + LEASE
    ours = _mine(today, owner).update(lease_until=until, report=report)
    return time.monotonic() if ours else 0.0


def _mine(today: date, owner: str) -> QuerySet[CleanUp]:
    return rows_of(CleanUp).filter(night=today, owner=owner, finished_at=None)


def night() -> date | None:
    """The day whose clean-up should have begun by now; ``None`` before that, or when it is off."""
    begins = push_settings.CLEAN_UP_AT and parse_time(push_settings.CLEAN_UP_AT)
    now = timezone.localtime()
    return now.date() if begins and now.time() >= begins else None


class NightWatch:
    """One process's part: looks at the clock, and asks the database once a night."""

    def __init__(self) -> None:
        self._look_at = time.monotonic() + _some_time()
        self._done: date | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def is_due(self) -> bool:
        """Whether this process should try now. Costs nothing and asks nobody."""
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + _some_time()
        today = night()
        return today is not None and today != self._done

    def look(self) -> None:
        """Clean up in a thread when it is time: whoever calls this has devices to send to."""
        if self.is_due() and not (self._thread and self._thread.is_alive()):
            self._thread = threading.Thread(target=self._run, name="push-clean-up", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop after the chunk that is being done."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        today = night()
        try:
            clean_up(stopped=self._stop.is_set)
            if rows_of(CleanUp).filter(night=today, finished_at__isnull=False).exists():
                self._done = today
        except Exception:
            logger.exception("The nightly clean-up failed; it is tried again later")
            close_old_connections()
        finally:
            connections.close_all()  # this thread's own


def _some_time() -> float:
    return random.uniform(LOOK / 2, LOOK)  # noqa: S311  (spread, not a secret)
