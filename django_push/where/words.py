"""A where in plain words, for the console."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .fields import Kind, Place
from .pattern_sql import plain
from .tree import (
    All,
    AnyOf,
    Check,
    ContainedBy,
    Equals,
    Exists,
    HasSize,
    InBox,
    InPolygon,
    Matches,
    Near,
    Node,
    Not,
    OneOf,
    Order,
    Ordered,
    Point,
    Pointer,
    Test,
    Value,
)

__all__ = ["in_words"]

MOST_NAMED = 5
"""Values of a list that are named; the others are counted."""
EARTH = 6371.0
"""Kilometres."""

_ORDERS = {
    Order.GT: gettext_lazy("%(field)s above %(value)s"),
    Order.GTE: gettext_lazy("%(field)s at least %(value)s"),
    Order.LT: gettext_lazy("%(field)s below %(value)s"),
    Order.LTE: gettext_lazy("%(field)s at most %(value)s"),
}
_MOMENTS = {
    Order.GT: gettext_lazy("%(field)s after %(value)s"),
    Order.GTE: gettext_lazy("%(field)s from %(value)s"),
    Order.LT: gettext_lazy("%(field)s before %(value)s"),
    Order.LTE: gettext_lazy("%(field)s until %(value)s"),
}


def in_words(node: Node) -> str:
    """``device type is ios and (badge above 3 or locale is de)``."""
    match node:
        case All(items):
            return _(" and ").join(map(_bracketed, items))
        case AnyOf(items):
            return _(" or ").join(map(_bracketed, items))
        case Not(item):
            return _denied(item)
    return _CHECKS.get(type(node.check), _place_in_words)(node.place, node.check)


def _denied(node: Node) -> str:
    match node:
        case Test(place, Equals(value)) if value is not None:
            return _("%(field)s is not %(value)s") % _of(place, value)
        case Test(place, OneOf(values)):
            return _("%(field)s is none of %(value)s") % _of(place, values)
        case Test(place, Exists()):
            return _("no %s") % place
    return _("not %s") % _bracketed(node)


def _bracketed(node: Node) -> str:
    several = isinstance(node, All | AnyOf) and len(node.items) > 1
    return f"({in_words(node)})" if several else in_words(node)


def _equals(place: Place, check: Equals) -> str:
    if check.value is None:
        return _("no %s") % place
    if place.field.kind is Kind.CHANNELS:
        return _("in the channel %s") % _value(check.value)
    return _("%(field)s is %(value)s") % _of(place, check.value)


def _ordered(place: Place, check: Ordered) -> str:
    words = _MOMENTS if isinstance(check.value, datetime) else _ORDERS
    return words[check.order] % _of(place, check.value)


def _has_size(place: Place, check: HasSize) -> str:
    one = "%(number)d element in %(field)s"
    words = ngettext(one, "%(number)d elements in %(field)s", check.size)
    return words % {"number": check.size, "field": place}


def _matches(place: Place, check: Matches) -> str:
    found = plain(check.pattern)
    if found is None:
        return _("%(field)s fits %(value)s") % {"field": place, "value": check.pattern.source}
    words = _PLAIN[found.at_start, found.at_end]
    return words % {"field": place, "value": f"“{found.text}”"}


_PLAIN = {
    (True, True): gettext_lazy("%(field)s is %(value)s"),
    (True, False): gettext_lazy("%(field)s begins with %(value)s"),
    (False, True): gettext_lazy("%(field)s ends with %(value)s"),
    (False, False): gettext_lazy("%(field)s contains %(value)s"),
}
_CHECKS: dict[type[Check], Callable[[Place, Any], str]] = {
    Equals: _equals,
    OneOf: lambda place, check: _("%(field)s is one of %(value)s") % _of(place, check.values),
    Ordered: _ordered,
    Exists: lambda place, check: _("any %s") % place,
    HasSize: _has_size,
    ContainedBy: lambda place, check: (
        _("nothing in %(field)s but %(value)s") % _of(place, check.values)
    ),
    Matches: _matches,
}


def _place_in_words(place: Place, check: Near | InBox | InPolygon) -> str:
    match check:
        case Near(center, None):
            return _("a known place, near %s") % _value(center)
        case Near(center, float() as radians):
            words = {"far": f"{radians * EARTH:.4g}", "place": _value(center)}
            return _("within %(far)s km of %(place)s") % words
        case InBox(south_west, north_east):
            words = {"first": _value(south_west), "last": _value(north_east)}
            return _("between %(first)s and %(last)s") % words
        case InPolygon(points):
            return _("in an area with %d corners") % len(points)
    raise TypeError(check)


def _of(place: Place, value: Value | tuple[Value, ...]) -> dict[str, str]:
    words = _list(value) if isinstance(value, tuple) else _value(value)
    if place.field.kind is Kind.TOKEN:
        words = _("a certain one")  # a token is a secret
    return {"field": str(place), "value": words}


def _list(values: tuple[Value, ...]) -> str:
    named = [_value(value) for value in values[:MOST_NAMED]]
    more = len(values) - MOST_NAMED
    if more > 0:
        named.append(ngettext("%d more", "%d more", more) % more)
    return ", ".join(named) or _("nothing")


def _value(value: Value) -> str:
    match value:
        case None | bool():
            return {None: _("nothing"), True: _("yes"), False: _("no")}[value]
        case datetime():
            return date_format(value, "DATETIME_FORMAT")
        case Pointer(class_name, object_id):
            return f"{class_name} {object_id}"
        case Point(latitude, longitude):
            return f"{latitude:g}° {longitude:g}°"
    return f"“{value}”" if isinstance(value, str) else str(value)
