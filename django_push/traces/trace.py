"""What became of one push at one device, read from its byte of the ledger."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..delivery import ledger
from ..delivery.ledger import Mark
from ..models import Credential, DeliveryFailure, PushBatch, PushHistory, State

__all__ = ["Entry", "Outcome", "Trace", "read_trace"]


class Outcome(enum.StrEnum):
    """For programs; :mod:`.words` has the sentences."""

    SENT = "sent"
    """The provider accepted it."""
    DEAD = "dead"
    """The provider says that the app is gone."""
    FAILED = "failed"
    """Finally not reached, for another reason of the provider's."""
    SKIPPED = "skipped"
    """Left out by us."""
    WAITING = "waiting"
    """Its turn has not come."""
    SENDING = "sending"
    """A worker has it in hand."""
    DEFERRED = "deferred"
    """It was tried without success, and is tried again."""
    PAUSED = "paused"
    """Held, by a person or because its credential was refused."""

    @property
    def is_final(self) -> bool:
        return self in {Outcome.SENT, Outcome.DEAD, Outcome.FAILED, Outcome.SKIPPED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One push at one device."""

    history: PushHistory
    outcome: Outcome
    reason: str = ""
    """The provider's own word, or ours (a value of ``ledger.SKIPPED``) for what was left out, or
    why it is held; empty when there is none."""
    detail: str = ""
    """What the provider said beside its word."""
    status: str = ""
    """The :class:`~django_push.messages.Status` of a device that was not reached, else empty."""
    provider: str
    """Key of the provider; empty when no credential reaches the device."""
    credential: Credential | None
    at: datetime | None = None
    """When its outcome was recorded, at the latest; ``None`` while it has none."""
    until: datetime | None = None
    """When its turn comes at the earliest, while it waits."""
    tries: int = 0
    """How often its batch was handed over, as far as the ledger tells; 0: not said."""
    moves: int = 0
    """How often it changed its credential while the push was under way."""
    is_probe: bool = False
    """Its token was unknown in one environment, and went to the credential of the other."""
    switched_off: bool = False
    """Whether this push switched the device off."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The byte of one device in one batch."""

    batch: PushBatch
    mark: int

    @property
    def counts(self) -> bool:
        """Whether this batch counts the device; else a later one of the push does."""
        return self.mark not in ledger.ELSEWHERE


def read_trace(
    history: PushHistory, entries: Sequence[Entry], failure: DeliveryFailure | None, now: datetime
) -> Trace:
    """The trace of one push from all its ``entries`` (at least one) of the device.

    ``failure`` is the device's row of that push, where there is one.
    """
    entry = max(entries, key=lambda each: (each.counts, each.batch.late, each.batch.seq))
    batch = entry.batch
    return Trace(
        history=history,
        provider=batch.provider,
        credential=batch.credential,
        moves=sum(each.mark == Mark.MOVED for each in entries),
        is_probe=batch.probe,
        **(_over(entry, failure) if entry.mark in ledger.FINAL else _open(history, entry, now)),
    )


def _over(entry: Entry, failure: DeliveryFailure | None) -> dict[str, Any]:
    batch, mark = entry.batch, Mark(entry.mark)
    ended = batch.settled_at
    if mark in ledger.SKIPPED:
        return {"outcome": Outcome.SKIPPED, "reason": ledger.SKIPPED[mark], "at": ended}
    if mark in ledger.ELSEWHERE:  # its new batch is not there yet
        return {"outcome": Outcome.WAITING}
    tries = batch.retries + 1
    if mark not in ledger.FAILURES:
        return {"outcome": Outcome.SENT, "at": ended, "tries": tries}
    dead = mark == Mark.UNREGISTERED
    found = {"outcome": Outcome.DEAD if dead else Outcome.FAILED, "at": ended, "tries": tries}
    if failure is None:  # erased since, with the rows of the device
        return found | {"status": "unregistered" if dead else "failed"}
    return found | {
        "reason": failure.reason,
        "detail": failure.detail,
        "status": failure.status,
        "at": failure.created_at,
        "switched_off": failure.switched_off,
    }


def _open(history: PushHistory, entry: Entry, now: datetime) -> dict[str, Any]:
    batch = entry.batch
    tries = _tries(entry)
    if history.state == State.CANCELLED:
        return {"outcome": Outcome.SKIPPED, "reason": "cancelled", "tries": tries}
    if batch.lease_owner:
        return {"outcome": Outcome.SENDING, "tries": tries}
    if history.state == State.PAUSED:
        return {"outcome": Outcome.PAUSED, "detail": history.detail, "tries": tries}
    if batch.claim_at is None and batch.settled_at is None:
        return {"outcome": Outcome.PAUSED, "reason": batch.pause_reason, "tries": tries}
    until = batch.not_before if batch.not_before > now else None
    outcome = Outcome.DEFERRED if tries else Outcome.WAITING
    return {"outcome": outcome, "until": until, "tries": tries}


def _tries(entry: Entry) -> int:
    """How often a device without a final outcome was handed over."""
    if entry.mark == Mark.PENDING:
        return 0
    if ledger.is_unknown(entry.mark):
        return entry.mark - Mark.UNKNOWN + 1
    return max(entry.batch.retries, 1)
