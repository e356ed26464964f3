"""The sentences: one for people who look at a device, the same on its page and in the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..models import Credential, Installation
from ..naming import moment, network_name, provider_name
from ..reasons import NOTHING, Explanation, explain, explain_pause, skipped_sentence
from .absence import Absence, Why
from .standing import Standing, State
from .trace import Outcome, Trace

__all__ = ["Words", "absence_words", "standing_words", "trace_words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is so, what it means, and what to do."""

    tone: str
    """``ok``, ``warn``, ``bad``, ``run``, or empty for what needs nobody's care."""
    label: str
    """One or two words."""
    text: str
    """A sentence."""
    cure: str = ""
    """What to do; empty when that is nothing, or nothing is known."""


_LABELS: Mapping[Outcome, tuple[str, Any]] = {
    Outcome.SENT: ("ok", gettext_lazy("Accepted")),
    Outcome.DEAD: ("bad", gettext_lazy("App gone")),
    Outcome.FAILED: ("bad", gettext_lazy("Not reached")),
    Outcome.SKIPPED: ("warn", gettext_lazy("Left out")),
    Outcome.WAITING: ("", gettext_lazy("Waiting")),
    Outcome.SENDING: ("run", gettext_lazy("On its way")),
    Outcome.DEFERRED: ("run", gettext_lazy("Tried again")),
    Outcome.PAUSED: ("warn", gettext_lazy("Held")),
}


def trace_words(trace: Trace) -> Words:
    """What became of one push at one device."""
    tone, label = _LABELS[trace.outcome]
    text, cure = _TOLD[trace.outcome](trace)
    said = [text, *_asides(trace)]
    return Words(tone=tone, label=str(label), text=" ".join(said), cure=cure)


def _sent(trace: Trace) -> tuple[str, str]:
    return _("%s accepted it.") % provider_name(trace.provider), ""


def _dead(trace: Trace) -> tuple[str, str]:
    text = _("%s says that the app is gone from this device.") % provider_name(trace.provider)
    if trace.switched_off:
        return f"{text} {_('It was switched off.')}", _(
            "It comes back when the app registers again."
        )
    return f"{text} {_('It was not switched off: the app has registered again since.')}", ""


def _failed(trace: Trace) -> tuple[str, str]:
    found = explain(trace.provider, trace.status, trace.reason)
    said = {"name": provider_name(trace.provider), "cause": found.cause}
    text = _("%(name)s did not take it: %(cause)s.") % said
    off = f" {_('It was switched off.')}" if trace.switched_off else ""
    return f"{text}{off}", _cure(found)


def _skipped(trace: Trace) -> tuple[str, str]:
    return skipped_sentence(trace.reason), str(_SKIPPED_CURES.get(trace.reason, ""))


_SKIPPED_CURES: Mapping[str, Any] = {
    "no_credential": gettext_lazy("Add a credential for its network, app and environment."),
    "expired": gettext_lazy("Give the push a longer life, or run more workers."),
}


def _waiting(trace: Trace) -> tuple[str, str]:
    if trace.until is not None:
        return _("Its turn comes at %s.") % moment(trace.until), ""
    return _unreachable(trace) or (_("It waits for a worker."), _("See that a worker is running."))


def _sending(trace: Trace) -> tuple[str, str]:
    return _("A worker has it in hand."), ""


def _deferred(trace: Trace) -> tuple[str, str]:
    times = ngettext("It was tried once", "It was tried %d times", trace.tries)
    times = times % trace.tries if "%d" in times else times
    if trace.until is None:
        found = _unreachable(trace)
        return found or (_("%s, and is tried again at once.") % times, "")
    said = {"times": times, "when": moment(trace.until)}
    return _("%(times)s, and is tried again at %(when)s.") % said, ""


def _unreachable(trace: Trace) -> tuple[str, str] | None:
    credential = trace.credential
    if credential is None or credential.down_since is None:
        return None
    return _out_of_reach(credential), _("It goes out by itself when that is over.")


