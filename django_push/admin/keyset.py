"""Lists of tables that may hold millions of rows: newest first, and never counted.

A page looks back from a primary key through windows that grow, until it is full, the table is at
its end, or its time is up: then it says how far it came, and a link goes on from there. So each
page has its longest time whatever is filtered by, without an index for everything.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.admin.views import main
from django.core.paginator import Paginator
from django.db.models import Max, Min, Q, QuerySet
from django.http import HttpRequest

from .visibility import row_id

__all__ = ["KeysetChangeList", "Look", "MoreThan", "Slices", "look"]

BEFORE = "before"
"""Name in an address: the page begins behind the row with this primary key."""
WINDOW = 20_000
"""Primary keys that the first look spans; each further one twice as many, while that is quick."""
QUICK = 0.02
"""Seconds of a look after which the next one spans twice as many keys."""
SECONDS = 0.12
"""After so long no further look begins."""


class MoreThan(int):
    """One more than the rows that are known, since there are others: 51, shown as ``50+``."""

    def __str__(self) -> str:
        return f"{int(self) - 1}+"

    def __format__(self, spec: str) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Slices:
    """How a list may be read by indexes."""

    parts: Sequence[Q] = (Q(),)
    """Conditions of which each row fulfils exactly one: one query each, for what an index serves
    only by its first columns."""
    is_exact: bool = False
    """Whether all their rows are wanted: then one look is enough, however far it goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One page of rows."""

    rows: list[Any]
    older_than: int | None
    """Where the next page begins; ``None``: there is nothing older."""
    is_full: bool
    """Whether it ended because the page is full, and not because its time was up."""

    @property
    def count(self) -> int:
        return len(self.rows) if self.older_than is None else MoreThan(len(self.rows) + 1)


def look(
    rows: QuerySet[Any], size: int, before: int | None = None, slices: Slices | None = None
) -> Look:
    """The newest ``size`` of ``rows`` older than ``before`` (a primary key)."""
    began = time.monotonic()
    until = began + SECONDS
    slices = slices or Slices()
    oldest, top = _ends(rows, before)
    window, found = top if slices.is_exact else WINDOW, list[Any]()
    while top > oldest and len(found) <= size:
        bottom = max(top - window, oldest)
        inside = rows.filter(pk__gte=bottom, pk__lt=top).order_by("-pk")
        missing = size + 1 - len(found)
        piece = [row for part in slices.parts for row in inside.filter(part)[:missing]]
        found += sorted(piece, key=lambda row: row.pk, reverse=True)
        now = time.monotonic()
        window *= 2 if now - began < QUICK else 1
        top, began = bottom, now
        if now >= until:
            break
    if len(found) > size:
        return Look(rows=found[:size], older_than=found[size - 1].pk, is_full=True)
    return Look(rows=found, older_than=top if top > oldest else None, is_full=False)


def _ends(rows: QuerySet[Any], before: int | None) -> tuple[int, int]:
    """The oldest primary key of the table, and the one behind the newest that is asked for."""
    table = rows.model._base_manager.using(rows.db)
    oldest: int = table.aggregate(oldest=Min("pk"))["oldest"] or 0
    newest: int = table.aggregate(newest=Max("pk"))["newest"] or 0
    return oldest, newest + 1 if before is None else min(before, newest + 1)


class KeysetChangeList(main.ChangeList):
    """Pages by ``?before=``; orders and page numbers that an address asks for mean nothing."""

    seen: Look
    before: int | None

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        self.before = row_id(self.params.pop(BEFORE, "") or request.GET.get(BEFORE, ""))
        return super().get_queryset(request, exclude_parameters)

    def get_filters_params(self, params: Any = None) -> Any:
        found = super().get_filters_params(params)
        found.pop(BEFORE, None)
        return found

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        return super().get_query_string(new_params, [*(remove or []), BEFORE])

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return ["-pk"]

    def get_ordering_field_columns(self) -> dict[int, Any]:
        return {}

    def get_results(self, request: HttpRequest) -> None:
        size = self.list_per_page
        self.seen = look(self.queryset, size, self.before, self._slices(request))
        self.result_list = self.seen.rows
        self.result_count = self.seen.count
        # Equal: nothing was asked for, and Django says no “results (Show all)” beside the search.
        is_asked = bool(self.query or self.has_active_filters)
        self.full_result_count = None if is_asked else self.result_count
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = self.multi_page = False
        self.paginator = Paginator(self.result_list, max(size, 1))

    @property
    def older(self) -> str:
        """Address of the next page; empty when there is none."""
        before = self.seen.older_than
        return "" if before is None else self.get_query_string({BEFORE: before})

    @property
    def newest(self) -> str:
        """Address of the first page; empty on it."""
        return "" if self.before is None else self.get_query_string()

    def _slices(self, request: HttpRequest) -> Slices:
        asked = getattr(self.model_admin, "slices", None)
        params = {key: self.params[key] for key in self.params if key not in main.IGNORED_PARAMS}
        found: Slices = asked(request, params) if asked else Slices()
        return replace(found, is_exact=found.is_exact and not self.query)
