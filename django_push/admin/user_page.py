"""The page of one user: the devices, and what the user wants no pushes about and when.

It leads to the user's own page in the host project's admin where there is one. The other way round
is the host's to choose: ``inlines = [UserDevicesInline]`` in its own user admin.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import Application, Installation, PurposeChoice, QuietHours, Whose
from .visibility import TabularInline, VisibleAdmin, applications

__all__ = ["UserDevicesInline", "UserPages", "quiet_words", "user_link", "wishes_words"]

PAGE = "admin:django_push_installation_user"
MOST = 200
"""Devices on the page: nobody has more, but an id that stands for a whole team may."""


def user_link(user_key: str) -> str:
    """Where the devices of a user are listed."""
    return f"{reverse(PAGE)}?{urlencode({'user': user_key})}"


class UserPages(VisibleAdmin):
    """Mixed into the admin of devices."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.user_view)
        return [path("user/", view, name="django_push_installation_user"), *super().get_urls()]

    def user_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        key = request.GET.get("user", "")
        fits = 0 < len(key) <= 191 and "\x00" not in key
        rows = self.get_queryset(request).filter(user_key=key).select_related("application")
        devices = list(rows.order_by("-pk")[: MOST + 1]) if fits else []
        context = {
            **self.admin_site.each_context(request),
            "title": _("Devices of “%s”") % key if fits else _("Devices of a user"),
            "opts": self.opts,
            "user_id": key,
            # The columns are those of the device list, whose class this is mixed into.
            "rows": [(row, self.kind(row), self.state(row)) for row in devices[:MOST]],  # type: ignore[attr-defined]
            "is_cut": len(devices) > MOST,
            "wishes": list(_wishes(key, applications(request))) if fits else [],
            "host_page": host_page(request, self.admin_site, key) if fits else "",
        }
        return TemplateResponse(request, "admin/django_push/installation/user.html", context)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user wants in one application."""

    application: Application
    purposes: str
    quiet_hours: str


def _wishes(user_key: str, visible: QuerySet[Application]) -> Iterable[Wishes]:
    for application in visible.order_by("name", "pk"):
        whose = Whose(application=application, user_key=user_key)
        purposes, quiet = wishes_words(whose), quiet_words(whose)
        if purposes or quiet:
            yield Wishes(application, purposes, quiet)


def wishes_words(whose: Whose) -> str:
    """To what a device or a user has said no or yes; empty when nothing was said."""
    said = [row for row in PurposeChoice.objects.stances(whose) if row.chosen is not None]
    parts = [(_("yes to %s") if row.chosen else _("no to %s")) % row.purpose for row in said]
    return ", ".join(parts)


def quiet_words(whose: Whose) -> str:
    """The own quiet hours of a device or a user; empty when nothing was said."""
    hours = QuietHours.objects.of(whose)
    if hours is None:
        return ""
    return _("none at all") if hours.is_none else "–".join(hours.in_words())


def host_page(request: HttpRequest, site: Any, user_key: str) -> str:
    """The user's page in the host project's own admin; empty where there is none for this
    person."""
    model = get_user_model()
    registered = site._registry.get(model)
    if registered is None:
        return ""
    try:
        user = model._default_manager.filter(pk=user_key).first()
        known = user is not None and str(user.pk) == user_key
        if not known or not registered.has_view_or_change_permission(request, user):
            return ""
        opts = model._meta
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[user_key])
    except (TypeError, ValueError, OverflowError, ValidationError, NoReverseMatch):
        return ""  # an id that is no primary key of this project


class UserDevicesInline(TabularInline):
    """A user's devices on the user's page in the host project's admin; read-only."""

    model = Installation
    fk_name = "user"
    extra = 0
    can_delete = False
    fields = readonly_fields = ("device", "application", "device_type", "is_active", "last_seen_at")
    verbose_name_plural = gettext_lazy("devices that get pushes")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        visible = applications(request).values("pk")
        return rows.filter(application__in=visible).select_related("application")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def device(self, obj: Installation) -> str:
        page = reverse("admin:django_push_installation_change", args=[obj.pk])
        return format_html('<a href="{}">{}</a>', page, obj.public_id)

    # Django reads it off the function; mypy knows no attributes of functions.
    device.short_description = gettext_lazy("device")  # type: ignore[attr-defined]
