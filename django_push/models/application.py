"""Applications (tenants), who of the staff works with them, and their API keys."""

from __future__ import annotations

import secrets
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, router, transaction
from django.dispatch import receiver
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from .. import crypto
from ..conf import alias
from ..exceptions import InvalidPush
from ..quiet import Hours
from ..zones import known_zones, zone_named
from .fields import ExactCharField

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    from .preferences import Purpose

__all__ = ["AccessRestriction", "ApiKey", "Application", "ApplicationAccess", "Role"]


class ApplicationQuerySet(models.QuerySet["Application"]):
    def visible_to(
        self, user: AbstractBaseUser | AnonymousUser, role: Role | None = None
    ) -> ApplicationQuerySet:
        """Applications that ``user`` works with; with ``role``, in that role or a higher one.

        Superusers see all. Until somebody has been given access to anything, every active staff
        member sees all: a project with one application needs no bookkeeping. From then on, only
        :meth:`ApplicationAccessManager.open_to_all_staff` opens it again.
        """
        if not (user.is_active and getattr(user, "is_staff", False)):
            return self.none()
        if getattr(user, "is_superuser", False):
            return self.all()
        if not ApplicationAccess.objects.is_restricted(self.db):
            return self.all()
        granted = ApplicationAccess.objects.using(self.db).filter(user_id=user.pk)
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


def own_time_zone() -> str:
    """The project's, until staff choose another."""
    return settings.TIME_ZONE


def check_time_zone(name: str) -> None:
    if name not in known_zones():
        raise ValidationError(
            _("“%(name)s” is no time zone. Write it as Europe/Berlin, America/New_York or UTC."),
            params={"name": name},
            code="unknown_time_zone",
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
        default=own_time_zone,
        validators=[check_time_zone],
        help_text=_(
            "Such as Europe/Berlin. The clock of repeated pushes, and of devices that did not "
            "tell their own."
        ),
    )
    quiet_from = models.TimeField(
        _("quiet from"),
        null=True,
        blank=True,
        help_text=_(
            "Such as 22:00, by the device's own clock: from then on pushes wait, unless they are "
            "transactional or would expire before. People may choose hours of their own."
        ),
    )
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    own_quiet_hours = models.BooleanField(
        _("devices have quiet hours of their own"), default=False, editable=False
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

    def clean(self) -> None:
        super().clean()
        if (self.quiet_from is None) != (self.quiet_until is None):
            text = _("Give both times, or neither: there are no quiet hours then.")
            raise ValidationError({"quiet_until": text})
        if self.quiet_from is not None and self.quiet_from == self.quiet_until:
            text = _("These hours have no length. For no quiet hours leave both empty.")
            raise ValidationError({"quiet_until": text})

    @property
    def quiet_hours(self) -> Hours | None:
        """Those of devices that have none of their own; ``None``: no hour is quiet."""
        if self.quiet_from is None or self.quiet_until is None:
            return None
        return Hours.between(self.quiet_from, self.quiet_until)

    @property
    def zone(self) -> tzinfo:
        """The zone of its clock."""
        return zone_named(self.time_zone)

    @cached_property
    def _purposes(self) -> dict[str, Purpose]:
        return {row.key: row for row in self.purposes.using(alias())}

    def purpose_named(self, key: str) -> Purpose:
        """What a push is about, by its key; read once, since many pushes name the same.

        Raises :class:`~django_push.exceptions.InvalidPush` for what is not declared.
        """
        if key not in self._purposes:
            del self._purposes  # declared since?
        if key not in self._purposes:
            text = gettext("This application has no purpose “%(key)s”. It has: %(known)s.")
            known = ", ".join(sorted(self._purposes)) or gettext("none")
            words = {"key": key[:64], "known": known}
            raise InvalidPush(text % words, code="unknown_purpose", field="purpose")
        return self._purposes[key]


class Role(models.IntegerChoices):
    """What somebody may do in an application at the most; Django's permissions apply beside it."""

    VIEWER = 10, _("looks")
    EDITOR = 20, _("composes")
    SENDER = 30, _("composes and sends")
    MANAGER = 40, _("manages keys and credentials too")


class ApplicationAccessManager(models.Manager["ApplicationAccess"]):
    def is_restricted(self, using: str | None = None) -> bool:
        """Whether only those of the staff who are listed see applications."""
        alias = using or self.db
        return self.using(alias).exists() or AccessRestriction.objects.using(alias).exists()

    def open_to_all_staff(self) -> None:
        """Forget all access: every staff member works with every application again."""
        alias = router.db_for_write(self.model)
        with transaction.atomic(using=alias):
            self.using(alias).all().delete()
            AccessRestriction.objects.using(alias).all().delete()


class ApplicationAccess(models.Model):
    """Who of the staff works with which application.

    Before the first row everybody works with all. After the last one is gone, nobody but
    superusers sees any: :class:`AccessRestriction` remembers that there was one.
    """

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

    objects = ApplicationAccessManager()

    class Meta:
        verbose_name = _("access to an application")
        verbose_name_plural = _("access to applications")
        constraints = [
            models.UniqueConstraint(fields=["application", "user"], name="django_push_access_once")
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.get_role_display()} ({self.application})"


class AccessRestriction(models.Model):
    """There was access, and some of it was removed: at most one row, with the key 1.

    Without it, deleting the only listed user (or the only application with a list) would open
    every application to all staff.
    """

    since = models.DateTimeField(_("since"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("restriction of access")
        verbose_name_plural = _("restrictions of access")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.since)


@receiver(models.signals.pre_delete, sender=ApplicationAccess)
def _stay_restricted(using: str, **kwargs: Any) -> None:
    """Also sent for rows that go with their user or application, and for bulk deletes."""
    AccessRestriction.objects.using(using).get_or_create(pk=1)


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
