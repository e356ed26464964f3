"""A where as one condition of Django's ORM, with the same result on every database.

Checks of plain columns are Django's own lookups where an index may serve them. None of the
conditions is ever NULL, so that ``NOT`` means what it says: MongoDB's logic has two values.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Count, F, Func, Model, OuterRef, Q, QuerySet, Subquery
from django.db.models import Exists as ExistsSubquery
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact
from django.db.models.sql.compiler import SQLCompiler

from . import geo
from .fields import Field, Kind
from .json_sql import JsonCheck, looks_of
from .sql import SQL, Texts, fill
from .tree import (
    All,
    AnyOf,
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
    Test,
    Value,
)

__all__ = ["Compiler"]

NEVER = Q(pk__in=[])
ALWAYS = ~NEVER


class Compiler:
    """Makes conditions for one queryset.

    ``scope`` holds for the devices and for the rows that refer to them, such as their
    application. ``trust_claimed``: whether ids of users that nobody proved are seen.
    """

    def __init__(
        self, rows: QuerySet[Any], scope: dict[str, Any], *, trust_claimed: bool = False
    ) -> None:
        self._model: type[Model] = rows.model
        self._scope, self._trust = scope, trust_claimed
        self._vendor = connections[rows.db].vendor

    def condition(self, node: Node, *, alone: bool = True) -> Q:
        """What ``rows`` are to be filtered by."""
        return self._node(node, holds=True, alone=alone)

    def _node(self, node: Node, *, holds: bool, alone: bool) -> Q:
        """``node``, or with ``holds=False`` its opposite: NOT is pushed down to the checks.

        ``alone``: it need only be true for all rows that are found, so a join may serve it.
        """
        match node:
            case Not(item):
                return self._node(item, holds=not holds, alone=alone)
            case All(items):
                return self._several(items, holds, alone, every=holds)
            case AnyOf(items):
                return self._several(items, holds, alone, every=not holds)
        if node.place.field.kind is Kind.CHANNELS:
            return self._channels(node.place.field, node.check, holds, alone)
        found = self._test(node)
        return found if holds else ~found

    def _several(self, items: tuple[Node, ...], holds: bool, alone: bool, *, every: bool) -> Q:
        alone = alone and every
        found = [self._node(item, holds=holds, alone=alone) for item in items]
        total = found[0]
        for one in found[1:]:
            total = total & one if every else total | one
        return total

    def _test(self, test: Test) -> Q:
        """A check of what stands in the device's own row."""
        field, check = test.place.field, test.check
        if field.kind is Kind.JSON:
            return Q(JsonTest(field.column, test.place.keys, check))  # type: ignore[arg-type]
        match check:
            case Exists():
                return self._present(field)
            case Equals(None):
                return ~self._present(field)
            case OneOf(values) if None in values:
                known = OneOf(tuple(value for value in values if value is not None))
                return self._column(field, known) | ~self._present(field)
            case HasSize() | ContainedBy():
                return NEVER if isinstance(check, HasSize) else ALWAYS  # it is no array
        return self._column(field, check)

    def _present(self, field: Field) -> Q:
        match field.kind:
            case Kind.TEXT:
                return Q(TextTest(field.column))
            case Kind.USER:
                return Q(TextTest(field.column)) & self._proved(field)
            case Kind.POINT:
                return Q(**{f"{field.column}__isnull": False, f"{field.second}__isnull": False})
        return Q(**{f"{field.column}__isnull": False})

    def _proved(self, field: Field) -> Q:
        return Q() if self._trust else Q(**{field.proof: True})

    def _column(self, field: Field, check: Any) -> Q:
        """A check that holds only where the field is there."""
        match field.kind:
            case Kind.TEXT:
                return self._text(field.column, check)
            case Kind.USER:
                return self._text(field.column, check) & self._proved(field)
            case Kind.TOKEN:
                return self._token(field, check)
            case Kind.POINT:
                return self._point(field, check)
        return _plain(field, check)

    def _text(self, column: str, check: Any) -> Q:
        match check:
            case Equals(str(value)) if value:
                return self._exactly(Q(**{column: value}), column, check)
            case OneOf(values):
                wanted = [value for value in values if isinstance(value, str) and value]
                if not wanted:
                    return NEVER
                return self._exactly(Q(**{f"{column}__in": wanted}), column, check)
            case Ordered(_, str()) | Matches():
                return Q(TextTest(column, check))
        return NEVER

    def _exactly(self, found: Q, column: str, check: Equals | OneOf) -> Q:
        """MySQL and MariaDB take “a” and “a ” for the same, and some columns “a” and “A”."""
        return found & Q(TextTest(column, check)) if self._vendor == "mysql" else found

    @staticmethod
    def _token(field: Field, check: Any) -> Q:
        digests = field.digests
        match check:
            case Equals(str(value)) if digests:
                return Q(**{f"{field.column}__in": digests(value)})
            case OneOf(values) if digests:
                found = [x for value in values if isinstance(value, str) for x in digests(value)]
                return Q(**{f"{field.column}__in": found})
        return NEVER

    @staticmethod
    def _point(field: Field, check: Any) -> Q:
        match check:
            case Equals(Point(latitude, longitude)):
                return Q(**{field.column: latitude, field.second: longitude})
            case Near():
                return geo.near(field, check)
            case InBox():
                return geo.box(field, check)
            case InPolygon():
                return geo.polygon(field, check)
        return NEVER

    def _channels(self, field: Field, check: Any, holds: bool, alone: bool) -> Q:
        """An array that every device has, perhaps an empty one: a row for each element."""
        match check:
            case Exists():
                return ALWAYS if holds else NEVER
            case HasSize(size):
                return self._channel_count(field, size, holds)
            case ContainedBy(values):
                others = ~self._text(field.column, OneOf(values))
                return self._has_row(field, others, not holds, alone)
        test = self._text(field.column, check)
        return self._has_row(field, test, holds, alone)

    def _has_row(self, field: Field, test: Q, holds: bool, alone: bool) -> Q:
        """Whether a row that passes ``test`` refers to the device.

        A list of ids is what a database can begin with; elsewhere than at the top it would be a
        list that is searched for each device, and a look into the index is the better way.
        """
        relation: Any = self._model._meta.get_field(field.relation)
        rows = relation.related_model._base_manager.filter(test, **self._scope)
        if holds and alone:
            return Q(pk__in=rows.values(relation.field.attname))
        own = ExistsSubquery(rows.filter(**{relation.field.attname: OuterRef("pk")}))
        return Q(own) if holds else ~Q(own)

    def _channel_count(self, field: Field, size: int, holds: bool) -> Q:
        if size == 0:
            return self._has_row(field, Q(), not holds, False)
        relation: Any = self._model._meta.get_field(field.relation)
        rows = relation.related_model._base_manager.filter(
            **self._scope, **{relation.field.attname: OuterRef("pk")}
        )
        counted = rows.order_by().values(relation.field.attname).annotate(number=Count("pk"))
        found = Q(Exact(Coalesce(Subquery(counted.values("number")), 0), size))
        return found if holds else ~found


