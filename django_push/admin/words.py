"""The console's words for what the models hold, and the small marks that go with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..messages import DEVICE_TYPES
from ..models import Credential, PushHistory, State
from ..naming import moment, network_name, provider_name

__all__ = [
    "PLATFORMS",
    "STATE_TONES",
    "duration",
    "moment",
    "network_name",
    "number",
    "of_devices",
    "out_of_reach",
    "pill",
    "platform",
    "provider_name",
    "state_pill",
]

PLATFORMS: Mapping[str, Any] = {
    "ios": gettext_lazy("iPhone and iPad"),
    "macos": gettext_lazy("Mac"),
    "tvos": gettext_lazy("Apple TV"),
    "watchos": gettext_lazy("Apple Watch"),
    "visionos": gettext_lazy("Apple Vision"),
    "android": gettext_lazy("Android"),
    "web": gettext_lazy("Browser"),
    "windows": gettext_lazy("Windows"),
    "harmony": gettext_lazy("Huawei"),
    "realtime": gettext_lazy("Live connection"),
}
STATE_TONES: Mapping[str, str] = {
    State.SCHEDULED: "",
    State.SENDING: "run",
    State.PAUSED: "bad",
    State.DONE: "ok",
    State.NOBODY: "warn",
    State.CANCELLED: "",
    State.MISSED: "warn",
    State.FAILED: "bad",
}


def platform(device_type: str) -> str:
    """``ios`` as people say it."""
    return str(PLATFORMS.get(device_type, device_type))


def platforms_of(network: str) -> list[str]:
    """Device types whose devices live on ``network`` unless they say otherwise."""
    return [kind for kind, name in DEVICE_TYPES.items() if name == network]


def number(value: int) -> str:
    """In full and with separators, in the reader's language."""
    return formats.number_format(value, use_l10n=True, force_grouping=True)


def of_devices(count: int) -> str:
    return ngettext("%s device", "%s devices", count) % number(count)


def out_of_reach(credential: Credential) -> str:
    """Since when nothing gets through a credential, why, and when it is tried again."""
    said = {
        "name": f"{provider_name(credential.provider)} “{credential}”",
        "since": moment(credential.down_since),
        "reason": credential.down_reason,
    }
    text = _("%(name)s cannot be reached since %(since)s: %(reason)s.") % said
    next_try = credential.next_try_at
    if next_try is None or next_try <= timezone.now():
        return f"{text} {_('It is tried again now.')}"
    return f"{text} {_('Next try %s.') % moment(next_try)}"


_UNITS: tuple[tuple[timedelta, Callable[[int], str]], ...] = (
    (timedelta(days=1), lambda n: ngettext("%d day", "%d days", n) % n),
    (timedelta(hours=1), lambda n: ngettext("%d hour", "%d hours", n) % n),
    (timedelta(minutes=1), lambda n: ngettext("%d minute", "%d minutes", n) % n),
)


def duration(seconds: float) -> str:
    """The largest unit alone: ``3 days``, ``4 hours``, ``20 seconds``."""
    for unit, words in _UNITS:
        count = int(seconds // unit.total_seconds())
        if count:
            return words(count)
    count = max(int(seconds), 0)
    return ngettext("%d second", "%d seconds", count) % count


def pill(tone: str, text: object) -> SafeString:
    """A state as a word and a shape. Tones: empty, ``ok``, ``warn``, ``bad``, ``run``."""
    return format_html('<span class="push-pill {}">{}</span>', tone, text)


def state_pill(history: PushHistory) -> SafeString:
    return pill(STATE_TONES.get(history.state, ""), state_word(history))


def state_word(history: PushHistory) -> str:
    if history.state == State.DONE and history.failures and not history.successes:
        return _("Nobody reached")
    return capfirst(history.get_state_display())
