"""What may be done to a message that repeats: hold it, let it go on, end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy

from .. import delivery
from ..exceptions import NotAllowed
from ..models import Notification
from .trial import may_send

if TYPE_CHECKING:
    from .visibility import VisibleAdmin

__all__ = ["VERBS", "change_series"]

VERBS = {
    "pause": (
        delivery.pause_series,
        gettext_lazy("Paused. Nothing more is sent until it resumes."),
    ),
    "resume": (delivery.resume_series, gettext_lazy("Resumed, from its next moment on.")),
    "stop": (
        delivery.stop_series,
        gettext_lazy("It is not repeated any more. It is a draft again: change it, or leave it."),
    ),
}


def change_series(
    admin: VisibleAdmin, request: HttpRequest, notification: Notification, verb: str
) -> HttpResponse:
    """Do what a button of the message's page says, and go back to it."""
    if request.method != "POST" or not may_send(request, notification.application_id):
        raise PermissionDenied
    change, said = VERBS[verb]
    try:
        change(notification, by=request.user.get_username())
    except NotAllowed as error:
        admin.message_user(request, error.message, messages.ERROR)
    else:
        admin.log_change(request, notification, str(said))
        admin.message_user(request, str(said), messages.SUCCESS)
    page = reverse("admin:django_push_notification_change", args=[notification.pk])
    return HttpResponseRedirect(page)
