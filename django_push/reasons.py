"""What the vendors' words mean, and what to do about each: behind the report, a device, the API.

APNs: https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
FCM: https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .messages import Status

__all__ = [
    "NOTHING",
    "SKIPPED",
    "Explanation",
    "explain",
    "explain_pause",
    "skipped_sentence",
    "skipped_word",
]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Texts for people, translated when shown."""

    cause: Any
    """A few words, where the report says why."""
    meaning: Any
    """What it means, and what was done about it."""
    cure: Any
    """What to do; :data:`NOTHING` when that is nothing."""


NOTHING = gettext_lazy("Nothing to do.")

_REMOVED = Explanation(
    gettext_lazy("The app was removed"),
    gettext_lazy(
        "Normal. These devices were switched off, and come back when the app registers again."
    ),
    NOTHING,
)
_FOREIGN = Explanation(
    gettext_lazy("Token of another app or environment"),
    gettext_lazy(
        "Probably a test build registers here, or the bundle id is another one. Where there is a "
        "credential for the other environment they were tried there too."
    ),
    gettext_lazy("Compare the credential's bundle id and environment with those of the build."),
)
_MALFORMED = Explanation(
    gettext_lazy("The provider cannot read the token"),
    gettext_lazy("The app registered something that is no device token, or cut it."),
    gettext_lazy("Look at how the app passes its token on."),
)
_SLOW_DOWN = Explanation(
    gettext_lazy("The provider asked to slow down"),
    gettext_lazy("It was tried again several times, more slowly each time."),
    gettext_lazy("Send again later, or give the push a lower speed."),
)
_BUSY = Explanation(
    gettext_lazy("The provider was out of order"),
    gettext_lazy("It was tried again several times."),
    gettext_lazy("Send again later to those who were not reached."),
)
_CROWD = Explanation(
    gettext_lazy("Most tokens look wrong"),
    gettext_lazy(
        "When that happens to many devices together, the credential is for another app or "
        "environment, and not the devices are at fault."
    ),
    gettext_lazy("Compare the credential's bundle id and environment with those of the app."),
)
_KEY = Explanation(
    gettext_lazy("The credential was refused"),
    gettext_lazy("The key was revoked, has ended, or belongs to another team."),
    gettext_lazy("Open the credential and upload a new file."),
)
_ENVIRONMENT = Explanation(
    gettext_lazy("The credential is for the other environment"),
    gettext_lazy("A key or certificate for the sandbox does not work in production, nor back."),
    gettext_lazy("Open the credential and correct its environment, or upload the other file."),
)
_TOPIC = Explanation(
    gettext_lazy("The credential may not push to this app"),
    gettext_lazy("Its bundle id is missing, wrong, or not allowed for this key."),
    gettext_lazy("Open the credential and correct the bundle id."),
)
_TOO_LARGE = Explanation(
    gettext_lazy("The message is too long"),
    gettext_lazy("The provider takes fewer bytes than this message has."),
    gettext_lazy("Shorten the text or the data, and send a copy."),
)
_MESSAGE = Explanation(
    gettext_lazy("The provider refused the message"),
    gettext_lazy("Something in its fields is not as the provider wants it. The devices are fine."),
    gettext_lazy("Read the provider's own words in the list, mend the message, send a copy."),
)

_REASONS: Mapping[str, Explanation] = {
    # Apple
    "Unregistered": _REMOVED,
    "ExpiredToken": _REMOVED,
    "BadDeviceToken": _FOREIGN,
    "DeviceTokenNotForTopic": _FOREIGN,
    "MissingDeviceToken": _MALFORMED,
    "MalformedAddress": _MALFORMED,
    "TooManyRequests": Explanation(
        gettext_lazy("Too many pushes to one device"),
        gettext_lazy("Apple slows down devices that get very many pushes."),
        NOTHING,
    ),
    "TooManyProviderTokenUpdates": _SLOW_DOWN,
    "InternalServerError": _BUSY,
    "ServiceUnavailable": _BUSY,
    "Shutdown": _BUSY,
    "IdleTimeout": _BUSY,
    "BadCertificate": _KEY,
    "ExpiredProviderToken": _KEY,
    "InvalidProviderToken": _KEY,
    "MissingProviderToken": _KEY,
    "Forbidden": _KEY,
    "UnrelatedKeyIdInToken": _KEY,
    "BadEnvironmentKeyIdInToken": _ENVIRONMENT,
    "BadCertificateEnvironment": _ENVIRONMENT,
    "BadTopic": _TOPIC,
    "MissingTopic": _TOPIC,
    "TopicDisallowed": _TOPIC,
    "PayloadTooLarge": _TOO_LARGE,
    "PayloadEmpty": _MESSAGE,
    "BadCollapseId": _MESSAGE,
    "BadExpirationDate": _MESSAGE,
    "BadPriority": _MESSAGE,
    "InvalidPushType": _MESSAGE,
    "BadMessageId": _MESSAGE,
    "DuplicateHeaders": _MESSAGE,
    "BadPath": _MESSAGE,
    "MethodNotAllowed": _MESSAGE,
    # Google
    "UNREGISTERED": _REMOVED,
    "NOT_FOUND": _REMOVED,
    "INVALID_ARGUMENT": _MALFORMED,
    "SENDER_ID_MISMATCH": Explanation(
        gettext_lazy("Token of another Firebase project"),
        gettext_lazy("The app was built with the configuration of another project."),
        gettext_lazy("Upload the service account of the project that the app is built with."),
    ),
    "QUOTA_EXCEEDED": _SLOW_DOWN,
    "RESOURCE_EXHAUSTED": _SLOW_DOWN,
    "UNAVAILABLE": _BUSY,
    "INTERNAL": _BUSY,
    "DEADLINE_EXCEEDED": _BUSY,
    "ABORTED": _BUSY,
    "THIRD_PARTY_AUTH_ERROR": Explanation(
        gettext_lazy("Firebase lacks Apple's key"),
        gettext_lazy("These are Apple devices, and the project has no valid key for them."),
        gettext_lazy("Upload Apple's key in the Firebase console, or register them with Apple."),
    ),
    "UNAUTHENTICATED": _KEY,
    "PERMISSION_DENIED": _KEY,
    # ours
    "ConnectionLost": _BUSY,
    "NoAnswer": Explanation(
        gettext_lazy("No answer from the provider"),
        gettext_lazy(
            "The connection ended several times before an answer came. Some may have shown it."
        ),
        gettext_lazy("Look at the network between this server and the provider."),
    ),
    "WorkerDied": Explanation(
        gettext_lazy("Our own worker ended while sending"),
        gettext_lazy("It was started again several times and never came through."),
        gettext_lazy("Read the worker's log: memory is the usual reason."),
    ),
}

