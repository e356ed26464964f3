"""The nights: whether the registry and the history were cleaned up, and what came of it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..clock import clock
from ..conf import alias
from ..models import ApplicationAccess, CleanUp
from .visibility import ModelAdmin
from .words import duration, number, of_devices, pill

__all__ = ["CleanUpAdmin"]


@admin.register(CleanUp)
class CleanUpAdmin(ModelAdmin):
    """Counts of all applications together: for who works with all of them.

    Devices not seen for long are switched off, those off for long deleted.
    """

    list_display = ("night", "state", "switched_off", "deleted", "purged", "took")
    list_display_links = ("night",)
    ordering = ("-night",)
    show_full_result_count = False
    fields = (
        "night",
        "state",
        "switched_off",
        "deleted",
        "purged",
        "started_at",
        "finished_at",
        "took",
        "worker",
    )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if not super().has_view_permission(request, obj):
            return False  # asked for the sidebar of every page
        superuser = bool(getattr(request.user, "is_superuser", False))
        return superuser or not ApplicationAccess.objects.is_restricted()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=gettext_lazy("state"))
    def state(self, obj: CleanUp) -> SafeString:
        if obj.finished_at is not None:
            return pill("ok", _("Done"))
        if obj.lease_until is not None and obj.lease_until > clock(alias()).now():
            return pill("run", _("Under way"))
        return pill("warn", _("Interrupted"))

    @admin.display(description=gettext_lazy("switched off"))
    def switched_off(self, obj: CleanUp) -> str:
        return _devices(obj, "switched_off")

    @admin.display(description=gettext_lazy("deleted"))
    def deleted(self, obj: CleanUp) -> str:
        return _devices(obj, "deleted")

    @admin.display(description=gettext_lazy("old pushes deleted"))
    def purged(self, obj: CleanUp) -> str:
        if "purged" not in obj.report:
            return ""
        count = obj.report["purged"].get("PushHistory", 0)
        return ngettext("%s push", "%s pushes", count) % number(count)

    @admin.display(description=gettext_lazy("worker"))
    def worker(self, obj: CleanUp) -> str:
        return obj.owner

    @admin.display(description=gettext_lazy("took"))
    def took(self, obj: CleanUp) -> str:
        if obj.started_at is None or obj.finished_at is None:
            return ""
        return duration((obj.finished_at - obj.started_at).total_seconds())


def _devices(obj: CleanUp, name: str) -> str:
    """Empty while it is not known: a report is written by the minute, and at the end."""
    return of_devices(obj.report[name]) if name in obj.report else ""
