"""What a registration says about a device, checked; and whose it says the device is.

Whose it is, is *proved* (user credentials, a server key) or *claimed* (a client key, or none).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from ..clock import clock
from ..exceptions import InvalidRegistration
from ..messages import DEVICE_TYPES
from ..providers.base import known_providers
from ..strict_json import check_json, is_storable

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.db.models import Field, Manager

    from .installation import Installation

__all__ = ["Owner", "Said", "address_hash", "check_address", "check_channel", "check_device_type"]

_IDENTITY = frozenset(
    (
        *("id", "application_id", "device_type", "provider", "address", "address_hash"),
        *("user_id", "user_key", "user_verified", "bound_at", "updated_at"),
    )
)
"""Columns of a device that no registration may set directly."""


def address_hash(address: str) -> str:
    """SHA-256 of the address in hex: what MySQL can index whatever the length."""
    return hashlib.sha256(address.encode()).hexdigest()


class Owner:
    """Whose device a registration says it is.

    ``user`` is proved by its own credentials; ``user_key`` with ``proved`` comes from a server
    key, without it from a client.
    """

    def __init__(
        self,
        user: AbstractBaseUser | None = None,
        user_key: str = "",
        *,
        proved: bool = False,
    ) -> None:
        self.user = user
        self.user_key = str(user.pk) if user is not None else user_key
        self.proved = proved or user is not None

    @classmethod
    def vouched(cls, user_key: str) -> Owner:
        """The owner that a server key names: a user of this project if one has that key."""
        return cls.vouched_many([user_key])[user_key]

    @classmethod
    def vouched_many(cls, user_keys: Iterable[str]) -> dict[str, Owner]:
        """The same of many, by their keys, in one statement."""
        wanted = dict.fromkeys(user_keys)
        users = get_user_model()._default_manager
        pk = get_user_model()._meta.pk
        possible = {key: value for key in wanted if (value := _as_key(pk, key)) is not None}
        found = users.in_bulk(set(possible.values())) if possible else {}
        # "007" finds user 7 and yet is another id
        known = {str(user.pk): user for user in found.values()}
        return {key: cls(user=known.get(key), user_key=key, proved=True) for key in wanted}

    def __bool__(self) -> bool:
        return bool(self.user_key)


def _as_key(pk: Field[Any, Any], key: str) -> Any:
    """``key`` as a primary key of a user; ``None`` when it is not even of the key's type."""
    try:
        value = pk.to_python(key)
        pk.run_validators(value)
    except (TypeError, ValueError, ValidationError):
        return None
    return value if str(value) == key else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a registration says, in the form in which it is kept."""

    device_type: str
    provider: str
    """The network of the address."""
    address: str
    address_hash: str
    owner: Owner | None
    channels: list[str] | None
    """Sorted; ``None``: as they are."""
    details: dict[str, Any]
    """Other columns, by name."""
    previous_address: str
    """The one that the device had before; empty: it does not say."""
    now: datetime

    @classmethod
    def read(
        cls,
        manager: Manager[Installation],
        *,
        device_type: str,
        address: str,
        provider: str = "",
        owner: Owner | None = None,
        channels: Iterable[str] | None = None,
        **details: Any,
    ) -> Said:
        """Check what a caller says. Raises :class:`~django_push.exceptions.InvalidRegistration`."""
        device_type, provider = check_device_type(device_type, provider)
        address = check_address(provider, _with_kind(address, details))
        previous = details.pop("previous_address", "")
        if previous:
            previous = check_address(provider, _with_kind(previous, dict(details)))
        if owner is not None:
            check_user_key(owner.user_key)
        if "installation_id" in details:
            details["installation_id"] = (details["installation_id"] or "").lower() or None
        return cls(
            device_type=device_type,
            provider=provider,
            address=address,
            address_hash=address_hash(address),
            owner=owner,
            channels=None if channels is None else sorted(set(map(check_channel, channels))),
            details=check_details(manager.model, details),
            previous_address=previous,
            now=clock(manager.db).now(),
        )

    @property
    def app(self) -> str | None:
        """The app's own id of itself."""
        return self.details.get("installation_id")

    @property
    def previous(self) -> str | None:
        """The hash of the address that the device had before."""
        return address_hash(self.previous_address) if self.previous_address else None

    @property
    def hashes(self) -> list[str]:
        """Of all addresses that it names."""
        return [self.address_hash, self.previous] if self.previous else [self.address_hash]

    @property
    def place(self) -> dict[str, str]:
        """The columns that say where the device is reached."""
        return {
            "provider": self.provider,
            "address": self.address,
            "address_hash": self.address_hash,
        }


