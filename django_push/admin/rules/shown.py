"""The form as the page draws it, and in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from ..words import PLATFORMS
from .clauses import Unwritable, items
from .posted import ADD, DROP, name_of
from .rules import ANY, Group, Place, Row, Rules
from .vocabulary import ATTRIBUTES, FIELDS, KINDS, Field, Kind

__all__ = ["ShownGroup", "ShownRow", "ShownRules", "in_words"]

_PARTS = ("field", "name", "op", "value", "days", "date", "choice")


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row with the names of its controls. ``group`` and ``number`` are texts: in the template
    for new rows they are placeholders."""

    row: Row
    group: object
    number: object
    error: str = ""
    focus: bool = False

    @property
    def names(self) -> dict[str, str]:
        """Of its controls."""
        return {part: name_of(self.group, self.number, part) for part in _PARTS}

    @property
    def id(self) -> str:
        return f"id_{name_of(self.group, self.number)}"

    @property
    def drop(self) -> str:
        return f"{DROP}-{self.group}-{self.number}"

    @property
    def device_fields(self) -> list[Field]:
        return [field for field in FIELDS.values() if not field.named]

    @property
    def attribute_fields(self) -> tuple[Field, ...]:
        return ATTRIBUTES

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return KINDS

    @property
    def takes(self) -> str:
        """The control that holds its value."""
        try:
            return self.row.parts()[1].takes
        except Unwritable:
            return ""

    @property
    def platforms(self) -> list[tuple[str, str, bool]]:
        """Name, label, whether it is chosen."""
        chosen = items(self.row.value) if self.takes == "choice" else []
        return [(name, str(label), name in chosen) for name, label in PLATFORMS.items()]


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """Rows that stand together. Group 0 is the form itself."""

    number: object
    match: str
    rows: list[ShownRow] = field(default_factory=list)

    @property
    def match_name(self) -> str:
        return name_of(self.number, "match") if self.number else name_of("match")

    @property
    def matches_any(self) -> bool:
        return self.match == ANY

    @property
    def add(self) -> str:
        return f"{ADD}-{self.number}"

    @property
    def drop(self) -> str:
        return f"{DROP}-{self.number}"


class ShownRules:
    """A whole form. ``errors`` and ``focus`` go by place."""

    def __init__(
        self, rules: Rules, errors: Mapping[Place, str] | None = None, focus: Place | None = None
    ) -> None:
        self._errors, self._focus = errors or {}, focus
        self.top = self._group(0, rules.match, rules.rows)
        self.groups = [
            self._group(number, each.match, each.rows)
            for number, each in enumerate(rules.groups, start=1)
        ]

    @property
    def new_row(self) -> ShownRow:
        """What a script copies."""
        return ShownRow(Row(), "__group__", "__row__")

    @property
    def new_group(self) -> ShownGroup:
        return ShownGroup("__group__", ANY)

    def _group(self, number: int, match: str, rows: tuple[Row, ...]) -> ShownGroup:
        shown = [
            ShownRow(
                row,
                number,
                place,
                self._errors.get((number, place), ""),
                self._focus == (number, place),
            )
            for place, row in enumerate(rows)
        ]
        return ShownGroup(number, match, shown)


def in_words(rules: Rules) -> str:
    """“Platform is Android; Last seen in the last 30 days; (Badge is 1 or Badge is 2)”."""
    parts = [_row_in_words(row) for row in rules.rows]
    parts += [_group_in_words(group) for group in rules.groups]
    return (_(" or ") if rules.match == ANY else "; ").join(parts)


def _group_in_words(group: Group) -> str:
    between = _(" or ") if group.match == ANY else _(" and ")
    words = between.join(_row_in_words(row) for row in group.rows)
    return f"({words})" if len(group.rows) > 1 else words


def _row_in_words(row: Row) -> str:
    try:
        about, comparison = row.parts()
    except Unwritable:
        return "…"
    value = row.value
    if comparison.takes == "choice":
        value = _(" or ").join(str(PLATFORMS.get(name, name)) for name in items(value))
    elif comparison.takes == "value":
        value = f"“{value}”"
    label = row.attribute if about.named else about.label
    return " ".join(filter(None, [str(label), comparison.words(value)]))
