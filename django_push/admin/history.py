"""The history of pushes: the list, the live report, and the verbs of a push under way."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import delivery
from ..exceptions import NotAllowed
from ..models import DeliveryFailure, Notification, PushHistory, Role, State
from .failures import failures_csv
from .report import Report
from .trial import SOURCE, may_send, outcome
from .visibility import ApplicationFilter, ReadOnly, may
from .words import moment, number, state_pill

__all__ = ["PushHistoryAdmin"]

PAGES = "admin/django_push/pushhistory"
PARTS = ("notice", "line", "meter", "verbs", "figures", "speed", "why", "through", "log")
"""Templates of what changes on the page while a push runs."""


class TestFilter(admin.SimpleListFilter):
    title = gettext_lazy("tests")
    parameter_name = "tests"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", gettext_lazy("Without tests")), ("only", gettext_lazy("Tests only"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        if self.value() == "no":
            return queryset.exclude(source=SOURCE)
        return queryset.filter(source=SOURCE) if self.value() == "only" else None


@admin.register(PushHistory)
class PushHistoryAdmin(ReadOnly):
    list_display = (
        "push",
        "standing",
        "application",
        "devices_",
        "accepted",
        "not_reached",
        "when",
        "sent_by",
    )
    list_filter = (ApplicationFilter, "state", TestFilter)
    list_select_related = ("application",)
    search_fields = ("title",)
    date_hierarchy = "created_at"
    ordering = ("-pk",)
    change_form_template = f"{PAGES}/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        views = {
            "progress": self.progress_view,
            "result": self.result_view,
            "pause": self.pause_view,
            "resume": self.resume_view,
            "stop": self.stop_view,
            "copy": self.copy_view,
            "failures.csv": self.csv_view,
        }
        wrap = self.admin_site.admin_view
        own = [
            path(
                f"<path:object_id>/{verb}" + ("" if "." in verb else "/"),
                wrap(view),
                name=f"django_push_pushhistory_{verb.partition('.')[0]}",
            )
            for verb, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def _history(self, request: HttpRequest, object_id: str) -> PushHistory:
        found = self.get_object(request, unquote(object_id))
        if found is None:
            raise Http404(_("There is no such push."))
        if not self.has_view_permission(request, found):
            raise PermissionDenied
        return found  # type: ignore[no-any-return]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        history = self.get_object(request, unquote(object_id))
        if history is None:
            # Django's own answer to a stale link; it is not in the stubs.
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        if not self.has_view_permission(request, history):
            raise PermissionDenied
        if request.method == "POST":
            raise PermissionDenied  # its verbs have addresses of their own
        context = {**self._page(request, history), **(extra_context or {})}
        return TemplateResponse(request, f"{PAGES}/change_form.html", context)

    def _page(self, request: HttpRequest, history: PushHistory) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": _("Test push") if history.source == SOURCE else _("Sent push"),
            "subtitle": str(history),
            "opts": self.opts,
            "original": history,
            "object_id": history.pk,
            "has_view_permission": True,
            "media": self.media,
            "report": Report(history),
            "history": history,
            "may_send": may_send(request, history.application_id),
            "sees_failures": self._sees_failures(request),
            "may_copy": self._may_copy(request, history),
        }

    def _sees_failures(self, request: HttpRequest) -> bool:
        return self.admin_site._registry[DeliveryFailure].has_view_permission(request)

    def _may_copy(self, request: HttpRequest, history: PushHistory) -> bool:
        """The new draft is in the same application: composing elsewhere is not enough."""
        composes = self.admin_site._registry[Notification].has_add_permission(request)
        return composes and may(request, Role.EDITOR, history.application_id)

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the report's script asks each second: the parts of the page that change."""
        history = self._history(request, object_id)
        context = self._page(request, history)
        report = context["report"]
        parts = {name: render_to_string(f"{PAGES}/{name}.html", context, request) for name in PARTS}
        return JsonResponse(
            {"parts": parts, "over": report.over, "state": history.state, "title": str(history)}
        )

    def result_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How a test went, in words."""
        history = self._history(request, object_id)
        page = reverse("admin:django_push_pushhistory_change", args=[history.pk])
        return JsonResponse({**outcome(history), "report": page})

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._verb(request, object_id, delivery.pause, _("Paused."))

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._verb(request, object_id, delivery.resume, _("Resumed."))

    def stop_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET asks, POST stops."""
        if request.method == "POST" and "confirmed" in request.POST:
            return self._verb(request, object_id, delivery.cancel, _("Stopped."))
        history = self._history(request, object_id)
        if not may_send(request, history.application_id):
            raise PermissionDenied
        context = {**self._page(request, history), "title": _("Stop push")}
        return TemplateResponse(request, f"{PAGES}/stop.html", context)

    def _verb(self, request: HttpRequest, object_id: str, verb: Any, said: str) -> HttpResponse:
        history = self._history(request, object_id)
        if request.method != "POST" or not may_send(request, history.application_id):
            raise PermissionDenied
        try:
            verb(history, by=request.user.get_username())
        except NotAllowed as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            self.log_change(request, history, said)
            self.message_user(request, said, messages.SUCCESS)
        page = reverse("admin:django_push_pushhistory_change", args=[history.pk])
        return HttpResponseRedirect(page)

    def copy_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A new draft with the same text and audience."""
        history = self._history(request, object_id)
        notifications: Any = self.admin_site._registry[Notification]
        if request.method != "POST" or not self._may_copy(request, history):
            raise PermissionDenied
        draft = _copy(history, request.user)
        notifications.log_addition(request, draft, _("Copied from push %s.") % history.public_id)
        self.message_user(request, _("This is a copy. Nothing was sent."), messages.SUCCESS)
        page = reverse("admin:django_push_notification_change", args=[draft.pk])
        return HttpResponseRedirect(page)

    def csv_view(self, request: HttpRequest, object_id: str) -> StreamingHttpResponse:
        history = self._history(request, object_id)
        if not self._sees_failures(request):
            raise PermissionDenied
        return failures_csv(history)

    @admin.display(description=gettext_lazy("push"), ordering="title")
    def push(self, obj: PushHistory) -> str:
        return str(obj)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def standing(self, obj: PushHistory) -> Any:
        # The guard pauses parts of a push that is being sent: only the report knows.
        return state_pill(obj) if obj.is_over else Report(obj).pill

    # A push that runs has its sums in the ledger; the columns are written at its end.
    @admin.display(description=gettext_lazy("devices"), ordering="devices")
    def devices_(self, obj: PushHistory) -> str:
        return number(obj.devices if obj.is_over else _live(obj)["devices"])

    @admin.display(description=gettext_lazy("accepted"), ordering="successes")
    def accepted(self, obj: PushHistory) -> str:
        return number(obj.successes if obj.is_over else _live(obj)["successes"])

    @admin.display(description=gettext_lazy("not reached"), ordering="failures")
    def not_reached(self, obj: PushHistory) -> str:
        return number(obj.failures if obj.is_over else _live(obj)["failures"])

    @admin.display(description=gettext_lazy("when"), ordering="due_at")
    def when(self, obj: PushHistory) -> str:
        return moment(obj.due_at)


def _live(history: PushHistory) -> dict[str, int]:
    """The sums of a push under way, read once a row."""
    if history.state == State.SCHEDULED:
        return {"devices": 0, "successes": 0, "failures": 0}
    found = history.__dict__.get("_live")
    if found is None:
        found = history.__dict__["_live"] = history.batches.totals()
    return found


def _copy(history: PushHistory, user: Any) -> Notification:
    message = dict(history.content["message"])
    texts, overrides = message.pop("texts", {}), message.pop("overrides", {})
    former = history.notification
    name = former.name if history.source != SOURCE else ""
    return Notification.objects.create(
        application=history.application,
        name=name,
        content=message,
        texts=texts,
        overrides=overrides,
        variables=former.variables,
        audience=history.content["audience"],
        time_to_live=former.time_to_live,
        purpose=former.purpose,
        transactional=former.transactional and history.source != SOURCE,
        source="console",
        created_by=user,
    )
