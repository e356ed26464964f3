"""What becomes of a device: chosen by the first four characters of its token."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

PREFIX_LENGTH = 4


class Fate(StrEnum):
    """What the simulator does with a push that is itself without fault."""

    SENT = "sent"
    """Accepted."""
    UNREGISTERED = "unregistered"
    """The application was removed: APNs 410 ``Unregistered``, FCM 404 ``UNREGISTERED``."""
    BAD_TOKEN = "bad_token"  # noqa: S105 - a word, not a password
    """APNs 400 ``BadDeviceToken``, FCM 400 ``INVALID_ARGUMENT`` with an FcmError."""
    TOO_MANY = "too_many"
    """APNs 429 ``TooManyRequests``, FCM 429 ``QUOTA_EXCEEDED`` with ``retry-after``."""
    UNAVAILABLE = "unavailable"
    """APNs 503 ``ServiceUnavailable``, FCM 503 ``UNAVAILABLE`` with ``retry-after``."""
    SLOW = "slow"
    """Accepted, but answered only after ``slow_ms``."""
    GOAWAY = "goaway"
    """Accepted, and the connection is told to go away right after it."""
    SANDBOX_ONLY = "sandbox_only"
    """Accepted in the sandbox, ``BadDeviceToken`` in production. FCM knows no sandbox."""
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - a word, not a password
    """APNs 410 ``ExpiredToken``, FCM 404 ``UNREGISTERED``."""
    WRONG_APP = "wrong_app"
    """APNs 400 ``DeviceTokenNotForTopic``, FCM 403 ``SENDER_ID_MISMATCH``."""
    INTERNAL = "internal"
    """APNs 500 ``InternalServerError``, FCM 500 ``INTERNAL``."""


PREFIXES: Mapping[str, Fate] = MappingProxyType(
    {
        "dead": Fate.UNREGISTERED,
        "bad0": Fate.BAD_TOKEN,
        "4290": Fate.TOO_MANY,
        "5030": Fate.UNAVAILABLE,
        "510e": Fate.SLOW,
        "90a1": Fate.GOAWAY,
        "5a4d": Fate.SANDBOX_ONLY,
    }
)
"""The prefixes that always mean something. All of them are hexadecimal, as APNs tokens must be.
The other fates have no prefix until ``PUT /behaviour {"fates": {"c0de": "wrong_app"}}`` gives one,
so that a made-up token rarely meets one by chance."""
