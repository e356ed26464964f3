"""What FCM gets: one message of the HTTP v1 API, without its target.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages

The message serves Android, Apple and web apps alike, since FCM alone knows what a token belongs
to. ``data`` holds texts only: other values are written as JSON. ``overrides["fcm"]`` is merged
over all of it last.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from ..exceptions import InvalidPush
from ..messages import Envelope, Message, Priority, PushType
from .apns_payload import alert, aps_options
from .payload import dumps, merge, own_data

__all__ = ["LONGEST_TTL", "PAYLOAD_LIMIT", "WRAPPING", "build", "size"]

PAYLOAD_LIMIT = 4096
LONGEST_TTL = 2_419_200
"""Seconds: four weeks."""

WRAPPING = 64
"""Bytes."""

TARGETS = frozenset(("token", "fid", "topic", "condition"))
_RESERVED = re.compile(r"from|message_type|(google|gcm)\..*", re.DOTALL)


def build(envelope: Envelope) -> dict[str, Any]:
    """The message. Raises :class:`~django_push.exceptions.InvalidPush`."""
    message = envelope.message
    built: dict[str, Any] = {
        "data": own_data(envelope),
        "android": _android(envelope),
        "apns": _apns(envelope),
    }
    if not message.is_silent:
        built["notification"] = _notification(message)
    if message.link.startswith("https://"):
        built["webpush"] = {"fcm_options": {"link": message.link}}
    override = message.overrides.get("fcm")
    if override:
        _check_override(override)
        built = merge(built, override)
    built["data"] = _texts(built.get("data"))
    return built


def size(built: Mapping[str, Any]) -> int:
    """Bytes of what reaches the device: the larger of Android's and Apple's share.

    How exactly Google counts is not documented; this errs on the larger side. It is never more
    than :data:`WRAPPING` above the length of the message itself.
    """
    shown, data = built.get("notification") or {}, built["data"]
    android = (built.get("android") or {}).get("notification") or {}
    apns = (built.get("apns") or {}).get("payload") or {}
    return max(
        len(dumps({"notification": {**shown, **android}, "data": data})),
        len(dumps({"aps": {"alert": shown, **(apns.get("aps") or {})}, **data})),
    )


def _notification(message: Message) -> dict[str, str]:
    parts = (("title", message.title), ("body", message.body), ("image", message.image))
    return {name: text for name, text in parts if text}


def _android(envelope: Envelope) -> dict[str, Any]:
    message = envelope.message
    android: dict[str, Any] = {
        "priority": "HIGH" if message.priority is Priority.HIGH else "NORMAL"
    }
    if envelope.expires_at is not None:
        left = envelope.expires_at - int(time.time())
        android["ttl"] = f"{min(max(left, 0), LONGEST_TTL)}s"
    if message.collapse_id:
        # Four keys are kept for an offline device at most, so none is made up.
        android["collapse_key"] = message.collapse_id
    if not message.is_silent:
        android["notification"] = _android_notification(envelope)
    return android


def _android_notification(envelope: Envelope) -> dict[str, Any]:
    message = envelope.message
    # The tag makes a push that comes twice show once.
    notification: dict[str, Any] = {"tag": envelope.collapse_id}
    parts = (
        ("channel_id", message.android_channel_id),
        ("sound", message.sound),
        ("click_action", message.category),
    )
    notification.update((name, value) for name, value in parts if value)
    if message.badge:
        notification["notification_count"] = message.badge
    return notification


def _apns(envelope: Envelope) -> dict[str, Any]:
    message = envelope.message
    aps = aps_options(message)
    if message.subtitle:
        aps["alert"] = alert(message)  # FCM's notification has no subtitle
    shown = not message.is_silent or "badge" in aps or "sound" in aps
    background = message.push_type is PushType.BACKGROUND or not shown
    if background:
        aps["content-available"] = 1
    high = message.priority is Priority.HIGH and not background
    headers = {
        "apns-push-type": "background" if background else "alert",
        "apns-priority": "10" if high else "5",
        "apns-collapse-id": envelope.collapse_id,
    }
    if envelope.expires_at is not None:
        headers["apns-expiration"] = str(max(envelope.expires_at, 0))
    apns: dict[str, Any] = {"headers": headers, "payload": {"aps": aps}}
    if message.image:
        apns["fcm_options"] = {"image": message.image}
    return apns


def _texts(data: object) -> dict[str, str]:
    if not isinstance(data, Mapping):
        raise InvalidPush("overrides.fcm.data must be an object.", field="overrides")
    for name in data:
        if not name or _RESERVED.fullmatch(name):
            raise InvalidPush(
                f"Google keeps the data key {name!r} for itself; so are message_type, from, and "
                "what begins with google. or gcm. — use another name.",
                field="data",
            )
    return {
        name: value if isinstance(value, str) else dumps(value).decode()
        for name, value in data.items()
    }


def _check_override(override: Mapping[str, Any]) -> None:
    targets = sorted(TARGETS & override.keys())
    if targets:
        raise InvalidPush(
            f"overrides.fcm.{targets[0]} would change who gets it: choose the audience instead.",
            field="overrides",
        )
    for name, value in override.items():
        if value is not None and not isinstance(value, Mapping):
            raise InvalidPush(f"overrides.fcm.{name} must be an object.", field="overrides")
