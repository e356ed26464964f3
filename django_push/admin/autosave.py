"""Drafts that save themselves while people write: what the composer's script posts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from ..models import Notification
from .visibility import row_id
from .words import moment

if TYPE_CHECKING:
    from .visibility import VisibleAdmin

__all__ = ["autosave", "autosave_line", "edition"]


def edition(draft: Notification | None) -> str:
    """Which state of a draft a page shows: another one means that somebody else has saved."""
    return draft.updated_at.isoformat() if draft is not None else ""


def autosave_line(
    admin: VisibleAdmin, request: HttpRequest, draft: Notification | None
) -> dict[str, Any]:
    """What the composer's page needs: nothing saves itself that somebody was asked to send, and
    nothing for those who may not open it again: their button would stand on a page that is shut."""
    asked = draft is not None and draft.status != Notification.Status.DRAFT
    if asked or not admin.has_change_permission(request):
        return {"autosave": False}
    said = _saved(draft) if draft is not None else _("Saves itself as a draft while you write.")
    return {"autosave": True, "edition": edition(draft), "autosave_said": said}


def autosave(admin: VisibleAdmin, request: HttpRequest) -> HttpResponse:
    """Keep the posted form, if all of it can be kept; the answer says so in words.

    403 and 409 mean: stop trying. The page then leaves saving to the button.
    """
    if request.method != "POST":
        return _stop(_("Nothing was saved."), 403)
    with transaction.atomic():
        draft, refusal = _draft(admin, request)
        if refusal is not None:
            return refusal
        form = admin.get_form(request, draft, change=draft is not None)(
            request.POST, instance=draft
        )
        if not form.is_valid():
            text = _("Not saved yet: “Before it goes” names what can not be kept.")
            return JsonResponse({"saved": False, "text": text})
        if draft is None and not form.instance.content:
            return JsonResponse({"saved": False, "text": ""})  # an empty page is no draft
        return JsonResponse(_keep(admin, request, form, new=draft is None))


def _draft(
    admin: VisibleAdmin, request: HttpRequest
) -> tuple[Notification | None, HttpResponse | None]:
    """The row to write, locked; and why it must not be written."""
    posted = request.POST.get("draft", "")
    if not posted:
        allowed = admin.has_add_permission(request) and admin.has_change_permission(request)
        return None, None if allowed else _stop(_("You may not compose pushes here."), 403)
    rows = admin.get_queryset(request).filter(pk=row_id(posted) or 0)
    draft: Notification | None = rows.select_for_update().first()
    if draft is None or not admin.has_change_permission(request, draft):
        return None, _stop(_("This draft is gone, or was sent: nothing saves itself."), 409)
    if draft.status != Notification.Status.DRAFT:
        return None, _stop(_("Somebody was asked to send this: save with the button."), 409)
    if request.POST.get("edition", "") != edition(draft):
        text = _(
            "Somebody else saved this draft at %s. Yours does not save itself any more: "
            "“Save draft” would replace theirs."
        )
        return None, _stop(text % moment(draft.updated_at), 409)
    return draft, None


def _keep(admin: VisibleAdmin, request: HttpRequest, form: Any, *, new: bool) -> dict[str, Any]:
    draft = form.save(commit=False)
    admin.save_model(request, draft, form, change=not new)
    if new:
        admin.log_addition(request, draft, [{"added": {}}])
    draft.refresh_from_db(fields=["updated_at"])  # as precise as the database keeps it
    return {
        "saved": True,
        "draft": draft.pk,
        "edition": edition(draft),
        "page": reverse("admin:django_push_notification_change", args=[draft.pk]),
        "text": _saved(draft),
    }


def _saved(draft: Notification) -> str:
    return _("Draft saved %s.") % moment(draft.updated_at)


def _stop(text: str, status: int) -> HttpResponse:
    return JsonResponse({"saved": False, "text": text}, status=status)
