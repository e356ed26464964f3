"""What APNs gets: headers and payload of a message.

https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
https://developer.apple.com/documentation/usernotifications/generating-a-remote-notification

Beside ``aps`` the payload holds the message's data, ``image`` and ``link`` when it has them, and
``push_id``. ``overrides["apns"]`` is merged over all of it last; its key ``headers`` is merged
over the request headers instead.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..exceptions import InvalidPush
from ..messages import Envelope, Message, Priority, PushType
from .payload import dumps, merge, own_data

__all__ = ["PAYLOAD_LIMIT", "VOIP_PAYLOAD_LIMIT", "alert", "build", "limit_for"]

PAYLOAD_LIMIT = 4096
VOIP_PAYLOAD_LIMIT = 5120
LONGEST_STORAGE = 30 * 86_400
"""Seconds: Apple keeps a notification for an offline device so long at most."""

TOPIC_SUFFIXES: Mapping[PushType, str] = {
    PushType.VOIP: ".voip",
    PushType.COMPLICATION: ".complication",
    PushType.FILEPROVIDER: ".pushkit.fileprovider",
    PushType.LOCATION: ".location-query",
    PushType.LIVEACTIVITY: ".push-type.liveactivity",
    PushType.PUSHTOTALK: ".voip-ptt",
    PushType.WIDGETS: ".push-type.widgets",
    PushType.CONTROLS: ".push-type.controls",
}
"""``apns-topic`` is the bundle id with these; ``mdm`` takes the certificate's own topic."""

PRIORITIES: Mapping[Priority, str] = {
    Priority.HIGH: "10",
    Priority.NORMAL: "5",
    Priority.LOW: "1",
}
INTERRUPTION_LEVELS = ("passive", "active", "time-sensitive", "critical")

_CONTENT_CHANGED = frozenset((PushType.WIDGETS, PushType.CONTROLS))
_OPEN_HEADERS = frozenset(
    ("apns-push-type", "apns-priority", "apns-expiration", "apns-collapse-id", "apns-topic")
)


