"""Why a device was *not* in a push, as far as that can be known afterwards.

The ledger holds who was in a push; nothing holds who was not. What can be compared are the push's
frozen audience and moments with the device as it is *now*: what a device says of itself may have
changed since, and then the answer says so (:attr:`Absence.is_certain`).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..audience import Audience, names_people
from ..conf import alias
from ..delivery.planning import audience_rows
from ..exceptions import InvalidPush
from ..models import Installation, PushBatch, PushHistory, State

__all__ = ["Absence", "Why", "why_absent"]


class Why(enum.StrEnum):
    """For programs; :mod:`.words` has the sentences."""

    OTHER_APPLICATION = "other_application"
    NOT_BEGUN = "not_begun"
    """It is due later: who gets it is counted then."""
    BEING_PLANNED = "being_planned"
    """Its audience is still being cut into batches."""
    STOPPED = "stopped"
    """It was stopped before all of its devices were counted."""
    MISSED = "missed"
    """It was due while no worker ran."""
    REGISTERED_LATER = "registered_later"
    SWITCHED_OFF = "switched_off"
    """Pushes to a few listed devices leave out at once who is switched off."""
    CHANGED_HANDS = "changed_hands"
    """It is somebody else's since the push."""
    OTHER_USER = "other_user"
    NOT_PROVED = "not_proved"
    """The app says that it is one of the users', and nobody proved it."""
    OTHER_CHANNEL = "other_channel"
    OTHER_PLATFORM = "other_platform"
    NOT_LISTED = "not_listed"
    """The push was for certain devices."""
    OTHER_AUDIENCE = "other_audience"
    """Some other part of the audience does not fit."""
    LEDGER_GONE = "ledger_gone"
    """The push is too old: its batches were removed."""
    UNKNOWN = "unknown"
    """It fits the audience as it is now, and must have been different then."""


_CERTAIN = frozenset(Why) - {
    Why.SWITCHED_OFF,
    Why.OTHER_USER,
    Why.NOT_PROVED,
    Why.OTHER_CHANNEL,
    Why.OTHER_AUDIENCE,
    Why.UNKNOWN,
}
"""Answers that nothing which changed since can make untrue."""

_OF_KEY = {
    "channels": Why.OTHER_CHANNEL,
    "device_types": Why.OTHER_PLATFORM,
    "installations": Why.NOT_LISTED,
    "users": Why.OTHER_USER,
}
"""Keys of an audience, by what it means when a device does not fit them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Why a push did not come to a device."""

    device: Installation
    history: PushHistory
    why: Why
    names: list[str] = field(default_factory=list)
    """What the audience asked for: channels, platforms; users are not named."""

    @property
    def is_certain(self) -> bool:
        """Whether it is known; else it is what today's state of the device suggests."""
        return self.why in _CERTAIN


def why_absent(device: Installation, history: PushHistory) -> Absence:
    """Why ``device`` is in no batch of ``history``; ask
    :func:`~django_push.traces.trace_of` first whether it is."""
    why = _by_push(device, history) or _by_moment(device, history)
    names: list[str] = []
    if why is None:
        why, names = _by_audience(device, history)
    return Absence(device=device, history=history, why=why, names=names)


def _by_push(device: Installation, history: PushHistory) -> Why | None:
    """What holds for all devices of a push, or for none."""
    if history.application_id != device.application_id:
        return Why.OTHER_APPLICATION
    if history.planned_at is None:
        begun = history.plan_started_at is not None
        return Why.BEING_PLANNED if begun else Why.NOT_BEGUN
    if history.state == State.MISSED:
        return Why.MISSED
    has_batches = PushBatch.objects.using(alias()).filter(history=history).exists()
    if history.state == State.CANCELLED and not _was_planned(history, has_batches):
        return Why.STOPPED
    if history.devices and not has_batches:
        return Why.LEDGER_GONE
    return None


def _was_planned(history: PushHistory, has_batches: bool) -> bool:
    """Whether all devices of a stopped push had been counted: stopping writes ``planned_at``."""
    cursor = history.plan_cursor
    if not cursor:  # not begun, or small: those are counted in one go
        return has_batches
    return bool(cursor["part"] >= len(cursor["parts"]))


def _by_moment(device: Installation, history: PushHistory) -> Why | None:
    """What came after the push was planned."""
    began = history.plan_started_at or history.planned_at
    newest = history.plan_cursor.get("ends_at")
    if newest is not None and device.pk > newest:
        return Why.REGISTERED_LATER
    if began is not None and device.created_at > began:
        return Why.REGISTERED_LATER
    if names_people(history.content) and began is not None and device.bound_at > began:
        return Why.CHANGED_HANDS
    return None


def _by_audience(device: Installation, history: PushHistory) -> tuple[Why, list[str]]:
    """The first part of the audience that the device, as it is now, does not fit."""
    audience = history.content["audience"]
    for key, part in _parts(audience):
        if not _fits(device, history, part):
            if key == "users":
                return _of_users(device, part["users"]), []
            named = part[key] if key in {"channels", "device_types"} else []
            return _OF_KEY.get(key, Why.OTHER_AUDIENCE), list(named)
    listed = "users" in audience or "installations" in audience
    if listed and not device.is_active:
        return Why.SWITCHED_OFF, []
    return Why.UNKNOWN, []


def _parts(audience: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key of an audience as an audience of its own: all of them must hold."""
    for key in sorted(set(audience) - {"everyone"}, key=lambda key: (key not in _OF_KEY, key)):
        yield key, {key: audience[key]}


def _fits(device: Installation, history: PushHistory, part: dict[str, Any]) -> bool:
    try:
        audience = Audience.from_content({**history.content, "audience": part})
    except InvalidPush:  # a key that only narrows others
        audience = Audience.from_content(
            {**history.content, "audience": {"everyone": True, **part}}
        )
    return audience_rows(audience, device.application).filter(pk=device.pk).exists()


def _of_users(device: Installation, users: list[Any]) -> Why:
    """Its user is none of those, or is one only by what the app says."""
    return Why.NOT_PROVED if device.user_key in map(str, users) else Why.OTHER_USER
