"""The values that a field is compared with: JSON's own, and Parse's dates, pointers and points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from .dates import read_iso, read_relative
from .fields import Kind, Place
from .limits import Budget
from .refusal import refused, shown
from .tree import Point, Pointer, Value

__all__ = ["read_point", "read_value"]

MAX_WHOLE = 2**53
"""Beyond it a number of JavaScript, and a double in a database, is not exact."""
USER_CLASS = "_User"


def read_value(place: Place, value: object, at: str, budget: Budget) -> Value:
    """A value to compare the field at ``place`` with.

    Raises :class:`~django_push.exceptions.InvalidPush` for what no such field can be compared
    with. A number for a text is none of these: it matches nothing, as in MongoDB.
    """
    read = _typed(value, at) if isinstance(value, Mapping) else _scalar(value, at, budget)
    match place.field.kind:
        case Kind.DATE:
            return _date(place, read, at)
        case Kind.USER:
            return _user(read, at)
        case Kind.POINT:
            return _point(place, read, at)
    if isinstance(read, Point):
        text = _("“%s” holds no place on earth; only “location” does.")
        raise refused(text % shown(place), code="wrong_type", at=at)
    return read


def _scalar(value: object, at: str, budget: Budget) -> str | int | float | bool | None:
    match value:
        case None | bool():
            return value
        case str():
            budget.text(value, at)
            return _clean(value, at)
        case int() if abs(value) <= MAX_WHOLE:
            return value
        case float() if math.isfinite(value):
            return value
        case int() | float():
            text = _("A number must be between −2⁵³ and 2⁵³, or have a fraction.")
            raise refused(text, code="number_too_large", at=at)
        case list() | tuple():
            text = _("An array is not compared as a whole: write $all and $size, or $in.")
            raise refused(text, code="wrong_type", at=at)
    raise refused(_("This is no JSON value."), code="wrong_type", at=at)


def _clean(text: str, at: str) -> str:
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        words = _("Texts must hold neither NUL characters nor halves of surrogate pairs.")
        raise refused(words, code="nul_character", at=at)
    return text


def _typed(value: Mapping[str, Any], at: str) -> datetime | Pointer | Point:
    match value.get("__type"):
        case "Date":
            moment = read_iso(value.get("iso"))
            if moment is None or set(value) != {"__type", "iso"}:
                text = _('A date is {"__type": "Date", "iso": "2027-01-12T08:00:00.000Z"}.')
                raise refused(text, code="wrong_date", at=at)
            return moment
        case "Pointer":
            names = value.get("className"), value.get("objectId")
            if len(value) != 3 or not all(isinstance(x, str) and 0 < len(x) < 192 for x in names):
                text = _('A pointer is {"__type": "Pointer", "className": "…", "objectId": "…"}.')
                raise refused(text, code="wrong_type", at=at)
            return Pointer(_clean(str(names[0]), at), _clean(str(names[1]), at))
        case "GeoPoint":
            return read_point(value, at)
        case None if set(value) == {"$relativeTime"}:
            return _relative(value["$relativeTime"], at)
        case None:
            text = _(
                "An object is not compared as a whole: name its fields with dots, such as "
                "“prefs.lang”."
            )
            raise refused(text, code="wrong_type", at=at)
    text = _("There is no type “%s”. There are: Date, GeoPoint, Pointer.")
    raise refused(text % shown(value["__type"]), code="wrong_type", at=at)


def _relative(text: object, at: str) -> datetime:
    """A moment that moves with the clock: it is another one each time the where is read."""
    moment = read_relative(text, timezone.now())
    if moment is None:
        words = _("$relativeTime is such as “30 days ago”, “in 2 hours” or “now”.")
        raise refused(words, code="wrong_date", at=f"{at}.$relativeTime")
    return moment


def read_point(value: object, at: str) -> Point:
    """``{"__type": "GeoPoint", …}``, or ``[longitude, latitude]`` as MongoDB has it."""
    latitude: Any = None
    longitude: Any = None
    if isinstance(value, list | tuple) and len(value) == 2:
        longitude, latitude = value
    elif isinstance(value, Mapping) and value.get("__type") == "GeoPoint" and len(value) == 3:
        latitude, longitude = value.get("latitude"), value.get("longitude")
    if _within(latitude, 90) and _within(longitude, 180):
        return Point(float(latitude), float(longitude))
    text = _(
        'A place is {"__type": "GeoPoint", "latitude": 47.4, "longitude": 8.5}, from −90 to 90 '
        "and from −180 to 180 degrees."
    )
    raise refused(text, code="wrong_place", at=at)


def _within(degrees: object, limit: int) -> bool:
    is_number = isinstance(degrees, int | float) and not isinstance(degrees, bool)
    return is_number and -limit <= degrees <= limit  # type: ignore[operator]


def _date(place: Place, read: Value, at: str) -> Value:
    moment = read_iso(read) if isinstance(read, str) else read
    if moment is None and read is None:
        return None
    if isinstance(moment, datetime):
        return moment
    text = _(
        "“%s” is a date: compare it with a time that has its offset, such as 2027-01-12T08:00:00Z."
    )
    raise refused(text % place.field.name, code="wrong_date", at=at)


def _user(read: Value, at: str) -> Value:
    if isinstance(read, Pointer):
        if read.class_name != USER_CLASS:
            text = _("A user is a pointer to “%(known)s”, not to “%(name)s”.")
            names = {"known": USER_CLASS, "name": shown(read.class_name)}
            raise refused(text % names, code="wrong_type", at=at)
        return read.object_id
    # Django's ids are numbers, and kept as text
    return str(read) if type(read) is int else read


def _point(place: Place, read: Value, at: str) -> Value:
    if read is None or isinstance(read, Point):
        return read
    text = _("“%s” is a place: ask $nearSphere, $within or $geoWithin.")
    raise refused(text % place.field.name, code="wrong_type", at=at)
