"""The week ahead on the home page: which pushes wait for which day."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from ..models import Notification, PushHistory, State

__all__ = ["Day", "Entry", "end_of_week", "week"]

DAYS = 7
SHOWN = 3
"""Pushes of one day; of more only the number is told."""
READ = 200
"""Rows at the most: a home page is no archive."""
PATIENCE = 0.3
"""Seconds for the moments of repeated messages; some rules take 30 ms to look a week ahead. What
is left out then is after the next push of a message, which is a row of its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    due: datetime
    text: str
    link: str
    repeats: bool

    @property
    def clock(self) -> str:
        return formats.time_format(timezone.localtime(self.due), "H:i")


@dataclass(frozen=True, slots=True)
class Day:
    date: date
    entries: list[Entry]

    @property
    def name(self) -> str:
        if self.date == timezone.localdate():
            return _("Today")
        return formats.date_format(self.date, "D j")

    @property
    def shown(self) -> list[Entry]:
        return self.entries[:SHOWN]

    @property
    def more(self) -> int:
        return max(len(self.entries) - SHOWN, 0)


def week(pushes: Any, messages: Any) -> list[Day]:
    """Seven days from today; empty when nothing is due in them.

    ``pushes`` and ``messages`` are the rows that the reader may see.
    """
    end = end_of_week()
    found = sorted([*_waiting(pushes, end), *_repeated(messages, end)], key=lambda each: each.due)
    if not found:
        return []
    today = timezone.localdate()
    days = [Day(today + timedelta(days=number), []) for number in range(DAYS)]
    for entry in found:
        number = (timezone.localtime(entry.due).date() - today).days
        days[min(max(number, 0), DAYS - 1)].entries.append(entry)  # the overdue ones are today's
    return days


def end_of_week() -> datetime:
    """The midnight after the last day, on the reader's clock."""
    after = timezone.localdate() + timedelta(days=DAYS)
    return timezone.make_aware(datetime(after.year, after.month, after.day))


def _waiting(pushes: Any, end: datetime) -> Iterator[Entry]:
    rows = pushes.filter(state=State.SCHEDULED, finished_at=None, due_at__lt=end)
    for push in rows.select_related("notification").order_by("due_at")[:READ]:
        yield Entry(push.due_at, str(push), _page(push), bool(push.notification.recurrence))


def _repeated(messages: Any, end: datetime) -> Iterator[Entry]:
    """What repeated messages will send in these days, after the push that waits already."""
    rows = messages.filter(status=Notification.Status.REPEATING, next_at__lt=end)
    ends = time.monotonic() + PATIENCE
    for message in rows.select_related("application").order_by("next_at")[:READ]:
        if time.monotonic() > ends:
            return
        page = reverse("admin:django_push_notification_change", args=[message.pk])
        for due in _before(end, message.moments(message.next_at)):
            yield Entry(due, str(message), page, True)


def _before(end: datetime, moments: Iterable[datetime]) -> Iterator[datetime]:
    soon = takewhile(lambda due: due < end, moments)
    return islice(soon, READ)


def _page(push: PushHistory) -> str:
    return reverse("admin:django_push_pushhistory_change", args=[push.pk])
