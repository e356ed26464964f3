"""The form as it was posted, and the buttons that change it without saving."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from .clauses import as_list
from .rules import ALL, ANY, MOST_ROWS, Group, Place, Row, Rules
from .vocabulary import FIELDS

__all__ = ["ADD", "DROP", "GROUP", "Posted", "name_of"]

PREFIX = "rule"
ADD, DROP, GROUP = "add", "drop", "group"
"""Verbs of the buttons: ``add-2`` a row to group 2, ``drop-2-0`` its first row, ``drop-2`` it."""

_ROW = re.compile(rf"{PREFIX}-([0-9]{{1,3}})-([0-9]{{1,3}})-field")
_GROUP = re.compile(rf"{PREFIX}-([1-9][0-9]{{0,2}})-match")


def name_of(*parts: object) -> str:
    """The name of a control: ``rule-0-1-field``."""
    return "-".join([PREFIX, *map(str, parts)])


class Posted:
    """Rows and groups by the numbers that they have on the page, which may have gaps."""

    def __init__(self, data: QueryDict | Mapping[str, Any]) -> None:
        self._data = data
        self._match = self._matched(name_of("match"))
        found = [_GROUP.fullmatch(name) for name in data]
        self._groups: dict[int, str] = {
            int(each[1]): self._matched(name_of(each[1], "match")) for each in found if each
        }
        self._rows: dict[Place, Row] = {}
        for name in list(data)[: 100 * MOST_ROWS]:
            if each := _ROW.fullmatch(name):
                self._rows[int(each[1]), int(each[2])] = self._row(each[1], each[2])

    def change(self, verb: str) -> Place | None:
        """Do what a button says; the row to go to."""
        verb, *numbers = verb.split("-")
        where = [int(each) for each in numbers if each.isascii() and each.isdigit()]
        if verb == GROUP:
            return self._add_group()
        if verb == ADD and len(where) == 1:
            return self._add_row(where[0])
        if verb == DROP and len(where) == 2:
            self._rows.pop((where[0], where[1]), None)
        elif verb == DROP and len(where) == 1:
            self._drop_group(where[0])
        return None

    def rules(self) -> Rules:
        """In the order of the page, numbered anew."""
        groups = [Group(self._groups[number], self._of(number)) for number in sorted(self._groups)]
        return Rules(self._match, self._of(0), tuple(groups))

    def _add_group(self) -> Place:
        number = max(self._groups, default=0) + 1
        self._groups[number] = ANY
        self._rows[number, 0] = Row()
        return (len(self._groups), 0)

    def _add_row(self, group: int) -> Place | None:
        if group and group not in self._groups:
            return None
        last = max((row for number, row in self._rows if number == group), default=-1)
        self._rows[group, last + 1] = Row()
        place = sorted(self._groups).index(group) + 1 if group else 0
        return (place, len(self._of(group)) - 1)

    def _drop_group(self, number: int) -> None:
        self._groups.pop(number, None)
        self._rows = {place: row for place, row in self._rows.items() if place[0] != number}

    def _of(self, group: int) -> tuple[Row, ...]:
        return tuple(self._rows[place] for place in sorted(self._rows) if place[0] == group)

    def _matched(self, name: str) -> str:
        return ANY if self._data.get(name) == ANY else ALL

    def _row(self, group: str, row: str) -> Row:
        def said(part: str) -> str:
            return str(self._data.get(name_of(group, row, part), "")).strip()

        field = FIELDS.get(said("field"))
        if field is None:
            return Row(field=said("field"))
        name = said(f"op-{field.kind.name}")
        comparison = field.kind.comparison(name)
        takes = comparison.takes if comparison else ""
        value = self._chosen(name_of(group, row, takes)) if takes == "choice" else ""
        return Row(
            field=field.name,
            comparison=name,
            value=value or (said(takes) if takes else ""),
            attribute=said("name") if field.named else "",
        )

    def _chosen(self, name: str) -> str:
        listed = getattr(self._data, "getlist", lambda name: [self._data.get(name, "")])
        return as_list(listed(name))
