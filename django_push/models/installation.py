"""Installations: one app on one device, and the channels it is subscribed to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..messages import Environment
from .application import Application
from .fields import ExactCharField, public_id
from .registration import InstallationManager, Owner, Said, check_channel

__all__ = ["Installation", "Subscription"]

SEEN_EVERY = timedelta(hours=1)
"""How often ``last_seen_at`` is written at most: a write storm buys nothing finer."""


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

    def _take(self, said: Said) -> list[str]:
        """Take over what a registration says; the names of the columns that changed.

        It switches the device on again, unless staff switched it off: every start of the app
        registers, and would undo what they did.
        """
        before = {field.attname: getattr(self, field.attname) for field in self._meta.fields}
        self.device_type = said.device_type
        if not self.is_active and self.inactive_reason != self.Reason.STAFF:
            self.is_active, self.inactive_reason, self.registered_at = True, "", said.now
        for name, value in said.details.items():
            setattr(self, name, value)
        if said.owner:
            self._bind(said.owner, said.now)
        if said.now - self.last_seen_at >= SEEN_EVERY:
            self.last_seen_at = self.registered_at = said.now
        return [name for name, old in before.items() if getattr(self, name) != old]

    def _move(self, place: dict[str, Any], said: Said) -> Installation:
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
        if self.inactive_reason != self.Reason.STAFF:
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
