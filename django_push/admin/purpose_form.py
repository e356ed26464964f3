"""What a message is about, in the composer, and whether it waits for anybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..delivery.preferences import freeze_preferences
from ..models import Application, Notification, Purpose

__all__ = ["PurposeForm", "purpose_initial", "purpose_words", "write_purpose"]


class PurposeForm(forms.Form):
    """The fields; where no application declares a purpose or has quiet hours, they stay out of
    sight."""

    purpose = forms.ChoiceField(
        label=gettext_lazy("Purpose"),
        required=False,
        help_text=gettext_lazy("Who opted out of it in the app is left out."),
    )
    transactional = forms.BooleanField(
        label=gettext_lazy(
            "Transactional: to all, whatever they opted out of, also in quiet hours"
        ),
        required=False,
    )

    shows_purpose = shows_transactional = False

    def offer_purposes(self, visible: QuerySet[Application], notification: Notification) -> None:
        """Let people choose among the purposes of the applications that they see."""
        found = Purpose.objects.filter(application__in=visible.values("pk"))
        rows = list(found.select_related("application").order_by("application__name", "name"))
        field: Any = self.fields["purpose"]
        field.choices = [("", _("None: to everybody addressed")), *_grouped(rows)]
        known = {row.key for row in rows}
        if notification.purpose and notification.purpose not in known:
            field.choices += [(notification.purpose, notification.purpose)]  # deleted since
        self.shows_purpose = bool(rows or notification.purpose)
        self.shows_transactional = (
            self.shows_purpose or notification.transactional or _has_quiet_hours(visible)
        )


def _grouped(rows: list[Purpose]) -> list[Any]:
    by_application: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        label = _("%s (transactional)") % row if row.transactional else str(row)
        by_application.setdefault(str(row.application), []).append((row.key, label))
    if len(by_application) == 1:
        return next(iter(by_application.values()))
    return list(by_application.items())


def _has_quiet_hours(visible: QuerySet[Application]) -> bool:
    return visible.filter(Q(own_quiet_hours=True) | Q(quiet_from__isnull=False)).exists()


def purpose_initial(notification: Notification) -> dict[str, Any]:
    return {"purpose": notification.purpose, "transactional": notification.transactional}


def write_purpose(notification: Notification, cleaned: Mapping[str, Any]) -> None:
    """Raises :class:`~django_push.exceptions.InvalidPush` for a purpose of another application."""
    notification.purpose = cleaned.get("purpose") or ""
    notification.transactional = bool(cleaned.get("transactional"))
    if notification.application_id:
        freeze_preferences(notification)


def purpose_words(notification: Notification) -> str:
    """What a message is about and whom it passes over; empty when it does not say."""
    known = notification.application.purposes.filter(key=notification.purpose).first()
    name = str(known or notification.purpose)
    if notification.transactional or (known and known.transactional):
        text = _("transactional: it goes to all, whatever they opted out of, also in quiet hours")
        return f"{name}; {text}" if name else text
    return name
