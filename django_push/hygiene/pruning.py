"""Devices: stale ones are switched off, those that are off for long are deleted.

Planning and delivery look at ``is_active`` alone. A device that became stale since the last night
still gets its push: leaving it out at once would mean a column more in every read of every batch,
for at most a day's worth of devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet

from ..clock import clock
from ..conf import alias, push_settings
from ..models import Application, Installation
from ..models.installation import STAYS_OFF
from .chunks import delete, locked, rows_of, walk

__all__ = ["Pruned", "prune", "would_prune"]


@dataclass(slots=True)
class Pruned:
    """What a run did."""

    switched_off: int = 0
    """Devices that were not seen for long."""
    deleted: int = 0
    """Devices that were off for long."""


def prune(
    done: Pruned,
    *,
    stale_days: int | None = None,
    dead_days: int | None = None,
    application: Application | None = None,
) -> Iterator[None]:
    """Switch off what is stale, delete what is dead for long; adds to ``done``.

    A generator that stops after each chunk, so that its caller may rest, or give up: what was done
    is done. Days default to the settings ``STALE_DAYS`` and ``DEAD_DAYS``.
    """
    now = clock(alias()).now()
    rows = _rows(application)
    stale = _stale(rows, now, stale_days)
    for pks in walk(stale):
        done.switched_off += _switch_off(stale, pks, now)
        yield
    for pks in walk(_undated(rows)):
        # Switched off before there was a date, or by somebody's own UPDATE: the time counts now.
        _undated(rows).filter(pk__in=pks).update(inactive_since=F("updated_at"))
        yield
    dead = _dead(rows, now, dead_days)
    for pks in walk(dead):
        done.deleted += _delete(dead, pks)
        yield


def would_prune(
    *,
    stale_days: int | None = None,
    dead_days: int | None = None,
    application: Application | None = None,
) -> Pruned:
    """What :func:`prune` would do now."""
    now, rows = clock(alias()).now(), _rows(application)
    dead = _dead(rows, now, dead_days)
    early = _dead(rows.filter(inactive_since=None), now, dead_days, column="updated_at")
    return Pruned(
        switched_off=_stale(rows, now, stale_days).count(), deleted=dead.count() + early.count()
    )


def _rows(application: Application | None) -> QuerySet[Installation]:
    rows: QuerySet[Installation] = rows_of(Installation)
    return rows if application is None else rows.filter(application=application)


def _stale(rows: QuerySet[Installation], now: datetime, days: int | None) -> QuerySet[Installation]:
    days = push_settings.STALE_DAYS if days is None else days
    if days is None:
        return rows.none()
    return rows.filter(is_active=True, last_seen_at__lt=now - timedelta(days=days))


def _undated(rows: QuerySet[Installation]) -> QuerySet[Installation]:
    return rows.filter(is_active=False, inactive_since=None)


def _dead(
    rows: QuerySet[Installation],
    now: datetime,
    days: int | None,
    column: str = "inactive_since",
) -> QuerySet[Installation]:
    days = push_settings.DEAD_DAYS if days is None else days
    if days is None:
        return rows.none()
    # What stays off when the app registers again is kept: as a new device it would be on.
    long_ago = Q(**{f"{column}__lt": now - timedelta(days=days)})
    return rows.filter(long_ago, is_active=False).exclude(inactive_reason__in=STAYS_OFF)


def _switch_off(stale: QuerySet[Installation], pks: list[int], now: datetime) -> int:
    """Those that are still stale: a device may come back at this very moment."""
    with transaction.atomic(using=alias()):
        mine = locked(stale.filter(pk__in=pks))
        return (
            rows_of(Installation)
            .filter(pk__in=mine)
            .update(**Installation.off(Installation.Reason.STALE, now))
        )


def _delete(dead: QuerySet[Installation], pks: list[int]) -> int:
    with transaction.atomic(using=alias()):
        return delete(Installation, locked(dead.filter(pk__in=pks)))[Installation.__name__]