def _plain(field: Field, check: Any) -> Q:
    """Numbers, flags and dates: values of another type match nothing."""
    match check:
        case Equals(value):
            return Q(**{field.column: value}) if _fits(field, value) else NEVER
        case OneOf(values):
            wanted = [value for value in values if _fits(field, value)]
            return Q(**{f"{field.column}__in": wanted}) if wanted else NEVER
        case Ordered(order, value) if isinstance(value, _ORDERED[field.kind]):
            if field.kind is Kind.WHOLE and not isinstance(value, datetime | str):
                # 1.5 lies between two whole numbers
                up = order in {Order.GTE, Order.LT}
                value = math.ceil(value) if up else math.floor(value)
            return Q(**{f"{field.column}__{order.name.lower()}": value})
    return NEVER


_LARGEST = 2**53

_ORDERED: dict[Kind, Any] = {
    Kind.NUMBER: int | float,
    Kind.WHOLE: int | float,
    Kind.DATE: datetime,
    Kind.FLAG: (),
}


def _fits(field: Field, value: Value) -> bool:
    match field.kind:
        case Kind.FLAG:
            return isinstance(value, bool)
        case Kind.DATE:
            return isinstance(value, datetime)
        case Kind.WHOLE:
            # SQLite refuses to look for what is longer than 64 bits
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool) and abs(value) <= _LARGEST  # type: ignore[arg-type]
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Check(Func):
    """A condition on one column that is written differently in each database."""

    output_field = BooleanField()

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, tuple[Any, ...]]:
        text, parameters = compiler.compile(self.source_expressions[0])
        return self.write(connection.vendor, SQL(text, tuple(parameters)))

    def write(self, vendor: str, column: SQL) -> SQL:
        raise NotImplementedError


class TextTest(_Check):
    """A text that is there and passes ``check``; never NULL."""

    def __init__(self, column: str, check: Any = None) -> None:
        super().__init__(F(column))
        self._wanted = check

    def write(self, vendor: str, column: SQL) -> SQL:
        texts = Texts(vendor)
        words = "({column} IS NOT NULL AND NOT {empty}"
        empty = texts.is_empty(column)
        if self._wanted is None:
            return fill(f"{words})", column=column, empty=empty)
        test = texts.check(column, self._wanted)
        return fill(f"{words} AND {{test}})", column=column, empty=empty, test=test)


class JsonTest(_Check):
    """What is at a path in a JSON column passes ``check``; never NULL."""

    def __init__(self, column: str, keys: tuple[str, ...], check: JsonCheck) -> None:
        super().__init__(F(column))
        self._keys, self._wanted = keys, check

    def write(self, vendor: str, column: SQL) -> SQL:
        return looks_of(vendor).check(column, self._keys, self._wanted)
