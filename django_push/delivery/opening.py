"""Opening a sending: a frozen copy of what is said, to whom, and until when."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

from ..audience import Audience
from ..clock import clock
from ..conf import alias
from ..messages import Message
from ..models import Notification, PushHistory, Segment, State
from ..templates import render
from .expiry import expiry, late
from .local_time import freeze_local, push_zones
from .preferences import freeze_preferences

__all__ = ["freeze", "new_push", "open_push"]


def open_push(
    notification: Notification, due_at: datetime | None = None, *, source: str = "", by: str = ""
) -> PushHistory:
    """Save a new :class:`PushHistory` of ``notification``, due at ``due_at`` (now by default).

    UNIQUE(notification, due_at) refuses a second one for the same moment.
    """
    history = new_push(notification, due_at, source=source, by=by)
    history.save(using=alias(), force_insert=True)
    return history


def new_push(
    notification: Notification, due_at: datetime | None = None, *, source: str = "", by: str = ""
) -> PushHistory:
    """What :func:`open_push` saves, unsaved."""
    now = clock(alias()).now()
    due = _free_moment(notification, due_at) if due_at else now
    content = freeze(notification, due)
    first = push_zones(content)[0].due if notification.local_time else due
    return PushHistory(
        application=notification.application,
        notification=notification,
        title=str(notification)[:191],
        due_at=due,
        state=State.SCHEDULED if due > now or notification.local_time else State.SENDING,
        content=content,
        source=source or notification.source,
        sent_by=by,
        plan_after=first,
        rate=notification.rate,
    )


def _free_moment(notification: Notification, due: datetime) -> datetime:
    """A schedule that was stopped may be sent again for the same moment: a microsecond later."""
    stopped = PushHistory.objects.using(alias()).filter(
        notification=notification, state=State.CANCELLED
    )
    while stopped.filter(due_at=due).exists():
        due += timedelta(microseconds=1)
    return due


def freeze(notification: Notification, due: datetime) -> dict[str, Any]:
    """What deliver, retries and reports read, whatever becomes of the notification.

    Raises :class:`~django_push.exceptions.InvalidPush`.
    """
    message = filled_in(notification.message(), notification.variables)
    ends = expiry(due, notification.time_to_live, notification.expires_at)
    audience = _audience(notification)
    content = {
        "message": message.to_content(),
        **audience.to_content(),
        "expires_at": ends.expires_at,
        "gives_up_at": ends.gives_up_at,
        **freeze_preferences(notification),
    }
    if audience.names_people:
        content["people"] = True
    if notification.local_time:
        content["local"] = freeze_local(notification, due)
    elif notification.recurrence:
        content["late_after"] = _late_after(notification, due, ends.gives_up_at)
    return content


def _audience(notification: Notification) -> Audience:
    """With a copy of its segments: who edits one of them later does not change this push."""
    audience = Audience.from_json(notification.audience)
    audience = audience.seeing_claims(notification.sees_claims)
    return Segment.objects.resolve(notification.application, audience)


def _late_after(notification: Notification, due: datetime, gives_up_at: int) -> int:
    """Unix seconds after which one of a series is not begun any more: it is an hour late, past its
    time, or the next one is due."""
    following = next(notification.moments(due), None)
    latest = due + late() if following is None else min(due + late(), following)
    return min(int(latest.timestamp()), gives_up_at)


def filled_in(message: Message, variables: dict[str, Any]) -> Message:
    content = message.to_content()
    if not variables and "{{" not in str(content):
        return message
    content = copy.deepcopy(content)
    for texts in (content, *content.get("texts", {}).values()):
        for name in ("title", "subtitle", "body"):
            if texts.get(name):
                texts[name] = render(texts[name], variables)
    return Message.from_content(content)
