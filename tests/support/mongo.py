"""What a where means, said a second time: MongoDB's rules on plain documents, in plain Python.

It knows nothing of the compiler and shares no code with it. A document is a dict as MongoDB would
hold it: dates are datetimes, a place is a pair of degrees, a missing field is a missing key. Only
its regular expressions are Python's own, with ``.`` and ``$`` as MongoDB's option ``s`` has them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

__all__ = ["document_of", "matches"]

MISSING = object()
EARTH_KILOMETRES, EARTH_MILES = 6371.0, 3959.0


def matches(document: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether a document is found by a where."""
    return all(_holds(document, name, wanted) for name, wanted in where.items())


def _holds(document: Mapping[str, Any], name: str, wanted: Any) -> bool:
    if name == "$and":
        return all(matches(document, each) for each in wanted)
    if name == "$or":
        return any(matches(document, each) for each in wanted)
    if name == "$nor":
        return not any(matches(document, each) for each in wanted)
    return _asks(_at(document, name), wanted)


def _at(document: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(document, Mapping) or key not in document:
            return MISSING
        document = document[key]
    return document


def _asks(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, Mapping) or "__type" in wanted:
        return _equals(value, wanted)
    return all(
        _operator(value, name, operand, wanted)
        for name, operand in wanted.items()
        if name != "$options" and not name.startswith("$maxDistance")
    )


def _operator(value: Any, name: str, operand: Any, siblings: Mapping[str, Any]) -> bool:
    negations = {"$ne": "$eq", "$nin": "$in"}
    if name in negations:
        return not _operator(value, negations[name], operand, siblings)
    if name == "$not":
        return not _asks(value, operand)
    if name == "$regex":
        flags = re.DOTALL | (re.IGNORECASE if "i" in siblings.get("$options", "") else 0)
        form = re.compile(_python_pattern(operand), flags)
        return any(isinstance(x, str) and form.search(x) is not None for x in _candidates(value))
    if name == "$nearSphere":
        return _near(value, operand, siblings)
    return _OPERATORS[name](value, operand)


def _candidates(value: Any) -> list[Any]:
    """What a comparison looks at: the elements of an array, or the value."""
    if value is MISSING:
        return []
    return value if isinstance(value, list) else [value]


def _equals(value: Any, wanted: Any) -> bool:
    if wanted is None and value is MISSING:
        return True
    return any(_same(each, _plain(wanted)) for each in _candidates(value))


def _plain(wanted: Any) -> Any:
    """Parse's typed values, as a document holds them."""
    if isinstance(wanted, Mapping) and wanted.get("__type") == "Date":
        return datetime.fromisoformat(wanted["iso"])
    if isinstance(wanted, Mapping) and wanted.get("__type") == "GeoPoint":
        return (wanted["latitude"], wanted["longitude"])
    return wanted


def _bracket(value: Any) -> str:
    """Values of different brackets are neither equal nor in any order."""
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def _same(one: Any, other: Any) -> bool:
    return _bracket(one) == _bracket(other) and bool(one == other)


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(value: Any, wanted: Any) -> bool:
        wanted = _plain(wanted)
        return any(
            _bracket(each) == _bracket(wanted) and holds(_key(each), _key(wanted))
            for each in _candidates(value)
        )

    return test


def _key(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def _near(value: Any, center: Any, siblings: Mapping[str, Any]) -> bool:
    if not isinstance(value, tuple):
        return False
    limits = {
        "$maxDistance": 1.0,
        "$maxDistanceInRadians": 1.0,
        "$maxDistanceInKilometers": EARTH_KILOMETRES,
        "$maxDistanceInMiles": EARTH_MILES,
    }
    far = [siblings[name] / radius for name, radius in limits.items() if name in siblings]
    return not far or _angle(value, _plain(center)) <= far[0]


def _angle(one: tuple[float, float], other: tuple[float, float]) -> float:
    """By the angle between two vectors: another formula than the compiler's."""

    def vector(place: tuple[float, float]) -> tuple[float, float, float]:
        latitude, longitude = map(math.radians, place)
        return (
            math.cos(latitude) * math.cos(longitude),
            math.cos(latitude) * math.sin(longitude),
            math.sin(latitude),
        )

    a, b = vector(one), vector(other)
    cross = (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )
    return math.atan2(math.hypot(*cross), sum(x * y for x, y in zip(a, b, strict=True)))


def _within(value: Any, wanted: Mapping[str, Any]) -> bool:
    if not isinstance(value, tuple):
        return False
    (south, west), (north, east) = map(_plain, wanted["$box"])
    meridians = west <= value[1] <= east if west <= east else not east < value[1] < west
    return south <= value[0] <= north and meridians


def _geo_within(value: Any, wanted: Mapping[str, Any]) -> bool:
    if not isinstance(value, tuple):
        return False
    if "$centerSphere" in wanted:
        (longitude, latitude), radians = wanted["$centerSphere"]
        return _angle(value, (latitude, longitude)) <= radians
    corners, inside = [_plain(corner) for corner in wanted["$polygon"]], False
    for (y, x), (z, w) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (y > value[0]) != (z > value[0]) and value[1] < (w - x) * (value[0] - y) / (z - y) + x:
            inside = not inside
    return inside


def _contained_by(value: Any, wanted: list[Any]) -> bool:
    if not isinstance(value, list):
        return True  # Parse asks MongoDB for "no element that is none of these"
    return all(any(_same(each, _plain(one)) for one in wanted) for each in value)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": _equals,
    "$in": lambda value, wanted: any(_equals(value, each) for each in wanted),
    "$gt": _ordered(lambda a, b: a > b),
    "$gte": _ordered(lambda a, b: a >= b),
    "$lt": _ordered(lambda a, b: a < b),
    "$lte": _ordered(lambda a, b: a <= b),
    "$exists": lambda value, wanted: (value is not MISSING) == wanted,
    "$all": lambda value, wanted: bool(wanted) and all(_equals(value, each) for each in wanted),
    "$size": lambda value, wanted: isinstance(value, list) and len(value) == wanted,
    "$containedBy": _contained_by,
    "$within": _within,
    "$geoWithin": _geo_within,
}


def _python_pattern(source: str) -> str:
    """Python has no ``\\Q…\\E``, and takes ``$`` for a line's end too."""
    quoted = re.sub(r"\\Q(.*?)(\\E|\Z)", lambda m: re.escape(m[1]), source, flags=re.DOTALL)
    return re.sub(r"(?<!\\)\$(?=\||\Z)", r"\\Z", quoted)


def document_of(device: Any, *, trust_claimed: bool = False) -> dict[str, Any]:
    """An installation as Parse would keep it in MongoDB."""
    texts = {
        "objectId": device.public_id,
        "installationId": device.installation_id,
        "deviceType": device.device_type,
        "timeZone": device.time_zone,
        "localeIdentifier": device.locale,
        "appIdentifier": device.app_identifier,
        "appVersion": device.app_version,
        "deviceProfile": device.device_profile,
        "deviceToken": device.address,
        "user": device.user_key if device.user_verified or trust_claimed else "",
    }
    found = {
        **_dated(device.attributes),
        **{name: text for name, text in texts.items() if text},
        "badge": device.badge,
        "valid": device.is_active,
        "channels": device.channels,
        "createdAt": device.created_at,
    }
    if device.latitude is not None and device.longitude is not None:
        found["location"] = (device.latitude, device.longitude)
    return found


def _dated(value: Any) -> Any:
    if isinstance(value, list):
        return [_dated(each) for each in value]
    if isinstance(value, dict):
        if value.get("__type") == "Date":
            return datetime.fromisoformat(value["iso"])
        return {name: _dated(each) for name, each in value.items()}
    return value
