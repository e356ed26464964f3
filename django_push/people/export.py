"""Everything we hold of one person, as JSON: what article 15 of the GDPR lets them ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import CASCADE, ForeignKey, Model

from ..clock import clock
from ..conf import alias
from ..hygiene.chunks import dependents, rows_of
from ..models import Application, Installation, PushHistory, Subscription
from ..traces import pushes_to
from .person import Person, Table, devices_of, names_of, tables
from .stored import naming

__all__ = ["export_user"]

_SHOWN = 8
"""Characters of a token that anybody may see."""
_OURS = {"id", "address_hash"}
"""Columns that say nothing beyond another one."""


def export_user(
    user: AbstractBaseUser | str,
    applications: Iterable[Application] | None = None,
    *,
    whole_tokens: bool = True,
) -> dict[str, Any]:
    """All that is stored of a person in ``applications`` (default: all), ready for ``json``.

    Devices with every column, their channels, what became of each push to them; whatever else is
    kept under that id; messages addressed to them. Other people's ids stay out. Without
    ``whole_tokens`` device tokens are cut to their first characters. Raises
    :class:`~django_push.exceptions.InvalidRegistration` for what is no id.
    """
    person = Person.named(user, applications)
    found: dict[str, Any] = {
        "user": person.key,
        "exported_at": _plain(clock(alias()).now()),
        "devices": [],
    }
    rows = rows_of(Installation).filter(pk__in=list(devices_of(person)))
    owned = list(rows.select_related("application").order_by("pk"))
    found["devices"] = [_device(device, whole_tokens) for device in owned]
    for table in tables():
        if table.model is not Installation:
            found[table.model._meta.model_name or ""] = _rows(table, person)
    names = names_of({device.pk: device for device in owned})
    found["messages"] = [_message(named.row) for named in naming(person, names)]
    return found


def _device(device: Installation, whole_tokens: bool) -> dict[str, Any]:
    columns = _columns(device)
    if not whole_tokens and len(device.address) > _SHOWN:
        columns["address"] = f"{device.address[:_SHOWN]}…"
    return {
        "application": device.application.key,
        **columns,
        "channels": device.channels,
        **_of_device(device),
        "pushes": list(_pushes(device)),
    }


def _of_device(device: Installation) -> dict[str, list[dict[str, Any]]]:
    """Rows that belong to the device alone, by model: its choices, and what may come to be kept."""
    found = {}
    for relation in dependents(Installation):
        model, name = relation.field.model, relation.field.name
        if relation.on_delete is CASCADE and model is not Subscription:
            rows = rows_of(model).filter(**{name: device}).order_by("pk")
            found[model._meta.model_name] = [_columns(row) for row in rows]
    return found


def _pushes(device: Installation) -> Iterator[dict[str, Any]]:
    """What became of each push to a device, newest first."""
    before: int | None = None
    while True:
        page = pushes_to(device, before, limit=200)
        for trace in page.traces:
            yield {
                "push": str(trace.history.public_id),
                "title": trace.history.title,
                "due_at": _plain(trace.history.due_at),
                "outcome": trace.outcome.value,
                "reason": trace.reason,
                "detail": trace.detail,
                "at": _plain(trace.at),
            }
        before = page.older_than
        if before is None:
            return


def _rows(table: Table, person: Person) -> list[dict[str, Any]]:
    return [
        _columns(row)
        for row in rows_of(table.model).filter(pk__in=table.keys(person)).order_by("pk")
    ]


def _message(row: Any) -> dict[str, Any]:
    """What was, or is to be, said to them; not who else it was said to."""
    kind = {"kind": row._meta.model_name, "id": str(row.public_id)}
    if isinstance(row, PushHistory):
        return {**kind, "due_at": _plain(row.due_at), "message": row.content.get("message")}
    content = getattr(row, "content", None)
    return {**kind, "created_at": _plain(row.created_at), "message": content}


def _columns(row: Model) -> dict[str, Any]:
    """Every column of a row by name; what it points at in words."""
    return {
        field.name: str(getattr(row, field.name))
        if isinstance(field, ForeignKey) and getattr(row, field.attname) is not None
        else _plain(getattr(row, field.attname))
        for field in row._meta.concrete_fields
        if field.name not in {*_OURS, "user", "application", "installation"}
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
