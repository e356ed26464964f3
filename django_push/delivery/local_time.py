"""A push at the devices' own clocks: one wall time, and a moment for each time zone.

Zones whose clocks show the wall time at the same moment are planned together, by one query each
and the first to come first; their batches wait for their moment (``due_at``, ``not_before``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from ..models import Installation, Notification
from ..zones import Zone, known_zones, wall_in, zone_named, zones_of
from .expiry import late

__all__ = ["EARLIEST", "freeze_local", "in_zones", "push_zones", "waits_until", "wall_of"]

EARLIEST = timedelta(hours=26)
"""No clock is further ahead of another: UTC+14 and UTC−12."""


def freeze_local(notification: Notification, due: datetime) -> dict[str, Any]:
    """What the plan and the expiry of each batch need to know, as JSON.

    ``due`` is when the application's own clock shows the wall time.
    """
    ends = notification.expires_at
    return {
        "wall": wall_in(due, notification.application.zone).isoformat(),
        "zone": notification.application.time_zone,
        "time_to_live": notification.time_to_live,
        "expires_at": ends.isoformat() if ends else None,
    }


def wall_of(content: Mapping[str, Any]) -> datetime:
    """What the devices' clocks show when a push at their own clocks arrives."""
    return datetime.fromisoformat(content["local"]["wall"])


def push_zones(content: Mapping[str, Any]) -> list[Zone]:
    """The zones of a push at the devices' own clocks, first to last; none of any other."""
    if "local" not in content:
        return []
    return zones_of(wall_of(content), zone_named(content["local"]["zone"]))


def in_zones(rows: QuerySet[Installation], zones: Iterable[Zone]) -> QuerySet[Installation]:
    """``rows`` whose own clock is one of ``zones``."""
    zones = list(zones)
    names = [name for zone in zones for name in zone.names]
    if not any(zone.is_rest for zone in zones):
        return rows.filter(time_zone__in=names)
    # No zone, or a name that nobody knows: whatever is not the name of another zone.
    others = known_zones().keys() - set(names)
    return rows.exclude(time_zone__in=sorted(others))


def waits_until(zones: list[Zone], rows: QuerySet[Installation], now: datetime) -> datetime | None:
    """When to look again whether ``rows`` are to be planned; ``None``: they are, now.

    Planning waits for the first zone that has devices, not for the first in the world: the
    audience is that of the moment.
    """
    later = [zone.due for zone in zones if zone.due > now]
    if not later:
        return None
    due = [zone for zone in zones if now - late() <= zone.due <= now]
    if due and in_zones(rows, due).exists():
        return None
    return min(later)
