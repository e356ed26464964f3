"""Rows by the chunk: read by windows of the primary key, deleted by raw statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connections, models
from django.db.models import Max, Min, QuerySet

from ..conf import alias

__all__ = ["CHUNK", "delete", "dependents", "locked", "rows_of", "walk"]

CHUNK = 500
"""Rows changed by one transaction, which takes about 0.1 s on a busy machine."""
WINDOW = 10_000
"""Primary keys looked at by one statement, at first."""
WIDEST = 1_000_000

OURS = "django_push"


def rows_of(model: type[models.Model]) -> QuerySet[Any]:
    """All rows of ``model``, on the pipeline's database."""
    return model._base_manager.using(alias())


def walk(rows: QuerySet[Any]) -> Iterator[list[int]]:
    """The primary keys of ``rows``, ascending, at most :data:`CHUNK` at a time.

    By windows of the primary key that widen where little is found: with LIMIT alone the database
    may scan and sort the whole table for each chunk.
    """
    ends = rows_of(rows.model).aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return
    after, last, window = ends["first"] - 1, ends["last"], WINDOW
    while after < last:
        until = min(after + window, last)
        inside = rows.filter(pk__gt=after, pk__lte=until).order_by("pk")
        found = list(inside.values_list("pk", flat=True)[:CHUNK])
        if found:
            yield found
        if len(found) == CHUNK:
            after, window = found[-1], max(WINDOW, window // 4)
        else:
            after = until
            window = min(window * 2, WIDEST) if len(found) < CHUNK // 8 else window


def locked(rows: QuerySet[Any]) -> list[int]:
    """The primary keys of ``rows``, ascending, which nobody else changes until the transaction
    ends. The first statement of one: on SQLite it must begin with a write."""
    if connections[alias()].features.has_select_for_update:
        rows = rows.select_for_update()
    else:
        rows.update(**{rows.model._meta.pk.attname: models.F("pk")})
    return list(rows.order_by("pk").values_list("pk", flat=True))


def delete(model: type[models.Model], pks: Sequence[int]) -> Counter[str]:
    """Delete rows and what hangs on them, children first; how many, by the models' names.

    Ours go by raw statements without signals, other apps' as Django deletes them. What is one
    transaction is for the caller to say; a statement deletes at most :data:`CHUNK` rows. Raises
    ``ProtectedError`` when another app's rows forbid it.
    """
    gone: Counter[str] = Counter()
    if not pks:
        return gone
    for relation in dependents(model):
        field = relation.field
        children = rows_of(field.model).filter(**{f"{field.name}__in": pks})
        if field.model._meta.app_label != OURS:
            _forget_foreign(relation, children)
        elif relation.on_delete is models.SET_NULL:
            children.update(**{field.attname: None})
        elif relation.on_delete is models.CASCADE:
            while chunk := list(children.values_list("pk", flat=True)[:CHUNK]):
                gone += delete(field.model, chunk)
    # Django's own word for a DELETE without collecting: no cascade in Python, no signals.
    gone[model.__name__] += rows_of(model).filter(pk__in=pks)._raw_delete(alias())
    return gone


def dependents(model: type[models.Model]) -> list[Any]:
    """The foreign keys that point at ``model``, and one-to-ones."""
    return [
        relation
        for relation in model._meta.get_fields(include_hidden=True)
        if relation.auto_created and (relation.one_to_many or relation.one_to_one)
    ]


def _forget_foreign(relation: Any, children: QuerySet[Any]) -> None:
    """Rows of the host project that point at ours: as their own field says."""
    if relation.on_delete is models.CASCADE:
        children.delete()
    elif relation.on_delete is models.SET_NULL:
        children.update(**{relation.field.attname: None})
    elif relation.on_delete is models.DO_NOTHING:
        return
    elif children.exists():
        raise models.ProtectedError(
            f"{children.model._meta.label} rows forbid to delete what they point at.",
            set(children[:10]),
        )
