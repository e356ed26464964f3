"""The rows of the pipeline, always on the primary database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import InterfaceError, InternalError, OperationalError, connections
from django.db.models import Case, DateTimeField, F, QuerySet, Value, When
from django.db.models.expressions import RawSQL

from ..conf import alias
from ..models import DeliveryFailure, Installation, PushBatch, PushHistory
from ..models.history import PushBatchQuerySet

__all__ = [
    "PASSING",
    "among",
    "around",
    "batches",
    "failures",
    "fetch",
    "histories",
    "hold",
    "hold_parents",
    "hold_pushes",
    "installations",
    "is_planned",
    "listing",
    "not_before",
    "unlocked",
]

PASSING = (OperationalError, InterfaceError, InternalError)
"""The database is away, or chose us in a deadlock: try again. A row that it will never take
(IntegrityError, DataError) is no reason to: the same statement fails for ever."""

DENSE = 4
"""A batch whose ids span at most so many times their number is read by range: 0.7 µs a device
instead of 0.9, and no list travels to the database."""


def histories() -> QuerySet[PushHistory]:
    return PushHistory.objects.using(alias())


def batches() -> PushBatchQuerySet:
    return PushBatch.objects.using(alias())


def installations() -> QuerySet[Installation]:
    return Installation.objects.using(alias())


def failures() -> QuerySet[DeliveryFailure]:
    return DeliveryFailure.objects.using(alias())


def not_before(now: datetime) -> Case:
    """For batches that are let go: now, or at the moment of their devices' own clocks."""
    sleeps = When(wakes_at__gt=now, then=F("wakes_at"))
    waits = When(due_at__gt=now, then=F("due_at"))
    return Case(sleeps, waits, default=Value(now), output_field=DateTimeField())


R = TypeVar("R", bound=QuerySet[Any, Any])


def unlocked(rows: R) -> R:
    """``rows`` that nobody else holds, locked; all of them where a database cannot tell.

    There the conditional UPDATE alone decides who gets one.
    """
    if connections[alias()].features.has_select_for_update_skip_locked:
        return rows.select_for_update(skip_locked=True)
    return rows


def hold(ids: Iterable[int]) -> None:
    """Lock devices until the transaction ends.

    All in one order, and before the rows of pushes: two that each change devices of several
    batches would else wait for each other, and the database undo one of them.
    """
    wanted = sorted(set(ids))
    if wanted and connections[alias()].features.has_select_for_update:
        list(among(installations(), wanted).order_by("pk").select_for_update().values_list("pk"))


def hold_pushes(pks: Iterable[int]) -> None:
    """Lock pushes until the transaction ends, in one order."""
    wanted = sorted(set(pks))
    if wanted and connections[alias()].features.has_select_for_update:
        list(histories().filter(pk__in=wanted).order_by("pk").select_for_update().values_list("pk"))


def hold_parents(pks: Iterable[int]) -> None:
    """Lock the pushes that are about to get rows of failures and are then updated, on MySQL.

    There a new row locks its push for reading. Two workers that have that lock and want the one
    for writing wait for each other. Elsewhere the two kinds of locks do not meet.
    """
    if connections[alias()].vendor == "mysql":
        hold_pushes(pks)


def is_planned(history: PushHistory) -> bool:
    """Whether all devices of a push are in batches by now, however long ago ``history`` was read.

    Before that a device that changes its place may be found in the new one too.
    """
    if history.planned_at is not None:
        return True
    return histories().filter(pk=history.pk, planned_at__isnull=False).exists()


def fetch(rows: QuerySet[Installation, Any]) -> list[tuple[Any, ...]]:
    """The rows of a ``values_list`` of plain columns, as the driver gives them.

    Django fetches by the hundred and asks each row for converters: 0.40 µs a device, this 0.24.
    """
    try:
        sql, params = rows.query.get_compiler(using=alias()).as_sql()
    except EmptyResultSet:
        return []
    with connections[alias()].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def around(rows: QuerySet[Installation], ids: Sequence[int]) -> QuerySet[Installation]:
    """``rows`` with these primary keys, and perhaps some in between: to read, never to write."""
    if ids[-1] - ids[0] < DENSE * len(ids):
        return rows.filter(pk__range=(ids[0], ids[-1]))
    return among(rows, ids)


def among(rows: QuerySet[Installation], ids: Sequence[int]) -> QuerySet[Installation]:
    """``rows`` with these primary keys, ascending; ``pk__in`` of thousands costs 6 µs each."""
    if ids[-1] - ids[0] + 1 == len(ids):
        return rows.filter(pk__range=(ids[0], ids[-1]))
    source = listing(ids)
    # MariaDB reads the whole table to join it with a list.
    if source is None or connections[alias()].vendor == "mysql":
        return rows.filter(pk__in=list(ids))
    sql, listed = source
    return rows.filter(pk__in=RawSQL(sql, [listed]))  # noqa: S611  (the SQL is listing's own)


def listing(ids: Sequence[int]) -> tuple[str, str] | None:
    """A SELECT of ``ids`` as a column ``id``, and its one parameter.

    ``None`` for a database that has no such thing, or that we do not know.
    """
    numbers = ",".join(map(str, ids))
    match connections[alias()].vendor:
        case "postgresql":
            return "SELECT unnest(%s::bigint[]) AS id", f"{{{numbers}}}"
        case "sqlite":
            return "SELECT value AS id FROM json_each(%s)", f"[{numbers}]"
        case "mysql":
            table = "JSON_TABLE(%s, '$[*]' COLUMNS(id BIGINT PATH '$'))"
            return f"SELECT id FROM {table} AS items", f"[{numbers}]"  # noqa: S608  (constant)
    return None
