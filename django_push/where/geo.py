"""Places on earth: near a point, in a box, in a polygon.

Every condition first says between which latitudes and longitudes it can hold at all, on the plain
columns, so that the trigonometry is done for few.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Case, ExpressionWrapper, F, FloatField, IntegerField, Q, Value, When
from django.db.models.functions import Cos, Mod, Power, Radians, Sin
from django.db.models.lookups import LessThan, LessThanOrEqual
from django.utils.translation import gettext as _

from .fields import Field
from .refusal import refused
from .tree import InBox, InPolygon, Near, Point
from .values import read_point

__all__ = ["OPTIONS", "box", "near", "polygon", "read_geo_within", "read_near", "read_within"]

MAX_CORNERS = 100

OPTIONS = {
    # How many of these make one radius of the earth: the figures of Parse Server.
    "$maxDistance": 1.0,
    "$maxDistanceInRadians": 1.0,
    "$maxDistanceInKilometers": 6371.0,
    "$maxDistanceInMiles": 3959.0,
}


def read_near(value: object, siblings: Mapping[str, Any], at: str) -> Near:
    center = read_point(value, f"{at}.$nearSphere")
    limits = [name for name in OPTIONS if name in siblings]
    if len(limits) > 1:
        text = _("There is more than one greatest distance: %s.") % ", ".join(limits)
        raise refused(text, code="contradiction", at=f"{at}.{limits[1]}")
    if not limits:
        return Near(center, None)
    (name,) = limits
    return Near(center, _distance(siblings[name], f"{at}.{name}") / OPTIONS[name])


def _distance(value: object, at: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 1e9:  # type: ignore[operator]
        raise refused(_("A distance is a number from 0."), code="wrong_type", at=at)
    return float(value)  # type: ignore[arg-type]


def read_within(value: object, at: str) -> InBox:
    corners = value.get("$box") if isinstance(value, Mapping) and set(value) == {"$box"} else None
    if not isinstance(corners, Sequence) or isinstance(corners, str) or len(corners) != 2:
        text = _('$within takes {"$box": [south-west, north-east]}.')
        raise refused(text, code="wrong_place", at=at)
    south_west, north_east = (read_point(corner, f"{at}.$box") for corner in corners)
    if south_west.latitude > north_east.latitude:
        text = _("The first corner of a $box is the one in the south-west.")
        raise refused(text, code="wrong_place", at=f"{at}.$box")
    return InBox(south_west, north_east)


def read_geo_within(value: object, at: str) -> Near | InPolygon:
    match value:
        case {"$polygon": corners, **rest} if not rest:
            return _read_polygon(corners, f"{at}.$polygon")
        case {"$centerSphere": [center, radius], **rest} if not rest:
            at = f"{at}.$centerSphere"
            return Near(read_point(center, at), _distance(radius, at))
    text = _('$geoWithin takes {"$polygon": […]} or {"$centerSphere": [place, radians]}.')
    raise refused(text, code="wrong_place", at=at)


def _read_polygon(corners: object, at: str) -> InPolygon:
    if isinstance(corners, Mapping) and corners.get("__type") == "Polygon":
        # Parse's Polygon has [latitude, longitude]
        pairs = corners.get("coordinates")
        corners = [list(reversed(x)) if isinstance(x, list) else x for x in pairs or []]
    if not isinstance(corners, Sequence) or isinstance(corners, str):
        raise refused(_("$polygon takes a list of places."), code="wrong_place", at=at)
    if not 3 <= len(corners) <= MAX_CORNERS:
        text = _("A polygon has 3 to %d corners.") % MAX_CORNERS
        raise refused(text, code="wrong_place", at=at)
    return InPolygon(tuple(read_point(corner, at) for corner in corners))


def near(field: Field, check: Near) -> Q:
    """The haversine formula; ``sin²`` of half the angle grows with the distance."""
    known = _known(field)
    if check.radians is None or check.radians >= math.pi:
        return known
    center, reach = check.center, math.degrees(check.radians) * (1 + 1e-9) + 1e-9
    around = Q(**{f"{field.column}__range": (center.latitude - reach, center.latitude + reach)})
    around &= _meridians(field, center, reach)
    half = _sine_squared(Radians(F(field.column) - Value(center.latitude)) / Value(2.0))
    other = _sine_squared(Radians(F(field.second) - Value(center.longitude)) / Value(2.0))
    scale = Cos(Radians(F(field.column))) * Value(math.cos(math.radians(center.latitude)))
    apart = ExpressionWrapper(half + scale * other, output_field=FloatField())
    limit = Value(math.sin(check.radians / 2) ** 2, output_field=FloatField())
    return known & around & Q(LessThanOrEqual(apart, limit))


def _sine_squared(angle: Any) -> Power:
    return Power(Sin(angle), Value(2.0), output_field=FloatField())


def _meridians(field: Field, center: Point, reach: float) -> Q:
    """Where a circle can be at all; near a pole it goes all the way round."""
    if abs(center.latitude) + reach >= 90:
        return Q()
    width = math.degrees(
        math.asin(min(1.0, math.sin(math.radians(reach)) / math.cos(math.radians(center.latitude))))
    )
    west, east = center.longitude - width - 1e-6, center.longitude + width + 1e-6
    if west < -180:
        return _between(field.second, west + 360, 180) | _between(field.second, -180, east)
    if east > 180:
        return _between(field.second, west, 180) | _between(field.second, -180, east - 360)
    return _between(field.second, west, east)


def box(field: Field, check: InBox) -> Q:
    south_west, north_east = check.south_west, check.north_east
    rows = _between(field.column, south_west.latitude, north_east.latitude)
    west, east = south_west.longitude, north_east.longitude
    if west <= east:
        return _known(field) & rows & _between(field.second, west, east)
    beyond = _between(field.second, west, 180) | _between(field.second, -180, east)
    return _known(field) & rows & beyond


def polygon(field: Field, check: InPolygon) -> Q:
    """Inside is whence a ray to the east crosses the border an odd number of times."""
    corners = check.points
    latitudes = [corner.latitude for corner in corners]
    longitudes = [corner.longitude for corner in corners]
    around = _between(field.column, min(latitudes), max(latitudes))
    around &= _between(field.second, min(longitudes), max(longitudes))
    crossings: list[Any] = [Value(0)]
    for first, second in zip(corners, (*corners[1:], corners[0]), strict=True):
        if first.latitude != second.latitude:
            crossed = When(_crosses(field, first, second), then=Value(1))
            crossings.append(Case(crossed, default=Value(0), output_field=IntegerField()))
    odd = Mod(_sum(crossings), Value(2), output_field=IntegerField())
    return _known(field) & around & Q(LessThan(Value(0), odd))


def _sum(terms: Sequence[Any]) -> Any:
    """Added in halves: one after the other they are brackets deeper than SQLite reads."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return _sum(terms[:half]) + _sum(terms[half:])


def _crosses(field: Field, first: Point, second: Point) -> Q:
    low, high = sorted((first.latitude, second.latitude))
    rows = Q(**{f"{field.column}__gte": low, f"{field.column}__lt": high})
    slope = (second.longitude - first.longitude) / (second.latitude - first.latitude)
    border = ExpressionWrapper(
        Value(slope) * (F(field.column) - Value(first.latitude)) + Value(first.longitude),
        output_field=FloatField(),
    )
    return rows & Q(LessThan(F(field.second), border))


def _known(field: Field) -> Q:
    return Q(**{f"{field.column}__isnull": False, f"{field.second}__isnull": False})


def _between(column: str, low: float, high: float) -> Q:
    return Q(**{f"{column}__gte": low, f"{column}__lte": high})