def check_device_type(device_type: str, provider: str) -> tuple[str, str]:
    """The platform's name as it is kept, and the network of its addresses."""
    device_type = str(device_type).lower()
    if device_type not in DEVICE_TYPES:
        raise InvalidRegistration(
            _("Unknown platform “%(name)s”. Known are: %(known)s.")
            % {"name": device_type, "known": ", ".join(DEVICE_TYPES)},
            code="unknown_platform",
            field="device_type",
        )
    if len(provider) > 32 or not is_storable(provider):
        raise InvalidRegistration(
            _("A network is a text of at most 32 characters."), code="wrong_value", field="provider"
        )
    return device_type, provider or DEVICE_TYPES[device_type]


FID = "fid:"
"""Marks a Firebase installation id, which FCM takes beside device tokens."""


def _with_kind(address: str, details: dict[str, Any]) -> str:
    """The address as stored: a Firebase installation id bears a prefix, and says so."""
    if details.get("address_kind") == "fid" and not str(address).startswith(FID):
        address = f"{FID}{address}"
    if str(address).startswith(FID):
        details["address_kind"] = "fid"
    return address


def check_address(provider: str, address: str) -> str:
    if not isinstance(address, str) or not 0 < len(address) <= 4096 or not is_storable(address):
        raise InvalidRegistration(
            _("The device token must be a text of 1 to 4,096 characters."),
            code="invalid_token",
            field="address",
        )
    for cls in known_providers().values():
        if cls.network == provider:
            return cls.check_address(address)
    return address


def check_channel(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= 191 or not is_storable(name):
        raise InvalidRegistration(
            _("A channel is a text of 1 to 191 characters."),
            code="invalid_channel",
            field="channels",
        )
    return name


def check_user_key(key: str) -> None:
    """Empty: of nobody."""
    if not isinstance(key, str) or len(key) > 191 or not is_storable(key):
        raise InvalidRegistration(
            _("A user id is a text of 1 to 191 characters."), code="invalid_user", field="user"
        )


def check_details(model: type[Installation], details: Mapping[str, Any]) -> dict[str, Any]:
    """The columns as the database takes them: one that it refuses would fail a thousand others."""
    return {name: _check_detail(model, name, value) for name, value in details.items()}


def _check_detail(model: type[Installation], name: str, value: Any) -> Any:
    field: Any = columns(model).get(name)
    if field is None:
        raise InvalidRegistration(
            _("A device has no “%(name)s”. It has: %(known)s.")
            % {"name": name[:64], "known": ", ".join(sorted(columns(model)))},
            code="unknown_field",
            field=name,
        )
    try:
        check_json(value)
        cleaned = field.clean(value, None)
        if isinstance(cleaned, float):
            check_json(cleaned)  # “nan” is one too
    except (OverflowError, TypeError, ValueError, ValidationError) as error:
        words = error.messages[0] if isinstance(error, ValidationError) else str(error)
        raise InvalidRegistration(f"{name}: {words}", code="wrong_value", field=name) from None
    return cleaned


@cache
def columns(model: type[Installation]) -> dict[str, Field[Any, Any]]:
    """What a registration may set, by name."""
    fields = model._meta.concrete_fields
    return {field.attname: field for field in fields if field.attname not in _IDENTITY}
