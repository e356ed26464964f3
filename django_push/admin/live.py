"""Answers for the composer's script: parts of the page, rendered here in the same words."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string

from .preflight import Item, Preflight, look
from .schedule_words import Schedule
from .words import number

__all__ = ["check_answer"]


def check_answer(request: HttpRequest, form: Any) -> JsonResponse:
    """The count, the list of what is missing, and the sizes, for a form that may be unfinished."""
    found = look(form.instance) if form.is_valid() else Preflight(_errors(form))
    pages = "admin/django_push/notification"
    local = found.count.found.local if found.count else None
    schedule = Schedule(form.instance, local) if form.is_valid() else None
    context = {"preflight": found, "count": found.count, "schedule": schedule}
    return JsonResponse(
        {
            "count": render_to_string(f"{pages}/count.html", context, request),
            "schedule": render_to_string(f"{pages}/schedule.html", context, request),
            "checks": render_to_string(f"{pages}/checks.html", context, request),
            "devices": found.count.words if found.count else "",
            "summary": found.summary,
            "ready": found.ready,
            "per_type": _per_type(found),
        }
    )


def _per_type(found: Preflight) -> dict[str, str]:
    rows = found.count.found.per_type if found.count else {}
    return {kind: number(count) for kind, count in rows.items()}


def _errors(form: Any) -> list[Item]:
    items = []
    for name, errors in form.errors.items():
        anchor = f"id_{name}" if name in form.fields else ""
        label = f"{form.fields[name].label}: " if name in form.fields else ""
        items += [Item("bad", f"{label}{error}", anchor) for error in errors]
    for language in form.languages.errors if form.languages.is_bound else []:
        items += [
            Item("bad", str(error), "languages") for row in language.values() for error in row
        ]
    return items
