"""The operators of a field: ``{"$gt": 3, "$lt": 9}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from django.utils.translation import gettext as _

from .fields import Kind, Place
from .geo import OPTIONS as DISTANCES
from .geo import read_geo_within, read_near, read_within
from .limits import Budget
from .pattern import read_pattern
from .refusal import refused, shown
from .tree import (
    All,
    ContainedBy,
    Equals,
    Exists,
    HasSize,
    InPolygon,
    Matches,
    Node,
    Not,
    OneOf,
    Order,
    Ordered,
    Pointer,
    Test,
    Value,
)
from .values import read_value

__all__ = ["OPERATORS", "read_operators"]


class Operand:
    """An operator of one field, with its value and with its options."""

    def __init__(
        self, place: Place, name: str, siblings: Mapping[str, Any], at: str, budget: Budget
    ) -> None:
        self.place, self.name, self.siblings = place, name, siblings
        self.field_at, self.at, self._budget = at, f"{at}.{name}", budget
        self.raw = siblings[name]

    def value(self) -> Value:
        return read_value(self.place, self.raw, self.at, self._budget)

    def values(self) -> tuple[Value, ...]:
        if not isinstance(self.raw, Sequence) or isinstance(self.raw, str):
            raise refused(_("%s takes a list.") % self.name, code="wrong_type", at=self.at)
        self._budget.values(len(self.raw), self.at)
        read = [read_value(self.place, each, self.at, self._budget) for each in self.raw]
        self.ask_more(len({each.class_name for each in read if isinstance(each, Pointer)}))
        return tuple(read)

    def ask_more(self, conditions: int) -> None:
        """Count the conditions of which this one is made, after the first."""
        for _number in range(conditions - 1):
            self._budget.test(self.at)

    def has_corners(self, count: int) -> None:
        self._budget.corners(count, self.at)

    def has_pattern(self, pattern: str) -> None:
        self._budget.pattern(pattern, self.at)

    def test(self, check: Any) -> Node:
        return Test(self.place, check)


def read_operators(place: Place, value: Mapping[str, Any], at: str, budget: Budget) -> list[Node]:
    """All that ``value`` asks of the field at ``place``."""
    items = []
    for name in value:
        if name in _OPTION_OF:
            _check_option(name, value, at)
            continue
        budget.test(at)
        _check_operator(place, name, at)
        items.append(OPERATORS[name](Operand(place, name, value, at, budget)))
    return items


def _check_operator(place: Place, name: object, at: str) -> None:
    if name not in OPERATORS:
        known = ", ".join(sorted([*OPERATORS, "$not"]))
        text = _("There is no operator “%(name)s”. There are: %(known)s.")
        words = {"name": shown(name), "known": known}
        raise refused(text % words, code="unknown_operator", at=f"{at}.{shown(name)}")
    kind = place.field.kind
    if name not in _ONLY.get(kind, OPERATORS) or (name in _GEO and kind is not Kind.POINT):
        known = ", ".join(sorted(_ONLY.get(kind, set(OPERATORS) - _GEO)))
        text = _("“%(field)s” cannot be asked %(name)s. It can be asked: %(known)s.")
        words = {"field": shown(place), "name": str(name), "known": known}
        raise refused(text % words, code="operator_not_allowed", at=f"{at}.{name}")


def _check_option(name: str, value: Mapping[str, Any], at: str) -> None:
    if _OPTION_OF[name] not in value:
        text = _("%(option)s belongs to %(operator)s, which is not here.")
        words = {"option": name, "operator": _OPTION_OF[name]}
        raise refused(text % words, code="unknown_operator", at=f"{at}.{name}")


def _ordered(order: Order) -> Callable[[Operand], Node]:
    def read(operand: Operand) -> Node:
        value = operand.value()
        if isinstance(value, bool) or not isinstance(value, str | int | float | datetime):
            text = _("%s compares with a number, a text or a date.")
            raise refused(text % operand.name, code="wrong_type", at=operand.at)
        return operand.test(Ordered(order, value))

    return read


def _all(operand: Operand) -> Node:
    values = operand.values()
    if not values:
        return operand.test(OneOf(()))  # MongoDB: nothing has all of nothing
    operand.ask_more(len(values))
    return All(tuple(operand.test(Equals(value)) for value in values))


def _exists(operand: Operand) -> Node:
    if not isinstance(operand.raw, bool):
        raise refused(_("$exists takes true or false."), code="wrong_type", at=operand.at)
    found = operand.test(Exists())
    return found if operand.raw else Not(found)


def _size(operand: Operand) -> Node:
    if type(operand.raw) is not int or not 0 <= operand.raw <= 1_000_000:
        raise refused(_("$size takes a whole number from 0."), code="wrong_type", at=operand.at)
    return operand.test(HasSize(operand.raw))


def _regex(operand: Operand) -> Node:
    options = operand.siblings.get("$options", "")
    pattern = read_pattern(operand.raw, options, operand.at)
    operand.has_pattern(pattern.source)
    return operand.test(Matches(pattern))


def _geo_within(operand: Operand) -> Node:
    area = read_geo_within(operand.raw, operand.at)
    if isinstance(area, InPolygon):
        operand.has_corners(len(area.points))
    return operand.test(area)


_Read: TypeAlias = Callable[[Operand], Node]

OPERATORS: dict[str, _Read] = {
    "$eq": lambda operand: operand.test(Equals(operand.value())),
    "$ne": lambda operand: Not(operand.test(Equals(operand.value()))),
    "$gt": _ordered(Order.GT),
    "$gte": _ordered(Order.GTE),
    "$lt": _ordered(Order.LT),
    "$lte": _ordered(Order.LTE),
    "$in": lambda operand: operand.test(OneOf(operand.values())),
    "$nin": lambda operand: Not(operand.test(OneOf(operand.values()))),
    "$exists": _exists,
    "$all": _all,
    "$size": _size,
    "$containedBy": lambda operand: operand.test(ContainedBy(operand.values())),
    "$regex": _regex,
    "$nearSphere": lambda o: o.test(read_near(o.raw, o.siblings, o.field_at)),
    "$within": lambda o: o.test(read_within(o.raw, o.at)),
    "$geoWithin": _geo_within,
}

_GEO = frozenset({"$nearSphere", "$within", "$geoWithin"})
_SAME = frozenset({"$eq", "$ne", "$in", "$nin", "$exists"})
_ONLY: dict[Kind, frozenset[str]] = {
    # Neither order nor parts of a token: asking for them letter by letter would tell it.
    Kind.TOKEN: _SAME,
    Kind.POINT: frozenset({"$eq", "$ne", "$exists"}) | _GEO,
}
_OPTION_OF = {"$options": "$regex", **dict.fromkeys(DISTANCES, "$nearSphere")}
