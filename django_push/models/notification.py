"""The composed message: a draft until it is submitted."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..messages import Message
from .application import Application
from .fields import ExactCharField, public_id

__all__ = ["Notification"]


class Notification(models.Model):
    """What to say, to whom, when. Sending it makes a :class:`PushHistory`."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        REQUESTED = "requested", _("waits for somebody who may send")
        SCHEDULED = "scheduled", _("scheduled")
        SENT = "sent", _("sent")

    application = models.ForeignKey(
        Application,
        verbose_name=_("application"),
        on_delete=models.CASCADE,
        related_name="notifications",
    )
    public_id = ExactCharField(
        _("id"), max_length=24, unique=True, default=public_id, editable=False
    )
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
    send_at = models.DateTimeField(_("send at"), null=True, blank=True)
    local_time = models.BooleanField(_("at the device's own clock"), default=False)
    recurrence = models.CharField(_("repeats"), max_length=255, blank=True)
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
        indexes = [
            models.Index(fields=["application", "status", "-id"], name="django_push_notif_status")
        ]

    def __str__(self) -> str:
        return self.name or self.content.get("title") or self.content.get("body", "")[:60] or "…"

    def message(self) -> Message:
        """The message as a value.

        Raises :class:`~django_push.exceptions.InvalidPush`.
        """
        extra = {"texts": self.texts, "overrides": self.overrides}
        return Message.from_content({**self.content, **{k: v for k, v in extra.items() if v}})
