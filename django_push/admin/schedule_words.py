"""When a message goes out, and when a push goes on: in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.utils import formats, timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..clock import clock
from ..conf import alias
from ..counting import LocalCount, QuietCount
from ..delivery import Progress
from ..delivery.local_time import wall_of
from ..exceptions import InvalidPush
from ..models import Notification, PushHistory
from ..recurrence_words import repetition
from ..zones import wall_in
from .words import duration, moment, number, of_devices

__all__ = [
    "Schedule",
    "local_notes",
    "quiet_notes",
    "schedule_rows",
    "starts",
    "waits_for",
    "wall_words",
    "when",
    "when_note",
]


NEXT = 5
"""Dates that are listed of a message that repeats."""


class Schedule:
    """When a message goes out, as the composer and the confirm page show it."""

    def __init__(self, notification: Notification, local: LocalCount | None = None) -> None:
        self._notification, self._local = notification, local

    @property
    def words(self) -> str:
        """“every Monday at 09:00”; empty for one that does not repeat."""
        return repetition(self._notification)

    @property
    def next(self) -> list[str]:
        """The next days of one that repeats, by the application's clock."""
        notification = self._notification
        zone = notification.application.zone
        after = clock(alias()).now()
        if notification.send_at is not None:
            after = max(after, notification.send_at - timedelta(seconds=61))
        try:
            found = list(islice(notification.moments(after), NEXT))
        except InvalidPush:
            return []
        return [date_words(wall_in(moment, zone)) for moment in found]

    @property
    def notes(self) -> list[str]:
        """From when to when the clocks of the audience show the time."""
        local = self._local
        if local is None or local.first is None or local.last is None:
            return []
        words = {"first": moment(local.first), "last": moment(local.last)}
        return [
            _("The first get it at %(first)s, the last at %(last)s on this page's clock.") % words
        ]


def date_words(wall: datetime) -> str:
    """``Monday, Jan. 4, 2027, 09:00``."""
    return f"{formats.date_format(wall, 'l')}, {wall_words(wall)}"


def wall_words(wall: datetime) -> str:
    """The day and the time that a clock shows."""
    return f"{formats.date_format(wall, 'DATE_FORMAT')}, {formats.time_format(wall, 'H:i')}"


def when(notification: Notification) -> str:
    """When a message goes out; of a draft too."""
    if notification.send_at is None:
        return _("At once.")
    if notification.recurrence:
        words = capfirst(repetition(notification))
        return _("%s on each device's own clock") % words if notification.local_time else words
    if notification.local_time:
        wall = wall_in(notification.send_at, notification.application.zone)
        return _("%s on each device's own clock") % wall_words(wall)
    return formats.date_format(timezone.localtime(notification.send_at), "DATETIME_FORMAT")


def when_note(notification: Notification, local: LocalCount | None) -> str:
    """What else is to be known about it before it goes."""
    if notification.send_at is None:
        return _("It can be stopped while it runs.")
    stoppable = _("It can be stopped until then, and while it runs.")
    if local is None or local.first is None or local.last is None:
        return stoppable
    return " ".join([*Schedule(notification, local).notes, stoppable])


def local_notes(local: LocalCount, application_zone: str) -> list[str]:
    """What an audience's own clocks mean for it."""
    lines = []
    if local.at_once:
        text = ngettext(
            "%s gets it at once: its clock has just shown the time.",
            "%s get it at once: their clocks have just shown the time.",
            local.at_once,
        )
        lines.append(text % number(local.at_once))
    if local.passed:
        text = ngettext(
            "%s is left out: its clock has shown the time more than an hour ago.",
            "%s are left out: their clocks have shown the time more than an hour ago.",
            local.passed,
        )
        lines.append(text % number(local.passed))
    if local.no_zone:
        text = ngettext(
            "%(count)s has no time zone and follows %(zone)s.",
            "%(count)s have no time zone and follow %(zone)s.",
            local.no_zone,
        )
        lines.append(text % {"count": number(local.no_zone), "zone": application_zone})
    return lines


def quiet_notes(quiet: QuietCount) -> list[str]:
    """Whose quiet hours a message comes in, and what becomes of them."""
    lines = []
    if quiet.later and quiet.first is not None and quiet.last is not None:
        first, last = moment(quiet.first), moment(quiet.last)
        if first == last:
            text = ngettext(
                "%(count)s has quiet hours and gets it at %(first)s.",
                "%(count)s have quiet hours and get it at %(first)s.",
                quiet.later,
            )
        else:
            text = ngettext(
                "%(count)s has quiet hours and gets it from %(first)s to %(last)s.",
                "%(count)s have quiet hours and get it from %(first)s to %(last)s.",
                quiet.later,
            )
        lines.append(text % {"count": number(quiet.later), "first": first, "last": last})
    if quiet.left_out:
        text = ngettext(
            "%s is left out: the message expires before its quiet hours are over.",
            "%s are left out: the message expires before their quiet hours are over.",
            quiet.left_out,
        )
        lines.append(text % number(quiet.left_out))
    return lines


def starts(history: PushHistory) -> str:
    """When a push that waits for its moment goes out."""
    if "local" in history.content:
        words = wall_words(wall_of(history.content))
        return _("It goes out at %s on each device's own clock.") % words
    return _("It goes out at %s.") % moment(history.due_at)


def schedule_rows(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """When a push arrives and gives up, from its frozen copy."""
    local = content.get("local")
    if local:
        own = _("%s on each device's own clock") % wall_words(wall_of(content))
        seconds = local["time_to_live"]
        ends = [(_("Gives up"), _("%s after that") % duration(seconds))] if seconds else []
        return [(_("Arrives"), own), *ends]
    if not content.get("expires_at"):
        return []
    end = datetime.fromtimestamp(content["expires_at"], tz=timezone.get_current_timezone())
    return [(_("Gives up"), moment(end))]


def waits_for(now: Progress) -> str:
    """What a push under way waits for; empty when it does not."""
    if now.next_due is None:
        return _sleepers(now)
    left = (now.next_due - clock(alias()).now()).total_seconds()
    words = {"zone": now.next_zone, "time": moment(now.next_due), "left": duration(left)}
    return _("next time zone %(zone)s at %(time)s, in %(left)s") % words


def _sleepers(now: Progress) -> str:
    """Who is not disturbed yet, once all others have got it."""
    if now.wakes_at is None or now.asleep < now.open:
        return ""
    text = ngettext(
        "%(count)s has quiet hours; it goes on at %(time)s",
        "%(count)s have quiet hours; it goes on at %(time)s",
        now.asleep,
    )
    return text % {"count": of_devices(now.asleep), "time": moment(now.wakes_at)}
