"""Composing a message in one call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .models import Application, Notification

__all__ = ["compose"]


def compose(  # noqa: PLR0913  (keyword-only: the everyday call, in one line)
    application: Application,
    *,
    audience: Mapping[str, Any],
    name: str = "",
    variables: Mapping[str, Any] | None = None,
    send_at: datetime | None = None,
    local_time: bool = False,
    recurrence: str = "",
    time_to_live: int | None = None,
    expires_at: datetime | None = None,
    rate: int | None = None,
    purpose: str = "",
    transactional: bool = False,
    source: str = "python",
    sees_claims: bool = False,
    **message: Any,
) -> Notification:
    """A new message, unsaved, for :func:`django_push.submission.submit`.

    ``message`` takes the fields of :class:`~django_push.messages.Message`; ``time_to_live`` is in
    seconds, ``rate`` in devices per second. With ``local_time`` each device gets it when its own
    clock shows what the application's clock shows at ``send_at``; a ``send_at`` without a zone is
    that time itself. ``recurrence`` is a rule of RFC 5545 that counts from ``send_at`` by the
    application's clock. ``purpose`` is the key of one that the application declared: who opted out
    of it is left out, unless the message is ``transactional``. ``sees_claims``: a holder of a
    server key wrote the ``where``, which then finds ids of users that nobody proved, too.
    """
    texts, overrides = message.pop("texts", {}), message.pop("overrides", {})
    return Notification(
        application=application,
        name=name,
        content=message,
        texts=texts,
        overrides=overrides,
        variables=dict(variables or {}),
        audience=dict(audience),
        send_at=send_at,
        local_time=local_time,
        recurrence=recurrence,
        time_to_live=time_to_live,
        expires_at=expires_at,
        rate=rate,
        purpose=purpose,
        transactional=transactional,
        source=source,
        sees_claims=sees_claims,
    )