def build(envelope: Envelope, topic: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Request headers without ``authorization`` and ``apns-id``, and the body.

    ``topic`` is the bundle id. Raises :class:`~django_push.exceptions.InvalidPush`.
    """
    override = envelope.message.overrides.get("apns", {})
    payload, push_type = _payload(envelope, override)
    headers = _headers(envelope, push_type, topic)
    if "headers" in override:
        headers = merge(headers, _header_overrides(override["headers"]))
    return tuple(headers.items()), dumps(payload)


def limit_for(headers: tuple[tuple[str, str], ...]) -> int:
    """Bytes that a payload with these headers may have."""
    voip = ("apns-push-type", PushType.VOIP.value) in headers
    return VOIP_PAYLOAD_LIMIT if voip else PAYLOAD_LIMIT


def alert(message: Message) -> dict[str, str]:
    """``aps.alert``; empty when nothing is shown."""
    parts = (("title", message.title), ("subtitle", message.subtitle), ("body", message.body))
    return {name: text for name, text in parts if text}


def aps_options(message: Message) -> dict[str, Any]:
    """What a message says in ``aps`` beside its text."""
    aps: dict[str, Any] = {}
    if message.badge is not None:
        aps["badge"] = message.badge
    if message.sound:
        aps["sound"] = message.sound
    if message.category:
        aps["category"] = message.category
    if message.thread_id:
        aps["thread-id"] = message.thread_id
    if message.interruption_level:
        aps["interruption-level"] = _interruption_level(message)
    if message.relevance_score is not None:
        aps["relevance-score"] = message.relevance_score
    if message.mutable_content or message.image:
        # A picture is loaded and attached by the app's service extension, if it has one.
        aps["mutable-content"] = 1
    return aps


def _payload(envelope: Envelope, override: Mapping[str, Any]) -> tuple[dict[str, Any], PushType]:
    message = envelope.message
    if "aps" in message.data:
        raise InvalidPush(
            "data.aps would replace the notification: use another name, or overrides.apns.aps.",
            field="data",
        )
    payload = {"aps": _aps(message), **own_data(envelope)}
    if message.push_type is PushType.MDM:
        # The device's management reads this payload, no app does.
        payload = dict(message.data)
    if override:
        patch = {name: value for name, value in override.items() if name != "headers"}
        payload = merge(payload, patch)
    return payload, _complete(payload, message.push_type)


def _aps(message: Message) -> dict[str, Any]:
    kind = message.push_type
    if kind in _CONTENT_CHANGED:
        return {"content-changed": True}
    if kind is PushType.BACKGROUND:
        _check_background(message)
        return {"content-available": 1}
    aps: dict[str, Any] = {}
    text = alert(message)
    if text:
        aps["alert"] = text
    aps.update(aps_options(message))
    return aps


def _complete(payload: dict[str, Any], push_type: PushType) -> PushType:
    """Add what the push type demands; an alert that shows nothing goes as ``background``.

    Apple: a wrong ``apns-push-type`` may delay a notification or drop it.
    """
    aps = payload.setdefault("aps", {}) if push_type is not PushType.MDM else {}
    if not isinstance(aps, dict):
        raise InvalidPush("overrides.apns.aps must be an object.", field="overrides")
    shown = "alert" in aps or "badge" in aps or "sound" in aps
    if push_type is PushType.ALERT and not shown:
        aps.setdefault("content-available", 1)
        return PushType.BACKGROUND
    if push_type is PushType.LIVEACTIVITY:
        aps.setdefault("timestamp", int(time.time()))
        aps.setdefault("event", "update")
    return push_type


def _headers(envelope: Envelope, push_type: PushType, topic: str) -> dict[str, str]:
    message = envelope.message
    background = push_type is PushType.BACKGROUND
    headers = {
        "apns-push-type": str(push_type),
        "apns-priority": "5" if background else PRIORITIES[message.priority],
        "apns-expiration": _expiration(envelope.expires_at),
    }
    if topic:
        suffix = TOPIC_SUFFIXES.get(push_type, "")
        headers["apns-topic"] = topic if topic.endswith(suffix) else topic + suffix
    if push_type is not PushType.MDM:
        headers["apns-collapse-id"] = _collapse_id(envelope)
    return headers


def _collapse_id(envelope: Envelope) -> str:
    collapse_id = envelope.collapse_id
    if not collapse_id.isprintable() or collapse_id != collapse_id.strip():
        raise InvalidPush(
            "A collapse id goes into a header: it has no line ends, and no spaces around it.",
            field="collapse_id",
        )
    return collapse_id


def _expiration(expires_at: int | None) -> str:
    """``apns-expiration``: Unix time in seconds; 0 tries once and stores nothing."""
    now = int(time.time())
    latest = now + LONGEST_STORAGE
    if expires_at is None:
        return str(latest)
    return str(min(expires_at, latest)) if expires_at > now else "0"


def _header_overrides(headers: object) -> Mapping[str, str]:
    if not isinstance(headers, Mapping) or not set(headers) <= _OPEN_HEADERS:
        raise InvalidPush(
            f"overrides.apns.headers may hold {', '.join(sorted(_OPEN_HEADERS))}.",
            field="overrides",
        )
    for name, value in headers.items():
        plain = isinstance(value, str) and value.isascii() and value.isprintable()
        if value is not None and (not plain or value != value.strip()):
            raise InvalidPush(
                f"overrides.apns.headers.{name} must be a text without spaces around it.",
                field="overrides",
            )
    return headers


def _check_background(message: Message) -> None:
    shown = alert(message) or message.sound or message.badge is not None
    if shown:
        raise InvalidPush(
            "A background push shows nothing and makes no sound: leave out text, sound and badge, "
            "or choose the push type alert.",
            field="push_type",
        )


def _interruption_level(message: Message) -> str:
    if message.interruption_level not in INTERRUPTION_LEVELS:
        raise InvalidPush(
            f"interruption_level must be one of {', '.join(INTERRUPTION_LEVELS)}.",
            field="interruption_level",
        )
    return message.interruption_level
