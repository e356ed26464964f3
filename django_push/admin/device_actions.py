"""What staff do to devices: switch them off and on, export them, send them a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..models import Application, Installation, Role
from ..switching import Switched, switch
from .device_export import export, sees_tokens_of
from .device_trial import MOST
from .keyset import look
from .visibility import VisibleAdmin, applications
from .words import number

__all__ = ["DeviceActions"]

SECONDS = 20.0
"""How long one request switches devices: web servers cut off after 30 or 60."""
LOGGED = 100
"""Devices that get an entry each; more get one on their application."""
COUNTED = 1000
"""So far a question counts the devices it is about."""


class DeviceActions(VisibleAdmin):
    """Actions of the list of devices; the same verbs stand on a device's page."""

    write_role = Role.SENDER
    actions: Sequence[str] = ("send_test", "switch_off", "switch_on", "export_csv", "export_json")

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Without Django's own *Delete*: it lists all that it deletes, be it a million devices.

        One device is deleted on its page, those of a person with the person. Django 6.1 says where
        the actions are to stand, 5.2 does not know of it.
        """
        where = {} if action_location is None else {"action_location": action_location}
        found: dict[str, Any] = super().get_actions(request, **where)
        found.pop("delete_selected", None)
        return found

    @admin.action(description=gettext_lazy("Switch the chosen devices off"), permissions=["change"])
    def switch_off(
        self, request: HttpRequest, queryset: QuerySet[Installation]
    ) -> HttpResponse | None:
        return self._asked(request, queryset, active=False)

    @admin.action(description=gettext_lazy("Switch the chosen devices on"), permissions=["change"])
    def switch_on(
        self, request: HttpRequest, queryset: QuerySet[Installation]
    ) -> HttpResponse | None:
        return self._asked(request, queryset, active=True)

    @admin.action(
        description=gettext_lazy("Send a test to the chosen devices…"), permissions=["test"]
    )
    def send_test(
        self, request: HttpRequest, queryset: QuerySet[Installation]
    ) -> HttpResponse | None:
        ids = list(queryset.order_by("-pk").values_list("public_id", flat=True)[: MOST + 1])
        if len(ids) > MOST:
            words = ngettext(
                "A test goes to %d device at the most: choose fewer.",
                "A test goes to %d devices at the most: choose fewer.",
                MOST,
            )
            self.message_user(request, words % MOST, messages.ERROR)
            return None
        query = urlencode({"device": ids}, doseq=True)
        return HttpResponseRedirect(f"{reverse('admin:django_push_installation_test')}?{query}")

    @admin.action(description=gettext_lazy("Export the chosen devices (CSV)"), permissions=["view"])
    def export_csv(
        self, request: HttpRequest, queryset: QuerySet[Installation]
    ) -> StreamingHttpResponse:
        return self._export(request, queryset, "csv")

    @admin.action(
        description=gettext_lazy("Export the chosen devices (JSON)"), permissions=["view"]
    )
    def export_json(
        self, request: HttpRequest, queryset: QuerySet[Installation]
    ) -> StreamingHttpResponse:
        return self._export(request, queryset, "json")

    def has_test_permission(self, request: HttpRequest) -> bool:
        """Whether the person may send to any device at all."""
        user: Any = request.user
        allowed = user.has_perm("django_push.send_notification")
        return bool(allowed) and applications(request, Role.SENDER).exists()

    def switch(
        self, request: HttpRequest, chosen: QuerySet[Installation], *, active: bool
    ) -> Switched:
        """Switch those that the person may switch; with a log, and words about it."""
        mine = chosen.filter(application__in=applications(request, self.write_role))
        done = switch(mine, active=active, seconds=SECONDS)
        self._log_switched(request, done, active=active)
        self._tell(request, done, active=active)
        return done

    def _asked(
        self, request: HttpRequest, chosen: QuerySet[Installation], *, active: bool
    ) -> HttpResponse | None:
        """All that a filter finds may be a million: that is asked once more."""
        across = request.POST.get("select_across") == "1"
        if across and "confirmed" not in request.POST:
            return self._question(request, chosen, active=active)
        self.switch(request, chosen, active=active)
        return None

    def _question(
        self, request: HttpRequest, chosen: QuerySet[Installation], *, active: bool
    ) -> HttpResponse:
        kept = ("action", "select_across", "index", ACTION_CHECKBOX_NAME)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Switch on") if active else _("Switch off"),
            "opts": self.opts,
            "active": active,
            "devices": look(chosen.filter(is_active=not active), COUNTED).count,
            "kept": [(name, request.POST.get(name, "")) for name in kept],
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/django_push/installation/switch_all.html", context)

    def _log_switched(self, request: HttpRequest, done: Switched, *, active: bool) -> None:
        said = _("Switched on.") if active else _("Switched off.")
        if done.count <= LOGGED:
            for device in done.first:
                self.log_change(request, device, said)
            return
        for application in Application.objects.filter(pk__in=list(done.per_application)):
            words = _("%(number)d devices of the list: %(what)s")
            number_here = done.per_application[application.pk]
            self.log_change(request, application, words % {"number": number_here, "what": said})

    def _tell(self, request: HttpRequest, done: Switched, *, active: bool) -> None:
        count = done.count
        if active:
            words = ngettext("%s device was switched on.", "%s devices were switched on.", count)
        else:
            words = ngettext("%s device was switched off.", "%s devices were switched off.", count)
        text = words % number(count)
        if not done.is_all:
            text = f"{text} {_('There are more: do the same again.')}"
        good = bool(count) and done.is_all
        self.message_user(request, text, messages.SUCCESS if good else messages.WARNING)

    def _export(
        self, request: HttpRequest, chosen: QuerySet[Installation], name: str
    ) -> StreamingHttpResponse:
        if request.method != "POST":
            raise PermissionDenied
        whole = sees_tokens_of(request)
        self._log_export(request, chosen, name, whole)
        return export(chosen, name, whole)

    def _log_export(
        self, request: HttpRequest, chosen: QuerySet[Installation], name: str, whole: set[int]
    ) -> None:
        """Before the first line leaves: whoever has some of it is in the log."""
        asked = request.GET.urlencode() or _("all devices")
        ticked = len(request.POST.getlist(ACTION_CHECKBOX_NAME))
        across = request.POST.get("select_across") == "1"
        what = asked if across else _("%d ticked") % ticked
        for application in applications(request):
            if chosen.filter(application=application).exists():
                tokens = _("whole tokens") if application.pk in whole else _("cut tokens")
                said = {"format": name, "what": what, "tokens": tokens}
                words = _("Exported devices as %(format)s (%(what)s; %(tokens)s).") % said
                self.log_change(request, application, words)
