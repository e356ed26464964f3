"""What FCM demands of a message beyond its shape: target, keys, lifetimes, sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from .fcm_schema import TARGETS, Violation

MESSAGE_LIMIT = 4096
TOPIC_LIMIT = 2048
"""Bytes of keys and values; messages to topics and conditions may have half."""
MAX_TTL = 2_419_200
"""Seconds: four weeks."""
MAX_CONDITION_TOPICS = 5

_RESERVED = re.compile(r"(from|message_type)|(google|gcm)\..*", re.DOTALL)
_TOPIC = re.compile(r"[a-zA-Z0-9\-_.~%]{1,900}")
_CONDITION_TOPIC = re.compile(r"'[a-zA-Z0-9\-_.~%]+' in topics")
_CONDITION_REST = re.compile(r"(?:\s|&&|\|\||!|\(|\)|T)+")
_HEX_COLOR = re.compile(r"#[0-9a-fA-F]{6}")

Message = Mapping[str, Any]


def rule_violations(message: Message) -> Iterator[Violation]:
    """Yield what FCM would refuse in a message of the right shape (canonical names)."""
    yield from _target(message)
    yield from _data_keys(message)
    yield from _android(message.get("android") or {})
    yield from _apns(message.get("apns") or {})
    yield from _size(message)


def target_of(message: Message) -> str | None:
    """Return which kind of target the message has, if exactly one."""
    given = [name for name in TARGETS if message.get(name)]
    return given[0] if len(given) == 1 else None


def _target(message: Message) -> Iterator[Violation]:
    given = [name for name in TARGETS if message.get(name)]
    if not given:
        yield Violation("message", "Recipient of the message is not set.")
    for name in given[1:]:
        yield Violation(
            "message",
            "Invalid value at 'message' (oneof), oneof field 'target' is already set. "
            f"Cannot set '{name}'",
        )
    if "topic" in given and not _TOPIC.fullmatch(message["topic"]):
        yield Violation("message.topic", "Malformed topic name")
    if "condition" in given and not _is_condition(message["condition"]):
        yield Violation("message.condition", "Invalid condition expression provided.")


def _is_condition(text: str) -> bool:
    rest, topics = _CONDITION_TOPIC.subn("T", text)
    return 1 <= topics <= MAX_CONDITION_TOPICS and _CONDITION_REST.fullmatch(rest) is not None


def _data_keys(message: Message) -> Iterator[Violation]:
    for name in ("", "android", "webpush"):
        part = message.get(name) or {} if name else message
        path = f"message.{name}.data" if name else "message.data"
        for key in part.get("data") or {}:
            if not key or _RESERVED.fullmatch(key):
                yield Violation(path, f"Invalid data payload key: {key}")


def _android(android: Message) -> Iterator[Violation]:
    ttl = android.get("ttl")
    if ttl is not None and not 0 <= float(ttl[:-1]) <= MAX_TTL:
        yield Violation(
            "message.android.ttl", f"Invalid time to live: {ttl} is not between 0s and {MAX_TTL}s."
        )
    color = (android.get("notification") or {}).get("color")
    if color is not None and not _HEX_COLOR.fullmatch(color):
        yield Violation(
            "message.android.notification.color", f"Invalid color: {color} is not #RRGGBB."
        )


def _apns(apns: Message) -> Iterator[Violation]:
    payload = apns.get("payload")
    if payload is None:
        return
    if not isinstance(payload.get("aps", {}), dict):
        yield Violation("message.apns.payload.aps", "Invalid APNs payload: aps is not an object.")
    if len(orjson.dumps(payload)) > MESSAGE_LIMIT:
        yield Violation("message", "APNs message is too big")


def _size(message: Message) -> Iterator[Violation]:
    limit = TOPIC_LIMIT if target_of(message) in ("topic", "condition") else MESSAGE_LIMIT
    android = message.get("android") or {}
    data = android.get("data") or message.get("data") or {}
    shown = {**(message.get("notification") or {}), **(android.get("notification") or {})}
    if _weight(data) + _weight(shown) > limit:
        yield Violation("message", "Android message is too big")


def _weight(fields: Message) -> int:
    """Bytes of all keys and values."""
    return sum(
        len(key.encode()) + len(value.encode() if isinstance(value, str) else orjson.dumps(value))
        for key, value in fields.items()
    )
