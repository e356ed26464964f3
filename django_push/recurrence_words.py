"""A rule of repetition in words: “every Monday at 09:00”."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import Any

from django.utils import dates, formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .exceptions import InvalidPush
from .recurrence import WEEKDAYS, Recurrence

__all__ = ["in_words", "repetition"]

_PLACES: dict[int, Any] = {
    1: gettext_lazy("the first %s"),
    2: gettext_lazy("the second %s"),
    3: gettext_lazy("the third %s"),
    4: gettext_lazy("the fourth %s"),
    5: gettext_lazy("the fifth %s"),
    -1: gettext_lazy("the last %s"),
    -2: gettext_lazy("the last but one %s"),
}
_WORKDAYS = WEEKDAYS[:5]
MOST_TIMES = 6
"""Times of a day that are listed; more are told by their hours and minutes."""


def repetition(notification: Any) -> str:
    """When a message is repeated, in words; empty when it is not, or its rule cannot be read."""
    try:
        rule = notification.rule
    except InvalidPush:
        return ""
    return in_words(rule, notification.starts, notification.application.zone) if rule else ""


def in_words(rule: Recurrence, start: datetime, zone: tzinfo) -> str:
    """``rule`` as it counts from the wall time ``start``, in the reader's language."""
    parts = [_often(rule, start), *_narrowed(rule, start), _times(rule, start), _end(rule, zone)]
    return " ".join(part for part in parts if part)


def _often(rule: Recurrence, start: datetime) -> str:
    number = rule.interval
    if rule.frequency == "WEEKLY":
        return _weekly(rule, start)
    words = {
        "MINUTELY": ngettext("every minute", "every %d minutes", number),
        "HOURLY": ngettext("every hour", "every %d hours", number),
        "DAILY": ngettext("every day", "every %d days", number),
        "MONTHLY": ngettext("every month", "every %d months", number),
        "YEARLY": ngettext("every year", "every %d years", number),
    }[rule.frequency]
    return words % number if "%d" in words else words


def _weekly(rule: Recurrence, start: datetime) -> str:
    days = [day for _place, day in rule.parts.get("BYDAY", ())] or [WEEKDAYS[start.weekday()]]
    listed = _listed(_weekday(day) for day in sorted(days, key=WEEKDAYS.index))
    if set(days) == set(_WORKDAYS):
        listed = _("weekday from Monday to Friday")
    if rule.interval == 1:
        return _("every %s") % listed
    weeks = ngettext("every %d week", "every %d weeks", rule.interval) % rule.interval
    return _("%(weeks)s on %(days)s") % {"weeks": weeks, "days": listed}


def _narrowed(rule: Recurrence, start: datetime) -> list[str]:
    """Which days and months it is."""
    parts, words = rule.parts, []
    days = parts.get("BYDAY", ()) if rule.frequency != "WEEKLY" else ()
    dates_of_month = parts.get("BYMONTHDAY", ())
    months = parts.get("BYMONTH", ())
    if not days and not dates_of_month and rule.frequency in {"MONTHLY", "YEARLY"}:
        dates_of_month = (start.day,)
    if rule.frequency == "YEARLY" and not days and not months:
        months = (start.month,)
    if dates_of_month:
        words.append(_("on %s") % _listed(map(_date, dates_of_month)))
    if days:
        words.append(_("on %s") % _listed(_placed(place, day) for place, day in days))
    if months:
        words.append(_("in %s") % _listed(str(dates.MONTHS[month]) for month in months))
    if "BYSETPOS" in parts:
        chosen = ", ".join(map(str, parts["BYSETPOS"]))
        words.append(_("(of these, by number: %s)") % chosen)
    return words


def _times(rule: Recurrence, start: datetime) -> str:
    hours, minutes = rule.parts.get("BYHOUR"), rule.parts.get("BYMINUTE")
    if rule.frequency == "MINUTELY" or (rule.frequency == "HOURLY" and hours is None):
        return _within_hours(rule, start)
    every = sorted(
        (hour, minute) for hour in hours or (start.hour,) for minute in minutes or (start.minute,)
    )
    if len(every) > MOST_TIMES:
        return _within_hours(rule, start)
    clock = (formats.time_format(start.replace(hour=h, minute=m), "H:i") for h, m in every)
    return _("at %s") % _listed(clock)


def _within_hours(rule: Recurrence, start: datetime) -> str:
    """Times of a rule that comes many times a day."""
    hours, minutes = rule.parts.get("BYHOUR"), rule.parts.get("BYMINUTE")
    words = []
    if minutes or rule.frequency != "MINUTELY":
        listed = _listed(f"{minute:02d}" for minute in minutes or (start.minute,))
        words.append(_("at minute %s") % listed)
    if hours:
        words.append(_("in the hours %s") % _listed(map(str, hours)))
    return " ".join(words)


def _end(rule: Recurrence, zone: tzinfo) -> str:
    if "COUNT" in rule.parts:
        number: int = rule.parts["COUNT"]
        return ngettext("(%d time)", "(%d times)", number) % number
    last = rule.last_day(zone)
    return _("until %s") % formats.date_format(last, "DATE_FORMAT") if last else ""


def _weekday(day: str) -> str:
    return str(dates.WEEKDAYS[WEEKDAYS.index(day)])


def _placed(place: int, day: str) -> str:
    if not place:
        return _weekday(day)
    if place in _PLACES:
        return str(_PLACES[place]) % _weekday(day)
    return _("%(day)s number %(place)d") % {"day": _weekday(day), "place": place}


def _date(day: int) -> str:
    if day == -1:
        return _("the last day")
    if day < 0:
        return _("day %d from the end") % -day
    return _("day %d") % day


def _listed(words: Iterable[str]) -> str:
    *most, last = list(words)
    if not most:
        return last
    return _("%(most)s and %(last)s") % {"most": ", ".join(most), "last": last}
