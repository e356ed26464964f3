"""The page between composing and sending, and the one request that sends."""

from __future__ import annotations

import logging
import re
import uuid
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from .. import submission
from ..conf import push_settings
from ..exceptions import DjangoPushError
from ..idempotency import content_digest
from ..models import Credential, Notification, PushHistory
from .audience_form import audience_words
from .credential import credential_state
from .preflight import Preflight, look
from .purpose_form import purpose_words
from .schedule_words import Schedule, when, when_note
from .trial import may_send
from .visibility import LONGEST_ID
from .words import duration, number, of_devices, provider_name

if TYPE_CHECKING:
    from .visibility import VisibleAdmin

__all__ = ["ConfirmView", "read_number"]

logger = logging.getLogger("django_push.admin")

SENT_ALREADY = (
    *(Notification.Status.SCHEDULED, Notification.Status.SENT),
    *(Notification.Status.REPEATING, Notification.Status.PAUSED),
)
_SEPARATORS = re.compile(r"[\s.,'’_]")


class ConfirmView:
    """One request to ``…/notification/<id>/send/``.

    GET asks, with an idempotency key in the form; POST sends and redirects to the report. Every
    page that comes back instead says that nothing was sent, or what was.
    """

    def __init__(
        self, admin: VisibleAdmin, request: HttpRequest, notification: Notification
    ) -> None:
        self.admin, self.request, self.notification = admin, request, notification
        if not may_send(request, notification.application_id):
            raise PermissionDenied

    def answer(self) -> HttpResponse:
        if self.request.method == "POST":
            return self._post()
        sent = self._sent()
        if sent is not None:
            text = _("This message was sent already; this is its report.")
            self.admin.message_user(self.request, text, messages.INFO)
            return HttpResponseRedirect(_report(sent))
        return self._page(uuid.uuid4().hex)

    def _sent(self) -> PushHistory | None:
        if self.notification.status not in SENT_ALREADY:
            return None
        return self.notification.pushes.order_by("-pk").first()

    def _post(self) -> HttpResponse:
        key = self.request.POST.get("key", "")[:191]
        refusal = "" if self._sent() else self._changed() or self._refusal()
        if refusal:
            return self._page(key, refusal, status=400)
        try:
            history = submission.submit(
                self.notification,
                idempotency_key=key,
                by=self.request.user.get_username(),
                source="console",
            )
        except DjangoPushError as error:
            return self._not_sent(key, error.message)
        except Exception:
            # The person must learn whether to press again; the log gets the whole story.
            logger.exception("Sending message %s failed", self.notification.pk)
            return self._not_sent(key, _("Something went wrong on our side."), status=500)
        self._note(history)
        return HttpResponseRedirect(_report(history))

    def _changed(self) -> str:
        """What is sent must be what the person has seen: others may write the same draft."""
        if self.request.POST.get("seen", "") == _seen(self.notification):
            return ""
        return _("The message was changed since you looked. Look again before you send.")

    def _refusal(self) -> str:
        """Why the number on the page does not stand for the audience."""
        devices = self._count()
        shown = read_number(self.request.POST.get("shown", ""))
        if shown is None or devices > shown * 1.1 + 10:
            return _("There are %s now. Look again before you send.") % of_devices(devices)
        typed = read_number(self.request.POST.get("number", ""))
        if shown > push_settings.CONFIRM_ABOVE and typed != shown:
            return _("Type the number of devices, %s, to send.") % number(shown)
        return ""

    def _count(self) -> int:
        notification = self.notification
        try:
            zones = submission.zones_for(notification)
            found = submission.count(
                notification.application, notification.audience, zones, notification=notification
            )
        except DjangoPushError:
            return 0  # submit tells what is wrong with it
        return found.devices

    def _not_sent(self, key: str, problem: str, status: int = 400) -> HttpResponse:
        self.notification.refresh_from_db()
        sent = self._sent()
        return self._page(key, problem, sent=sent, status=409 if sent and status < 500 else status)

    def _note(self, history: PushHistory) -> None:
        """In the audit log of both; once, however often the button was pressed."""
        admin, request = self.admin, self.request
        text = _("Sent.") if history.due_at <= history.created_at else _("Scheduled.")
        kind = ContentType.objects.get_for_model(PushHistory)
        if not LogEntry.objects.filter(content_type=kind, object_id=str(history.pk)).exists():
            admin.log_change(request, self.notification, text)
            admin.log_change(request, history, text)

    def _page(
        self,
        key: str,
        problem: str = "",
        *,
        sent: PushHistory | None = None,
        status: int = 200,
    ) -> HttpResponse:
        found = look(self.notification)
        context = {
            **self.admin.admin_site.each_context(self.request),
            **_what_happens(self.notification, found),
            "title": _("Send push"),
            "opts": self.admin.opts,
            "original": self.notification,
            "notification": self.notification,
            "has_view_permission": True,
            "media": self.admin.media,
            "preflight": found,
            "count": found.count,
            "key": key,
            "seen": _seen(self.notification),
            "problem": problem,
            "sent": sent,
            "report": _report(sent) if sent else "",
        }
        name = "admin/django_push/notification/send.html"
        return TemplateResponse(self.request, name, context, status=status)


def _what_happens(notification: Notification, found: Preflight) -> dict[str, Any]:
    devices = found.count.devices if found.count else 0
    audience = audience_words(notification) if notification.audience else ""
    credentials = Credential.objects.filter(application=notification.application).usable()
    return {
        "devices": devices,
        "device_words": of_devices(devices),
        "must_type": devices > push_settings.CONFIRM_ABOVE,
        "confirm_above": number(push_settings.CONFIRM_ABOVE),
        "audience_words": audience,
        "purpose_words": purpose_words(notification),
        "when": when(notification),
        "schedule": Schedule(notification),
        "when_note": when_note(notification, found.count.found.local if found.count else None),
        "gives_up": duration(notification.time_to_live) if notification.time_to_live else "",
        "through": [
            (provider_name(row.provider), row, *credential_state(row)) for row in credentials
        ],
        "redirect_to": push_settings.REDIRECT_TO,
    }


def _seen(notification: Notification) -> str:
    """Stands for what is sent and in which application."""
    try:
        return f"{notification.application_id}-{content_digest(notification)}"
    except TypeError:
        return ""  # no JSON: submit tells what is wrong with it


def read_number(value: str) -> int | None:
    """A number with or without separators, as people write it."""
    digits = _SEPARATORS.sub("", value)
    return int(digits) if digits.isdecimal() and len(digits) <= LONGEST_ID else None


def _report(history: PushHistory) -> str:
    return reverse("admin:django_push_pushhistory_change", args=[history.pk])
