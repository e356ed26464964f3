"""Who somebody is to us, and the tables in which that may stand.

A new model with a column ``user_key`` or a foreign key to the user model is found by itself: its
rows are exported and deleted. What is to be treated otherwise is named here, and a test fails for
a column that looks like a person's and is neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db.models import ForeignKey, Model, Q, QuerySet
from django.utils.translation import gettext as _

from ..conf import alias
from ..exceptions import InvalidRegistration
from ..hygiene.chunks import rows_of
from ..models import Application, Installation
from ..strict_json import is_storable

__all__ = [
    "ERASED",
    "LONG",
    "STAFF",
    "STORED",
    "Person",
    "Table",
    "devices_of",
    "names_of",
    "person_applications",
    "tables",
]

ERASED = "[erased]"
"""Stands where somebody's id stood, so that lists keep their length and audiences stay valid."""

STAFF = {
    "Application.owner": "owns an application",
    "ApplicationAccess.user": "works with an application",
    "Notification.created_by": "wrote a message",
    "PushHistory.sent_by": "sent a push",
    "Credential.uploaded_by": "uploaded a credential",
}
"""What somebody did as staff. Who sent what must be accounted for, so it is kept unless asked."""

STORED = {
    "Notification": ("audience",),
    "PushHistory": ("content", "audience"),
    "Segment": ("audience",),
}
"""Models with an audience in a JSON column, and the way to it: the ids in it are replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user of one or more applications, under one id."""

    key: str
    """The user id as apps and servers give it; for users of this project, their primary key."""
    user: AbstractBaseUser | None
    """The user of this project with that primary key."""
    applications: tuple[int, ...]
    """Primary keys of the applications that are looked at."""

    @classmethod
    def named(
        cls, user: AbstractBaseUser | str, applications: Iterable[Application] | None = None
    ) -> Person:
        """The person with this id, in ``applications`` (default: all).

        Raises :class:`~django_push.exceptions.InvalidRegistration` for what is no id.
        """
        key = str(user.pk) if isinstance(user, AbstractBaseUser) else user
        if not 0 < len(key) <= 191 or not is_storable(key):
            raise InvalidRegistration(
                _("A user id is a text of 1 to 191 characters."), code="invalid_user", field="user"
            )
        rows = rows_of(Application).order_by("pk") if applications is None else applications
        found = user if isinstance(user, AbstractBaseUser) else _user_with(key)
        return cls(key=key, user=found, applications=tuple(row.pk for row in rows))


@dataclass(frozen=True, slots=True)
class Table:
    """A model whose rows belong to somebody."""

    model: type[Model]
    application: str
    """Lookup from a row to its application."""
    users: tuple[str, ...]
    """Foreign keys to the user model."""
    has_key: bool
    """Whether it has a column ``user_key``."""

    def of(self, person: Person) -> list[QuerySet[Any]]:
        """The person's rows. Two questions: one with OR would be answered by a scan."""
        rows = rows_of(self.model).filter(**{f"{self.application}__in": person.applications})
        asked = [Q(user_key=person.key)] if self.has_key else []
        if person.user is not None:
            asked += [Q(**{f"{name}_id": person.user.pk}) for name in self.users]
        return [rows.filter(question) for question in asked]

    def keys(self, person: Person) -> list[int]:
        """Primary keys of the person's rows, ascending."""
        return sorted({pk for rows in self.of(person) for pk in rows.values_list("pk", flat=True)})


def tables() -> list[Table]:
    """Every model of ours whose rows belong to somebody."""
    found = []
    for model in apps.get_app_config("django_push").get_models():
        users = tuple(name for name in _user_columns(model) if _label(model, name) not in STAFF)
        has_key = any(field.name == "user_key" for field in model._meta.concrete_fields)
        path = _path_to_application(model)
        if (users or has_key) and path:
            found.append(Table(model, path, users, has_key))
    return found


LONG = 16
"""A text of so many characters is nobody else's by chance: it is looked for in every value."""


def devices_of(person: Person) -> dict[int, Installation]:
    """The person's devices by primary key, with the columns that name them."""
    table = next(table for table in tables() if table.model is Installation)
    names = ("public_id", "installation_id", "address")
    return {row.pk: row for rows in table.of(person) for row in rows.only(*names)}


def names_of(devices: Mapping[int, Installation]) -> set[str]:
    """What devices are called by programs: our id, the app's own, the token."""
    texts = ((row.public_id, row.installation_id, row.address) for row in devices.values())
    return {text for names in texts for text in names if text and len(text) >= LONG}


def person_applications(
    user: AbstractBaseUser | str, applications: Iterable[Application] | None = None
) -> list[Application]:
    """Those of ``applications`` (default: all) that have rows of a person."""
    person = Person.named(user, applications)
    found: set[int] = set()
    for table in tables():
        for rows in table.of(person):
            found.update(rows.values_list(table.application, flat=True).distinct())
    return list(rows_of(Application).filter(pk__in=found).order_by("pk"))


def _label(model: type[Model], column: str) -> str:
    return f"{model.__name__}.{column}"


def _user_columns(model: type[Model]) -> list[str]:
    users = get_user_model()
    fields = model._meta.concrete_fields
    return [f.name for f in fields if isinstance(f, ForeignKey) and f.related_model is users]


def _path_to_application(model: type[Model], seen: frozenset[type[Model]] = frozenset()) -> str:
    """The shortest lookup from ``model`` to its application; empty when there is none."""
    fields = [f for f in model._meta.concrete_fields if isinstance(f, ForeignKey)]
    for field in fields:
        if field.related_model is Application:
            return field.name
    for field in fields:
        target: Any = field.related_model
        ours = target._meta.app_label == "django_push" and target not in seen and not field.null
        if ours and (rest := _path_to_application(target, seen | {model})):
            return f"{field.name}__{rest}"
    return ""


def _user_with(key: str) -> AbstractBaseUser | None:
    users = get_user_model()._default_manager.using(alias())
    try:
        user = users.filter(pk=key).first()
    except (TypeError, ValueError, ValidationError):  # not even of the key's type
        return None
    return user if user is not None and str(user.pk) == key else None
