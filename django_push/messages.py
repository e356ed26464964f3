"""The values that travel through a push: what is said, to whom, and how each device fared.

No database and no provider is known here. All values are frozen; :class:`Message` is what a
person composed, :class:`Envelope` what a provider gets, :class:`Result` a device's fate.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, Self

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from .exceptions import InvalidPush

__all__ = [
    "DEVICE_TYPES",
    "Account",
    "Device",
    "Envelope",
    "Environment",
    "Message",
    "Priority",
    "PushType",
    "Result",
    "Status",
]

DEVICE_TYPES: Mapping[str, str] = {
    "ios": "apns",
    "macos": "apns",
    "tvos": "apns",
    "watchos": "apns",
    "visionos": "apns",
    "android": "fcm",
    "web": "webpush",
    "windows": "wns",
    "harmony": "hms",
    "realtime": "realtime",
}
"""Device types we know, each with the network that serves it unless the device says otherwise."""


class Environment(enum.StrEnum):
    """Apple's two worlds; every other provider has production only."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"
    UNKNOWN = "unknown"


class Priority(enum.StrEnum):
    HIGH = "high"
    """Now, waking the device (APNs 10, FCM HIGH)."""
    NORMAL = "normal"
    """With regard for the battery (APNs 5, FCM NORMAL)."""
    LOW = "low"
    """Without waking the device (APNs 1, FCM NORMAL)."""


class PushType(enum.StrEnum):
    """What kind of push it is, in the words of ``apns-push-type``.

    https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
    """

    ALERT = "alert"
    BACKGROUND = "background"
    VOIP = "voip"
    COMPLICATION = "complication"
    FILEPROVIDER = "fileprovider"
    LOCATION = "location"
    LIVEACTIVITY = "liveactivity"
    PUSHTOTALK = "pushtotalk"
    WIDGETS = "widgets"
    CONTROLS = "controls"
    MDM = "mdm"


class Status(enum.StrEnum):
    """How a device fared with one hand-over to its provider."""

    SENT = "sent"
    """The provider accepted it. It says nothing about the screen."""
    UNREGISTERED = "unregistered"
    """The address is dead: the app was removed or the token replaced."""
    SUSPECT = "suspect"
    """Wrong environment, wrong topic or malformed address: one device's fault or our set-up's."""
    REJECTED = "rejected"
    """Our message is at fault; the device is not."""
    DEFERRED = "deferred"
    """Not now: busy, throttled or out of reach. It is sent again."""
    UNAUTHORIZED = "unauthorized"
    """The credential was refused."""
    UNKNOWN = "unknown"
    """It left, and the connection ended without an answer."""
    FAILED = "failed"
    """Finally not reached, for a reason of its own."""
    SKIPPED = "skipped"
    """Not tried: switched off, gone, changed hands, cancelled, expired."""


@dataclass(frozen=True, slots=True)
class Result:
    """A device's fate: a value, never an exception."""

    status: Status
    reason: str = ""
    """The provider's own word, such as ``BadDeviceToken``; empty when it was accepted."""
    detail: str = ""
    """What the provider said beside it, for people."""
    retry_after: float | None = None
    """Seconds the provider asks us to wait."""
    invalid_since: datetime | None = None
    """Since when the address is dead, by the provider's clock (APNs 410)."""


class Device(NamedTuple):
    """One device as a channel gets it."""

    key: int
    """The caller's own number; comes back with the result."""
    address: str
    """Device token, Firebase installation id, endpoint."""
    installation: int
    """Primary key, for ids that must be the same when a push is repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One provider account of an application, with its secret in the clear."""

    provider: str
    name: str = ""
    environment: str = Environment.PRODUCTION
    topic: str = ""
    """Bundle id or project id, as the provider understands it."""
    public: Mapping[str, Any] = field(default_factory=dict)
    """What may be shown: key id, team id, project id, ..."""
    secret: str = field(default="", repr=False)
    """Key, certificate or service account; never shown."""