_STATUSES: Mapping[str, Explanation] = {
    Status.UNREGISTERED: _REMOVED,
    Status.SUSPECT: _FOREIGN,
    Status.REJECTED: _MESSAGE,
    Status.DEFERRED: _BUSY,
    Status.UNAUTHORIZED: _KEY,
    Status.UNKNOWN: _REASONS["NoAnswer"],
}

_OTHER = Explanation(
    gettext_lazy("For another reason"),
    gettext_lazy("The provider's own word is all that is known."),
    gettext_lazy("Look it up in the provider's documentation."),
)


def explain(provider: str, status: str, reason: str) -> Explanation:
    """The vendor's ``reason`` for people; by ``status`` when nobody has described it yet."""
    found = _REASONS.get(reason)
    if found is _MALFORMED and status == Status.REJECTED:
        return _MESSAGE  # Google has one word for a bad token and for a bad message
    return found or _STATUSES.get(status, _OTHER)


def explain_pause(reason: str) -> tuple[Any, Explanation]:
    """Why the guard paused a credential that ``reason`` was said of: a headline, and more."""
    found = _REASONS.get(reason.split(" ", maxsplit=1)[0])
    if found in {_FOREIGN, _MALFORMED} or reason.startswith("SENDER_ID_MISMATCH"):
        return gettext_lazy("Paused: most devices are unknown to the credential “%s”."), _CROWD
    if found in {_MESSAGE, _TOO_LARGE}:
        return gettext_lazy("Paused: the message is refused through the credential “%s”."), found
    return gettext_lazy("Paused: the credential “%s” is refused."), found or _KEY


SKIPPED: Mapping[str, Any] = {
    "inactive": gettext_lazy("are switched off"),
    "gone": gettext_lazy("were erased in the meantime"),
    "moved": gettext_lazy("went to another credential whenever it was their turn"),
    "changed_hands": gettext_lazy("belong to somebody else now"),
    "cancelled": gettext_lazy("were not tried: the push was stopped"),
    "expired": gettext_lazy("were not reached before the push was past its time"),
    "no_credential": gettext_lazy("have no credential that reaches them"),
    "opted_out": gettext_lazy("opted out of pushes of this purpose"),
    "quiet_hours": gettext_lazy("had quiet hours until after the push was past its time"),
    "local_time_passed": gettext_lazy("had that clock time already behind them"),
}


def skipped_word(reason: str) -> str:
    """Why devices were left out, to be read after their number."""
    return str(SKIPPED.get(reason) or _("were left out (%s)") % reason)


_ONE: Mapping[str, Any] = {
    "inactive": gettext_lazy("It was switched off when its turn came."),
    "gone": gettext_lazy("It was erased in the meantime."),
    "moved": gettext_lazy("It went to another credential whenever it was its turn."),
    "changed_hands": gettext_lazy("It belonged to somebody else when its turn came."),
    "cancelled": gettext_lazy("The push was stopped before its turn came."),
    "expired": gettext_lazy("The push was past its time before it was reached: it expired."),
    "no_credential": gettext_lazy("There was no credential that reaches it."),
    "opted_out": gettext_lazy("Its user, or the app on it, opted out of pushes of this purpose."),
    "quiet_hours": gettext_lazy(
        "It had quiet hours, and the push was past its time before they ended."
    ),
    "local_time_passed": gettext_lazy("Its clock had that time already behind it."),
}


def skipped_sentence(reason: str) -> str:
    """Why one device was left out: :data:`SKIPPED`, said of one."""
    return str(_ONE.get(reason) or _("It was left out (%s).") % reason)
