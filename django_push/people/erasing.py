"""Erasing a user: afterwards no row of ours names that person.

It may run while pushes are sent: the ledgers hold numbers of devices, and one that is gone counts
as *erased in the meantime*. Those numbers stay; they lead nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet

from ..conf import alias
from ..hygiene.chunks import CHUNK, delete, locked, rows_of, walk
from ..models import Application, ApplicationAccess, DeliveryFailure, Installation
from ..models.again import again
from .log import delete_entries
from .person import ERASED, STAFF, Person, Table, devices_of, names_of, tables
from .stored import forget, naming

__all__ = ["Erased", "erase_user", "held"]


@dataclass(slots=True)
class Erased:
    """What there was of a person, by model."""

    deleted: Counter[str] = field(default_factory=Counter)
    """Rows that go."""
    rewritten: Counter[str] = field(default_factory=Counter)
    """Rows that stay, with the person taken out."""
    kept: Counter[str] = field(default_factory=Counter)
    """What the person did as staff; the keys are those of :data:`~.person.STAFF`."""

    def __bool__(self) -> bool:
        return bool(self.deleted.total() or self.rewritten.total())


def held(user: AbstractBaseUser | str, applications: Iterable[Application] | None = None) -> Erased:
    """What :func:`erase_user` would find."""
    person = Person.named(user, applications)
    found = Erased()
    for table in tables():
        found.deleted[table.model.__name__] += len(table.keys(person))
    devices = devices_of(person)
    for named in naming(person, names_of(devices)):
        found.rewritten[type(named.row).__name__] += 1
    for pks in walk(_failures(list(devices))):
        found.rewritten[DeliveryFailure.__name__] += len(pks)
    for label, rows in _as_staff(person).items():
        found.kept[label] += rows.count()
    return found


def erase_user(
    user: AbstractBaseUser | str,
    applications: Iterable[Application] | None = None,
    *,
    staff: bool = False,
) -> Erased:
    """Erase a person in ``applications`` (default: all): devices, channels, choices, and their id
    wherever it is stored.

    ``user`` is a user of this project or an id as the apps give it, proved or claimed. With
    ``staff`` also what the person did as staff. Works by chunks: after an interruption call it
    again. Raises :class:`~django_push.exceptions.InvalidRegistration` for what is no id.
    """
    person, done = Person.named(user, applications), Erased()
    devices = devices_of(person)
    # What names devices goes first: after an interruption the devices are still there to ask.
    done.rewritten += forget(person, names_of(devices))
    done.rewritten[DeliveryFailure.__name__] += _forget_failures(list(devices))
    delete_entries(Installation, devices)
    for table in tables():
        done.deleted += _delete(table, person)
    for label, rows in _as_staff(person).items():
        if staff:
            done.deleted[label] += _forget_staff(label, rows)
        else:
            done.kept[label] += rows.count()
    return done


def _delete(table: Table, person: Person) -> Counter[str]:
    done: Counter[str] = Counter()
    for rows in table.of(person):
        while pks := list(rows.values_list("pk", flat=True)[:CHUNK]):
            done += again(alias(), partial(_delete_all, rows.filter(pk__in=pks)))
    return done


def _delete_all(rows: QuerySet[Any]) -> Counter[str]:
    with transaction.atomic(using=alias()):
        return delete(rows.model, locked(rows))


def _failures(devices: Sequence[int]) -> QuerySet[DeliveryFailure]:
    rows: QuerySet[DeliveryFailure] = rows_of(DeliveryFailure)
    return rows.filter(installation__in=devices) if devices else rows.none()


def _forget_failures(devices: Sequence[int]) -> int:
    """A push's report still counts them; whose devices they were is forgotten."""
    failures, count = _failures(devices), 0
    for pks in walk(failures):
        count += failures.filter(pk__in=pks).update(installation=None, detail="")
    return count


def _as_staff(person: Person) -> dict[str, QuerySet[Any]]:
    """What somebody did as staff, in the applications looked at."""
    if person.user is None:
        return {}
    found = {}
    for label in STAFF:
        name, column = label.split(".")
        model = apps.get_model("django_push", name)
        path = "pk" if model is Application else "application"
        rows = rows_of(model).filter(**{f"{path}__in": person.applications})
        by_name = model._meta.get_field(column).get_internal_type() == "CharField"
        value = person.user.get_username() if by_name else person.user.pk
        found[label] = rows.filter(**{column: value})
    return found


def _forget_staff(label: str, rows: QuerySet[Any]) -> int:
    column = label.split(".")[1]
    if rows.model is ApplicationAccess:
        return rows.delete()[0]  # with its signal: losing the last access opens nothing
    if rows.model._meta.get_field(column).null:
        return rows.update(**{column: None})
    return rows.update(**{column: ERASED})
