"""Reading a batch's devices, and saying why those that are not there are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from ..models import Installation, PushBatch, PushHistory
from .ledger import Mark
from .partition import Candidate, Part, rows_of
from .rows import among, fetch, installations

__all__ = ["read", "why_missing"]


def read(
    batch: PushBatch,
    ids: Sequence[int],
    columns: Sequence[str],
    candidates: Sequence[Candidate],
) -> list[tuple[Any, ...]]:
    """The devices among ``ids`` that may be sent to, in id order, as tuples of ``columns``."""
    rows = among(installations(), ids).filter(application_id=batch.history.application_id)
    part = Part(batch.network, batch.device_type, batch.credential_id, batch.provider)
    rows = rows_of(rows, part, candidates)
    found = fetch(_bound(rows.filter(is_active=True), batch.history).values_list(*columns))
    if len(found) > len(ids) or ids[-1] - ids[0] + 1 != len(ids):
        wanted = set(ids)
        found = [row for row in found if row[0] in wanted]
    found.sort()
    return found


def why_missing(batch: PushBatch, missing: Sequence[int]) -> dict[int, Mark]:
    """The reason for each id that :func:`read` did not return. Few, so it may cost a query."""
    rows = among(installations(), missing)
    present = dict(rows.values_list("pk", "is_active"))
    bound = set(_bound(rows, batch.history).values_list("pk", flat=True))
    marks = {}
    for pk in missing:
        if pk not in present:
            marks[pk] = Mark.GONE
        elif pk not in bound:
            marks[pk] = Mark.CHANGED_HANDS
        else:
            marks[pk] = Mark.MOVED if present[pk] else Mark.INACTIVE
    return marks


def _bound(rows: QuerySet[Installation], history: PushHistory) -> QuerySet[Installation]:
    """A push to certain users does not reach a device that has another user since."""
    if "users" not in history.content["audience"]:
        return rows
    return rows.filter(bound_at__lte=history.plan_started_at or history.created_at)
