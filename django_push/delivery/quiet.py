"""Quiet hours, kept when a push is delivered: who is not to be disturbed gets it afterwards.

A device in its quiet hours leaves its batch for a late one that is due when they are over, one for
each such moment: nobody waits for it, and it is counted there alone. If the push expires before,
the device is left out. Hours are looked at whenever a batch is read, so that a retry, a pause or a
backlog wakes nobody up.

Where neither the application nor any device has quiet hours, no query and no column is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from ..clock import clock
from ..conf import alias
from ..models import Application, Installation, PushBatch, QuietHours
from ..quiet import Hours
from ..zones import known_zones
from .ledger import Mark
from .partition import part_of

if TYPE_CHECKING:
    from .run import Run

__all__ = ["OWN_HOURS", "Quiet", "let_sleep", "quiet_in", "quiet_of", "with_columns"]

OWN_HOURS = "own_hours"
"""A column that is no column: the hours of a device, or else those of its user."""


class Quiet:
    """The quiet hours of an application's devices."""

    def __init__(self, application: Application) -> None:
        self._zone, self._default = application.zone, application.quiet_hours
        self._has_own = application.own_quiet_hours
        self._known: dict[tuple[datetime, str, int | None], datetime | None] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """What must be read of each device."""
        return ("time_zone", OWN_HOURS) if self._has_own else ("time_zone",)

    def wakes_at(self, moment: datetime, zone_name: str, own: int | None = None) -> datetime | None:
        """When a device of that zone may be disturbed again; ``None``: at ``moment`` already.

        ``own`` is the span of its own hours, or of its user's. Without a zone that we know, a
        device follows the application's clock.
        """
        asked = (moment, zone_name, own)
        if asked not in self._known:
            hours = self._default if own is None else Hours.unpack(own)
            zone = known_zones().get(zone_name, self._zone)
            self._known[asked] = hours and hours.wakes_at(moment, zone)
        return self._known[asked]


def quiet_in(application: Application, content: Mapping[str, Any]) -> Quiet | None:
    """The quiet hours that a push must keep; ``None``: none, as a transactional one."""
    has_some = application.quiet_hours or application.own_quiet_hours
    return Quiet(application) if has_some and not content.get("transactional") else None


def quiet_of(batch: PushBatch) -> Quiet | None:
    """Those of the devices of a batch."""
    return quiet_in(batch.history.application, batch.history.content)


def with_columns(rows: QuerySet[Installation], columns: tuple[str, ...]) -> QuerySet[Installation]:
    """``rows`` of which ``columns`` can be read."""
    if OWN_HOURS not in columns:
        return rows
    said = QuietHours.objects.using(alias()).values("span")
    own = said.filter(installation=OuterRef("pk"))
    users = said.filter(application=OuterRef("application_id"), user_key=OuterRef("user_key"))
    return rows.annotate(**{OWN_HOURS: Coalesce(Subquery(own[:1]), Subquery(users[:1]))})


def let_sleep(run: Run, rows: list[tuple[Any, ...]], quiet: Quiet) -> list[tuple[Any, ...]]:
    """``rows``, without the columns of ``quiet``, of those that may be disturbed now.

    The others leave for a late batch, or are left out when the push expires before they wake.
    """
    batch, number = run.batch, len(quiet.columns)
    # A batch with a speed limit is read a moment before its slot.
    moment = max(clock(alias()).now(), batch.not_before)
    awake = []
    for row in rows:
        wakes = quiet.wakes_at(moment, *row[-number:])
        if wakes is None:
            awake.append(row[:-number])
        elif run.is_expired(wakes):
            run.leave(row[0], Mark.QUIET_HOURS)
        else:
            run.leave(row[0], Mark.ASLEEP, replace(part_of(batch), wakes_at=wakes))
    return awake