def _paused(trace: Trace) -> tuple[str, str]:
    if not trace.reason:
        return f"{_('The push is paused.')} {trace.detail}".strip(), _("Resume the push.")
    headline, found = explain_pause(trace.reason)
    name = trace.credential or _("a deleted credential")
    return f"{headline % name} ({trace.reason})", _cure(found)


_TOLD: Mapping[Outcome, Any] = {
    Outcome.SENT: _sent,
    Outcome.DEAD: _dead,
    Outcome.FAILED: _failed,
    Outcome.SKIPPED: _skipped,
    Outcome.WAITING: _waiting,
    Outcome.SENDING: _sending,
    Outcome.DEFERRED: _deferred,
    Outcome.PAUSED: _paused,
}


def _asides(trace: Trace) -> list[str]:
    """What happened on the way."""
    found = []
    if trace.is_probe:
        found.append(_("Its token was unknown in the other environment, so it was tried here."))
    elif trace.moves:
        found.append(_("It changed its credential while the push was under way."))
    if trace.outcome.is_final and trace.tries > 1:
        found.append(_("Its batch was handed over %d times.") % trace.tries)
    return found


def _cure(found: Explanation) -> str:
    return "" if found.cure is NOTHING else str(found.cure)


_ABSENT: Mapping[Why, tuple[Any, Any]] = {
    Why.OTHER_APPLICATION: (gettext_lazy("The push is of another application."), ""),
    Why.NOT_BEGUN: (
        gettext_lazy("The push is not due yet: who gets it is counted when it is."),
        "",
    ),
    Why.BEING_PLANNED: (
        gettext_lazy("The devices of the push are still being counted."),
        gettext_lazy("Look again in a minute."),
    ),
    Why.STOPPED: (gettext_lazy("The push was stopped before this device was counted."), ""),
    Why.MISSED: (
        gettext_lazy("The push was due while no worker was running, and was not sent at all."),
        gettext_lazy("See that a worker is always running."),
    ),
    Why.REGISTERED_LATER: (
        gettext_lazy("The device registered after the push was counted."),
        "",
    ),
    Why.SWITCHED_OFF: (
        gettext_lazy("The device is switched off. If it was then, the push left it out."),
        "",
    ),
    Why.CHANGED_HANDS: (
        gettext_lazy("Its user signed in, or signed out, after the push was counted."),
        "",
    ),
    Why.OTHER_USER: (
        gettext_lazy("The push was for certain users, and its user is none of them."),
        gettext_lazy("Let the app register the device after somebody signs in."),
    ),
    Why.NOT_PROVED: (
        gettext_lazy(
            "The app says that the device is of one of the push's users, and nobody has proved it."
        ),
        gettext_lazy("Register it with the user's own credentials, or from your server."),
    ),
    Why.OTHER_CHANNEL: (
        gettext_lazy("The push was for channels (%s), and it is in none of them."),
        gettext_lazy("Let the app subscribe to the channel."),
    ),
    Why.OTHER_PLATFORM: (gettext_lazy("The push was for other platforms (%s)."), ""),
    Why.NOT_LISTED: (gettext_lazy("The push was for certain devices, and not for this one."), ""),
    Why.OTHER_AUDIENCE: (
        gettext_lazy("It does not fit the conditions of the push's audience."),
        gettext_lazy("Compare them with what the device says of itself."),
    ),
    Why.LEDGER_GONE: (
        gettext_lazy("The push is so old that its list of devices was removed."),
        "",
    ),
    Why.UNKNOWN: (
        gettext_lazy("It fits the audience today, so something about it was different then."),
        "",
    ),
}
_AS_OF_NOW = gettext_lazy("That is so today; nothing is kept of how it was then.")


def absence_words(absence: Absence) -> Words:
    """Why a push was not for a device."""
    text, cure = (str(part) for part in _ABSENT[absence.why])
    if "%s" in text:
        text %= ", ".join(absence.names)
    if not absence.is_certain and absence.why is not Why.UNKNOWN:
        text = f"{text} {_AS_OF_NOW}"
    return Words(tone="", label=_("Not for this device"), text=text, cure=cure)


