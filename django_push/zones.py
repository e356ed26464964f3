"""Wall clocks: when a clock of some time zone shows a certain day and time.

Everything here is about *wall* times, aware of no zone, and the moments (in UTC) at which the
clocks of a zone show them. Where clocks change, two kinds of wall times need a rule: one that a
zone skips is taken as the first moment after the gap, one that it has twice as the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

__all__ = [
    "Zone",
    "fits_every_clock",
    "known_zones",
    "moment_of",
    "offset_name",
    "wall_in",
    "zone_named",
    "zones_of",
]

_NO_ZONES = {"Factory", "localtime", "posixrules"}
"""Names that zone data lists and that say nothing about where a device is."""
_FIXED = (
    *range(-12 * 60, 14 * 60 + 1, 60),
    *(-570, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 765, 825),
)
"""Offsets in minutes of the names that Android uses for a clock without a place, such as
``GMT+05:30``: whole hours, and what else is in use somewhere."""


@cache
def known_zones() -> Mapping[str, tzinfo]:
    """Every name that a device's time zone may have, with what it stands for."""
    places: dict[str, tzinfo] = {
        name: ZoneInfo(name) for name in sorted(available_timezones() - _NO_ZONES)
    }
    fixed = {_fixed_name(minutes): timezone(timedelta(minutes=minutes)) for minutes in _FIXED}
    return {**fixed, **places}


def _fixed_name(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"GMT{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"


def zone_named(name: str) -> tzinfo:
    """The zone of an application or a device; UTC for a name that means nothing."""
    return known_zones().get(name, UTC)


def fits_every_clock(time: datetime) -> bool:
    """Whether ``time`` can be moved to any zone: years at either end of the calendar overflow."""
    return 1970 <= time.year < 9000


def wall_in(moment: datetime, zone: tzinfo) -> datetime:
    """What the clocks of ``zone`` show at ``moment``: a naive datetime."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def moment_of(wall: datetime, zone: tzinfo) -> datetime:
    """When the clocks of ``zone`` show ``wall`` (naive), in UTC."""
    # fold=0 reads a time that comes twice as the first, and one that is skipped by the offset
    # from before the gap: as much too late as the wall time is beyond the gap's beginning.
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if wall_in(moment, zone) == wall.replace(fold=0):
        return moment
    return _end_of_gap(wall, zone, moment)


def _end_of_gap(wall: datetime, zone: tzinfo, after: datetime) -> datetime:
    """The moment of the change between ``after`` and the reading by the offset after the gap."""
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Time zones whose clocks show a wall time at the same moment."""

    due: datetime
    """That moment, in UTC."""
    names: tuple[str, ...]
    """How devices of these zones name them."""
    is_rest: bool = False
    """Whether devices without a zone, or with one that nobody knows, are of these."""


def offset_name(wall: datetime, due: datetime) -> str:
    """``UTC+05:30``: how far the clocks are ahead that show ``wall`` at ``due``."""
    minutes = round((wall.replace(tzinfo=UTC) - due) / timedelta(minutes=1))
    return _fixed_name(minutes).replace("GMT", "UTC")


def zones_of(wall: datetime, own: tzinfo) -> list[Zone]:
    """All zones of the world, by when their clocks show ``wall``, first to last.

    ``own`` is the zone of devices that have none.
    """
    by_moment: dict[datetime, list[str]] = {}
    for name, zone in known_zones().items():
        by_moment.setdefault(moment_of(wall, zone), []).append(name)
    rest = moment_of(wall, own)
    by_moment.setdefault(rest, [])
    return [
        Zone(due=due, names=tuple(names), is_rest=due == rest)
        for due, names in sorted(by_moment.items())
    ]
