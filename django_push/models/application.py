"""Applications (tenants), who of the staff works with them, and their API keys."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from .. import crypto
from .fields import ExactCharField

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

__all__ = ["ApiKey", "Application", "ApplicationAccess", "Role"]


class ApplicationQuerySet(models.QuerySet["Application"]):
    def visible_to(
        self, user: AbstractBaseUser | AnonymousUser, role: Role | None = None
    ) -> ApplicationQuerySet:
        """Applications that ``user`` works with; with ``role``, in that role or a higher one.

        Superusers see all. While nobody has been given access to anything, every active staff
        member sees all: a project with one application needs no bookkeeping.
        """
        if not (user.is_active and getattr(user, "is_staff", False)):
            return self.none()
        if getattr(user, "is_superuser", False):
            return self.all()
        access = ApplicationAccess.objects.using(self.db)
        if not access.exists():
            return self.all()
        granted = access.filter(user_id=user.pk)
        if role is not None:
            granted = granted.filter(role__gte=role)
        return self.filter(pk__in=granted.values("application_id"))


class ApplicationManager(models.Manager.from_queryset(ApplicationQuerySet)):  # type: ignore[misc]
    def register(
        self,
        owner: AbstractBaseUser | None,
        name: str,
        *,
        description: str = "",
        push_settings: dict[str, Any] | None = None,
        key: str = "",
    ) -> Application:
        """Create an application, as LoopBack's ``Application.register`` does.

        ``push_settings`` is kept as given (free JSON). ``key`` is made when not given.
        """
        return self.create(  # type: ignore[no-any-return]
            owner=owner,
            name=name,
            description=description,
            push_settings=push_settings or {},
            **({"key": key} if key else {}),
        )


def _new_application_key() -> str:
    return secrets.token_hex(10)


class Application(models.Model):
    """A tenant: owns installations, credentials, keys and pushes."""

    name = models.CharField(_("name"), max_length=191)
    description = models.TextField(_("description"), blank=True)
    key = ExactCharField(
        _("key"),
        unique=True,
        default=_new_application_key,
        help_text=_("Public: names the application in addresses and SDKs."),
    )
    sender_id = models.CharField(
        _("sender id"),
        max_length=191,
        blank=True,
        help_text=_("Public: the Firebase project number, handed to Android clients."),
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    push_settings = models.JSONField(_("push settings"), default=dict, blank=True)
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        help_text=_("For devices that did not tell theirs, such as Europe/Berlin."),
    )
    trust_client_user_ids = models.BooleanField(
        _("trust user ids sent by clients"),
        default=False,
        help_text=_(
            "Anybody who holds the client key could then receive the pushes of any user. "
            "Leave it off unless every client is your own."
        ),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = ApplicationManager()

    class Meta:
        verbose_name = _("application")
        verbose_name_plural = _("applications")
        ordering = ("name", "pk")

    def __str__(self) -> str:
        return self.name


class Role(models.IntegerChoices):
    """What somebody may do in an application at the most; Django's permissions apply beside it."""

    VIEWER = 10, _("looks")
    EDITOR = 20, _("composes")
    SENDER = 30, _("composes and sends")
    MANAGER = 40, _("manages keys and credentials too")


class ApplicationAccess(models.Model):
    """Who of the staff works with which application. With no rows at all, everybody with all."""

    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        on_delete=models.CASCADE,
        related_name="access",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        related_name="push_access",
    )
    role = models.PositiveSmallIntegerField(_("role"), choices=Role.choices, default=Role.SENDER)

    class Meta:
        verbose_name = _("access to an application")
        verbose_name_plural = _("access to applications")
        constraints = [
            models.UniqueConstraint(fields=["application", "user"], name="django_push_access_once")
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.get_role_display()} ({self.application})"


class ApiKeyManager(models.Manager["ApiKey"]):
    @sensitive_variables()
    def issue(
        self, application: Application, kind: str, *, name: str = "", value: str = ""
    ) -> tuple[ApiKey, str]:
        """A new key and its value, which is shown this once.

        ``value`` keeps a key that shipped clients already hold (at most 191 characters).
        """
        value = value or secrets.token_urlsafe(30)
        key = self.create(
            application=application,
            kind=kind,
            name=name,
            sealed=crypto.seal(value),
            digest=crypto.digest(value),
        )
        return key, value

    @sensitive_variables()
    def find(self, value: str) -> ApiKey | None:
        """The key with this value, unless it was revoked."""
        return (
            self.select_related("application")
            .filter(digest__in=crypto.digests(value), revoked_at=None)
            .first()
        )


class ApiKey(models.Model):
    """What a client or a server shows to act for an application."""

    class Kind(models.TextChoices):
        CLIENT = "client", _("client: registers and reports for itself")
        SERVER = "server", _("server: everything in its application")

    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        on_delete=models.CASCADE,
        related_name="api_keys",
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.CLIENT)
    name = models.CharField(_("name"), max_length=191, blank=True)
    sealed = models.TextField(editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)

    objects = ApiKeyManager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return self.name or f"{self.get_kind_display()} ({self.digest[:8]})"

    @property
    def is_server(self) -> bool:
        return self.kind == self.Kind.SERVER

    @property
    def value(self) -> str:
        """The key in the clear: for request signatures only, never for a page or a log."""
        return crypto.unseal(self.sealed)

    def revoke(self) -> None:
        self.revoked_at = timezone.now()
        self.save(update_fields=["revoked_at"])