_OFF: Mapping[str, tuple[Any, Any]] = {
    Installation.Reason.DEAD: (
        gettext_lazy("%(off)s because %(network)s says that the app is gone."),
        gettext_lazy("It comes back when the app registers again."),
    ),
    Installation.Reason.WRONG: (
        gettext_lazy("%(off)s because %(network)s knows its token in no environment."),
        gettext_lazy(
            "It comes back when the app registers again. If many are: compare the app's bundle id "
            "with the credential's."
        ),
    ),
    Installation.Reason.UNREGISTERED: (
        gettext_lazy("%(off)s because the app signed off."),
        gettext_lazy("It comes back when the app registers again, usually at its next start."),
    ),
    Installation.Reason.STALE: (
        gettext_lazy("%(off)s because the app was not started for a long time."),
        gettext_lazy("It comes back when the app is started and registers."),
    ),
    Installation.Reason.OPTED_OUT: (
        gettext_lazy("%(off)s because its user wants no pushes."),
        gettext_lazy("It stays off until the app opts in again; staff cannot switch it on."),
    ),
    Installation.Reason.STAFF: (
        gettext_lazy("%(off)s by staff."),
        gettext_lazy("It stays off, even when its app registers again, until it is switched on."),
    ),
}


def standing_words(standing: Standing) -> Words:
    """In what state a device is, and what to do."""
    if standing.state is State.OFF:
        return _off(standing)
    network = network_name(standing.device.provider)
    match standing.state:
        case State.NO_CREDENTIAL:
            text = _("It is on, but no credential reaches it (%s).") % network
            cure = str(_SKIPPED_CURES["no_credential"])
            return Words(tone="bad", label=_("On, not reached"), text=text, cure=cure)
        case State.REDIRECTED:
            name = provider_name(standing.provider)
            text = _("It is on, but every push is redirected to “%s” here, not to devices.") % name
            cure = _("Remove REDIRECT_TO from the settings to reach devices.")
            return Words(tone="warn", label=_("On, redirected"), text=text, cure=cure)
    return _through(standing)


def _through(standing: Standing) -> Words:
    credential = standing.credential
    assert credential is not None
    said = {"provider": provider_name(standing.provider), "name": credential}
    match standing.state:
        case State.REFUSED:
            text = _("It is on, but %(provider)s refused the credential “%(name)s” last.") % said
            reason = f" ({credential.check_detail})" if credential.check_detail else ""
            cure = _("Open the credential and read what is wrong with it.")
            return Words(tone="bad", label=_("On, not reached"), text=text + reason, cure=cure)
        case State.OUT_OF_REACH:
            cure = _("Its pushes wait, and go out by themselves.")
            text = f"{_('It is on.')} {_out_of_reach(credential)}"
            return Words(tone="warn", label=_("On, waiting"), text=text, cure=cure)
    text = _("It is on: pushes go to it through %(provider)s “%(name)s”.") % said
    return Words(tone="ok", label=_("On"), text=text)


def _off(standing: Standing) -> Words:
    device = standing.device
    off = _("Switched off")
    if standing.since is not None:
        day = formats.date_format(timezone.localtime(standing.since), "DATE_FORMAT")
        off = _("Switched off on %s") % day
    text, cure = _OFF.get(device.inactive_reason, (_other_off(device), ""))
    said = {"off": off, "network": network_name(device.provider)}
    return Words(tone="bad", label=_("Off"), text=str(text) % said, cure=str(cure))


def _other_off(device: Installation) -> str:
    if not device.inactive_reason:
        return _("%(off)s.")
    why = str(device.get_inactive_reason_display()).replace("%", "%%")
    return f"{_('%(off)s')}: {why}."


def _out_of_reach(credential: Credential) -> str:
    said = {
        "provider": provider_name(credential.provider),
        "name": credential,
        "since": moment(credential.down_since),
        "reason": credential.down_reason,
    }
    return _("%(provider)s “%(name)s” cannot be reached since %(since)s: %(reason)s.") % said
