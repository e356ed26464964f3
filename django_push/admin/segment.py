"""Segments: saved audiences, in rows that people read, with who is in them just now."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..audience import Audience
from ..counting import count_segment
from ..exceptions import InvalidPush
from ..models import Notification, Role, Segment
from .rules.shown import in_words
from .segment_form import COUNT, SegmentForm, rules_of
from .segment_members import Members, members_answer
from .trial import may_send
from .visibility import ApplicationFilter, VisibleAdmin, applications
from .words import moment, number

__all__ = ["SegmentAdmin"]

WAITING = Notification.Status.SCHEDULED


@admin.register(Segment)
class SegmentAdmin(VisibleAdmin):
    write_role = Role.EDITOR
    form = SegmentForm
    list_display = ("name", "conditions", "size", "application", "changed")
    list_filter = (ApplicationFilter,)
    list_select_related = ("application",)
    search_fields = ("name", "key")
    prepopulated_fields = {"key": ("name",)}
    actions = ("count_them",)
    change_form_template = "admin/django_push/segment/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        check = self.admin_site.admin_view(partial(members_answer, self))
        return [path("check/", check, name="django_push_segment_check"), *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        # Only what is a column: the form declares the rest, the template places it all.
        return ((None, {"fields": ("application", "name", "key", "description")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What messages know it by stays."""
        return ("application", "key") if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What repeats takes up the change with its next push but one: who may not send, may not
        decide whom it reaches."""
        if not super().has_change_permission(request, obj):
            return False
        return obj is None or may_send(request, obj.application_id) or not repeats(obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A segment that is still to be looked up is not deleted."""
        shown, counts, lacking, protected = super().get_deleted_objects(objs, request)
        for segment in objs:
            protected += [using(message) for message in segment.used_by()[:20]]
        return shown, counts, lacking, protected

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        segment: Any = kwargs.get("obj")
        form = context["adminform"].form
        editable = segment is None or self.has_change_permission(request, segment)
        context |= {
            "form": form,
            "editable": editable,
            "words": words_of(segment) if segment and not editable else "",
            "used_by": segment.used_by() if segment else [],
            "repeated": bool(segment and repeats(segment)),
            "members": self._members(request, form, segment),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def _members(self, request: HttpRequest, form: Any, segment: Any) -> Members | None:
        """Counted where a person asks without a script, and else by the script."""
        if getattr(form, "verb", "") != COUNT:
            return None
        return Members.of_form(request, self.admin_site, form, segment)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        self._tell_of_copies(request, obj)
        return super().response_change(request, obj)

    def _tell_of_copies(self, request: HttpRequest, segment: Segment) -> None:
        """A push that was confirmed keeps what it was confirmed with."""
        waiting = [each for each in segment.used_by() if each.status == WAITING]
        if waiting:
            text = ngettext(
                "%d scheduled push keeps the conditions that it was confirmed with.",
                "%d scheduled pushes keep the conditions that they were confirmed with.",
                len(waiting),
            )
            self.message_user(request, text % len(waiting), messages.WARNING)

    @admin.action(description=gettext_lazy("Count the chosen segments"), permissions=["view"])
    def count_them(self, request: HttpRequest, queryset: QuerySet[Segment]) -> None:
        mine = queryset.filter(application__in=applications(request))
        for segment in mine.select_related("application"):
            try:
                count_segment(segment)
            except InvalidPush as error:
                self.message_user(request, f"{segment}: {error.message}", messages.ERROR)

    @admin.display(description=gettext_lazy("conditions"))
    def conditions(self, obj: Segment) -> str:
        return words_of(obj)

    @admin.display(description=gettext_lazy("devices"), ordering="devices")
    def size(self, obj: Segment) -> str:
        if obj.devices is None:
            return _("not counted yet")
        said = {"devices": number(obj.devices), "when": moment(obj.counted_at)}
        return _("%(devices)s (%(when)s)") % said

    @admin.display(description=gettext_lazy("changed"), ordering="updated_at")
    def changed(self, obj: Segment) -> str:
        return moment(obj.updated_at)


def words_of(segment: Segment) -> str:
    """Its conditions in a sentence."""
    rules = rules_of(segment.audience)
    if rules is not None:
        return in_words(rules)
    try:
        return Audience.from_json(segment.audience).in_words()
    except InvalidPush as error:
        return error.message


def repeats(segment: Segment) -> bool:
    """Whether messages look it up for each of their pushes; asked once for a page."""
    found: bool | None = segment.__dict__.get("_repeats")
    if found is None:
        found = segment.__dict__["_repeats"] = bool(segment.repeated_by())
    return found


def using(message: Notification) -> str:
    """For Django's page that refuses to delete a segment."""
    link = reverse("admin:django_push_notification_change", args=[message.pk])
    said = {"state": message.get_status_display(), "name": message}
    return format_html('<a href="{}">{}</a>', link, _("Message “%(name)s” (%(state)s)") % said)
