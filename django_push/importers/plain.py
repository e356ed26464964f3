"""Values as MongoDB, PostgreSQL and Parse write them, in one form: that of Parse's REST API.

Extended JSON comes in two versions and two modes
(https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/); dates, ids and numbers of
all of them are understood.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

__all__ = ["Unreadable", "moment", "plain", "point", "pointer"]

DEEPEST = 32
"""Levels of nesting, as everywhere in django_push."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unreadable(ValueError):
    """A value that cannot be kept; the text says why."""


def plain(value: object, depth: int = DEEPEST) -> Any:
    """``value`` as JSON with Parse's ``__type`` objects. Raises :class:`Unreadable`."""
    if depth == 0:
        raise Unreadable(_("it is nested deeper than %(deepest)s levels") % {"deepest": DEEPEST})
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return _object(value, depth)
    if isinstance(value, list):
        return [plain(inner, depth - 1) for inner in value]
    if isinstance(value, datetime):
        return _date(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it
    return value


def _text(value: str) -> str:
    if "\x00" in value:
        raise Unreadable(_("a text in it has a NUL character, which PostgreSQL cannot keep"))
    return value


def _object(value: dict[str, Any], depth: int) -> Any:
    key = next(iter(value), "")
    if key in _EXTENDED:
        return _EXTENDED[key](value, depth)
    return {plain(name): plain(inner, depth - 1) for name, inner in value.items()}


def moment(value: object) -> datetime | None:
    """A date in any of their forms, in UTC; ``None`` when there is none.

    Raises :class:`Unreadable` for what is meant as a date and is none.
    """
    if value is None:
        return None
    if isinstance(value, dict):
        return moment(value.get("iso", value.get("$date", value.get("$numberLong"))))
    try:
        found = _in_utc(_moment(value))
    except (ValueError, OverflowError):
        found = None
    if found is None and value != "":
        raise Unreadable(_("“%(value)s” is no date") % {"value": str(value)[:40]})
    return found


def _in_utc(found: datetime | None) -> datetime | None:
    if found is None or found.tzinfo is UTC:
        return found
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _moment(value: object) -> datetime | None:
    if isinstance(value, str):
        if value.lstrip("-").isdecimal():
            return _EPOCH + timedelta(milliseconds=int(value))
        return parse_datetime(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _EPOCH + timedelta(milliseconds=value)
    return value if isinstance(value, datetime) else None


def pointer(value: object) -> str:
    """The id of the object that a pointer means; empty when it means none.

    ``{"__type": "Pointer", "objectId": …}`` of the API, ``_User$id`` of MongoDB, ``{"$id": …}``
    of a reference, or the id itself, as in PostgreSQL.
    """
    if isinstance(value, dict):
        value = value.get("objectId", value.get("$id", ""))
        value = value.get("$oid", "") if isinstance(value, dict) else value
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).rpartition("$")[2]


def point(value: object) -> tuple[float, float] | None:
    """Latitude and longitude of a GeoPoint; ``None`` when it is none.

    MongoDB has ``[longitude, latitude]``, PostgreSQL ``(longitude,latitude)``.
    """
    if isinstance(value, dict):
        pair = [value.get("longitude"), value.get("latitude")]
    elif isinstance(value, str):
        pair = list(value.strip("()").split(","))
    else:
        pair = list(value) if isinstance(value, list) else []
    try:
        longitude, latitude = (float(plain(each)) for each in pair)
    except (TypeError, ValueError):
        return None
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return latitude, longitude


def _date(value: object, depth: int = 0) -> dict[str, str] | None:
    found = moment(value)
    if found is None:
        return None
    text = found.isoformat(timespec="milliseconds").removesuffix("+00:00")
    return {"__type": "Date", "iso": f"{text}Z"}


def _number(value: dict[str, Any], depth: int) -> int | float | None:
    text = next(iter(value.values()))
    try:
        number = float(text)
        if "$numberDouble" in value or "$numberDecimal" in value:
            return number if math.isfinite(number) else None
        return int(text)
    except (TypeError, ValueError, OverflowError):
        raise Unreadable(_("“%(value)s” is no number") % {"value": str(text)[:40]}) from None


def _bytes(value: dict[str, Any], depth: int) -> dict[str, Any]:
    inner = value["$binary"]
    text = inner.get("base64") if isinstance(inner, dict) else inner
    return {"__type": "Bytes", "base64": plain(text, depth - 1)}


def _reference(value: dict[str, Any], depth: int) -> dict[str, Any]:
    name = plain(value["$ref"], depth - 1)
    return {"__type": "Pointer", "className": name, "objectId": pointer(value)}


def _nothing(value: dict[str, Any], depth: int) -> None:
    return None


_EXTENDED: dict[str, Callable[[dict[str, Any], int], Any]] = {
    "$date": _date,
    "$oid": lambda value, depth: plain(value["$oid"], depth - 1),
    "$numberInt": _number,
    "$numberLong": _number,
    "$numberDouble": _number,
    "$numberDecimal": _number,
    "$binary": _bytes,
    "$ref": _reference,
    "$undefined": _nothing,
    "$minKey": _nothing,
    "$maxKey": _nothing,
    "$timestamp": _nothing,
}
