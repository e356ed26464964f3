"""The whole form as a value, and its translation to a ``where`` and back.

``to_where(from_where(…))`` means the same; ``from_where(to_where(rules))`` *is* the same rules,
row by row. What the form cannot show is ``None``, and stays JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from .clauses import Unwritable
from .vocabulary import ATTRIBUTE_NAME, FIELDS, Comparison, Field, find_field

__all__ = [
    "ALL",
    "ANY",
    "MOST_ROWS",
    "Group",
    "Place",
    "Row",
    "Rules",
    "WrongRules",
    "from_where",
    "to_where",
]

ALL, ANY = "all", "any"
_OPERATORS = {ALL: "$and", ANY: "$or"}
MOST_ROWS = 50
"""In one form. More is JSON, or a channel."""

Place = tuple[int, int]
"""A row: its group (0 for those outside of groups), and its number there."""


@dataclass(frozen=True, slots=True)
class Row:
    """One condition, as it stands in the form."""

    field: str = ""
    comparison: str = ""
    value: str = ""
    attribute: str = ""
    """Which one, where the field is an attribute."""

    @property
    def is_blank(self) -> bool:
        return not self.field

    def parts(self) -> tuple[Field, Comparison]:
        """Raises :class:`~.clauses.Unwritable` for what the vocabulary does not have."""
        field = FIELDS.get(self.field)
        if field is None:
            raise Unwritable(_("Choose what the condition is about."))
        comparison = field.kind.comparison(self.comparison)
        if comparison is None:
            raise Unwritable(_("Choose how to compare."))
        if field.named and not ATTRIBUTE_NAME.fullmatch(self.attribute):
            raise Unwritable(_("Give the name of the attribute, such as plan or address.city."))
        return field, comparison

    def clause(self) -> dict[str, Any]:
        """As a ``where``. Raises :class:`~.clauses.Unwritable`."""
        field, comparison = self.parts()
        return {field.path(self.attribute): comparison.clause.write(self.value)}


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions that stand together: all of them must hold, or any."""

    match: str = ALL
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """A form: conditions, and groups of conditions after them."""

    match: str = ALL
    rows: tuple[Row, ...] = ()
    groups: tuple[Group, ...] = ()

    def places(self) -> Iterator[tuple[Place, Row]]:
        """All rows with where they stand."""
        for number, rows in enumerate([self.rows, *(group.rows for group in self.groups)]):
            for place, row in enumerate(rows):
                yield (number, place), row

    def __len__(self) -> int:
        """Conditions that are begun."""
        return sum(not row.is_blank for _place, row in self.places())


class WrongRules(ValueError):
    """Rows that cannot be meant, by their place."""

    def __init__(self, found: Mapping[Place, str]) -> None:
        super().__init__("; ".join(found.values()))
        self.found = found


def to_where(rules: Rules) -> dict[str, Any]:
    """Rows in which nothing is chosen yet are passed over, and groups that have no others.

    Raises :class:`WrongRules` for rows that are not filled in as they must be.
    """
    clauses: dict[int, list[dict[str, Any]]] = {}
    wrong = {}
    for place, row in rules.places():
        try:
            if not row.is_blank:
                clauses.setdefault(place[0], []).append(row.clause())
        except Unwritable as error:
            wrong[place] = str(error)
    if wrong:
        raise WrongRules(wrong)
    top = clauses.get(0, [])
    groups = [
        {_OPERATORS[group.match]: clauses[number]}
        for number, group in enumerate(rules.groups, start=1)
        if number in clauses
    ]
    if rules.match == ALL and not groups and _distinct(top):
        return {path: value for clause in top for path, value in clause.items()}
    return {_OPERATORS[rules.match]: [*top, *groups]}


def _distinct(clauses: list[dict[str, Any]]) -> bool:
    """Whether one object holds them all: the way people write a ``where``."""
    paths = [path for clause in clauses for path in clause]
    return len(paths) == len(set(paths))


def from_where(where: Any) -> Rules | None:
    """The form that shows ``where``, or ``None`` when none does."""
    try:
        return _read(where)
    except _NotShown:
        return None


class _NotShown(Exception):
    pass


def _read(where: Any) -> Rules:
    match, parts = _parts(where)
    rows: list[Row] = []
    groups: list[Group] = []
    for part in parts:
        if set(part) & {"$and", "$or"}:
            groups.append(_read_group(part))
        else:
            rows += _read_rows(part, match)
    if not 0 < len(rows) + sum(len(group.rows) for group in groups) <= MOST_ROWS:
        raise _NotShown
    return Rules(match, tuple(rows), tuple(groups))


def _read_group(where: dict[str, Any]) -> Group:
    match, parts = _parts(where)
    rows = [row for part in parts for row in _read_rows(part, match)]
    if not rows:
        raise _NotShown
    return Group(match, tuple(rows))


def _parts(where: Any) -> tuple[str, list[dict[str, Any]]]:
    """How the parts of an object hang together, and the parts."""
    if not isinstance(where, dict):
        raise _NotShown
    for match, operator in _OPERATORS.items():
        if set(where) == {operator}:
            parts = where[operator]
            if not isinstance(parts, list) or not all(isinstance(each, dict) for each in parts):
                raise _NotShown
            return match, parts
    return ALL, [{name: value} for name, value in where.items()]


def _read_rows(clause: dict[str, Any], match: str) -> list[Row]:
    """The conditions in an object of fields. Where any may hold, more than one is a group."""
    rows = [_read_row(path, each) for path, value in clause.items() for each in _comparisons(value)]
    if not rows or (match == ANY and len(rows) > 1):
        raise _NotShown
    return rows


def _comparisons(value: Any) -> list[Any]:
    """``{"$gte": 1, "$lt": 5}`` is two conditions."""
    if isinstance(value, dict) and len(value) > 1 and all(name.startswith("$") for name in value):
        return [{name: each} for name, each in value.items()]
    return [value]


def _read_row(path: str, value: Any) -> Row:
    fields, attribute = find_field(path)
    for field in fields:
        for comparison in field.kind.comparisons:
            found = comparison.clause.read(value)
            if found is not None:
                return Row(field.name, comparison.name, found, attribute)
    raise _NotShown
