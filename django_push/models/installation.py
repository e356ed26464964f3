"""Installations: one app on one device, and the channels it is subscribed to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.conf import settings
from django.db import DatabaseError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..messages import Environment
from .again import again
from .application import Application
from .changing import Change
from .fields import ExactCharField, public_id
from .registration import InstallationManager, Owner, Said, check_channel

__all__ = ["KNOWN", "Installation", "Known", "Subscription", "is_as_said"]

SEEN_EVERY = timedelta(hours=1)
"""How often ``last_seen_at`` is written at most: a write storm buys nothing finer."""


class Installation(models.Model):
    """One app on one device."""

    class Reason(models.TextChoices):
        NONE = "", _("none")
        UNREGISTERED = "unregistered", _("the app signed off")
        DEAD = "dead", _("the provider says that the app is gone")
        WRONG = "wrong", _("the provider knows its token in no environment")
        STALE = "stale", _("not seen for a long time")
        STAFF = "staff", _("switched off by staff")
        OPTED_OUT = "opted_out", _("its user wants no pushes")
        IMPORTED = "imported", _("was switched off where it came from")

    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        on_delete=models.CASCADE,
        related_name="installations",
        db_index=False,  # five indexes begin with it
    )
    public_id = ExactCharField(_("id"), max_length=24, default=public_id, editable=False)
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
    inactive_since = models.DateTimeField(_("switched off since"), null=True, editable=False)
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
            # unique=True would give PostgreSQL a second index, for LIKE.
            models.UniqueConstraint(fields=["public_id"], name="django_push_public_id_once"),
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
            models.Index(fields=["application", "time_zone", "id"], name="django_push_inst_zone"),
        ]

    def __str__(self) -> str:
        return f"{self.device_type} {self.address[:8]}…"

    @staticmethod
    def off(reason: str, now: datetime) -> dict[str, Any]:
        """The columns of a device that is switched off for ``reason``, for an UPDATE."""
        return {
            "is_active": False,
            "inactive_reason": reason,
            "inactive_since": now,
            "updated_at": now,
        }

    @staticmethod
    def on(now: datetime) -> dict[str, Any]:
        """The columns of a device that is switched on again, for an UPDATE."""
        return {
            "is_active": True,
            "inactive_reason": "",
            "inactive_since": None,
            "updated_at": now,
        }

    @property
    def channels(self) -> list[str]:
        """Names of the channels it is subscribed to, sorted."""
        return sorted(self.subscriptions.values_list("channel", flat=True))

    def set_channels(self, names: Iterable[str]) -> None:
        """Make ``names`` the channels of this device."""
        wanted = {check_channel(name) for name in names}
        self.subscriptions.exclude(channel__in=wanted).delete()
        present = set(self.channels)
        Subscription.objects.using(self._state.db).bulk_create(
            [
                Subscription(application_id=self.application_id, channel=name, installation=self)
                for name in sorted(wanted - present)
            ],
            ignore_conflicts=True,
        )

    def change(self, **said: Any) -> None:
        """Change ``channels`` (all of them), ``add_channels``, ``remove_channels``, or columns.

        Columns are those that a registration may set too; ``is_active=False`` switches the device
        off as staff do. Raises :class:`~django_push.exceptions.InvalidRegistration`, and
        ``Installation.DoesNotExist`` for one that was deleted meanwhile.
        """
        change = Change.read(type(self), **said)
        columns = [*change.apply(self), "updated_at"]
        try:
            again(str(self._state.db), lambda: self._write(columns, change))
        except DatabaseError:
            if type(self).objects.using(self._state.db).filter(pk=self.pk).exists():
                raise
            raise type(self).DoesNotExist from None

    def _write(self, columns: list[str], change: Change) -> None:
        with transaction.atomic(using=self._state.db):
            self.save(update_fields=columns)
            if change.is_about_channels:
                self.set_channels(change.channels_after(self.channels))

    @classmethod
    def _new(cls, application: Application, said: Said) -> Installation:
        """A row for a device that was not known, unsaved."""
        return cls(
            application=application,
            device_type=said.device_type,
            bound_at=said.now,
            registered_at=said.now,
            last_seen_at=said.now,
            **said.place,
        )

    def _is_at(self, provider: str, address_hash: str) -> bool:
        return (self.provider, self.address_hash) == (provider, address_hash)

    def _take(self, said: Said) -> list[str]:
        """Take over what a registration says; the names of the columns that changed.

        It switches the device on again, unless staff or its user switched it off: every start of
        the app registers, and would undo what they did.
        """
        before = {field.attname: getattr(self, field.attname) for field in self._meta.fields}
        self.device_type = said.device_type
        if _comes_back(self):
            self.is_active, self.inactive_reason, self.registered_at = True, "", said.now
            self.inactive_since = None
        for name, value in said.details.items():
            setattr(self, name, self._newer(name, value))
        if said.owner and not _is_of(self, said.owner):
            self._bind(said.owner, said.now)
        if "last_seen_at" not in said.details and _is_long_unseen(self, said.now):
            self.last_seen_at = self.registered_at = said.now
        return [name for name, old in before.items() if getattr(self, name) != old]

    def _newer(self, name: str, value: Any) -> Any:
        """What becomes of a column when ``value`` is told, perhaps by an old export of it."""
        if self._state.adding or name not in KEPT:
            return value
        present = getattr(self, name)
        if name == "public_id":
            return present  # the app holds it
        return min(present, value) if name == "created_at" else max(present, value)

    def _move(self, said: Said) -> list[str]:
        """Give the row its app's new address, unsaved; the names of the columns that changed.

        An installation id is no proof: who merely knows it must not get its user's pushes.
        """
        changed: dict[str, Any] = dict(said.place)
        if self.user_verified and not (said.owner and said.owner.proved):
            changed |= {
                "user_id": None,
                "user_key": "",
                "user_verified": False,
                "bound_at": said.now,
            }
        for name, value in changed.items():
            setattr(self, name, value)
        return list(changed)

    def _leave_choices(self, heir: Installation) -> None:
        """What its app opted out of stays so under the row by which it is known from now on."""
        told = list(heir.purpose_choices.values_list("purpose", flat=True))
        self.purpose_choices.exclude(purpose__in=told).update(installation=heir)
        if not heir.quiet_hours.exists():
            self.quiet_hours.update(installation=heir)

    def _inherit(self, former: Installation, now: datetime) -> list[str]:
        """What staff or its user switched off stays off under the row by which it is known from
        now on; the names of the columns that changed, unsaved."""
        if not self.is_active or former.inactive_reason not in STAYS_OFF:
            return []
        changed = self.off(former.inactive_reason, now)
        for name, value in changed.items():
            setattr(self, name, value)
        return list(changed)

    def _retire(self) -> list[str]:
        """Switch off what the same app was known as before, unsaved; the columns to write."""
        if not self.is_active and self.installation_id is None:
            return []
        changed: dict[str, Any] = {"installation_id": None}
        if self.inactive_reason not in STAYS_OFF:
            changed |= self.off(self.Reason.UNREGISTERED, timezone.now())
        for name, value in changed.items():
            setattr(self, name, value)
        return [*changed, "updated_at"]

    def _bind(self, owner: Owner, now: datetime) -> None:
        """A claim that differs from what was proved unbinds; it never binds to a proved user."""
        if self.user_key != owner.user_key:
            self.bound_at = now
        self.user = owner.user  # type: ignore[assignment]
        self.user_key, self.user_verified = owner.user_key, owner.proved


STAYS_OFF = (Installation.Reason.STAFF, Installation.Reason.OPTED_OUT)
"""Reasons that registering again does not undo."""

KEPT = frozenset(("public_id", "created_at", "last_seen_at", "registered_at"))
"""Columns of which the present value may stand against the one that is told."""


class Known(Protocol):
    """The columns that tell whether a registration changes a device, beside those that it names."""

    device_type: str
    is_active: bool
    inactive_reason: str
    user_key: str
    user_verified: bool
    last_seen_at: datetime


KNOWN = tuple(Known.__annotations__)


def is_as_said(device: Known, said: Said, owner: Owner | None) -> bool:
    """Whether :meth:`Installation._take` would change nothing, if ``owner`` says it.

    ``device`` needs no more than the columns of :data:`KNOWN` and of ``said.details``. ``False``
    may be wrong for what only imports say (:data:`KEPT`), ``True`` never is.
    """
    return (
        device.device_type == said.device_type
        and all(getattr(device, name) == value for name, value in said.details.items())
        and (not owner or _is_of(device, owner))
        and not _comes_back(device)
        and not _is_long_unseen(device, said.now)
    )


def _comes_back(device: Known) -> bool:
    """Whether registering switches it on."""
    return not device.is_active and device.inactive_reason not in STAYS_OFF


def _is_of(device: Known, owner: Owner) -> bool:
    """Whether it is ``owner``'s already, and proved if ``owner`` is."""
    return device.user_key == owner.user_key and (device.user_verified or not owner.proved)


def _is_long_unseen(device: Known, now: datetime) -> bool:
    return now - device.last_seen_at >= SEEN_EVERY


class Subscription(models.Model):
    """A device in a channel: a row each, so that the devices of a channel are an index."""

    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
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
