"""*Send a test* to one device or a few, from their list or their page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..exceptions import DjangoPushError, InvalidPush
from ..models import Installation, Notification, PushHistory
from .trial import may_send, send_test
from .words import platform

__all__ = ["MOST", "TrialForm", "trial_view"]

MOST = 20
"""Devices of one test."""


class TrialForm(forms.Form):
    """What a test says."""

    title = forms.CharField(
        label=gettext_lazy("Title"), max_length=191, initial=gettext_lazy("Test")
    )
    body = forms.CharField(
        label=gettext_lazy("Text"),
        max_length=500,
        required=False,
        initial=gettext_lazy("Sent from the console to see whether this device is reached."),
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
    )


def trial_view(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """GET asks what to send, POST sends and leads to the report."""
    devices = _devices(request, model_admin)
    form = TrialForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            history = _send(request, devices, form.cleaned_data)
        except DjangoPushError as error:
            form.add_error(None, error.message)
        else:
            for device in devices:
                model_admin.log_change(request, device, _("Sent a test."))
            model_admin.message_user(request, _("The test is on its way."), messages.SUCCESS)
            page = reverse("admin:django_push_pushhistory_change", args=[history.pk])
            return HttpResponseRedirect(page)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Send a test"),
        "opts": model_admin.opts,
        "form": form,
        "devices": [(device.public_id, _label(device)) for device in devices],
        "lead": ngettext("A test to %d device", "A test to %d devices", len(devices))
        % len(devices),
    }
    page = "admin/django_push/installation/test.html"
    return TemplateResponse(request, page, context, status=400 if form.errors else 200)


def _devices(request: HttpRequest, model_admin: Any) -> list[Installation]:
    """The devices that the address names, all of one application in which the person may send.

    Raises ``Http404`` for ids that they cannot see, ``PermissionDenied`` where they may not send.
    """
    asked = (request.POST or request.GET).getlist("device")[: MOST + 1]
    rows = model_admin.get_queryset(request).filter(public_id__in=asked)
    found = list(rows.select_related("application").order_by("pk")[:MOST])
    if not found or not model_admin.has_view_permission(request):
        raise Http404(_("There are no such devices."))
    if not all(may_send(request, device.application_id) for device in found):
        raise PermissionDenied
    return found


def _send(
    request: HttpRequest, devices: Sequence[Installation], said: dict[str, str]
) -> PushHistory:
    if len({device.application_id for device in devices}) > 1:
        raise InvalidPush(_("These devices are of several applications: test one at a time."))
    off = [device for device in devices if not device.is_active]
    if off:
        words = _("%s is switched off, and gets nothing: switch it on, or leave it out.")
        raise InvalidPush(words % _label(off[0]))
    content = {"title": said["title"], **({"body": said["body"]} if said["body"] else {})}
    test = Notification(application=devices[0].application, content=content)
    return send_test(test, devices, request.user.get_username())


def _label(device: Installation) -> str:
    cut = f"{device.address[:8]}…" if device.address else device.public_id
    whose = f" · {device.user_key}" if device.user_key else ""
    return f"{platform(device.device_type)} {cut}{whose}"
