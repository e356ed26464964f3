"""The front door: every push, whoever wants it, comes in through :func:`submit`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from django.db import DatabaseError, IntegrityError, connections, transaction
from django.utils.translation import gettext as _

from .audience import Audience
from .checking import Found, check_content, check_json, check_one, check_text
from .clock import clock
from .composing import compose
from .conf import alias, push_settings
from .counting import AudienceCount, LocalCount, QuietCount, check_installations, count
from .delivery import finish
from .delivery.opening import new_push
from .delivery.partition import sorted_credentials, usable_credentials
from .delivery.series import first_moment
from .delivery.small import (
    SmallPlan,
    listed_together,
    may_be_small,
    save_planned,
)
from .delivery.statements import insert
from .exceptions import DjangoPushError, InvalidPush, NotAllowed
from .idempotency import content_digest, find, find_many, remember, remember_many
from .models import Application, IdempotencyKey, Notification, PushHistory, Segment
from .models.again import despite_deadlocks
from .payloads import PayloadSize, accounts_of, check_payloads, payload_sizes
from .schedule import read_clock, zones_for
from .signals import pre_submit, push_submitted

__all__ = [
    "AudienceCount",
    "LocalCount",
    "PayloadSize",
    "QuietCount",
    "check",
    "compose",
    "count",
    "payload_sizes",
    "push",
    "read_clock",
    "submit",
    "submit_many",
    "zones_for",
]

logger = logging.getLogger("django_push.submission")

_EDITABLE = (Notification.Status.DRAFT, Notification.Status.REQUESTED)


def submit(
    notification: Notification,
    *,
    idempotency_key: str = "",
    by: str = "",
    source: str = "",
    idempotency_seconds: int | None = None,
) -> PushHistory:
    """Check a notification, save it, and put its sending into the queue, in one transaction.

    ``idempotency_key`` (at most 191 characters, per application) makes it safe to repeat: the
    same key with the same content returns the same push for ``idempotency_seconds``. ``by`` says
    who sends, for the report; ``source`` where from.

    Raises :class:`~django_push.exceptions.InvalidPush` (and its kinds), ``NotAllowed`` when the
    notification was sent already, ``IdempotencyConflict`` when the key stands for another push.
    Nothing is written then.
    """
    check_json(notification)
    check_text("by", by)
    check_text("source", source, 32)
    check_text("idempotency_key", idempotency_key)
    read_clock(notification)
    if idempotency_key:
        known = find(notification, idempotency_key)
        if known is not None:
            return known  # also when what it asked for could not be sent any more today
    found = check_one(notification)

    def write() -> PushHistory:
        with _taken_back(notification), transaction.atomic(using=alias()):
            if not idempotency_key:
                return _open(notification, found, by, source)
            key = remember(notification, idempotency_key, idempotency_seconds)
            return key.history or _open_for(key, notification, found, by, source)

    history = despite_deadlocks(alias(), write)
    _finish_empty([history])
    return history


@contextmanager
def _taken_back(*notifications: Notification) -> Iterator[None]:
    """What was not saved before may be submitted again when its transaction is rolled back."""
    unsaved = [notification for notification in notifications if notification.pk is None]
    try:
        yield
    except BaseException:
        for notification in unsaved:
            notification.pk = None
        raise


def _open_for(
    key: IdempotencyKey, notification: Notification, found: Found, by: str, source: str
) -> PushHistory:
    """A new push that this key stands for."""
    key.history = _open(notification, found, by, source)
    key.save(update_fields=["history"])
    return key.history


def _open(notification: Notification, found: Found, by: str, source: str) -> PushHistory:
    """The part of submit that writes."""
    _take(notification)
    pre_submit.send(sender=Notification, notification=notification)
    history = _new_push(notification, source, by)
    save_planned([history], _plans([history], [found]))
    _announce(history)
    _enqueue()
    return history


def submit_many(
    notifications: Sequence[Notification],
    *,
    idempotency_keys: Sequence[str] = (),
    by: str = "",
    source: str = "",
) -> list[PushHistory]:
    """Submit new messages of one application together, all or none; their pushes, in this order.

    For who tells each of many people something else: the devices of audiences that list
    installations are read by one statement and the rows written by three, which makes it several
    times as fast as :func:`submit` for each. ``idempotency_keys`` has one key (or an empty text)
    for each message; those that stand for a push already are answered with it.

    Raises what :func:`submit` raises, for the first message that cannot be sent: its ``field``
    begins with ``pushes.3`` when that is number three, counted from 0. Nothing is written then.
    """
    keys = list(idempotency_keys) or [""] * len(notifications)
    if len(keys) != len(notifications):
        raise InvalidPush(_("Give one idempotency key for each push."), field="idempotency_keys")
    check_text("by", by)
    check_text("source", source, 32)
    for number, notification in enumerate(notifications):
        with _numbered(number):
            check_text("idempotency_key", keys[number])
            check_json(notification)
            read_clock(notification)
    if not notifications:
        return []
    # What is asked, before receivers of pre_submit change it: a repeat is asked the same.
    asked = [
        _Asked(notification, key, content_digest(notification) if key else "")
        for notification, key in zip(notifications, keys, strict=True)
    ]
    with suppress(IntegrityError):  # another submit took one of the keys meanwhile: look again
        return _submit_unknown(asked, by, source)
    return _submit_unknown(asked, by, source)


class _Asked(NamedTuple):
    notification: Notification
    key: str
    digest: str


def _submit_unknown(asked: Sequence[_Asked], by: str, source: str) -> list[PushHistory]:
    """Submit those whose keys do not stand for a push; the pushes of all."""
    application = asked[0].notification.application
    known = find_many(application, [one.digest for one in asked], [one.key for one in asked])
    made = iter(_submit_new([one for one in asked if one.key not in known], by, source))
    return [known[one.key] if one.key in known else next(made) for one in asked]


def _submit_new(asked: Sequence[_Asked], by: str, source: str) -> list[PushHistory]:
    """The part of :func:`submit_many` that writes; rolled back whole when anything fails."""
    if not asked:
        return []
    messages = [one.notification for one in asked]
    write = partial(_write_each, asked)  # MySQL does not tell the keys of many rows
    if connections[alias()].features.can_return_rows_from_bulk_insert:
        write = partial(_write_together, asked, _check_many(messages))

    def write_all() -> list[PushHistory]:
        with _taken_back(*messages), transaction.atomic(using=alias()):
            return write(by, source)

    pushes = despite_deadlocks(alias(), write_all)
    _finish_empty(pushes)
    return pushes


def _write_together(
    asked: Sequence[_Asked], found: Sequence[Found], by: str, source: str
) -> list[PushHistory]:
    _take_many([one.notification for one in asked])
    pushes = [_new_push(one.notification, source, by) for one in asked]
    save_planned(pushes, _plans(pushes, found))
    remember_many([one.digest for one in asked], [one.key for one in asked], pushes)
    _announce(*pushes)
    _enqueue()
    return pushes


def _write_each(asked: Sequence[_Asked], by: str, source: str) -> list[PushHistory]:
    pushes = []
    for number, one in enumerate(asked):
        with _numbered(number):
            pushes.append(submit(one.notification, idempotency_key=one.key, by=by, source=source))
    return pushes


def _finish_empty(pushes: Sequence[PushHistory]) -> None:
    """End those that have nobody to send to."""
    empty = [push for push in pushes if push.planned_at is not None and not push.open_batches]
    ended = finish(*(push.pk for push in empty))
    for push in empty:
        if push.pk in ended:
            push.refresh_from_db()


def _check_many(notifications: Sequence[Notification]) -> list[Found]:
    """:func:`.checking.check_one` for each, with what they have in common read once."""
    application = notifications[0].application
    credentials = usable_credentials(application)
    accounts = accounts_of(application, credentials)
    audiences: list[Audience] = []
    for number, notification in enumerate(notifications):
        with _numbered(number):
            if notification.application_id != application.pk or notification.pk is not None:
                raise NotAllowed(_("Only new messages of one application are sent together."))
            message, audience = check_content(notification)
            check_payloads(accounts, message)
            audiences.append(Segment.objects.resolve(application, audience))
    devices = listed_together(application, audiences)
    for number, (audience, listed) in enumerate(zip(audiences, devices, strict=True)):
        with _numbered(number):
            check_installations(application, audience, listed)
    return [Found(credentials=credentials, devices=listed) for listed in devices]


@contextmanager
def _numbered(number: int) -> Iterator[None]:
    """Says in an error which of several messages it is about."""
    try:
        yield
    except DjangoPushError as error:
        words = _("Push %(number)d of these (the first is 0)") % {"number": number}
        raise error.within(f"pushes.{number}", words) from None


def _take_many(notifications: Sequence[Notification]) -> None:
    """Write new messages, marked sent."""
    for notification in notifications:
        notification.status = _begin(notification)
        pre_submit.send(sender=Notification, notification=notification)
    insert(notifications)


def _new_push(notification: Notification, source: str, by: str) -> PushHistory:
    due = notification.next_at or notification.send_at
    return new_push(notification, due, source=source, by=by)


def _plans(pushes: Sequence[PushHistory], found: Sequence[Found]) -> list[SmallPlan]:
    """The plans of those that are small and sent now."""
    small = [
        (push, each.devices)
        for push, each in zip(pushes, found, strict=True)
        if each.devices is not None and may_be_small(push)
    ]
    if not small:
        return []
    candidates = sorted_credentials(pushes[0].application, found[0].credentials)
    return [SmallPlan(push, devices, candidates) for push, devices in small]


def push(
    application: Application,
    *,
    audience: Mapping[str, Any],
    idempotency_key: str = "",
    idempotency_seconds: int | None = None,
    by: str = "",
    **composed: Any,
) -> PushHistory:
    """Compose and submit in one call: ``push(app, audience={"everyone": True}, title="Hi")``.

    ``composed`` is what :func:`compose` takes. Raises what :func:`submit` raises.
    """
    notification = compose(application, audience=audience, **composed)
    return submit(
        notification,
        idempotency_key=idempotency_key,
        idempotency_seconds=idempotency_seconds,
        by=by,
        source=notification.source,
    )


def check(notification: Notification) -> None:
    """Raise what :func:`submit` would raise for the content; write nothing."""
    check_one(notification)


def _take(notification: Notification) -> None:
    """Mark it sent; two submits of one draft send it once."""
    status = _begin(notification)
    if notification.pk is None:
        notification.status = status
        insert([notification])
        return
    drafts = Notification.objects.using(alias()).filter(pk=notification.pk, status__in=_EDITABLE)
    if not drafts.update(status=status, next_at=notification.next_at):
        raise NotAllowed(_("This message was sent already. Copy it to send it again."))
    notification.status = status


def _begin(notification: Notification) -> Notification.Status:
    """Note when it is sent, or first sent; the status that it has from now on."""
    now = clock(alias()).now()
    notification.next_at = first_moment(notification, now)
    if notification.recurrence:
        if notification.next_at is None:
            raise NotAllowed(_("The last of its moments has passed: change its schedule."))
        return Notification.Status.REPEATING
    later = notification.send_at is not None and notification.send_at > now
    waits = later or notification.local_time
    return Notification.Status.SCHEDULED if waits else Notification.Status.SENT


def _announce(*pushes: PushHistory) -> None:
    """Tell the receivers; one whose query fails must not undo the push that it was told of."""
    if not push_submitted.has_listeners(PushHistory):
        return
    for push in pushes:
        try:
            with transaction.atomic(using=alias()):
                push_submitted.send_robust(sender=PushHistory, history=push)
                if transaction.get_connection(alias()).needs_rollback:
                    raise DatabaseError("a receiver's query failed")
        except DatabaseError:
            logger.exception("What a receiver of push_submitted wrote is undone; the push stands")


def _enqueue() -> None:
    """Wake the workers after the commit. Failing that, they find the work themselves."""
    database = alias()

    def wake() -> None:
        try:
            push_settings.DISPATCHER(database)
        except Exception:
            logger.exception("The workers could not be told; they will find the push themselves")

    transaction.on_commit(wake, using=database)
