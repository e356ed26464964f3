"""Idempotency keys: a submit that is repeated is done once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from .clock import clock
from .conf import alias, push_settings
from .exceptions import IdempotencyConflict
from .models import Application, IdempotencyKey, Notification, PushHistory

__all__ = ["content_digest", "find", "find_many", "remember", "remember_many"]


def find(notification: Notification, key: str) -> PushHistory | None:
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


def remember(notification: Notification, key: str, seconds: int | None) -> IdempotencyKey:
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
    known = keys.select_related("history").filter(**identity).first()
    if known is None:
        return remember(notification, key, seconds)  # the scheduler forgot it just now
    if known.body_hash != digest or known.history is None:
        raise _conflict()
    return known


def find_many(
    application: Application, digests: Sequence[str], keys: Sequence[str]
) -> dict[str, PushHistory]:
    """The pushes that these keys stand for already, each for the content of its digest.

    Raises :class:`~django_push.exceptions.IdempotencyConflict` when one stands for another push,
    or is given twice.
    """
    used = [key for key in keys if key]
    if len(used) > len(set(used)):
        raise IdempotencyConflict(_("An idempotency key is given for two of these pushes."))
    rows = IdempotencyKey.objects.using(alias()).filter(application=application, key__in=used)
    alive = rows.filter(expires_at__gt=clock(alias()).now(), history__isnull=False)
    known = {row.key: row for row in alive.select_related("history")}
    for key, digest in zip(keys, digests, strict=True):
        if key in known and known[key].body_hash != digest:
            raise _conflict()
    return {key: row.history for key, row in known.items() if row.history}


def remember_many(
    digests: Sequence[str], keys: Sequence[str], pushes: Sequence[PushHistory]
) -> None:
    """Let the keys stand for new pushes, inside the caller's transaction.

    Raises ``IntegrityError`` when another submit has taken one meanwhile.
    """
    now = clock(alias()).now()
    expires_at = now + timedelta(seconds=push_settings.IDEMPOTENCY_SECONDS)
    rows = [
        IdempotencyKey(
            application=push.application,
            key=key,
            body_hash=digest,
            expires_at=expires_at,
            history=push,
        )
        for digest, key, push in zip(digests, keys, pushes, strict=True)
        if key
    ]
    if rows:
        stored = IdempotencyKey.objects.using(alias())
        over = stored.filter(application=rows[0].application, key__in=[row.key for row in rows])
        over.filter(expires_at__lte=now).delete()
        # In one order for all: two jobs that share keys must not wait for each other.
        stored.bulk_create(sorted(rows, key=lambda row: row.key))


def _conflict() -> IdempotencyConflict:
    return IdempotencyConflict(
        _("This idempotency key was used for another push. Use a new key for a new push.")
    )


def content_digest(notification: Notification) -> str:
    """SHA-256 of what is sent, in a canonical form."""
    body = {
        name: _canonical(getattr(notification, name))
        for name in (
            "name", "content", "overrides", "texts", "variables", "audience", "send_at",
            "local_time", "recurrence", "time_to_live", "expires_at", "rate",
        )
    }  # fmt: skip
    # Only where they are set: keys that were taken before there were any stay the same.
    body |= {
        name: value
        for name in ("purpose", "transactional")
        if (value := getattr(notification, name))
    }
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _canonical(value: Any) -> Any:
    """One moment is written in one way, wherever its clock stood."""
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
