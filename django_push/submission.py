"""The front door: every push, whoever wants it, comes in through :func:`submit`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from .audience import Audience, compile_audience
from .clock import clock
from .conf import alias, push_settings
from .delivery import finish, open_push
from .delivery.opening import filled_in
from .delivery.partition import Traits, choose, sorted_credentials
from .delivery.planning import plan_small
from .exceptions import IdempotencyConflict, InvalidPush, NoCredentials, NotAllowed
from .messages import Account, Envelope, Message, PushType
from .models import Application, Credential, IdempotencyKey, Installation, Notification, PushHistory
from .providers.base import get_provider_class
from .signals import pre_submit, push_submitted

__all__ = [
    "AudienceCount",
    "PayloadSize",
    "check",
    "content_digest",
    "count",
    "payload_sizes",
    "push",
    "submit",
]

logger = logging.getLogger("django_push.submission")

_JSON = ("content", "overrides", "texts", "variables", "audience")
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
    _check_json(notification)
    if idempotency_key:
        known = _find(notification, idempotency_key)
        if known is not None:
            return known  # also when what it asked for could not be sent any more today
    check(notification)
    unsaved = notification.pk is None
    try:
        with transaction.atomic(using=alias()):
            history = _submit_once(notification, idempotency_key, idempotency_seconds, by, source)
    except BaseException:
        if unsaved:
            notification.pk = None  # rolled back: it may be submitted again
        raise
    if history.planned_at is not None and not history.open_batches and finish(history.pk):
        history.refresh_from_db()  # nobody to send to
    return history


def _submit_once(
    notification: Notification, key: str, seconds: int | None, by: str, source: str
) -> PushHistory:
    """The push of this key: a new one, or the one that it stands for already."""
    if not key:
        return _open(notification, by, source)
    remembered = _remember(notification, key, seconds)
    if remembered.history is None:
        remembered.history = _open(notification, by, source)
        remembered.save(update_fields=["history"])
    return remembered.history


def _open(notification: Notification, by: str, source: str) -> PushHistory:
    """The part of submit that writes."""
    _take(notification)
    pre_submit.send(sender=Notification, notification=notification)
    history = open_push(notification, notification.send_at, source=source, by=by)
    plan_small(history)
    if push_submitted.has_listeners(PushHistory):
        _announce(history)
    _enqueue()
    return history


def push(  # noqa: PLR0913  (keyword-only: the everyday call, in one line)
    application: Application,
    *,
    audience: Mapping[str, Any],
    idempotency_key: str = "",
    by: str = "",
    source: str = "python",
    name: str = "",
    send_at: Any = None,
    time_to_live: int | None = None,
    **message: Any,
) -> PushHistory:
    """Compose and submit in one call: ``push(app, audience={"everyone": True}, title="Hi")``.

    ``message`` takes the fields of :class:`~django_push.messages.Message`; ``time_to_live`` is in
    seconds. Raises what :func:`submit` raises.
    """
    texts, overrides = message.pop("texts", {}), message.pop("overrides", {})
    notification = Notification(
        application=application,
        name=name,
        content=message,
        texts=texts,
        overrides=overrides,
        audience=dict(audience),
        send_at=send_at,
        time_to_live=time_to_live,
        source=source,
    )
    return submit(notification, idempotency_key=idempotency_key, by=by, source=source)


def check(notification: Notification) -> None:
    """Raise what :func:`submit` would raise for the content; write nothing."""
    message = filled_in(notification.message(), notification.variables)
    if message.push_type == PushType.ALERT and message.says_nothing:
        raise InvalidPush(
            _("The message is empty: give it a title, a text or data."),
            code="empty_message",
            field="body",
        )
    audience = Audience.from_json(notification.audience)
    _check_installations(notification.application, audience)
    if notification.local_time or notification.recurrence:
        raise InvalidPush(
            _(
                "Sending at the device's own clock and repeated sending are not available yet. "
                "Leave local_time and recurrence empty."
            ),
            code="not_available",
            field="local_time" if notification.local_time else "recurrence",
        )
    expires_at = notification.expires_at
    if expires_at is not None and expires_at <= (notification.send_at or timezone.now()):
        raise InvalidPush(
            _("It would expire before it is sent."), code="expired", field="expires_at"
        )
    _check_json(notification)
    payload_sizes(notification.application, message, enforce=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadSize:
    """How large a message is for one provider, in bytes, in its longest language."""

    provider: str
    """As staff read it."""
    size: int
    limit: int | None


def payload_sizes(
    application: Application, message: Message, *, enforce: bool = False
) -> list[PayloadSize]:
    """The payload of ``message`` for each provider that the application has credentials for.

    With ``enforce`` raises :class:`~django_push.exceptions.PayloadTooLarge` and whatever else a
    provider would refuse, and :class:`~django_push.exceptions.NoCredentials` when there is none.
    """
    sizes = []
    for account in _accounts(application):
        provider = get_provider_class(account.provider)(account)
        envelopes = [
            Envelope(message=message.in_language(tag), push_id="0" * 36, expires_at=None)
            for tag in ("", *message.languages)
        ]
        if enforce:
            for envelope in envelopes:
                provider.prepare(envelope)
        largest = max(provider.payload_size(envelope) for envelope in envelopes)
        sizes.append(
            PayloadSize(
                provider=str(provider.verbose_name), size=largest, limit=provider.payload_limit
            )
        )
    return sizes


def _accounts(application: Application) -> list[Account]:
    """One account per provider in use, without secrets: enough to make a payload."""
    redirect = push_settings.REDIRECT_TO
    if redirect:
        return [Account(provider=redirect)]
    found: dict[str, Account] = {}
    for row in Credential.objects.using(alias()).filter(application=application).usable():
        found.setdefault(
            row.provider,
            Account(
                provider=row.provider,
                name=row.name,
                environment=row.environment,
                topic=row.topic,
                public=row.public,
            ),
        )
    if not found:
        raise NoCredentials(
            _("%(name)s has no credential to send through. Add one under Push › Credentials.")
            % {"name": application.name}
        )
    return list(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceCount:
    """How many devices an audience is, exactly, at this moment."""

    devices: int
    """Those that would be sent to."""
    per_type: dict[str, int] = field(default_factory=dict)
    no_credential: int = 0
    """Those that nothing can send to."""
    inactive: int = 0
    """Those that are switched off."""


def count(application: Application, audience: Mapping[str, Any]) -> AudienceCount:
    """Count an audience.

    Raises :class:`~django_push.exceptions.InvalidPush` for an audience that cannot be read.
    """
    wanted = Audience.from_json(audience)
    _check_installations(application, wanted)
    rows = compile_audience(
        wanted,
        Installation.objects.using(alias()),
        application_id=application.pk,
        trust_claimed=application.trust_client_user_ids,
    )
    traits = (*Traits._fields, "device_type", "is_active")
    grouped = rows.order_by().values_list(*traits).annotate(number=Count("pk"))
    candidates = sorted_credentials(application)
    per_type: dict[str, int] = {}
    no_credential = inactive = 0
    for *device, device_type, is_active, number in grouped:
        if not is_active:
            inactive += number
        elif push_settings.REDIRECT_TO or choose(candidates, Traits(*device)):
            per_type[device_type] = per_type.get(device_type, 0) + number
        else:
            no_credential += number
    return AudienceCount(
        devices=sum(per_type.values()),
        per_type=per_type,
        no_credential=no_credential,
        inactive=inactive,
    )


def _check_installations(application: Application, audience: Audience) -> None:
    """An id of another application, or of nobody, is a mistake: it would reach nobody, silently."""
    wanted = set(audience.installations)
    if not wanted:
        return
    own = Installation.objects.using(alias()).filter(application=application)
    found = own.filter(public_id__in=wanted).values_list("public_id", flat=True)
    unknown = sorted(wanted - set(found))
    if unknown:
        text = _("%(count)d of the ids are no devices of this application, such as %(first)s.")
        raise InvalidPush(
            text % {"count": len(unknown), "first": unknown[0]},
            code="unknown_installation",
            field="audience.installations",
        )


def _find(notification: Notification, key: str) -> PushHistory | None:
    """The push that a key stands for, if it does and the request is the same."""
    known = (
        IdempotencyKey.objects.using(alias())
        .select_related("history")
        .filter(
            application=notification.application,
            key=key,
            body_hash=content_digest(notification),
            expires_at__gt=clock(alias()).now(),
        )
        .first()
    )
    return known.history if known else None


def _remember(notification: Notification, key: str, seconds: int | None) -> IdempotencyKey:
    """Take the key, without a push; or find it, with the push that it stands for."""
    now = clock(alias()).now()
    lifetime = timedelta(seconds=push_settings.IDEMPOTENCY_SECONDS if seconds is None else seconds)
    digest = content_digest(notification)
    keys = IdempotencyKey.objects.using(alias())
    identity = {"application": notification.application, "key": key}
    fresh = {"body_hash": digest, "expires_at": now + lifetime, "history": None}
    try:
        with transaction.atomic(using=alias()):
            return keys.create(**identity, **fresh)
    except IntegrityError:
        pass
    if keys.filter(**identity, expires_at__lte=now).update(**fresh):
        return keys.get(**identity)
    known = keys.select_related("history").get(**identity)
    if known.body_hash != digest or known.history is None:
        raise IdempotencyConflict(
            _("This idempotency key was used for another push. Use a new key for a new push.")
        )
    return known


def content_digest(notification: Notification) -> str:
    """SHA-256 of what is sent, in a canonical form."""
    body = {
        name: getattr(notification, name)
        for name in (
            "name", "content", "overrides", "texts", "variables", "audience", "send_at",
            "time_to_live", "expires_at", "rate",
        )
    }  # fmt: skip
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _take(notification: Notification) -> None:
    """Mark it sent; two submits of one draft send it once."""
    now = clock(alias()).now()
    later = notification.send_at is not None and notification.send_at > now
    status = Notification.Status.SCHEDULED if later else Notification.Status.SENT
    if notification.pk is None:
        notification.status = status
        notification.save(using=alias())
        return
    drafts = Notification.objects.using(alias()).filter(pk=notification.pk, status__in=_EDITABLE)
    if not drafts.update(status=status):
        raise NotAllowed(_("This message was sent already. Copy it to send it again."))
    notification.status = status


def _announce(history: PushHistory) -> None:
    """Tell the receivers; one whose query fails must not undo the push that it was told of."""
    try:
        with transaction.atomic(using=alias()):
            push_submitted.send_robust(sender=PushHistory, history=history)
            if transaction.get_connection(alias()).needs_rollback:
                raise DatabaseError("a receiver's query failed")
    except DatabaseError:
        logger.exception("What the receivers of push_submitted wrote is undone; the push stands")


def _check_json(notification: Notification) -> None:
    """Refuse what no database and no provider takes: NUL, surrogates, numbers beyond 64 bits."""
    try:
        text = orjson.dumps([getattr(notification, name) for name in _JSON])
    except TypeError as error:
        message = _("The message cannot be written as JSON: %(why)s.") % {"why": error}
        raise InvalidPush(message, code="wrong_type") from None
    if b"\\u0000" in text:
        raise InvalidPush(_("The message holds a NUL character."), code="wrong_type")


def _enqueue() -> None:
    """Wake the workers after the commit. Failing that, they find the work themselves."""
    database = alias()

    def wake() -> None:
        try:
            push_settings.DISPATCHER(database)
        except Exception:
            logger.exception("The workers could not be told; they will find the push themselves")

    transaction.on_commit(wake, using=database)