_LOCALE = re.compile(r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")
MAX_BADGE = 1_000_000
"""No icon shows more, and the column must not overflow."""
_TEXT_FIELDS = ("title", "subtitle", "body")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is said. Every field is optional; an empty alert with no data is refused at submit."""

    title: str = ""
    subtitle: str = ""
    body: str = ""
    image: str = ""
    """https address of a picture."""
    link: str = ""
    """What a tap opens: a deep link or a web page."""
    sound: str = ""
    """Name of a sound in the app, or ``default``."""
    badge: int | None = None
    """The number on the icon; 0 removes it."""
    badge_increment: int = 0
    """Added to the number that the server keeps for each device; excludes ``badge``."""
    category: str = ""
    """The app's set of buttons (APNs category, FCM click_action)."""
    thread_id: str = ""
    """Groups notifications on the device."""
    android_channel_id: str = ""
    collapse_id: str = ""
    """A later push with the same id replaces this one; at most 64 bytes."""
    priority: Priority = Priority.HIGH
    push_type: PushType = PushType.ALERT
    interruption_level: str = ""
    """APNs: passive, active, time-sensitive or critical."""
    relevance_score: float | None = None
    mutable_content: bool = False
    """iOS: lets the app's service extension change it before it is shown."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """For the app itself."""
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Other languages: ``{"de": {"title": ..., "body": ...}}``."""
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Merged last into a network's payload: ``{"apns": {"aps": {...}}, "fcm": {...}}``."""

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_content` wrote, or what a caller sent as JSON.

        Raises :class:`~django_push.exceptions.InvalidPush` for unknown fields and wrong types,
        naming the field.
        """
        known = {spec.name for spec in _specs()}
        unknown = sorted(set(content) - known)
        if unknown:
            raise InvalidPush(
                _("A message has no field “%(name)s”. It has: %(known)s.")
                % {"name": unknown[0], "known": ", ".join(sorted(known))},
                code="unknown_field",
                field=unknown[0],
            )
        for name, value in content.items():
            _check_type(name, value)
        values = dict(content)
        for name, kind in (("priority", Priority), ("push_type", PushType)):
            if name in values:
                values[name] = _member(kind, name, values[name])
        message = cls(**values)
        message._check_values()
        return message

    def to_content(self) -> dict[str, Any]:
        """The fields that are set, as JSON."""
        content = {}
        for spec in _specs():
            value = getattr(self, spec.name)
            is_set = value or (spec.name in _ZERO_MEANS_SOMETHING and value is not None)
            if is_set and value != spec.default:
                content[spec.name] = dict(value) if isinstance(value, Mapping) else value
        return content

    @property
    def is_silent(self) -> bool:
        """Whether nothing would be shown."""
        return not (self.title or self.subtitle or self.body)

    @property
    def says_nothing(self) -> bool:
        """Whether neither a person nor the app would notice it."""
        marks = self.sound or self.badge_increment or self.badge is not None
        return self.is_silent and not (marks or self.data or self.overrides)

    @property
    def languages(self) -> tuple[str, ...]:
        """Locale tags of ``texts``, longest first, so that ``zh-Hant`` wins over ``zh``."""
        return tuple(sorted(self.texts, key=lambda tag: (-len(tag), tag)))

    def language_for(self, locale: str) -> str:
        """The tag of ``texts`` for a device of ``locale``; empty for the message's own text."""
        wanted = locale.replace("_", "-").lower()
        for tag in self.languages:
            candidate = tag.replace("_", "-").lower()
            if wanted == candidate or wanted.startswith(candidate + "-"):
                return tag
        return ""

    def in_language(self, tag: str) -> Message:
        """This message with the texts of ``tag``; a text that it lacks stays as it is."""
        return replace(self, texts={}, **self.texts[tag]) if tag else self  # type: ignore[arg-type]

    def with_badge(self, badge: int) -> Message:
        """This message with the number that the server keeps for a device."""
        return replace(self, badge=badge, badge_increment=0)

    def _check_values(self) -> None:
        if self.badge is not None and self.badge_increment:
            raise InvalidPush(_("Give badge or badge_increment, not both."), field="badge")
        for name, number in (("badge", self.badge), ("badge_increment", self.badge_increment)):
            if number is not None and not 0 <= number <= MAX_BADGE:
                text = _("%(name)s must be 0 to %(limit)d.")
                raise InvalidPush(text % {"name": name, "limit": MAX_BADGE}, field=name)
        if len(self.collapse_id.encode()) > 64:
            raise InvalidPush(_("A collapse id is at most 64 bytes long."), field="collapse_id")
        for tag, texts in self.texts.items():
            _check_texts(tag, texts)
        for network, override in self.overrides.items():
            if not isinstance(override, Mapping):
                raise InvalidPush(
                    _("%(name)s must be an object.") % {"name": f"overrides.{network}"},
                    field="overrides",
                )


@cache
def _specs() -> tuple[Field[Any], ...]:
    return fields(Message)


_ZERO_MEANS_SOMETHING = {"badge", "relevance_score"}
_TYPES: dict[str, tuple[type, ...]] = {
    "badge": (int, type(None)),
    "badge_increment": (int,),
    "relevance_score": (int, float, type(None)),
    "mutable_content": (bool,),
    "data": (Mapping,),
    "texts": (Mapping,),
    "overrides": (Mapping,),
}


def _check_type(name: str, value: object) -> None:
    expected = _TYPES.get(name, (str,))
    wrong_bool = isinstance(value, bool) and bool not in expected
    if wrong_bool or not isinstance(value, expected):
        kinds = [_("null") if t is type(None) else _(_JSON_NAMES[t]) for t in expected]
        raise InvalidPush(
            _("%(name)s must be %(kind)s.") % {"name": name, "kind": _(" or ").join(kinds)},
            code="wrong_type",
            field=name,
        )
    if isinstance(value, str) and ("\x00" in value or len(value) > 65_536):
        raise InvalidPush(
            _("%(name)s is too long or holds a NUL character.") % {"name": name}, field=name
        )


_JSON_NAMES: dict[type, str] = {
    str: gettext_noop("a text"),
    int: gettext_noop("a whole number"),
    float: gettext_noop("a number"),
    bool: gettext_noop("true or false"),
    Mapping: gettext_noop("an object"),
}


def _member(kind: type[enum.StrEnum], name: str, value: str) -> enum.StrEnum:
    try:
        return kind(value)
    except ValueError:
        text = _("%(name)s must be one of %(choices)s.")
        choices = ", ".join(kind)
        raise InvalidPush(text % {"name": name, "choices": choices}, field=name) from None


def _check_texts(tag: str, texts: object) -> None:
    if not _LOCALE.match(tag):
        raise InvalidPush(
            _("“%(tag)s” is not a locale such as de or pt-BR.") % {"tag": tag}, field="texts"
        )
    if not isinstance(texts, Mapping) or not set(texts) <= set(_TEXT_FIELDS):
        allowed = ", ".join(_TEXT_FIELDS)
        text = _("%(name)s may hold %(allowed)s.")
        raise InvalidPush(text % {"name": f"texts.{tag}", "allowed": allowed}, field="texts")
    for name, value in texts.items():
        _check_type(name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message as one group of devices gets it: one language, one badge."""

    message: Message
    push_id: str
    """The id of the sending, a lower case UUID: same for a repeat, so that a device which gets
    one shows it once."""
    expires_at: int | None = None
    """Unix time in seconds after which the provider gives up; ``None``: the provider's longest."""

    @property
    def collapse_id(self) -> str:
        return self.message.collapse_id or self.push_id
