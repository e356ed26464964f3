"""Whose an imported device is: proved or claimed, by a rule that the operator can change."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError, ValidationError

from ..models import Installation

__all__ = ["Holder", "UserTable", "Users", "bind"]


class Users(enum.StrEnum):
    """What the source's word about users is worth."""

    PROVED = "proved"
    """It checked them: by logins of this project, or by code of its own server."""
    CLAIMED = "claimed"
    """Any client could write it."""
    NONE = "none"
    """It is not imported."""


class Holder(NamedTuple):
    """The user of a device."""

    pk: Any
    """Of a user of this project; ``None`` when there is none, or when it is only claimed."""
    key: str
    proved: bool


class UserTable:
    """Finds the users of this project that a source means."""

    def __init__(self, trust: Users, lookup: str = "") -> None:
        """``lookup`` names the field (``username``, ``profile__parse_id``) in which this project
        keeps the other system's id of a user; without it, ids are those of this project.

        Raises :class:`django.core.exceptions.FieldError` when users have no such field.
        """
        self.trust = Users(trust)
        self._lookup = lookup or "pk"
        self._users = get_user_model()._default_manager
        try:
            self._users.filter(**{f"{self._lookup}__in": []}).values_list(self._lookup)
        except FieldError:
            raise FieldError(f"Users have no field {lookup!r}.") from None

    def holders(self, keys: Iterable[str]) -> dict[str, Holder]:
        """By the source's key; a user whom nobody knows keeps the source's key."""
        wanted = {key for key in keys if key} if self.trust is not Users.NONE else set()
        proved = self.trust is Users.PROVED
        # A mere claim keeps the key as it is, unless it stands for another of this project.
        known = self._known(wanted) if proved or self._lookup != "pk" else {}
        return {
            key: Holder(known.get(key) if proved else None, str(known.get(key, key)), proved)
            for key in wanted
        }

    def _known(self, keys: set[str]) -> dict[str, object]:
        readable = self._readable(keys)
        found = self._users.filter(**{f"{self._lookup}__in": list(readable)})
        pairs = found.values_list(self._lookup, "pk")
        known = {str(value): pk for value, pk in pairs} if readable else {}
        return {key: known[str(value)] for value, key in readable.items() if str(value) in known}

    def _readable(self, keys: set[str]) -> dict[object, str]:
        """Keys as the field's own values: of a number "007" is another id than 7."""
        if self._lookup != "pk":
            return {key: key for key in keys}
        field = get_user_model()._meta.pk
        readable: dict[object, str] = {}
        for key in keys:
            try:
                value = field.to_python(key)
                field.run_validators(value)  # a number that the column cannot hold
            except (TypeError, ValueError, ValidationError):
                continue
            if str(value) == key:
                readable[value] = key
        return readable


def bind(device: Installation, holder: Holder) -> None:
    """Give the device to its user, as registration does: a claim that differs from what was
    proved unbinds it, and never takes it to a proved user."""
    if device.user_key == holder.key and (device.user_verified or not holder.proved):
        return
    device.user_id = holder.pk
    device.user_key, device.user_verified = holder.key, holder.proved
