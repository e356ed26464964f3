"""In what state a device is just now, and what hangs on it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from ..conf import alias, push_settings
from ..delivery.partition import Part, Traits, part_for, sorted_credentials
from ..models import Credential, DeliveryFailure, Installation

__all__ = ["Standing", "State", "standing_of"]


class State(enum.StrEnum):
    """For programs; :mod:`.words` has the sentences."""

    ON = "on"
    """Pushes go to it."""
    REDIRECTED = "redirected"
    """``REDIRECT_TO`` takes its pushes elsewhere."""
    NO_CREDENTIAL = "no_credential"
    """Switched on, and nothing reaches it."""
    REFUSED = "refused"
    """Switched on, and its provider refused the credential the last time."""
    OUT_OF_REACH = "out_of_reach"
    """Switched on, and its provider cannot be reached just now."""
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a device stands."""

    device: Installation
    state: State
    provider: str = ""
    """Key of the provider through which pushes go to it; empty when none do."""
    credential: Credential | None = None
    since: datetime | None = None
    """When it was switched off, as far as that is known."""


def standing_of(device: Installation) -> Standing:
    """How ``device`` stands, as of now."""
    if not device.is_active:
        return Standing(device=device, state=State.OFF, since=_off_since(device))
    part = _part(device)
    if push_settings.REDIRECT_TO:
        return Standing(device=device, state=State.REDIRECTED, provider=part.provider)
    if part.credential_id is None:
        return Standing(device=device, state=State.NO_CREDENTIAL)
    credential = (
        Credential.objects.using(alias()).defer("sealed").filter(pk=part.credential_id).first()
    )
    return Standing(
        device=device,
        state=_reach(credential),
        provider=part.provider,
        credential=credential,
    )


def _part(device: Installation) -> Part:
    traits = Traits(*(getattr(device, name) for name in Traits._fields))
    return part_for(sorted_credentials(device.application), device.device_type, traits)


def _reach(credential: Credential | None) -> State:
    if credential is None:  # deleted in this very moment
        return State.NO_CREDENTIAL
    if credential.down_since is not None:
        return State.OUT_OF_REACH
    if credential.check_result == Credential.Check.REFUSED:
        return State.REFUSED
    return State.ON


def _off_since(device: Installation) -> datetime | None:
    """Of a device that went off before that was written down, the push that did it."""
    if device.inactive_since is not None:
        return device.inactive_since
    if device.inactive_reason not in {Installation.Reason.DEAD, Installation.Reason.WRONG}:
        return None
    rows = DeliveryFailure.objects.using(alias()).filter(installation=device, switched_off=True)
    return rows.order_by("-pk").values_list("created_at", flat=True).first()
