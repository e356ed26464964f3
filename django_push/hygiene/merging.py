"""Several rows of one device made one, by rules that lose nothing and give nobody's away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Model
from django.utils import timezone

from ..conf import alias
from ..messages import Environment
from ..models import DeliveryFailure, Installation
from ..models.installation import STAYS_OFF
from .chunks import delete, dependents, locked, rows_of

__all__ = ["CLUTTER", "merge"]

CLUTTER = re.compile(r"[<>\s]")
"""What older apps left in a token: it was the description of a data object, ``<a1b2 c3d4>``."""

_FILLED = (
    *("installation_id", "time_zone", "locale", "app_identifier", "app_version"),
    "device_profile",
)
"""Columns taken from an older row where the newest says nothing."""
_WHOSE = ("user_id", "user_key", "user_verified", "bound_at")
_NEVER_BOUND = timedelta(minutes=1)
"""``bound_at`` within that of the row's making: nobody signed in on it or out."""


def merge(pks: Sequence[int], spelling: dict[str, Any] | None = None) -> tuple[str, list[str]]:
    """Make one device of the rows ``pks``; the public id that stays, and those that go.

    The newest stays: switched on before switched off, then last seen, then last made. It gets the
    channels of all, the attributes and details that it lacks, and ``spelling``, columns that are
    to be written anew. Whose it is, is what the newest says; a row on which nobody ever signed in
    or out says nothing, and the next is asked. What staff or the user switched off stays off. Rows
    that point at the others (failures, choices, the host project's) point at it afterwards,
    unless there it has one of its own.
    """
    with transaction.atomic(using=alias()):
        held = locked(rows_of(Installation).filter(pk__in=pks))
        rows = sorted(rows_of(Installation).filter(pk__in=held), key=_age, reverse=True)
        if not rows:
            return "", []
        newest, *others = rows
        for other in others:
            _move_all(other.pk, newest.pk)
        delete(Installation, [other.pk for other in others])
        changes = {**_columns(rows), **(spelling or {}), "updated_at": timezone.now()}
        rows_of(Installation).filter(pk=newest.pk).update(**changes)
    return newest.public_id, [other.public_id for other in others]


def _age(row: Installation) -> tuple[Any, ...]:
    return row.is_active, row.last_seen_at, row.pk


def _columns(rows: Sequence[Installation]) -> dict[str, Any]:
    """What the first of ``rows``, newest first, becomes."""
    newest = rows[0]
    changes: dict[str, Any] = {
        "attributes": {key: v for row in reversed(rows) for key, v in row.attributes.items()},
        "created_at": min(row.created_at for row in rows),
        "registered_at": max(row.registered_at for row in rows),
        "last_seen_at": max(row.last_seen_at for row in rows),
    }
    for name in _FILLED:
        changes[name] = next(filter(None, (getattr(row, name) for row in rows)), None)
        if changes[name] is None:
            changes[name] = getattr(newest, name)
    if newest.environment == Environment.UNKNOWN:
        known = (row.environment for row in rows if row.environment != Environment.UNKNOWN)
        changes["environment"] = next(known, newest.environment)
    if newest.latitude is None:
        placed = next((row for row in rows if row.latitude is not None), newest)
        changes |= {"latitude": placed.latitude, "longitude": placed.longitude}
    off = next((row for row in rows if row.inactive_reason in STAYS_OFF), None)
    if off is not None:
        changes |= {"is_active": False, "inactive_reason": off.inactive_reason}
        changes["inactive_since"] = off.inactive_since
    return changes | _whose(rows)


def _whose(rows: Sequence[Installation]) -> dict[str, Any]:
    """A sign-off that is newer than a binding counts; and a claim never takes what was proved.

    Rows at other addresses are not asked: an installation id is no proof of whose a device is.
    """
    rows = [row for row in rows if _place(row) == _place(rows[0])]
    said = next((row for row in rows if _says_whose(row)), rows[0])
    proofs = (row for row in rows if row.user_verified and row.user_key == said.user_key)
    proof = next(proofs, said)
    return {name: getattr(proof, name) for name in _WHOSE}


def _place(row: Installation) -> str:
    return CLUTTER.sub("", row.address).lower()


def _says_whose(row: Installation) -> bool:
    return bool(row.user_key) or row.bound_at - row.created_at > _NEVER_BOUND


def _move_all(old: int, new: int) -> None:
    for relation in dependents(Installation):
        model, column = relation.field.model, relation.field.attname
        if model is DeliveryFailure:
            # The other may still fail in the same push, and would find its row there already.
            rows = rows_of(model).filter(**{column: old}, history__finished_at=None)
            rows.update(**{column: None})
        _move(model, column, old, new)
        if model is DeliveryFailure:
            # The report still counts those that the other row had of the same push.
            rows_of(model).filter(**{column: old}).update(**{column: None})


def _move(model: type[Model], column: str, old: int, new: int) -> None:
    """Let rows of ``model`` point at ``new``; those that it has already stay behind."""
    rows = rows_of(model).filter(**{column: old})
    try:
        with transaction.atomic(using=alias()):
            rows.update(**{column: new})
        return
    except IntegrityError:
        pass
    for pk in list(rows.values_list("pk", flat=True)):
        try:
            with transaction.atomic(using=alias()):
                rows_of(model).filter(pk=pk).update(**{column: new})
        except IntegrityError:
            continue
