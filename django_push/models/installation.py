"""Installations: one app on one device, and whose device it is.

Whose it is, is *proved* (user credentials, a server key) or *claimed* (a client key, or none).
A claim never takes a device to a user that the device was proved to be of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..exceptions import InvalidRegistration
from ..messages import DEVICE_TYPES, Environment
from ..providers.base import known_providers
from .application import Application
from .fields import ExactCharField, public_id

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

__all__ = ["Installation", "Owner", "Subscription", "address_hash"]

SEEN_EVERY = timedelta(hours=1)
"""How often ``last_seen_at`` is written at most: a write storm buys nothing finer."""


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


class _Said(NamedTuple):
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
        channels = None if channels is None else sorted({_check_channel(name) for name in channels})
        said = _Said(device_type, owner, details, timezone.now())
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
        owner: Owner | None = None,
    ) -> bool:
        """Switch a device off and unbind it; ``False`` when there was nothing to do.

        With a proved ``owner`` only that owner's device: who logged out of a phone that somebody
        else uses now must not silence it.
        """
        device_type, provider = _check_device_type(device_type, "")
        now = timezone.now()
        mine = self.filter(
            application=application,
            provider=provider,
            address_hash=address_hash(_check_address(provider, address)),
            is_active=True,
        )
        if owner is not None and owner.proved:
            mine = mine.filter(user_key=owner.user_key)
        changed = mine.update(
            is_active=False,
            inactive_reason=Installation.Reason.UNREGISTERED,
            user=None,
            user_key="",
            user_verified=False,
            bound_at=now,
            updated_at=now,
        )
        return bool(changed)

    def _store(
        self, identity: dict[str, Any], address: str, channels: list[str] | None, said: _Said
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
        self, application: Application, said: _Said, row: Installation | None
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

    def _create(self, identity: dict[str, Any], address: str, said: _Said) -> Installation:
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
            f"Unknown platform {device_type!r}. Known are: {', '.join(DEVICE_TYPES)}.",
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
            "The device token must be a text of 1 to 4,096 characters.",
            code="invalid_token",
            field="address",
        )
    for cls in known_providers().values():
        if cls.network == provider:
            return cls.check_address(address)
    return address


class Installation(models.Model):
    """One app on one device."""

    class Reason(models.TextChoices):
        NONE = "", _("none")
        UNREGISTERED = "unregistered", _("the app signed off")
        DEAD = "dead", _("the provider says that the app is gone")
        STALE = "stale", _("not seen for a long time")
        STAFF = "staff", _("switched off by staff")

    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        on_delete=models.CASCADE,
        related_name="installations",
    )
    public_id = ExactCharField(
        _("id"), max_length=24, unique=True, default=public_id, editable=False
    )
    installation_id = ExactCharField(
        _("installation id"), null=True, blank=True, help_text=_("The client's own, lower case.")
    )
    device_type = ExactCharField(_("platform"), max_length=16)
    provider = ExactCharField(_("network"), max_length=32)
    address_kind = models.CharField(_("kind of address"), max_length=16, default="token")
    address = models.TextField(_("device token"), blank=True)
    address_hash = models.CharField(max_length=64, null=True, blank=True, editable=False)
    environment = models.CharField(
        _("environment"),
        max_length=10,
        default=Environment.UNKNOWN,
        choices=[
            (Environment.PRODUCTION.value, _("production")),
            (Environment.SANDBOX.value, _("sandbox")),
            (Environment.UNKNOWN.value, _("unknown")),
        ],
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="push_installations",
    )
    user_key = ExactCharField(_("user id"), blank=True)
    user_verified = models.BooleanField(_("user is proved"), default=False)
    badge = models.PositiveIntegerField(_("badge"), default=0)
    time_zone = ExactCharField(_("time zone"), max_length=64, blank=True)
    locale = ExactCharField(_("locale"), max_length=35, blank=True)
    app_identifier = ExactCharField(_("app identifier"), blank=True)
    app_version = models.CharField(_("app version"), max_length=64, blank=True)
    device_profile = ExactCharField(_("device profile"), blank=True)
    latitude = models.FloatField(_("latitude"), null=True, blank=True)
    longitude = models.FloatField(_("longitude"), null=True, blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    is_active = models.BooleanField(_("switched on"), default=True)
    inactive_reason = models.CharField(
        _("why it is switched off"), max_length=16, choices=Reason.choices, blank=True
    )
    bound_at = models.DateTimeField(_("of this user since"), default=timezone.now)
    registered_at = models.DateTimeField(_("registered"), default=timezone.now)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now)

    objects = InstallationManager()

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        constraints = [
            models.UniqueConstraint(
                fields=["application", "provider", "address_hash"],
                name="django_push_address_once",
            ),
            models.UniqueConstraint(
                fields=["application", "installation_id"], name="django_push_installation_id_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["application", "provider", "device_type", "id"],
                name="django_push_inst_part",
            ),
            models.Index(fields=["application", "user_key"], name="django_push_inst_user"),
        ]

    def __str__(self) -> str:
        return f"{self.device_type} {self.address[:8]}…"

    @property
    def channels(self) -> list[str]:
        """Names of the channels it is subscribed to, sorted."""
        return sorted(self.subscriptions.values_list("channel", flat=True))

    def set_channels(self, names: Iterable[str]) -> None:
        """Make ``names`` the channels of this device."""
        wanted = {_check_channel(name) for name in names}
        self.subscriptions.exclude(channel__in=wanted).delete()
        present = set(self.channels)
        Subscription.objects.using(self._state.db).bulk_create(
            [
                Subscription(application_id=self.application_id, channel=name, installation=self)
                for name in sorted(wanted - present)
            ],
            ignore_conflicts=True,
        )

    def change(
        self, *, channels: Iterable[str] | None = None, attributes: dict[str, Any] | None = None
    ) -> None:
        """Replace channels, attributes or both; ``None`` leaves them as they are."""
        with transaction.atomic(using=self._state.db):
            if attributes is not None:
                self.attributes = attributes
            self.save(update_fields=["attributes", "updated_at"])
            if channels is not None:
                self.set_channels(channels)

    def _take(self, said: _Said) -> list[str]:
        """Take over what a registration says; the names of the columns that changed."""
        before = {field.attname: getattr(self, field.attname) for field in self._meta.fields}
        self.device_type = said.device_type
        if not self.is_active:
            self.is_active, self.inactive_reason, self.registered_at = True, "", said.now
        for name, value in said.details.items():
            setattr(self, name, value)
        if said.owner:
            self._bind(said.owner, said.now)
        if said.now - self.last_seen_at >= SEEN_EVERY:
            self.last_seen_at = self.registered_at = said.now
        return [name for name, old in before.items() if getattr(self, name) != old]

    def _move(self, place: dict[str, Any], said: _Said) -> Installation:
        """Give the row its app's new address.

        An installation id is no proof: who merely knows it must not get its user's pushes.
        """
        changed = {**place, "updated_at": said.now}
        if self.user_verified and not (said.owner and said.owner.proved):
            changed |= {"user": None, "user_key": "", "user_verified": False, "bound_at": said.now}
        for name, value in changed.items():
            setattr(self, name, value)
        self.save(update_fields=list(changed))
        return self

    def _retire(self) -> None:
        """Switch off what the same app was known as before."""
        self.installation_id, self.is_active = None, False
        self.inactive_reason = self.Reason.UNREGISTERED
        self.save(update_fields=["installation_id", "is_active", "inactive_reason", "updated_at"])

    def _bind(self, owner: Owner, now: datetime) -> None:
        """A claim that differs from what was proved unbinds; it never binds to a proved user."""
        if self.user_key == owner.user_key and (self.user_verified or not owner.proved):
            return
        if self.user_key != owner.user_key:
            self.bound_at = now
        self.user = owner.user  # type: ignore[assignment]
        self.user_key, self.user_verified = owner.user_key, owner.proved


def _check_channel(name: object) -> str:
    if not isinstance(name, str) or not name or len(name) > 191:
        raise InvalidRegistration(
            "A channel is a text of 1 to 191 characters.", code="invalid_channel", field="channels"
        )
    return name


class Subscription(models.Model):
    """A device in a channel: a row each, so that the devices of a channel are an index."""

    application = models.ForeignKey(
        Application, verbose_name=_("application"), on_delete=models.CASCADE, related_name="+"
    )
    channel = ExactCharField(_("channel"))
    installation = models.ForeignKey(
        Installation,
        verbose_name=_("device"),
        on_delete=models.CASCADE,
        related_name="subscriptions",
    )

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        constraints = [
            models.UniqueConstraint(
                fields=["application", "channel", "installation"],
                name="django_push_subscribed_once",
            )
        ]

    def __str__(self) -> str:
        return str(self.channel)
