"""Asking a vendor whether it takes an account, with nothing that could reach a device.

A provider makes the question (:meth:`~django_push.providers.base.Provider.probe`): a message to
an address that no device has, or one that the vendor only validates. What comes back tells an
account that is refused from a device that does not exist.
"""

from __future__ import annotations

import secrets
import selectors
import time
from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from ..messages import Device, Envelope, Message, Result, Status
from .base import Channel, Probe, Provider

__all__ = ["CHECK_SECONDS", "Checked", "Verdict", "check"]

CHECK_SECONDS = 10.0
"""How long a person waits for the answer. A connection to either vendor takes less than one."""
_STEP = 0.25  # seconds between looks at a channel that names no deadline

_TAKEN: Set[Status] = {Status.SENT, Status.UNREGISTERED, Status.SUSPECT}
"""Fates of a device that a vendor tells only to an account which it takes."""


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Checked:
    """What the vendor made of the account."""

    verdict: Verdict
    detail: str = ""
    """In the vendor's words, or why it could not be asked; empty when all is well."""


def throwaway() -> Device:
    """A device that does not exist: the simulator knows ``bad0`` as one, Apple and Google know
    nothing of any."""
    return Device(0, "bad0" + secrets.token_hex(30), 0)


def envelope() -> Envelope:
    """A message that would say little, and that expires at once."""
    push_id = "00000000-0000-4000-8000-000000000000"
    return Envelope(message=Message(title="Check"), push_id=push_id, expires_at=int(time.time()))


def check(provider: Provider[Any], timeout: float = CHECK_SECONDS) -> Checked | None:
    """Ask the vendor, in at most ``timeout`` seconds; ``None`` when this provider cannot be asked.

    Blocks, and needs no worker. Raises what ``prepare`` and ``open`` raise for wrong settings.
    """
    probe = provider.probe()
    if probe is None:
        return None
    with selectors.DefaultSelector() as selector:
        channel = provider.open(selector)
        try:
            result = _ask(channel, selector, probe, time.monotonic() + timeout)
        finally:
            channel.close()
    return _judge(result, probe)


def _ask(
    channel: Channel[Any], selector: selectors.BaseSelector, probe: Probe[Any], ends: float
) -> Result:
    waiting = False
    while time.monotonic() < ends:
        outcome = channel.take()
        if channel.refused:
            return Result(Status.UNAUTHORIZED, channel.refused)
        if outcome.sent:
            return Result(Status.SENT)
        for _key, result in outcome.results:
            if result.retry_after != 0.0:
                return result
            waiting = False  # the proof of identity had expired, and is made anew
        if channel.error:
            return Result(Status.DEFERRED, channel.error)
        if not waiting and channel.room():
            channel.send(probe.prepared, [probe.device])
            waiting = True
        _wait(channel, selector, ends)
    return Result(Status.DEFERRED, _("no answer in time"))


def _wait(channel: Channel[Any], selector: selectors.BaseSelector, ends: float) -> None:
    now = time.monotonic()
    until = min(ends, now + _STEP, channel.deadline() or ends)
    for key, mask in selector.select(max(until - now, 0.001)):
        channel.handle(key, mask)


def _judge(result: Result, probe: Probe[Any]) -> Checked:
    said = " ".join(part for part in (result.reason, result.detail) if part)
    if result.status is Status.UNAUTHORIZED or result.reason in probe.refusals:
        return Checked(Verdict.REFUSED, said)
    if result.status in _TAKEN:
        return Checked(Verdict.ACCEPTED)
    return Checked(Verdict.UNKNOWN, said)
