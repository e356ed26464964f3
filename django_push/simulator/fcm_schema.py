"""The shape of an FCM v1 message, and finding what does not fit it.

Source: firebase.google.com/docs/reference/fcm/rest/v1/projects.messages. Names are accepted in
snake_case and lowerCamelCase, as the JSON form of protocol buffers allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

STRING, BOOL, INT, NUMBER, DURATION, STRINGS, DURATIONS, MAP, STRUCT = (
    "TYPE_STRING",
    "TYPE_BOOL",
    "TYPE_INT32",
    "TYPE_FLOAT",
    "type.googleapis.com/google.protobuf.Duration",
    "strings",
    "durations",
    "map",
    "type.googleapis.com/google.protobuf.Struct",
)
Enum = tuple[str, ...]
Shape = Mapping[str, Any]

NOTIFICATION: Shape = {"title": STRING, "body": STRING, "image": STRING}
LABEL: Shape = {"analytics_label": STRING}
COLOR: Shape = {"red": NUMBER, "green": NUMBER, "blue": NUMBER, "alpha": NUMBER}
ANDROID_NOTIFICATION: Shape = {
    **NOTIFICATION,
    **dict.fromkeys(
        ("icon", "color", "sound", "tag", "click_action", "body_loc_key", "title_loc_key"), STRING
    ),
    **dict.fromkeys(("channel_id", "ticker", "event_time"), STRING),
    **dict.fromkeys(("body_loc_args", "title_loc_args"), STRINGS),
    **dict.fromkeys(("sticky", "local_only", "default_sound"), BOOL),
    **dict.fromkeys(("default_vibrate_timings", "default_light_settings"), BOOL),
    "notification_priority": (
        "PRIORITY_UNSPECIFIED",
        "PRIORITY_MIN",
        "PRIORITY_LOW",
        "PRIORITY_DEFAULT",
        "PRIORITY_HIGH",
        "PRIORITY_MAX",
    ),
    "vibrate_timings": DURATIONS,
    "visibility": ("VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"),
    "notification_count": INT,
    "light_settings": {
        "color": COLOR,
        "light_on_duration": DURATION,
        "light_off_duration": DURATION,
    },
    "proxy": ("PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"),
}
MESSAGE: Shape = {
    "name": STRING,
    "data": MAP,
    "notification": NOTIFICATION,
    "android": {
        "collapse_key": STRING,
        "priority": ("NORMAL", "HIGH"),
        "ttl": DURATION,
        "restricted_package_name": STRING,
        "data": MAP,
        "notification": ANDROID_NOTIFICATION,
        "fcm_options": LABEL,
        "direct_boot_ok": BOOL,
        "bandwidth_constrained_ok": BOOL,
        "restricted_satellite_ok": BOOL,
    },
    "webpush": {
        "headers": MAP,
        "data": MAP,
        "notification": STRUCT,
        "fcm_options": {"link": STRING, "analytics_label": STRING},
    },
    "apns": {
        "headers": MAP,
        "payload": STRUCT,
        "fcm_options": {"analytics_label": STRING, "image": STRING},
        "live_activity_token": STRING,
    },
    "fcm_options": LABEL,
    "token": STRING,
    "fid": STRING,
    "topic": STRING,
    "condition": STRING,
}
REQUEST: Shape = {"validate_only": BOOL, "message": MESSAGE}
TARGETS = ("token", "fid", "topic", "condition")

_DURATION = re.compile(r"-?\d+(\.\d{1,9})?s")
_CAPITAL = re.compile(r"(?<!^)([A-Z])")


class Violation(NamedTuple):
    """One fault: the field's path and Google's description."""

    field: str
    description: str


def canonical(value: Any, shape: Any = REQUEST) -> Any:
    """Return a request with the names of known fields in snake_case."""
    if not isinstance(shape, dict) or not isinstance(value, dict):
        return value
    result = {}
    for name, item in value.items():
        known = _known_name(name, shape)
        result[known or name] = canonical(item, shape[known]) if known else item
    return result


def violations(value: Any, shape: Shape = REQUEST, path: str = "") -> Iterator[Violation]:
    """Yield what Google's JSON parser would refuse in a request with canonical names."""
    for name, item in value.items():
        if name not in shape:
            at = f" at '{path}'" if path else ""
            yield Violation(
                path,
                f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.',
            )
        elif item is not None:
            yield from _value(item, shape[name], f"{path}.{name}" if path else name)


def _known_name(name: str, shape: Shape) -> str | None:
    if name in shape:
        return name
    snake = _CAPITAL.sub(r"_\1", name).lower()
    return snake if snake in shape and "_" not in name else None


def _value(item: Any, kind: Any, path: str) -> Iterator[Violation]:
    if isinstance(kind, dict):
        if isinstance(item, dict):
            yield from violations(item, kind, path)
        else:
            yield _invalid(path, "TYPE_MESSAGE", item)
    elif kind == MAP:
        yield from _map(item, path)
    elif kind in (STRINGS, DURATIONS):
        yield from _list(item, STRING if kind == STRINGS else DURATION, path)
    elif not _fits(item, kind):
        yield _invalid(path, "TYPE_ENUM" if isinstance(kind, tuple) else kind, item)


def _map(item: Any, path: str) -> Iterator[Violation]:
    if not isinstance(item, dict):
        yield _invalid(path, "TYPE_MESSAGE", item)
        return
    for index, value in enumerate(item.values()):
        if not isinstance(value, str):
            yield _invalid(f"{path}[{index}].value", STRING, value)


def _list(item: Any, kind: str, path: str) -> Iterator[Violation]:
    if not isinstance(item, list):
        yield _invalid(path, kind, item)
        return
    for index, value in enumerate(item):
        if not _fits(value, kind):
            yield _invalid(f"{path}[{index}]", kind, value)


def _fits(item: Any, kind: Any) -> bool:
    if isinstance(kind, tuple):
        return isinstance(item, str) and item.upper() in kind
    if kind == DURATION:
        return isinstance(item, str) and _DURATION.fullmatch(item) is not None
    types: dict[str, tuple[type, ...]] = {
        STRING: (str,),
        BOOL: (bool,),
        INT: (int,),
        NUMBER: (int, float),
        STRUCT: (dict,),
    }
    return type(item) in types[kind]


def _invalid(path: str, kind: str, item: Any) -> Violation:
    shown = orjson.dumps(item).decode()
    return Violation(path, f"Invalid value at '{path}' ({kind}), {shown[:200]}")
