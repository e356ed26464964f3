"""Messages: the composer, and the addresses that serve it."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..audience import Audience
from ..exceptions import DjangoPushError, InvalidPush
from ..models import Notification, PushHistory, Role
from .audience_form import audience_words
from .autosave import autosave, autosave_line
from .channels import channels_beginning
from .compose_form import ComposeForm
from .confirm import ConfirmView
from .live import check_answer
from .preflight import look
from .purpose_form import purpose_words
from .schedule_words import Schedule, when
from .series import VERBS, change_series
from .trial import SOURCE, device_choices, find_device, may_send, send_test
from .visibility import ApplicationFilter, VisibleAdmin, applications, row_id
from .words import pill

__all__ = ["NotificationAdmin"]

EDITABLE = (Notification.Status.DRAFT, Notification.Status.REQUESTED)
REPEATED = (Notification.Status.REPEATING, Notification.Status.PAUSED)
TONES = {
    Notification.Status.REQUESTED: "warn",
    Notification.Status.REPEATING: "run",
    Notification.Status.PAUSED: "warn",
    Notification.Status.SCHEDULED: "run",
    Notification.Status.SENT: "ok",
}


@admin.register(Notification)
class NotificationAdmin(VisibleAdmin):
    write_role = Role.EDITOR
    list_display = ("subject", "state", "application", "to", "moment", "created_by", "updated_at")
    list_filter = (ApplicationFilter, "status")
    list_select_related = ("application", "created_by")
    search_fields = ("name",)
    ordering = ("-pk",)
    change_form_template = "admin/django_push/notification/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).exclude(source=SOURCE)

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "django_push_notification"
        return [
            path("autosave/", wrap(partial(autosave, self)), name=f"{name}_autosave"),
            path("check/", wrap(self.check_view), name=f"{name}_check"),
            path("test/", wrap(self.test_view), name=f"{name}_test"),
            path("channels/", wrap(self.channels_view), name=f"{name}_channels"),
            path("<path:object_id>/send/", wrap(self.send_view), name=f"{name}_send"),
            *(
                path(
                    f"<path:object_id>/{verb}/",
                    wrap(self.series_view),
                    {"verb": verb},
                    name=f"{name}_{verb}",
                )
                for verb in VERBS
            ),
            *super().get_urls(),
        ]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        open_ = obj is None or obj.status in EDITABLE  # what went out is a record
        return open_ and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        unsent = obj is None or (obj.status in EDITABLE and not obj.pushes.exists())
        return unsent and super().has_delete_permission(request, obj)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = ComposeForm if self._composes(request, obj) else forms.ModelForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if self._composes(request, obj):
            # Only what is a column: the form declares the rest, the template places it all.
            return ((None, {"fields": ("application", "name")}),)
        return ((None, {"fields": ("application", "name", "status", "created_by")}),)

    def _composes(self, request: HttpRequest, obj: Any) -> bool:
        return obj is None or self.has_change_permission(request, obj)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj: Any = kwargs.get("obj")
        context["composing"] = self._composes(request, obj)
        if context["composing"]:
            context.update(self._composer(request, obj, context["adminform"].form))
        else:
            context["pushes"] = list(obj.pushes.order_by("-pk")[:20])
            context["audience_words"] = _in_words(obj, audience_words)
            context["purpose_words"] = purpose_words(obj)
            context["when"] = when(obj)
            context["schedule"] = Schedule(obj) if obj.status in REPEATED else None
            context["may_send"] = may_send(request, obj.application_id)
        context["title"] = _("Compose push") if context["composing"] else _("Message")
        return super().render_change_form(request, context, *args, **kwargs)

    def _composer(self, request: HttpRequest, obj: Any, form: Any) -> dict[str, Any]:
        application = (obj and obj.application) or form.only_application
        found = look(obj, with_count=False) if obj and not form.errors else None
        return {
            **autosave_line(self, request, obj),
            "form": form,
            "only_application": form.only_application,
            "app_name": application.name if application else _("App"),
            "shown": obj.content if obj else {},
            "app_zone": application.time_zone if application else _("the application"),
            "schedule": Schedule(obj) if obj and not form.errors else None,
            "preflight": found,
            "show_problems": "check" in request.GET and found is not None and not found.ready,
            "may_send": self._may_send_any(request, application),
            "test_devices": device_choices(request, self.admin_site, application)
            if application
            else [],
        }

    def _may_send_any(self, request: HttpRequest, application: Any) -> bool:
        if application is not None:
            return may_send(request, application.pk)
        rows = applications(request, Role.SENDER).values_list("pk", flat=True)
        return any(may_send(request, pk) for pk in rows[:1])

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.created_by, obj.source = request.user, "console"
        if "_ask" in request.POST:
            obj.status = Notification.Status.REQUESTED
        super().save_model(request, obj, form, change)

    def construct_change_message(
        self, request: Any, form: Any, formsets: Any, add: Any = False
    ) -> Any:
        if "_ask" in request.POST:
            return _("Asked for sending.")
        return super().construct_change_message(request, form, formsets, add)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._after_saving(request, obj)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return self._after_saving(request, obj)

    def _after_saving(self, request: HttpRequest, obj: Notification) -> HttpResponse:
        """The draft is safe; now what the button said."""
        page = reverse("admin:django_push_notification_change", args=[obj.pk])
        may_look = self.has_view_or_change_permission(request, obj)
        if not may_look:
            page = reverse("admin:index")  # who may only add is not shown what was added
        if "_review" in request.POST and may_look:
            if not look(obj, with_count=False).ready:
                return HttpResponseRedirect(f"{page}?check=1")
            return HttpResponseRedirect(
                reverse("admin:django_push_notification_send", args=[obj.pk])
            )
        if "_ask" in request.POST:
            text = _("Saved. Those who may send see your request on the home page of Push.")
            self.message_user(request, text, messages.SUCCESS)
        elif "_test" in request.POST:
            return self._test_without_script(request, obj, page)
        else:
            self.message_user(request, _("Draft saved. Nothing was sent."), messages.SUCCESS)
        return HttpResponseRedirect(page)

    def _test_without_script(
        self, request: HttpRequest, obj: Notification, page: str
    ) -> HttpResponse:
        try:
            history = self._send_test(request, obj)
        except DjangoPushError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(page)
        return HttpResponseRedirect(
            reverse("admin:django_push_pushhistory_change", args=[history.pk])
        )

    def _send_test(self, request: HttpRequest, notification: Notification) -> PushHistory:
        application = notification.application
        chosen = request.POST.get("test_device", "")
        device = find_device(request, self.admin_site, application, chosen)
        history = send_test(notification, [device], request.user.get_username())
        self.log_change(request, history, _("Sent a test to %s.") % device)
        return history

    def _posted(self, request: HttpRequest) -> Any:
        """The form as it is on the page, saved or not."""
        pk = row_id(request.POST.get("draft", ""))
        obj = self.get_object(request, str(pk)) if pk is not None else None
        if obj is not None and not self.has_change_permission(request, obj):
            obj = None
        form_class = self.get_form(request, obj, change=obj is not None)
        return form_class(request.POST, instance=obj)

    def check_view(self, request: HttpRequest) -> HttpResponse:
        """What the composer asks while people write: count, bytes, what is missing."""
        if request.method != "POST" or not self._may_compose(request):
            return JsonResponse({"error": _("You may not compose pushes here.")}, status=403)
        return check_answer(request, self._posted(request))

    def test_view(self, request: HttpRequest) -> HttpResponse:
        """Send what the form says to one device; the answer says where to ask how it went."""
        if request.method != "POST" or not self._may_compose(request):
            return JsonResponse({"error": _("You may not send tests here.")}, status=403)
        form = self._posted(request)
        if not form.is_valid():
            errors = [text for found in form.errors.values() for text in found]
            return JsonResponse({"error": " ".join(map(str, errors))}, status=400)
        try:
            history = self._send_test(request, form.instance)
        except InvalidPush as error:
            return JsonResponse({"error": error.message}, status=400)
        result = reverse("admin:django_push_pushhistory_result", args=[history.pk])
        return JsonResponse({"result": result, "text": _("On its way…")})

    def channels_view(self, request: HttpRequest) -> HttpResponse:
        """Names of channels, as the person types."""
        if not self._may_compose(request):
            return JsonResponse({"channels": []}, status=403)
        pk = row_id(request.GET.get("application", ""))
        rows = applications(request, self.write_role)
        application = rows.filter(pk=pk).first() if pk is not None else None
        names = channels_beginning(application, request.GET.get("q", "")) if application else []
        return JsonResponse({"channels": names})

    def _may_compose(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) or self.has_change_permission(request)

    def send_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        notification = self.get_object(request, unquote(object_id))
        if notification is None:
            return self._is_gone(request, object_id)
        return ConfirmView(self, request, notification).answer()

    def _is_gone(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Back to the first page with a word, as Django's own views do."""
        # Django's own answer to a stale link; it is not in the stubs.
        answer: HttpResponse = self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined]
            request, self.opts, object_id
        )
        return answer

    def series_view(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        notification = self.get_object(request, unquote(object_id))
        if notification is None:
            return self._is_gone(request, object_id)
        return change_series(self, request, notification, verb)

    @admin.display(description=gettext_lazy("message"), ordering="name")
    def subject(self, obj: Notification) -> str:
        return str(obj)

    @admin.display(description=gettext_lazy("state"), ordering="status")
    def state(self, obj: Notification) -> Any:
        status = Notification.Status(obj.status)
        return pill(TONES.get(status, ""), obj.get_status_display())

    @admin.display(description=gettext_lazy("audience"))
    def to(self, obj: Notification) -> str:
        return _in_words(obj)

    @admin.display(description=gettext_lazy("when"), ordering="send_at")
    def moment(self, obj: Notification) -> str:
        return when(obj) if obj.send_at else _("When confirmed")


def _in_words(notification: Notification, words: Any = None) -> str:
    """``words`` asks the database for names; without it a list of messages asks it nothing."""
    try:
        if words is not None:
            return str(words(notification))
        return Audience.from_json(notification.audience).in_words()
    except InvalidPush:
        return _("nobody yet")
