"""Devices: looked up, switched off and on. They register themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..messages import DEVICE_TYPES
from ..models import Application, Installation, QuietHours, Whose
from ..models.registration import address_hash
from ..naming import moment, network_name
from ..providers.base import known_providers
from .device_actions import DeviceActions
from .device_export import SHOWN_OF_TOKEN
from .device_page import DevicePage
from .device_slices import slices_of
from .device_trial import trial_view
from .keyset import KeysetChangeList, Slices
from .person import PersonPages
from .user_page import UserPages, quiet_words, user_link, wishes_words
from .visibility import ApplicationFilter, applications, row_id
from .words import PLATFORMS, pill, platform

__all__ = ["InstallationAdmin", "find_devices"]


def find_devices(devices: QuerySet[Installation], term: str) -> QuerySet[Installation]:
    """Devices with this id, of this user, or with this token or beginning of one.

    The beginning is what the pages show of a token, and no more: who may ask for longer ones reads
    the token letter by letter.

    One question after the other, each answered by an index, the beginning of a token last: an OR
    of them all reads the whole table.
    """
    term = term.strip()
    exact = [
        Q(public_id__in={term, term.lower()}),  # imported ones have capital letters
        Q(user_key=term),
        Q(provider__in=_networks(), address_hash=address_hash(term)),
        Q(installation_id=term.lower()),
    ]
    for condition in exact:
        found = devices.filter(condition)
        if found.exists():
            return found
    beginning = re.sub(r"…$", "", term)
    if len(beginning) > SHOWN_OF_TOKEN:
        return devices.none()
    return devices.filter(address__startswith=beginning)


def _networks() -> list[str]:
    """All networks: the index of addresses leads with the network."""
    own = {provider.network for provider in known_providers().values()}
    return sorted({*DEVICE_TYPES.values(), *own} - {"*"})


class PlatformFilter(admin.SimpleListFilter):
    title = gettext_lazy("platform")
    parameter_name = "platform"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(PLATFORMS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(device_type=self.value()) if self.value() else None


@admin.register(Installation)
class InstallationAdmin(DeviceActions, PersonPages, UserPages):
    list_display = (
        "device",
        "kind",
        "state",
        "user_key",
        "app_version",
        "application",
        "last_seen",
    )
    list_per_page = 50
    list_filter = (ApplicationFilter, PlatformFilter, "is_active")
    list_select_related = ("application",)
    search_fields = ("public_id",)
    search_help_text = gettext_lazy(
        "A user id, a device token or its first 8 characters, or a device's id."
    )
    ordering = ("-pk",)
    sortable_by = ()
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_max_show_all = 0
    actions = (*DeviceActions.actions, "data_of_user")
    fieldsets = (
        (None, {"fields": ("application", "kind", "public_id", "state", "cut_token", "network")}),
        (gettext_lazy("Whose it is"), {"fields": ("its_user", "proved", "bound_at")}),
        (gettext_lazy("What it wants"), {"fields": ("opted_out", "its_quiet_hours")}),
        (
            gettext_lazy("What it told"),
            {
                "fields": (
                    "app_identifier",
                    "app_version",
                    "locale",
                    "time_zone",
                    "environment",
                    "device_profile",
                    "its_channels",
                    "badge",
                    "attributes",
                )
            },
        ),
        (gettext_lazy("When"), {"fields": ("registered_at", "last_seen_at", "created_at")}),
    )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        name = "django_push_installation"
        own = [
            path("test/", wrap(self.test_view), name=f"{name}_test"),
            path("<path:object_id>/switch/", wrap(self.switch_view), name=f"{name}_switch"),
        ]
        return [*own, *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def slices(self, request: HttpRequest, params: Mapping[str, str]) -> Slices:
        """How indexes serve the list that the filters ``params`` ask for."""
        visible = applications(request)
        chosen = params.get(ApplicationFilter.parameter_name)
        mine = visible.filter(pk=row_id(chosen) or 0) if chosen else visible
        others = Application.objects.exclude(pk__in=visible.values("pk"))
        is_all = not chosen and not others.exists()
        platform_name = PlatformFilter.parameter_name
        found = slices_of(mine, params.get(platform_name, ""), is_all=is_all)
        others_too = set(params) - {ApplicationFilter.parameter_name, platform_name}
        return replace(found, is_exact=found.is_exact and not others_too)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        device = self.get_object(request, unquote(object_id))
        if device is not None and self.has_view_permission(request, device):
            page = DevicePage(request, self.admin_site, device)
            may_switch = self.may_switch(request, device)
            own = {"device": page, "may_switch": may_switch, "title": _("Device")}
            own["subtitle"] = f"{platform(device.device_type)} {self.cut_token(device)}"
            extra_context = {**own, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, extra_context)

    def test_view(self, request: HttpRequest) -> HttpResponse:
        return trial_view(request, self)

    def switch_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST with ``on``: 1 or 0."""
        device = self.get_object(request, unquote(object_id))
        if device is None:
            raise Http404(_("There is no such device."))
        if request.method != "POST" or not self.may_switch(request, device):
            raise PermissionDenied
        chosen = Installation.objects.filter(pk=device.pk)
        self.switch(request, chosen, active=request.POST.get("on") == "1")
        page = reverse("admin:django_push_installation_change", args=[device.pk])
        return HttpResponseRedirect(page)

    def may_switch(self, request: HttpRequest, device: Installation) -> bool:
        """Whether the person may switch this device off, or on again."""
        if device.inactive_reason == Installation.Reason.OPTED_OUT:
            return False
        return super().has_change_permission(request, device)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Apps tell us about themselves; permission to change lets switch devices off and on.
        return obj is None and super().has_change_permission(request, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        return find_devices(queryset, search_term), False

    @admin.display(description=gettext_lazy("device"))
    def device(self, obj: Installation) -> str:
        return self.cut_token(obj) or obj.public_id

    @admin.display(description=gettext_lazy("device token"))
    def cut_token(self, obj: Installation) -> str:
        return f"{obj.address[:SHOWN_OF_TOKEN]}…" if obj.address else ""

    @admin.display(description=gettext_lazy("platform"))
    def kind(self, obj: Installation) -> str:
        return platform(obj.device_type)

    @admin.display(description=gettext_lazy("last seen"))
    def last_seen(self, obj: Installation) -> str:
        return moment(obj.last_seen_at)

    @admin.display(description=gettext_lazy("network"))
    def network(self, obj: Installation) -> str:
        return network_name(obj.provider)

    @admin.display(description=gettext_lazy("state"))
    def state(self, obj: Installation) -> Any:
        if obj.is_active:
            return pill("ok", _("On"))
        why = obj.get_inactive_reason_display() if obj.inactive_reason else ""
        off = pill("", _("Off"))
        return format_html('{} <span class="push-quiet">{}</span>', off, why) if why else off

    @admin.display(description=gettext_lazy("proved"))
    def proved(self, obj: Installation) -> str:
        if not obj.user_key:
            return _("Nobody is signed in on it.")
        if obj.user_verified:
            return _("Yes: the person signed in, or your server said so.")
        return _("No: the app says so, and pushes to people do not rely on it.")

    @admin.display(description=gettext_lazy("user id"))
    def its_user(self, obj: Installation) -> Any:
        if not obj.user_key:
            return ""
        return format_html('<a href="{}">{}</a>', user_link(obj.user_key), obj.user_key)

    @admin.display(description=gettext_lazy("said by the app on it"))
    def opted_out(self, obj: Installation) -> str:
        said = wishes_words(Whose(application=obj.application, installation=obj))
        return said or _("Nothing: what its user has chosen holds, or the purpose's default.")

    @admin.display(description=gettext_lazy("quiet hours"))
    def its_quiet_hours(self, obj: Installation) -> str:
        whose = Whose(application=obj.application, installation=obj)
        hours = QuietHours.objects.in_force(whose)
        in_force = "–".join(hours.in_words()) if hours else _("none")
        return in_force if quiet_words(whose) else _("%s (not its own)") % in_force

    @admin.display(description=gettext_lazy("channels"))
    def its_channels(self, obj: Installation) -> str:
        return ", ".join(obj.channels)
