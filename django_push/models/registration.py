"""Registration: whose device it is, and the one row that a device has.

Whose it is, is *proved* (user credentials, a server key) or *claimed* (a client key, or none).
A claim never takes a device to a user that the device was proved to be of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from ..clock import clock
from ..exceptions import InvalidRegistration
from ..messages import DEVICE_TYPES
from ..providers.base import known_providers

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    from .application import Application
    from .installation import Installation

__all__ = ["InstallationManager", "Owner", "Said", "address_hash", "check_channel"]

TRIES = 3
"""Of one registration that meets others of the same device."""


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
        users = get_user_model()._default_manager
        try:
            user = users.filter(pk=user_key).first()
        except (TypeError, ValueError, ValidationError):  # not even of the key's type
            user = None
        # "007" finds user 7 and yet is another id
        known = user is not None and str(user.pk) == user_key
        return cls(user=user if known else None, user_key=user_key, proved=True)

    def __bool__(self) -> bool:
        return bool(self.user_key)


class Said(NamedTuple):
    """What a registration says beside the address."""

    device_type: str
    owner: Owner | None
    details: dict[str, Any]
    now: datetime


class InstallationManager(models.Manager["Installation"]):
    def register(
        self,
        application: Application,
        *,
        device_type: str,
        address: str,
        provider: str = "",
        owner: Owner | None = None,
        channels: Iterable[str] | None = None,
        **details: Any,
    ) -> Installation:
        """Register a device, or register it again: the same call twice is one row.

        ``provider`` defaults to the network of ``device_type``. ``details`` are columns such as
        ``locale`` or ``time_zone``. A device that comes back under another proved owner moves to
        that owner at once (``bound_at``).

        An app that comes back with a new address under its ``installation_id`` keeps its row;
        whose it is must then be proved again.

        Raises :class:`~django_push.exceptions.InvalidRegistration`.
        """
        device_type, provider = _check_device_type(device_type, provider)
        address = _check_address(provider, _with_kind(address, details))
        if "installation_id" in details:
            details["installation_id"] = (details["installation_id"] or "").lower() or None
        channels = None if channels is None else sorted({check_channel(name) for name in channels})
        said = Said(device_type, owner, details, clock(self.db).now())
        identity = {
            "application": application,
            "provider": provider,
            "address_hash": address_hash(address),
        }
        known = self.filter(**identity).first()
        same_channels = channels is None or (known and known.channels == channels)
        if known and same_channels and not known._take(said):
            return known  # every start of every app comes here: it must not write
        for _try in range(TRIES - 1):
            # Another request may take the address or the installation id in this very moment.
            # The transaction begins anew then: on MariaDB two that failed to insert both hold a
            # shared lock on the row, and would deadlock if they went on to change it.
            with suppress(IntegrityError):
                return self._store(identity, address, channels, said)
        return self._store(identity, address, channels, said)

    def unregister(
        self,
        application: Application,
        *,
        device_type: str,
        address: str,
        provider: str = "",
        owner: Owner | None = None,
    ) -> bool:
        """Switch a device off and unbind it; ``False`` when there was nothing to do.

        Without ``provider`` on whichever network the device is.

        With a proved ``owner`` only that owner's device: who logged out of a phone that somebody
        else uses now must not silence it.
        """
        known, network = _check_device_type(device_type, provider)
        now = clock(self.db).now()
        here = Q(provider=network, address_hash=address_hash(_check_address(network, address)))
        if not provider:
            # An iPhone may be registered with FCM: signing off names no network.
            here |= Q(device_type=known, address_hash=address_hash(address))
        mine = self.filter(here, application=application, is_active=True)
        if owner is not None and owner.proved:
            mine = mine.filter(user_key=owner.user_key)
        changed = mine.update(
            is_active=False,
            inactive_reason=self.model.Reason.UNREGISTERED,
            user=None,
            user_key="",
            user_verified=False,
            bound_at=now,
            updated_at=now,
        )
        return bool(changed)

    def _store(
        self, identity: dict[str, Any], address: str, channels: list[str] | None, said: Said
    ) -> Installation:
        with transaction.atomic(using=self.db):
            row = self._lock(identity)
            former = self._former_life(identity["application"], said, row)
            if row is None and former is not None:
                row = former._move({**identity, "address": address}, said)
            row = row or self._create(identity, address, said)
            row.save(update_fields=[*row._take(said), "updated_at"])
            if channels is not None:
                row.set_channels(channels)
        return row

    def _former_life(
        self, application: Application, said: Said, row: Installation | None
    ) -> Installation | None:
        """The row under the same installation id and another address; retired if ``row`` is."""
        app = said.details.get("installation_id")
        former = app and self._lock({"application": application, "installation_id": app})
        if not former or (row and row.pk == former.pk):
            return None
        if row is not None:
            former._retire()
        return former

    def _lock(self, identity: dict[str, Any]) -> Installation | None:
        """Take the row by writing it: a transaction on SQLite must begin with its write."""
        if self.filter(**identity).update(updated_at=timezone.now()):
            return self.get(**identity)
        return None

    def _create(self, identity: dict[str, Any], address: str, said: Said) -> Installation:
        return self.create(
            **identity,
            address=address,
            device_type=said.device_type,
            bound_at=said.now,
            registered_at=said.now,
            last_seen_at=said.now,
        )


def _check_device_type(device_type: str, provider: str) -> tuple[str, str]:
    device_type = device_type.lower()
    if device_type not in DEVICE_TYPES:
        raise InvalidRegistration(
            _("Unknown platform “%(name)s”. Known are: %(known)s.")
            % {"name": device_type, "known": ", ".join(DEVICE_TYPES)},
            code="unknown_platform",
            field="device_type",
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


def _check_address(provider: str, address: str) -> str:
    if not isinstance(address, str) or not address or len(address) > 4096:
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
    if not isinstance(name, str) or not name or len(name) > 191:
        raise InvalidRegistration(
            _("A channel is a text of 1 to 191 characters."),
            code="invalid_channel",
            field="channels",
        )
    return name
