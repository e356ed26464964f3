"""Filters of the lists. A parameter that does not exist is refused, as is a value of no sense."""

# django-filter has no types to inherit:
# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from ..messages import DEVICE_TYPES, Status
from ..models import (
    Application,
    DeliveryFailure,
    Installation,
    Notification,
    Purpose,
    PushHistory,
    Segment,
    State,
    Subscription,
)

__all__ = [
    "ApplicationFilter",
    "FailureFilter",
    "HistoryFilter",
    "InstallationFilter",
    "NotificationFilter",
    "PurposeFilter",
    "SegmentFilter",
    "StrictFilterBackend",
    "TraceFilter",
    "UserDevicesFilter",
]


class StrictFilterBackend(DjangoFilterBackend):
    """A misspelt filter would answer with everything: it is refused instead."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        known = {"limit", "cursor"} | set(view.filterset_class.base_filters)
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            message = _("There is no filter “%(name)s”. There are: %(known)s.") % {
                "name": unknown[0][:64],
                "known": ", ".join(sorted(known)),
            }
            raise ValidationError({unknown[0][:64]: [message]}, code="unknown_filter")
        empty = [name for name, value in request.query_params.items() if not value]
        if empty:
            message = _("It is empty. Give a value, or leave the filter out.")
            raise ValidationError({empty[0]: [message]}, code="wrong_value")
        return super().filter_queryset(request, queryset, view)


class _MomentField(IsoDateTimeField):
    def to_python(self, value: Any) -> datetime | None:
        moment: datetime | None = super().to_python(value)
        if moment is None:
            return None
        if not 1970 <= moment.year < 9000:
            raise forms.ValidationError(_("It must be a time of this age."), code="invalid")
        return moment.astimezone(UTC)  # PostgreSQL knows no offsets of 16 hours and more


class MomentFilter(django_filters.IsoDateTimeFilter):
    """ISO 8601."""

    field_class = _MomentField


def _text(field: str, **kwargs: Any) -> Any:
    return django_filters.CharFilter(field_name=field, max_length=191, strip=False, **kwargs)


def _choice(field: str, choices: Sequence[tuple[Any, Any]]) -> Any:
    return django_filters.ChoiceFilter(field_name=field, choices=choices, empty_label=None)


class _OwnedFilter(django_filters.FilterSet):
    """Rows that belong to an application."""

    application = _text("", method="of_application", help_text=gettext_lazy("Its key."))

    @property
    def application_ids(self) -> dict[str, int]:
        """The caller's, by key."""
        ids: dict[str, int] = self.request.parser_context["view"].known_caller.application_ids
        return ids

    def of_application(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """By primary key: through a join the database would walk through everybody's rows."""
        pk = self.application_ids.get(value)
        return rows.none() if pk is None else rows.filter(application=pk)


class ApplicationFilter(django_filters.FilterSet):
    """None: staff have a handful of applications, a key has one."""

    class Meta:
        model = Application
        fields: list[str] = []


class InstallationFilter(_OwnedFilter):
    platform = _choice("device_type", [(name, name) for name in DEVICE_TYPES])
    user = _text("user_key", help_text=gettext_lazy("Id of a user, proved or claimed."))
    channel = _text("", method="in_channel")
    active = django_filters.ChoiceFilter(
        choices=[("true", "true"), ("false", "false")], method="is_on", empty_label=None
    )
    registered_since = MomentFilter(field_name="registered_at", lookup_expr="gte")

    class Meta:
        model = Installation
        fields: list[str] = []

    def in_channel(
        self, rows: QuerySet[Installation], name: str, value: str
    ) -> QuerySet[Installation]:
        # The index of channels leads with the application: without it every row is read.
        own = self.application_ids.values()
        members = Subscription.objects.filter(application__in=own, channel=value)
        return rows.filter(pk__in=members.values("installation_id"))

    def is_on(self, rows: QuerySet[Installation], name: str, value: str) -> QuerySet[Installation]:
        return rows.filter(is_active=value == "true")


class PurposeFilter(_OwnedFilter):
    class Meta:
        model = Purpose
        fields: list[str] = []


class UserDevicesFilter(django_filters.FilterSet):
    application = _text("application__key", help_text=gettext_lazy("Its key."))
    active = django_filters.ChoiceFilter(
        choices=[("true", "true"), ("false", "false")], method="is_on", empty_label=None
    )

    class Meta:
        model = Installation
        fields: list[str] = []

    def is_on(self, rows: QuerySet[Installation], name: str, value: str) -> QuerySet[Installation]:
        return rows.filter(is_active=value == "true")


class NotificationFilter(_OwnedFilter):
    status = _choice("status", Notification.Status.choices)
    created_since = MomentFilter(field_name="created_at", lookup_expr="gte")

    class Meta:
        model = Notification
        fields: list[str] = []


class HistoryFilter(_OwnedFilter):
    notification = _text("notification__public_id")
    state = _choice("state", State.choices)
    created_since = MomentFilter(field_name="created_at", lookup_expr="gte")

    class Meta:
        model = PushHistory
        fields: list[str] = []


class SegmentFilter(_OwnedFilter):
    key = _text("key")

    class Meta:
        model = Segment
        fields: list[str] = []


class TraceFilter(django_filters.FilterSet):
    """None: pushes are found through one device."""

    class Meta:
        model = Installation
        fields: list[str] = []


class FailureFilter(django_filters.FilterSet):
    status = _choice("status", [(status.value, status.value) for status in Status])
    reason = _text("reason")

    class Meta:
        model = DeliveryFailure
        fields: list[str] = []
