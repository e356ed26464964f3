"""A where, read: a small tree of frozen values. What each check means is MongoDB's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TypeAlias

from .fields import Place
from .pattern import Pattern

__all__ = [
    "All",
    "AnyOf",
    "Check",
    "ContainedBy",
    "Equals",
    "Exists",
    "HasSize",
    "InBox",
    "InPolygon",
    "Matches",
    "Near",
    "Node",
    "Not",
    "OneOf",
    "Order",
    "Ordered",
    "Point",
    "Pointer",
    "Test",
    "Value",
    "places",
]


@dataclass(frozen=True, slots=True)
class Pointer:
    """``{"__type": "Pointer", …}``: a reference to another object."""

    class_name: str
    object_id: str


@dataclass(frozen=True, slots=True)
class Point:
    """Degrees."""

    latitude: float
    longitude: float


Value: TypeAlias = str | int | float | bool | datetime | Pointer | Point | None


class Order(Enum):
    """How two values of one kind may stand."""

    GT = ">"
    GTE = ">="
    LT = "<"
    LTE = "<="


@dataclass(frozen=True, slots=True)
class Equals:
    """The value itself, or an array that holds it. ``None``: null, or no such field."""

    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """:class:`Equals` for any of these."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Ordered:
    """A value of the same kind, or an element of an array, that stands so to ``value``."""

    order: Order
    value: str | int | float | datetime


@dataclass(frozen=True, slots=True)
class Exists:
    """There is such a field, be it null."""


@dataclass(frozen=True, slots=True)
class HasSize:
    """An array of so many elements."""

    size: int


@dataclass(frozen=True, slots=True)
class ContainedBy:
    """No array with an element that is none of these (so also no array at all)."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """A text, or an element of an array, that the pattern fits."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Near:
    """At most so far away over the globe; ``radians`` of the earth's radius, ``None`` any."""

    center: Point
    radians: float | None


@dataclass(frozen=True, slots=True)
class InBox:
    """Between two meridians and two circles of latitude; over the date line if west > east."""

    south_west: Point
    north_east: Point


@dataclass(frozen=True, slots=True)
class InPolygon:
    """Inside, on a flat map."""

    points: tuple[Point, ...]


Check: TypeAlias = (
    Equals | OneOf | Ordered | Exists | HasSize | ContainedBy | Matches | Near | InBox | InPolygon
)


@dataclass(frozen=True, slots=True)
class All:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    item: Node


@dataclass(frozen=True, slots=True)
class Test:
    """One check of one field."""

    place: Place
    check: Check


Node: TypeAlias = All | AnyOf | Not | Test


def places(node: Node) -> Iterator[Place]:
    """The fields that the checks of ``node`` are about."""
    match node:
        case Test(place):
            yield place
        case Not(item):
            yield from places(item)
        case All(items) | AnyOf(items):
            for item in items:
                yield from places(item)
