"""The devices that a push did not reach: a list, and the same as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import DeliveryFailure, PushHistory
from ..reasons import explain
from .paging import CappedPaginator
from .visibility import ApplicationFilter, ReadOnly, row_id
from .words import moment, platform, provider_name

__all__ = ["DeliveryFailureAdmin", "Echo", "failures_csv", "harmless"]


class ReasonFilter(admin.SimpleListFilter):
    """The vendor's word, as the report's links set it; no list of words is read for it."""

    title = gettext_lazy("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = request.GET.get(self.parameter_name)
        return [(value, value)] if value else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(reason=self.value()) if self.value() else None


class PushFilter(ReasonFilter):
    """One push, as the report's links set it."""

    title = gettext_lazy("push")
    parameter_name = "push"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = request.GET.get(self.parameter_name, "")
        rows = model_admin.admin_site._registry[PushHistory].get_queryset(request)
        pk = row_id(value)
        push = rows.filter(pk=pk).first() if pk is not None else None
        return [(value, str(push))] if push else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        value = self.value()
        if not value:
            return None
        pk = row_id(value)
        return queryset.none() if pk is None else queryset.filter(history=pk)


@admin.register(DeliveryFailure)
class DeliveryFailureAdmin(ReadOnly):
    application_path = "history__application"
    list_display = ("why", "vendor_word", "device", "through", "off", "history", "when")
    list_display_links = ("why",)
    list_filter = (ApplicationFilter, PushFilter, ReasonFilter)
    list_select_related = ("history", "installation", "credential")
    ordering = ("-pk",)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    list_max_show_all = 0
    fields = (
        "history",
        "device",
        "through",
        "why",
        "vendor_word",
        "meaning",
        "detail",
        "off",
        "created_at",
    )

    @admin.display(description=gettext_lazy("device"))
    def device(self, obj: DeliveryFailure) -> Any:
        device = obj.installation
        if device is None:
            return _("Erased since")
        # A link for everybody: the device's page asks for the permission to see devices itself.
        page = reverse("admin:django_push_installation_change", args=[device.pk])
        label = f"{platform(device.device_type)} {device.public_id[:8]}"
        return format_html('<a href="{}">{}</a>', page, label)

    @admin.display(description=gettext_lazy("why"), ordering="reason")
    def why(self, obj: DeliveryFailure) -> str:
        return str(explain(obj.provider, obj.status, obj.reason).cause)

    @admin.display(description=gettext_lazy("what it means"))
    def meaning(self, obj: DeliveryFailure) -> str:
        found = explain(obj.provider, obj.status, obj.reason)
        return f"{found.meaning} {found.cure}"

    @admin.display(description=gettext_lazy("the provider's word"))
    def vendor_word(self, obj: DeliveryFailure) -> Any:
        return format_html("<code>{}</code>", obj.reason or obj.status)

    @admin.display(description=gettext_lazy("through"))
    def through(self, obj: DeliveryFailure) -> str:
        return str(obj.credential or provider_name(obj.provider))

    @admin.display(description=gettext_lazy("when"), ordering="created_at")
    def when(self, obj: DeliveryFailure) -> str:
        return moment(obj.created_at)

    @admin.display(description=gettext_lazy("switched off"), boolean=True)
    def off(self, obj: DeliveryFailure) -> bool:
        return obj.switched_off


class Echo:
    """A file that hands back what is written to it, for ``csv`` to write rows one by one."""

    def write(self, value: str) -> str:
        return value


def failures_csv(history: PushHistory) -> StreamingHttpResponse:
    """Every device that ``history`` did not reach, streamed: there may be a million."""
    answer = StreamingHttpResponse(_lines(history), content_type="text/csv; charset=utf-8")
    name = f"push-{history.public_id}-not-reached.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _lines(history: PushHistory) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(
        ["device", "platform", "provider", "status", "reason", "detail", "switched off", "when"]
    )
    rows = history.delivery_failures.order_by("pk").values_list(
        "installation__public_id",
        "installation__device_type",
        "provider",
        "status",
        "reason",
        "detail",
        "switched_off",
        "created_at",
    )
    for row in rows.iterator(chunk_size=2000):
        yield writer.writerow([harmless(value) for value in row])


def harmless(value: Any) -> str:
    """As text that no spreadsheet takes for a formula: vendors' words come from outside."""
    text = "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
