"""The composer's questions about when: between what people choose and a message's schedule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils import dates, timezone
from django.utils.functional import lazy
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..exceptions import InvalidPush
from ..models import Notification
from ..recurrence import WEEKDAYS, Recurrence
from ..zones import fits_every_clock, moment_of, wall_in
from .words import duration

__all__ = ["ScheduleForm", "give_up_choices", "schedule_initial", "write_schedule"]

NOW, LATER, LOCAL, REPEAT = "now", "later", "local", "repeat"
OWN_RULE, NEVER, ON_DAY, AFTER = "rule", "", "until", "count"
GIVE_UP = (300, 3600, 4 * 3600, 86_400, 3 * 86_400, 7 * 86_400)
_capitalised = lazy(capfirst, str)
_DAY = "%Y-%m-%d"
_MINUTE = "%Y-%m-%dT%H:%M"


class WallTimeField(forms.DateTimeField):
    """A day and a time without a zone: which clock is meant depends on the other answers.

    Django's own field reads it by the page's clock, and refuses what that clock skips or shows
    twice on the days when clocks change.
    """

    def to_python(self, value: Any) -> datetime | None:
        with timezone.override(UTC):  # where every time exists once
            found = super().to_python(value)
        if found is None:
            return None
        if not fits_every_clock(found):
            raise forms.ValidationError(_("Choose a year from 1970 to 8999."))
        return found.replace(tzinfo=None)


class ScheduleForm(forms.Form):
    """The fields; what they mean is read and written by the functions below."""

    when = forms.ChoiceField(
        label=gettext_lazy("Send"),
        choices=(
            (NOW, gettext_lazy("As soon as it is confirmed")),
            (LATER, gettext_lazy("At one moment for all")),
            (LOCAL, gettext_lazy("At the same clock time everywhere")),
            (REPEAT, gettext_lazy("Repeat…")),
        ),
        required=False,
        widget=forms.RadioSelect,
    )
    send_at = WallTimeField(
        label=gettext_lazy("Day and time"),
        required=False,
        input_formats=[_MINUTE, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MINUTE),
    )
    repeat_interval = forms.IntegerField(
        label=gettext_lazy("Interval"),
        required=False,
        min_value=1,
        max_value=999,
        initial=1,
        widget=forms.NumberInput(
            attrs={"aria-label": gettext_lazy("How many of them from one to the next")}
        ),
    )
    repeat_unit = forms.ChoiceField(
        label=gettext_lazy("Every"),
        required=False,
        choices=(
            ("DAILY", gettext_lazy("day")),
            ("WEEKLY", gettext_lazy("week")),
            ("MONTHLY", gettext_lazy("month")),
            ("YEARLY", gettext_lazy("year")),
            (OWN_RULE, gettext_lazy("… by a rule of its own")),
        ),
        initial="WEEKLY",
    )
    repeat_days = forms.MultipleChoiceField(
        label=gettext_lazy("On"),
        required=False,
        choices=[(day, _capitalised(dates.WEEKDAYS[n])) for n, day in enumerate(WEEKDAYS)],
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None chosen: the day of the week of the first."),
    )
    recurrence = forms.CharField(
        label=gettext_lazy("Rule"),
        required=False,
        max_length=255,
        widget=forms.TextInput(
            attrs={"class": "vTextField push-wide", "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text=gettext_lazy(
            "As calendars write it (RFC 5545): FREQ=MONTHLY;BYDAY=-1FR is the last Friday of "
            "each month."
        ),
    )
    repeat_ends = forms.ChoiceField(
        label=gettext_lazy("Ends"),
        required=False,
        choices=(
            (NEVER, gettext_lazy("When it is stopped")),
            (ON_DAY, gettext_lazy("After a day")),
            (AFTER, gettext_lazy("After a number of times")),
        ),
    )
    repeat_until = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        input_formats=[_DAY],
        widget=forms.DateInput(attrs={"type": "date"}, format=_DAY),
    )
    repeat_count = forms.IntegerField(
        label=gettext_lazy("Times"), required=False, min_value=1, max_value=9_999
    )
    repeat_local = forms.BooleanField(
        label=gettext_lazy("At each device's own clock"), required=False
    )
    give_up = forms.TypedChoiceField(
        label=gettext_lazy("Give up after"),
        required=False,
        coerce=int,
        empty_value=None,
        help_text=gettext_lazy("A phone that is switched off longer than this never shows it."),
    )

    def clean_schedule(self, cleaned: Mapping[str, Any]) -> None:
        """What is chosen needs its details. To be called by ``clean``: a model form's own does not
        call that of a plain form beside it."""
        when = cleaned.get("when")
        if when in {LATER, LOCAL, REPEAT} and not cleaned.get("send_at") and not self.errors:
            self.add_error("send_at", _("Choose the day and the time."))
        if when != REPEAT:
            return
        needed = {ON_DAY: "repeat_until", AFTER: "repeat_count"}
        name = needed.get(cleaned.get("repeat_ends") or NEVER)
        if cleaned.get("repeat_unit") == OWN_RULE:
            name = "recurrence"
        if name and name not in self.errors and not cleaned.get(name):
            self.add_error(name, _("Fill this in, or choose otherwise above."))


def give_up_choices(current: int | None) -> list[tuple[Any, Any]]:
    seconds = sorted({*GIVE_UP, *([current] if current else [])})
    longest = ("", gettext_lazy("As long as the provider keeps it (28 days)"))
    return [longest, *((value, duration(value)) for value in seconds)]


def write_schedule(notification: Notification, cleaned: Mapping[str, Any]) -> None:
    """Give ``notification`` the schedule that was chosen.

    Raises :class:`~django_push.exceptions.InvalidPush` for a rule that cannot be read.
    """
    when = cleaned.get("when") or NOW
    repeats = when == REPEAT
    notification.time_to_live = cleaned.get("give_up")
    notification.local_time = when == LOCAL or (repeats and bool(cleaned.get("repeat_local")))
    notification.recurrence = _rule(cleaned) if repeats else ""
    notification.send_at = None
    if when != NOW and cleaned.get("send_at"):
        by_application = when in {LOCAL, REPEAT}
        notification.send_at = _moment(notification, cleaned["send_at"], by_application)


def _moment(notification: Notification, chosen: datetime, by_application: bool) -> datetime:
    """What was typed is a wall time: of this page's clock, or of the application's."""
    if not by_application or notification.application_id is None:
        return moment_of(chosen, timezone.get_current_timezone())
    return moment_of(chosen, notification.application.zone)


def _rule(cleaned: Mapping[str, Any]) -> str:
    unit = cleaned.get("repeat_unit") or "WEEKLY"
    if unit == OWN_RULE:
        return Recurrence.parse(cleaned["recurrence"]).text
    parts = [f"FREQ={unit}"]
    if (cleaned.get("repeat_interval") or 1) > 1:
        parts.append(f"INTERVAL={cleaned['repeat_interval']}")
    if unit == "WEEKLY" and cleaned.get("repeat_days"):
        parts.append("BYDAY=" + ",".join(cleaned["repeat_days"]))
    if cleaned.get("repeat_ends") == ON_DAY:
        parts.append(f"UNTIL={cleaned['repeat_until']:%Y%m%d}")
    if cleaned.get("repeat_ends") == AFTER:
        parts.append(f"COUNT={cleaned['repeat_count']}")
    return Recurrence.parse(";".join(parts)).text


def schedule_initial(notification: Notification) -> dict[str, Any]:
    """The form's values for a message."""
    initial: dict[str, Any] = {"when": _when(notification), "give_up": notification.time_to_live}
    if notification.send_at:
        by_application = initial["when"] in {LOCAL, REPEAT}
        page = timezone.get_current_timezone()
        zone = notification.application.zone if by_application else page
        initial["send_at"] = wall_in(notification.send_at, zone)
    if notification.recurrence:
        initial["repeat_local"] = notification.local_time
        initial |= _rule_initial(notification.recurrence)
    return initial


