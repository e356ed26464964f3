"""Switching devices off and on by hand, be it one or a million."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from .conf import alias
from .delivery.rows import hold
from .models import Installation

__all__ = ["Switched", "switch"]

PIECE = 1000
"""Devices that one transaction switches: a worker waits for it that long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """What became of it."""

    first: list[Installation]
    """The first :data:`PIECE` of them, for the log."""
    per_application: Counter[int] = field(default_factory=Counter)
    """How many, by primary key of their application."""
    is_all: bool = True
    """Whether time was enough for all."""

    @property
    def count(self) -> int:
        return self.per_application.total()


def switch(rows: QuerySet[Installation], *, active: bool, seconds: float) -> Switched:
    """Switch ``rows`` off or on, newest first, for about ``seconds`` at the most.

    Those that are so already are no part of it, nor those whose user opted out: only the app opts
    in again. Called again, it goes on with the rest.
    """
    until = time.monotonic() + seconds
    found = Switched(first=[])
    wanted = rows.using(alias()).filter(is_active=not active).select_related(None)
    wanted = wanted.exclude(inactive_reason=Installation.Reason.OPTED_OUT)
    wanted = wanted.only("application_id", "device_type", "address").order_by("-pk")
    last: int | None = None
    while True:
        rest = wanted if last is None else wanted.filter(pk__lt=last)
        piece = list(rest[:PIECE])
        _switch([device.pk for device in piece], active=active)
        found.per_application.update(device.application_id for device in piece)
        found.first.extend(piece if last is None else [])
        if len(piece) < PIECE:
            return found
        last = piece[-1].pk
        if time.monotonic() >= until:
            return Switched(first=found.first, per_application=found.per_application, is_all=False)


def _switch(pks: Sequence[int], *, active: bool) -> None:
    now = timezone.now()
    changes = Installation.on(now) if active else Installation.off(Installation.Reason.STAFF, now)
    with transaction.atomic(using=alias()):
        hold(pks)
        Installation.objects.using(alias()).filter(pk__in=pks).update(**changes)
