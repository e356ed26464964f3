"""The composed message: a draft until it is submitted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..messages import Message
from ..recurrence import Recurrence
from ..zones import wall_in
from .application import Application
from .fields import ExactCharField, public_id

if TYPE_CHECKING:
    from .preferences import Purpose

__all__ = ["Notification"]


class Notification(models.Model):
    """What to say, to whom, when. Sending it makes a :class:`PushHistory`.

    One that repeats makes many: ``next_at`` is when the newest of them is due, and then the next
    is made.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        REQUESTED = "requested", _("waits for somebody who may send")
        SCHEDULED = "scheduled", _("scheduled")
        REPEATING = "repeating", _("repeating")
        PAUSED = "paused", _("repeating, paused")
        SENT = "sent", _("sent")

    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        on_delete=models.CASCADE,
        related_name="notifications",
        db_index=False,  # an index begins with it
    )
    public_id = ExactCharField(_("id"), max_length=24, default=public_id, editable=False)
    name = models.CharField(
        _("name"), max_length=191, blank=True, help_text=_("For the team; devices never see it.")
    )
    content = models.JSONField(
        _("message"), default=dict, help_text=_("The fields of a message: title, body, data, …")
    )
    overrides = models.JSONField(_("per network"), default=dict, blank=True)
    texts = models.JSONField(_("other languages"), default=dict, blank=True)
    variables = models.JSONField(_("template variables"), default=dict, blank=True)
    audience = models.JSONField(_("audience"), default=dict)
    sees_claims = models.BooleanField(
        _("finds claimed ids"),
        default=False,
        editable=False,
        help_text=_("A holder of a server key wrote its “where”: ids nobody proved are found too."),
    )
    send_at = models.DateTimeField(_("send at"), null=True, blank=True)
    local_time = models.BooleanField(_("at the device's own clock"), default=False)
    recurrence = models.CharField(
        _("repeats"),
        max_length=255,
        blank=True,
        help_text=_("A rule of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO."),
    )
    next_at = models.DateTimeField(_("next sending"), null=True, editable=False, db_index=True)
    time_to_live = models.PositiveIntegerField(
        _("time to live"),
        null=True,
        blank=True,
        help_text=_("Seconds after which the provider gives up on a device that is off."),
    )
    expires_at = models.DateTimeField(_("gives up at"), null=True, blank=True)
    rate = models.PositiveIntegerField(
        _("speed limit"), null=True, blank=True, help_text=_("Devices per second.")
    )
    purpose = ExactCharField(
        _("purpose"),
        max_length=64,
        blank=True,
        help_text=_("Key of a purpose of the application: who opted out of it is left out."),
    )
    transactional = models.BooleanField(
        _("transactional"),
        default=False,
        help_text=_("Goes to all, whatever they opted out of, and at once."),
    )
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.DRAFT
    )
    source = models.CharField(_("sent from"), max_length=32, blank=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("written by"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        permissions = [("send_notification", _("Can send pushes"))]
        constraints = [
            # unique=True would give PostgreSQL a second index, for LIKE.
            models.UniqueConstraint(fields=["public_id"], name="django_push_notif_id_once")
        ]
        indexes = [
            models.Index(fields=["application", "status", "-id"], name="django_push_notif_status")
        ]

    def __str__(self) -> str:
        return self.name or self.content.get("title") or self.content.get("body", "")[:60] or "…"

    @property
    def rule(self) -> Recurrence | None:
        """How it is repeated; ``None`` when it is not.

        Raises :class:`~django_push.exceptions.InvalidPush`.
        """
        return Recurrence.parse(self.recurrence) if self.recurrence else None

    @property
    def starts(self) -> datetime:
        """What the application's clock shows at ``send_at``: a naive datetime. A rule counts
        from it."""
        return wall_in(self.send_at or timezone.now(), self.application.zone)

    def moments(self, after: datetime) -> Iterator[datetime]:
        """When a repeated message is due after ``after``, in UTC; ends with the message."""
        rule = self.rule
        if rule is None:
            return
        for moment in rule.moments(self.starts, self.application.zone, after):
            if self.expires_at is not None and moment >= self.expires_at:
                return
            yield moment

    @property
    def stated_purpose(self) -> Purpose | None:
        """What it is about; ``None`` when it does not say.

        Raises :class:`~django_push.exceptions.InvalidPush` for what is not declared.
        """
        return self.application.purpose_named(self.purpose) if self.purpose else None

    def message(self) -> Message:
        """The message as a value.

        Raises :class:`~django_push.exceptions.InvalidPush`.
        """
        extra = {"texts": self.texts, "overrides": self.overrides}
        return Message.from_content({**self.content, **{k: v for k, v in extra.items() if v}})
