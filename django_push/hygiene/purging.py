"""History: finished pushes of long ago go, with all that hangs on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from ..clock import clock
from ..conf import alias, push_settings
from ..models import (
    Application,
    DeliveryFailure,
    IdempotencyKey,
    Notification,
    PushBatch,
    PushHistory,
)
from .chunks import CHUNK, delete, rows_of

__all__ = ["old_pushes", "purge"]

PUSHES = 500
"""Pushes deleted by one transaction, after what is large of them."""


def old_pushes(
    days: int | None = None, application: Application | None = None
) -> QuerySet[PushHistory]:
    """Pushes that ended more than ``days`` ago (default: the setting ``HISTORY_DAYS``).

    One whose idempotency key is still remembered stays: a repeat of its submit would send again.
    """
    days = push_settings.HISTORY_DAYS if days is None else days
    rows: QuerySet[PushHistory] = rows_of(PushHistory)
    if days is None:
        return rows.none()
    now = clock(alias()).now()
    if application is not None:
        rows = rows.filter(application=application)
    return rows.filter(~_remembered(now), finished_at__lt=now - timedelta(days=days))


def purge(
    done: Counter[str], *, days: int | None = None, application: Application | None = None
) -> Iterator[None]:
    """Delete old pushes, oldest first; adds the rows deleted to ``done``, by model.

    A generator that stops after each chunk, so that its caller may rest, or give up.
    """
    old = old_pushes(days, application).order_by("finished_at", "pk")
    while found := list(old.values_list("pk", "notification_id")[:PUSHES]):
        pushes = [push for push, _ in found]
        yield from _empty(done, pushes)
        with transaction.atomic(using=alias()):
            done.update(delete(PushHistory, pushes))
            messages = _unused({message for _, message in found})
            done.update(delete(Notification, list(messages.values_list("pk", flat=True))))
        yield


def _empty(done: Counter[str], pushes: list[int]) -> Iterator[None]:
    """Delete what one push may have very much of, each chunk for itself."""
    for model in (DeliveryFailure, PushBatch):
        inside = rows_of(model).filter(history__in=pushes).values_list("pk", flat=True)
        size = CHUNK if model is DeliveryFailure else CHUNK // 10
        while chunk := list(inside[:size]):
            done.update(delete(model, chunk))
            yield


def _unused(messages: set[int]) -> QuerySet[Notification]:
    """Sent messages without any push left. Drafts and series are not history."""
    used = rows_of(PushHistory).filter(notification=OuterRef("pk"))
    rows: QuerySet[Notification] = rows_of(Notification)
    return rows.filter(~Exists(used), pk__in=messages, status=Notification.Status.SENT)


def _remembered(now: datetime) -> Exists:
    keys = rows_of(IdempotencyKey).filter(history=OuterRef("pk"), expires_at__gt=now)
    return Exists(keys)
