"""Provider accounts of an application, with their secrets sealed."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .. import crypto
from ..exceptions import LockedSecret
from ..messages import Account, Environment
from ..providers.base import CredentialFile
from .application import Application
from .fields import ExactCharField

__all__ = ["Credential"]


class CredentialQuerySet(models.QuerySet["Credential"]):
    def usable(self, now: datetime | models.Expression | None = None) -> CredentialQuerySet:
        """Those that a push may be sent through: switched on and not past their end at ``now``."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=now or timezone.now())
        return self.filter(unexpired, is_active=True)


class Credential(models.Model):
    """One provider account. Several per provider may live side by side."""

    class Check(models.TextChoices):
        NEVER = "", _("never checked")
        ACCEPTED = "accepted", _("accepted")
        REFUSED = "refused", _("refused")

    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        on_delete=models.CASCADE,
        related_name="credentials",
    )
    provider = ExactCharField(_("provider"), max_length=32)
    name = ExactCharField(
        _("name"), blank=True, help_text=_("Also the device profile of devices that name one.")
    )
    environment = models.CharField(
        _("environment"),
        max_length=10,
        default=Environment.PRODUCTION,
        choices=[
            (Environment.PRODUCTION.value, _("production")),
            (Environment.SANDBOX.value, _("sandbox")),
        ],
    )
    topic = ExactCharField(
        _("topic"), blank=True, help_text=_("Apple: the bundle id. Google: the project id.")
    )
    public = models.JSONField(_("public details"), default=dict, blank=True)
    sealed = models.TextField(editable=False, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    is_active = models.BooleanField(_("in use"), default=True)
    checked_at = models.DateTimeField(_("last check"), null=True, blank=True, editable=False)
    check_result = models.CharField(
        _("result of the last check"),
        max_length=10,
        choices=Check.choices,
        blank=True,
        editable=False,
    )
    check_detail = models.TextField(_("what the provider said"), blank=True, editable=False)
    down_since = models.DateTimeField(_("out of reach since"), null=True, editable=False)
    next_try_at = models.DateTimeField(_("next try"), null=True, editable=False)
    down_reason = models.TextField(_("why it is out of reach"), blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    uploaded_by = models.CharField(_("uploaded by"), max_length=191, blank=True, editable=False)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        verbose_name = _("credential")
        verbose_name_plural = _("credentials")
        ordering = ("application", "provider", "pk")

    def __str__(self) -> str:
        return self.name or f"{self.provider} {self.topic or self.environment}"

    @property
    def is_locked(self) -> bool:
        """Whether no configured key opens the secret."""
        try:
            crypto.unseal(self.sealed)
        except LockedSecret:
            return True
        return False

    def account(self) -> Account:
        """The account with its secret in the clear, for the provider.

        Raises :class:`~django_push.exceptions.LockedSecret`.
        """
        return Account(
            provider=self.provider,
            name=self.name,
            environment=self.environment,
            topic=self.topic,
            public=self.public,
            secret=crypto.unseal(self.sealed) if self.sealed else "",
        )

    def take_file(self, found: CredentialFile) -> None:
        """Use what a provider read from an uploaded file; the row is not saved."""
        self.sealed = crypto.seal(found.secret)
        self.public = {**self.public, **found.public, "kind": found.kind}
        self.topic = found.topic or self.topic
        self.environment = found.environment or self.environment
        self.expires_at = found.expires_at
        self.check_result, self.check_detail, self.checked_at = self.Check.NEVER, "", None
