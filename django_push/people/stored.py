"""Messages, pushes and segments that name somebody, and what was said to that person alone."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet

from ..conf import alias
from ..hygiene.chunks import delete, locked, rows_of, walk
from ..models import IdempotencyKey, Notification, PushHistory, Segment
from .log import blank_entries
from .person import ERASED, LONG, STORED, Person

__all__ = ["Named", "forget", "naming"]

MODELS: tuple[type[Model], ...] = (Notification, PushHistory, Segment)
_PEOPLE = {"users", "user", "user_key", "userId", "user_id"}
_DEVICES = {"installations", "installationId", "installation_id", "public_id", "deviceToken"}
_EXACT = ("$in", "$eq", "objectId")
"""How a where names rows: one of a list, one, a pointer."""


@dataclass(frozen=True, slots=True)
class Named:
    """A stored row whose audience names somebody."""

    row: Any
    alone: bool
    """Whether it is for nobody else: then its words are about that person too."""


def naming(person: Person, devices: Collection[str]) -> Iterator[Named]:
    """Rows whose audience names the person or a device by one of its ids, ``devices``.

    Reads every audience there is, and nothing else of its row, some 20,000 a second: a search by
    the database would turn the whole JSON into text, once for each id.
    """
    for model in MODELS:
        rows = rows_of(model).filter(application__in=person.applications)
        for pks in walk(rows):
            found = _found_in(rows.filter(pk__range=(pks[0], pks[-1])), person, devices)
            for row in rows_of(model).filter(pk__in=found).order_by("pk"):
                yield Named(row, _is_row_alone(row, person, devices))


def _found_in(rows: QuerySet[Any], person: Person, devices: Collection[str]) -> list[int]:
    columns = ["__".join(STORED[rows.model.__name__])]
    if rows.model is PushHistory:
        columns.append("content__segments")
    return [
        pk
        for pk, *said in rows.values_list("pk", *columns)
        if _without(said, person, devices) != said
    ]


def forget(person: Person, devices: Collection[str]) -> Counter[str]:
    """Take the person out of them; how many rows changed, by model."""
    changed: Counter[str] = Counter()
    for named in naming(person, devices):
        model = type(named.row)
        with transaction.atomic(using=alias()):
            locked(rows_of(model).filter(pk=named.row.pk))
            row = rows_of(model).filter(pk=named.row.pk).first()
            if row is None:
                continue
            _forget_in(row, person, devices)
            if named.alone and model is PushHistory:
                keys = rows_of(IdempotencyKey).filter(history=row.pk)
                delete(IdempotencyKey, list(keys.values_list("pk", flat=True)))
        if named.alone and model is not Segment:
            blank_entries(model, [named.row.pk])
        changed[model.__name__] += 1
    return changed


def _forget_in(row: Any, person: Person, devices: Collection[str]) -> None:
    alone = _is_row_alone(row, person, devices)
    column, *_inside = STORED[type(row).__name__]
    new = _without(_audience(row), person, devices)
    changes: dict[str, Any] = {column: new}
    if _inside:
        segments = _without(_segments(row), person, devices)
        more = {"segments": segments} if segments else {}
        changes = {column: {**row.content, "audience": new, **more}}
    if alone and isinstance(row, PushHistory):
        changes[column]["message"] = {"title": ERASED}
        changes["title"] = ERASED
    elif alone and isinstance(row, Notification):
        blank: dict[str, Any] = {"overrides": {}, "texts": {}, "variables": {}}
        changes |= {"content": {"title": ERASED}, "name": "", **blank}
    rows_of(type(row)).filter(pk=row.pk).update(**changes)


def _audience(row: Any) -> dict[str, Any]:
    value: Any = row
    for position, name in enumerate(STORED[type(row).__name__]):
        value = getattr(value, name) if position == 0 else (value or {}).get(name)
    return value if isinstance(value, dict) else {}


def _segments(row: Any) -> dict[str, Any]:
    """The copies of segments that a push keeps."""
    found = row.content.get("segments") if isinstance(row, PushHistory) else None
    return found if isinstance(found, dict) else {}


def _is_row_alone(row: Any, person: Person, devices: Collection[str]) -> bool:
    """:func:`_is_alone`, or so by each of its segments."""
    audience, copies = _audience(row), _segments(row)
    named = [copies[key]["audience"] for key in audience.get("segments", ()) if key in copies]
    by_segments = bool(named) and all(_is_alone(each, person, devices) for each in named)
    return by_segments or _is_alone(audience, person, devices)


def _is_alone(audience: dict[str, Any], person: Person, devices: Collection[str]) -> bool:
    """Whether an audience reaches this person at the most: one condition that says so is enough."""
    where = audience.get("where")
    asked = {**(where if isinstance(where, dict) else {}), **audience}
    of_user = (_named(asked.get(name)) for name in _PEOPLE)
    of_device = (_named(asked.get(name)) for name in _DEVICES)
    return any(ids and ids <= {person.key} for ids in of_user) or any(
        ids and ids <= set(devices) for ids in of_device
    )


def _named(condition: Any) -> set[str]:
    """The ids that a condition allows; empty when it is another kind of condition."""
    if isinstance(condition, list):
        return {text for item in condition for text in _named(item)}
    if isinstance(condition, dict):
        return _named(next((condition[key] for key in _EXACT if key in condition), None))
    return {str(condition)} if type(condition) in {str, int} else set()


def _without(value: Any, person: Person, devices: Collection[str], where: str = "") -> Any:
    """``value`` with stand-ins for the ids of the person and the devices.

    A short user id, such as 42, is an id only where users stand; elsewhere it is a number.
    """
    if isinstance(value, dict):
        return {
            key: _without(item, person, devices, _place(key, where)) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_without(item, person, devices, where) for item in value]
    is_text = isinstance(value, str)
    if is_text and (value in devices or (len(value) >= LONG and value == person.key)):
        return ERASED
    if where and type(value) in {str, int} and str(value) == person.key:
        return _stand_in(value, where)
    return value


def _place(key: str, where: str) -> str:
    """What stands below ``key``: ids of people, columns of the user model, or neither."""
    if key.startswith("$") or key == "objectId":
        return where
    if key.startswith("user__"):
        return "column"
    return "ids" if key in _PEOPLE else ""


def _stand_in(value: str | int, where: str) -> str | int:
    """Of a kind that the column takes: a push must not fail since somebody was erased."""
    if isinstance(value, int):
        return 0
    if where != "column":
        return ERASED
    try:
        return str(uuid.UUID(int=0)) if uuid.UUID(value) else ERASED
    except ValueError:
        return "0" if value.isdigit() else ERASED
