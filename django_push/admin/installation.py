"""Devices: looked up, switched off and on. They register themselves."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..models import Installation, Role
from ..models.registration import address_hash
from .paging import CappedPaginator
from .visibility import ApplicationFilter, VisibleAdmin, applications
from .words import PLATFORMS, moment, network_name, pill, platform

__all__ = ["InstallationAdmin", "find_devices"]

SHOWN_OF_TOKEN = 8
"""Characters."""


def find_devices(devices: QuerySet[Installation], term: str) -> QuerySet[Installation]:
    """Devices with this id, of this user, or with this token or beginning of one.

    The beginning is what the pages show of a token, and no more: who may ask for longer ones reads
    the token letter by letter.

    One question after the other, each answered by an index, the beginning of a token last: an OR
    of them all reads the whole table.
    """
    term = term.strip()
    exact = [
        Q(public_id=term.lower()),
        Q(user_key=term),
        Q(address_hash=address_hash(term)),
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


class PlatformFilter(admin.SimpleListFilter):
    title = gettext_lazy("platform")
    parameter_name = "platform"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(PLATFORMS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(device_type=self.value()) if self.value() else None


@admin.register(Installation)
class InstallationAdmin(VisibleAdmin):
    write_role = Role.SENDER
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
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    list_max_show_all = 0
    actions = ("switch_off", "switch_on")
    fieldsets = (
        (None, {"fields": ("application", "kind", "public_id", "state", "cut_token", "network")}),
        (gettext_lazy("Whose it is"), {"fields": ("user_key", "proved", "bound_at")}),
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

    @admin.action(description=gettext_lazy("Switch the chosen devices off"), permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Installation]) -> None:
        self._switch(request, queryset.filter(is_active=True), active=False)

    @admin.action(description=gettext_lazy("Switch the chosen devices on"), permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Installation]) -> None:
        self._switch(request, queryset.filter(is_active=False), active=True)

    def _switch(
        self, request: HttpRequest, chosen: QuerySet[Installation], *, active: bool
    ) -> None:
        mine = chosen.filter(application__in=applications(request, self.write_role))
        rows = list(mine.order_by("pk"))
        reason = Installation.Reason.NONE if active else Installation.Reason.STAFF
        Installation.objects.filter(pk__in=[row.pk for row in rows]).update(
            is_active=active, inactive_reason=reason, updated_at=timezone.now()
        )
        for row in rows:
            self.log_change(request, row, _("Switched on.") if active else _("Switched off."))
        words = (
            ngettext("%d device was switched on.", "%d devices were switched on.", len(rows))
            if active
            else ngettext("%d device was switched off.", "%d devices were switched off.", len(rows))
        )
        self.message_user(
            request, words % len(rows), messages.SUCCESS if rows else messages.WARNING
        )

    @admin.display(description=gettext_lazy("device"), ordering="pk")
    def device(self, obj: Installation) -> str:
        return self.cut_token(obj) or obj.public_id

    @admin.display(description=gettext_lazy("device token"))
    def cut_token(self, obj: Installation) -> str:
        return f"{obj.address[:SHOWN_OF_TOKEN]}…" if obj.address else ""

    @admin.display(description=gettext_lazy("platform"), ordering="device_type")
    def kind(self, obj: Installation) -> str:
        return platform(obj.device_type)

    @admin.display(description=gettext_lazy("last seen"), ordering="last_seen_at")
    def last_seen(self, obj: Installation) -> str:
        return moment(obj.last_seen_at)

    @admin.display(description=gettext_lazy("network"))
    def network(self, obj: Installation) -> str:
        return network_name(obj.provider)

    @admin.display(description=gettext_lazy("state"), ordering="is_active")
    def state(self, obj: Installation) -> Any:
        if obj.is_active:
            return pill("ok", _("On"))
        why = obj.get_inactive_reason_display() if obj.inactive_reason else ""
        return pill("", _("Off: %s") % why if why else _("Off"))

    @admin.display(description=gettext_lazy("proved"))
    def proved(self, obj: Installation) -> str:
        if not obj.user_key:
            return _("Nobody is signed in on it.")
        if obj.user_verified:
            return _("Yes: the person signed in, or your server said so.")
        return _("No: the app says so, and pushes to people do not rely on it.")

    @admin.display(description=gettext_lazy("channels"))
    def its_channels(self, obj: Installation) -> str:
        return ", ".join(obj.channels)
