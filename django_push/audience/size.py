"""How much an audience may name, together with its segments: as much as one statement holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from ..exceptions import InvalidPush
from .query import compile_audience
from .values import Audience, Exclusion

__all__ = ["MAX_PARAMETERS", "check_size"]

MAX_PARAMETERS = 30_000
"""Parameters of its condition. SQLite takes 32,766 in a statement unless it was built otherwise,
PostgreSQL 65,535 where it binds them itself; the rest of a statement has some too."""
_MOST_EACH = 8
"""Parameters that one value of a ``where`` becomes, at the most: a corner of a polygon."""


def check_size(audience: Audience, installations: QuerySet[Any]) -> None:
    """Refuse an audience, its segments looked up, that ``installations`` cannot be asked for.

    Raises :class:`~django_push.exceptions.InvalidPush`. Compiles only what may be too large.
    """
    if sum(map(_at_most, _parts(audience))) <= MAX_PARAMETERS:
        return
    rows = compile_audience(audience, installations, application_id=0)
    with suppress(EmptyResultSet):
        _sql, parameters = rows.query.get_compiler(using=rows.db).as_sql()
        if len(parameters) > MAX_PARAMETERS:
            text = _(
                "The lists of this audience and its segments hold %(count)d values in all; one "
                "push looks for at most %(limit)d. Subscribe the devices to a channel instead."
            )
            counted = {"count": len(parameters), "limit": MAX_PARAMETERS}
            raise InvalidPush(text % counted, code="too_many_items", field="audience")


def _parts(audience: Audience) -> Iterator[Audience | Exclusion]:
    """It and its segments, and whom each leaves out."""
    named = (audience.definitions[key].audience for key in audience.segment_keys)
    for each in (audience, *named):
        yield each
        if each.exclude is not None:
            yield each.exclude


def _at_most(part: Audience | Exclusion) -> int:
    listed = len(part.channels) + len(part.users) + len(part.installations)
    if isinstance(part, Audience):
        listed += len(part.device_types)
        listed += sum(len(v) if isinstance(v, tuple) else 1 for _name, v in part.lookups)
    asked = _leaves(part.where.source) * _MOST_EACH if part.where is not None else 0
    return listed + asked


def _leaves(value: object) -> int:
    if isinstance(value, Mapping):
        return sum(map(_leaves, value.values()))
    return sum(map(_leaves, value)) if isinstance(value, list | tuple) else 1
