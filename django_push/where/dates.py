"""Dates as Parse writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = ["iso", "read_iso", "read_relative"]

_UNITS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "week": 7 * 86_400,
    "year": 365 * 86_400,
}
"""Seconds; as Parse Server has them, so that a year is 365 days."""
_SHORT = {"sec": "second", "min": "minute", "hr": "hour", "d": "day", "wk": "week", "yr": "year"}
_PART = re.compile(r"([0-9]{1,9}) +([a-z]+)")
_RELATIVE = re.compile(rf"(in +)?((?:{_PART.pattern} +)*{_PART.pattern})( +ago)?")


def iso(moment: datetime) -> str:
    """``2027-01-12T08:00:00.000Z``: as every SDK writes it, so that texts sort as times do."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def read_iso(text: object) -> datetime | None:
    """A moment to the millisecond, in UTC; ``None`` for what is none or has no offset."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return None
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def read_relative(text: object, now: datetime) -> datetime | None:
    """``30 days ago``, ``in 1 hour 30 minutes`` or ``now``, as Parse Server's ``$relativeTime``
    has them; ``None`` for anything else."""
    if not isinstance(text, str) or len(text) > 100:
        return None
    said = text.strip().lower()
    if said == "now":
        return now
    found = _RELATIVE.fullmatch(said)
    if found is None or bool(found[1]) == said.endswith(" ago"):
        return None
    seconds = 0
    for number, name in _PART.findall(found[2]):
        unit = (
            name if name in _UNITS else _SHORT.get(name.removesuffix("s"), name.removesuffix("s"))
        )
        if unit not in _UNITS:
            return None
        seconds += int(number) * _UNITS[unit]
    try:
        return now + timedelta(seconds=seconds if found[1] else -seconds)
    except OverflowError:
        return None
