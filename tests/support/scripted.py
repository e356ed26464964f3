"""A provider outside the package, whose answers a test writes."""

from __future__ import annotations

from collections.abc import Callable

from django_push.messages import Account, Device, Envelope, Result, Status
from django_push.providers.base import BlockingProvider

__all__ = ["ScriptedProvider", "script"]

SENT = Result(Status.SENT)


class Script:
    """What the provider answers, and what it was asked."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.answer: Callable[[Device], Result] = lambda device: SENT
        self.answer_of: Callable[[Account, Device], Result] = lambda _, device: self.answer(device)
        """For answers that depend on the credential."""
        self.seen: list[tuple[str, Envelope]] = []
        self.through: list[tuple[str, str]] = []
        """Name of the credential and token, in the order of sending."""

    @property
    def tokens(self) -> list[str]:
        return [token for token, _ in self.seen]


script = Script()


class ScriptedProvider(BlockingProvider[Envelope]):
    """Serves Apple's devices with what :data:`script` says."""

    name = "scripted"
    verbose_name = "Scripted"
    network = "apns"
    batch = 5

    def prepare(self, envelope: Envelope) -> Envelope:
        return envelope

    def payload_size(self, envelope: Envelope) -> int:
        return 0

    def deliver(self, prepared: Envelope, device: Device) -> Result:
        script.seen.append((device.address, prepared))
        script.through.append((self.account.name, device.address))
        return script.answer_of(self.account, device)