def _when(notification: Notification) -> str:
    if notification.recurrence:
        return REPEAT
    if notification.local_time:
        return LOCAL
    return LATER if notification.send_at else NOW


def _rule_initial(text: str) -> dict[str, Any]:
    """The simple questions for a simple rule, the rule itself for any other."""
    initial: dict[str, Any] = {"repeat_unit": OWN_RULE, "recurrence": text}
    try:
        parts = Recurrence.parse(text).parts
    except InvalidPush:
        return initial
    days = parts.get("BYDAY", ())
    weekly = parts["FREQ"] == "WEEKLY"
    plain = set(parts) <= {"FREQ", "INTERVAL", "COUNT", "UNTIL"} | ({"BYDAY"} if weekly else set())
    if not plain or parts["FREQ"] in {"MINUTELY", "HOURLY"} or "T" in parts.get("UNTIL", ""):
        return initial
    return {
        "repeat_unit": parts["FREQ"],
        "repeat_interval": parts.get("INTERVAL", 1),
        "repeat_days": [day for _place, day in days],
        **_ends_initial(parts),
    }


def _ends_initial(parts: Mapping[str, Any]) -> dict[str, Any]:
    if "UNTIL" in parts:
        last = datetime.strptime(parts["UNTIL"], "%Y%m%d").date()
        return {"repeat_ends": ON_DAY, "repeat_until": last}
    if "COUNT" in parts:
        return {"repeat_ends": AFTER, "repeat_count": parts["COUNT"]}
    return {"repeat_ends": NEVER}
