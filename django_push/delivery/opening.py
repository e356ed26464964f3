"""Opening a sending: a frozen copy of what is said, to whom, and until when."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

from ..audience import Audience
from ..clock import clock
from ..conf import alias, push_settings
from ..messages import Message
from ..models import Notification, PushHistory, State
from ..templates import render

__all__ = ["freeze", "open_push"]

NOW_OR_NEVER = 60
"""Seconds that a push with time to live 0 may wait in our own queue."""


def open_push(
    notification: Notification, due_at: datetime | None = None, *, source: str = "", by: str = ""
) -> PushHistory:
    """Save a new :class:`PushHistory` of ``notification``, due at ``due_at`` (now by default).

    UNIQUE(notification, due_at) refuses a second one for the same moment.
    """
    now = clock(alias()).now()
    due = _free_moment(notification, due_at) if due_at else now
    content = freeze(notification, due)
    history = PushHistory(
        application=notification.application,
        notification=notification,
        title=str(notification)[:191],
        due_at=due,
        state=State.SCHEDULED if due > now else State.SENDING,
        content=content,
        source=source or notification.source,
        sent_by=by,
        plan_after=due,
        rate=notification.rate,
    )
    history.save(using=alias(), force_insert=True)
    return history


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
    expires_at = _expires_at(notification, due)
    return {
        "message": message.to_content(),
        "audience": Audience.from_json(notification.audience).to_json(),
        "expires_at": expires_at,
        # "Now or never" is never after a minute: a one-time code does not go out hours later.
        "gives_up_at": expires_at or int(due.timestamp()) + NOW_OR_NEVER,
    }


def filled_in(message: Message, variables: dict[str, Any]) -> Message:
    content = copy.deepcopy(message.to_content())
    if not variables and "{{" not in str(content):
        return message
    for texts in (content, *content.get("texts", {}).values()):
        for name in ("title", "subtitle", "body"):
            if texts.get(name):
                texts[name] = render(texts[name], variables)
    return Message.from_content(content)


def _expires_at(notification: Notification, due: datetime) -> int:
    """Unix seconds; 0 means "now or never" (time to live 0), to the providers as to us."""
    if notification.time_to_live == 0:
        return 0
    seconds = notification.time_to_live or push_settings.TIME_TO_LIVE
    ends = due + timedelta(seconds=seconds)
    if notification.expires_at is not None:
        ends = min(ends, notification.expires_at)
    return int(ends.timestamp())
