"""A repeated message: one push after the other, each made once.

The newest push of a series waits for its moment; when that has come, the next is made
(:func:`advance_series`, called by the scheduler). So one can be looked at, and left out, before
it goes. A conditional UPDATE of ``next_at`` and UNIQUE(notification, due_at) let several
schedulers run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from ..clock import clock
from ..conf import alias
from ..exceptions import DjangoPushError, NotAllowed
from ..models import Notification, PushHistory, State
from .control import cancel
from .expiry import late
from .local_time import EARLIEST
from .opening import open_push
from .rows import PASSING, histories

__all__ = ["advance_series", "first_moment", "pause_series", "resume_series", "stop_series"]

logger = logging.getLogger("django_push.delivery")

Status = Notification.Status
WITHDRAWN = "withdrawn"
"""In the content of a push that was stopped because its series was, and not left out by itself."""
JUST_NOW = timedelta(minutes=1)
"""A series may begin with a moment that passed while its message was looked at once more."""


def first_moment(
    notification: Notification, now: datetime, *, resumed: bool = False
) -> datetime | None:
    """When the first push of a series that begins now is due; ``None``: never.

    A series that is ``resumed`` passes over the moments that somebody left out.
    """
    begins = notification.send_at or now
    before = max(begins.replace(second=0, microsecond=0), now - JUST_NOW) - timedelta(seconds=1)
    return next(_free_moments(notification, before, resumed=resumed), None)


def _free_moments(
    notification: Notification, after: datetime, *, resumed: bool = False
) -> Iterator[datetime]:
    """Its moments after ``after``, without those that had their push already: a series may be
    resumed, or begun anew, a few seconds after one of them."""
    taken: set[datetime] | None = None
    for moment in notification.moments(after):
        if taken is None:
            taken = _taken(notification, after, resumed=resumed)
        if moment not in taken:
            yield moment


def _taken(notification: Notification, after: datetime, *, resumed: bool) -> set[datetime]:
    if notification.pk is None:
        return set()
    made = histories().filter(notification=notification, due_at__gt=after)
    rows = made.values_list("due_at", "state", f"content__{WITHDRAWN}")
    # A moment that was stopped and made again is a microsecond later.
    return {
        due.replace(microsecond=0)
        for due, state, withdrawn in rows
        if state != State.CANCELLED or (resumed and not withdrawn)
    }


def advance_series() -> None:
    """Make the next push of each series whose newest is due."""
    now = clock(alias()).now()
    # One range of an index, in which only series are: this is asked each second, of a table that
    # has a row for every push.
    soon = _series(Status.REPEATING).filter(next_at__lte=now + EARLIEST)
    due = soon.filter(Q(next_at__lte=now) | Q(local_time=True)).order_by("next_at")
    for notification in due.select_related("application")[:100]:
        try:
            while _is_due(notification, now) and _advance(notification, now):
                pass
        except PASSING:
            raise
        except Exception as error:
            # One that cannot be made must not take all workers down with it, again and again.
            known = isinstance(error, DjangoPushError)
            words = "Message %s is repeated no more: %s"
            logger.error(words, notification.public_id, error, exc_info=not known)
            _series(Status.REPEATING).filter(pk=notification.pk).update(status=Status.PAUSED)


def _is_due(notification: Notification, now: datetime) -> bool:
    """Whether the next push is to be made. Those at the devices' own clocks begin long before the
    application's clock shows the time."""
    ahead = EARLIEST if notification.local_time else timedelta(0)
    return notification.next_at is not None and notification.next_at <= now + ahead


def _advance(notification: Notification, now: datetime) -> bool:
    """Make the next push; whether this call did."""
    due = _next_moment(notification, now)
    last = notification.pushes.order_by("-pk").values_list("source", "sent_by").first()
    source, by = last or ("", "")
    with transaction.atomic(using=alias()):
        mine = _series(Status.REPEATING).filter(pk=notification.pk, next_at=notification.next_at)
        over = {"next_at": None, "status": Status.SENT}
        if not mine.update(**({"next_at": due} if due else over)) or due is None:
            return False
        open_push(notification, due, source=source, by=by)
    notification.next_at = due
    return True


def _next_moment(notification: Notification, now: datetime) -> datetime | None:
    """The moment after ``next_at``; of those that passed meanwhile only the newest, and only while
    it is not too late for it."""
    assert notification.next_at is not None
    if notification.local_time:
        floor = now - late() - EARLIEST
        return next(_free_moments(notification, max(notification.next_at, floor)), None)
    newest = None
    for moment in _free_moments(notification, max(notification.next_at, now - late())):
        if moment > now:
            return newest or moment
        newest = moment
    return newest


def pause_series(notification: Notification, by: str = "") -> None:
    """Make no more pushes of a series until :func:`resume_series`; the one that waits for its
    moment is stopped, one that is being sent goes on.

    Raises :class:`~django_push.exceptions.NotAllowed` when it does not repeat.
    """
    _end(notification, by, Status.PAUSED, (Status.REPEATING,), _("paused"))


def stop_series(notification: Notification, by: str = "") -> None:
    """End a series: the message is a draft again, to be changed and sent, or left.

    The push that waits for its moment is stopped, one that is being sent goes on. Raises
    :class:`~django_push.exceptions.NotAllowed` when it does not repeat.
    """
    _end(notification, by, Status.DRAFT, (Status.REPEATING, Status.PAUSED), _("stopped"))


def resume_series(notification: Notification, by: str = "") -> PushHistory:
    """Go on with a paused series, from its next moment on: what was missed is not sent.

    Raises :class:`~django_push.exceptions.NotAllowed` when it is not paused, or has no moment
    left.
    """
    due = first_moment(notification, clock(alias()).now(), resumed=True)
    if due is None:
        raise NotAllowed(
            _("The last of its moments has passed. Stop it, and change when it comes.")
        )
    with transaction.atomic(using=alias()):
        paused = _series(Status.PAUSED).filter(pk=notification.pk)
        _require(paused.update(status=Status.REPEATING, next_at=due), _("resumed"))
        history = open_push(notification, due, source=notification.source, by=by)
    notification.refresh_from_db()
    return history


def _end(
    notification: Notification, by: str, status: Status, running: tuple[Status, ...], verb: str
) -> None:
    with transaction.atomic(using=alias()):
        mine = _series(*running).filter(pk=notification.pk)
        _require(mine.update(status=status, next_at=None), verb)
        waiting = histories().filter(notification=notification, finished_at=None)
        held = Q(state=State.PAUSED, plan_after=None, planned_at=None)
        for history in waiting.filter(Q(state=State.SCHEDULED) | held):
            cancel(history, by)
            content = {**history.content, WITHDRAWN: True}
            histories().filter(pk=history.pk).update(content=content)
    notification.refresh_from_db()


def _series(*statuses: Status) -> QuerySet[Notification]:
    return Notification.objects.using(alias()).filter(status__in=statuses).exclude(recurrence="")


def _require(changed: int, verb: str) -> None:
    if not changed:
        text = _("This message does not repeat now: it cannot be %(verb)s.")
        raise NotAllowed(text % {"verb": verb})
