"""Who is in a segment just now: the number, and a few of the devices."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from ..counting import count, sample
from ..exceptions import InvalidPush
from ..models import Application, Installation, Segment
from .device_export import SHOWN_OF_TOKEN
from .preflight import Count
from .rules.rules import WrongRules
from .visibility import row_id
from .words import moment

if TYPE_CHECKING:
    from .visibility import VisibleAdmin

__all__ = ["Members", "members_answer"]

FEW = 6
"""Devices that are shown."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """One device, as far as a page shows it."""

    device: Installation

    @property
    def token(self) -> str:
        cut = f"{self.device.address[:SHOWN_OF_TOKEN]}…"
        return cut if self.device.address else self.device.public_id

    @property
    def seen(self) -> str:
        return moment(self.device.last_seen_at)


@dataclass(frozen=True, slots=True)
class Members:
    """A count with a sample; or why there is none."""

    count: Count | None = None
    sample: list[Sampled] = field(default_factory=list)
    trouble: str = ""
    """What keeps it from being counted."""

    @classmethod
    def of_form(
        cls, request: HttpRequest, site: AdminSite, form: Any, segment: Segment | None
    ) -> Members:
        """Of what stands in the form, saved or not. A count of what is saved is kept with it."""
        application = form.chosen_application
        if application is None:
            return cls(trouble=_("Choose the application first."))
        if not form.shows_json and not form.rules:
            return cls()
        try:
            audience = form.posted_definition()
            found = cls._of(application, audience, with_sample=may_see_devices(request, site))
        except WrongRules:
            return cls(trouble=_("Complete the conditions: then the devices are counted."))
        except InvalidPush as error:
            return cls(trouble=error.message)
        if segment is not None and segment.audience == audience and found.count:
            segment.counted(found.count.devices)
        return found

    @classmethod
    def _of(cls, application: Application, audience: Any, *, with_sample: bool) -> Members:
        found = Count(count(application, audience), application.time_zone)
        devices: list[Installation] = []
        if with_sample and found.devices:
            with suppress(InvalidPush):  # it took too long: the number stands without them
                devices = sample(application, audience, FEW)
        return cls(found, [Sampled(device) for device in devices])


def may_see_devices(request: HttpRequest, site: AdminSite) -> bool:
    """Whether the person may look at devices at all; which ones, the segment's application says."""
    return bool(site._registry[Installation].has_view_permission(request))


def members_answer(admin: VisibleAdmin, request: HttpRequest) -> HttpResponse:
    """What the form's script asks while people write."""
    allowed = admin.has_add_permission(request) or admin.has_change_permission(request)
    if request.method != "POST" or not allowed:
        return JsonResponse({"error": _("You may not change segments here.")}, status=403)
    pk = row_id(request.POST.get("segment", ""))
    segment = admin.get_object(request, str(pk)) if pk is not None else None
    if segment is not None and not admin.has_change_permission(request, segment):
        return JsonResponse({"error": _("You may not change segments here.")}, status=403)
    form = admin.get_form(request, segment, change=segment is not None)(
        request.POST, instance=segment
    )
    found = Members.of_form(request, admin.admin_site, form, segment)
    page = "admin/django_push/segment/members.html"
    return JsonResponse(
        {
            "members": render_to_string(page, {"members": found, "count": found.count}, request),
            "devices": found.count.words if found.count else found.trouble,
        }
    )
