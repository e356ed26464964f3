"""What keeps the pipeline's books: looked at when something is unclear, never edited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import IdempotencyKey, PushBatch
from .paging import CappedPaginator
from .visibility import ApplicationFilter, ReadOnly
from .words import platform

__all__ = ["IdempotencyKeyAdmin", "PushBatchAdmin"]


class _Ledger(ReadOnly):
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    ordering = ("-pk",)

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        return {}  # reached from a push, not from the list of models


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(_Ledger):
    list_display = ("key", "application", "history", "expires_at")
    list_filter = (ApplicationFilter,)
    list_select_related = ("application", "history")
    search_fields = ("=key",)
    fields = ("application", "key", "body_hash", "history", "expires_at")


@admin.register(PushBatch)
class PushBatchAdmin(_Ledger):
    application_path = "history__application"
    list_display = (
        "__str__",
        "credential",
        "kind",
        "devices",
        "successes",
        "failures",
        "skipped",
        "settled_at",
    )
    list_select_related = ("history", "credential")
    list_filter = (ApplicationFilter,)
    fields = (
        "history",
        "seq",
        "credential",
        "provider",
        "kind",
        "size",
        "devices",
        "successes",
        "failures",
        "invalid",
        "suspects",
        "late",
        "probe",
        "skipped_reasons",
        "not_before",
        "lease_owner",
        "lease_until",
        "retries",
        "crashes",
        "pause_reason",
        "settled_at",
    )

    @admin.display(description=_("platform"))
    def kind(self, obj: Any) -> str:
        return platform(obj.device_type)
