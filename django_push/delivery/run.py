"""One claimed batch while this worker sends it: its ledger in memory, what is still to write."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..messages import Result, Status
from ..models import PushBatch, State
from ..providers.base import Channel
from . import ledger
from .ledger import MAX_UNKNOWN, STATUSES, Mark
from .partition import Candidate
from .reading import read, why_missing
from .rendering import Renderer

__all__ = ["SHIFT", "Run"]

SHIFT = 16
"""Bits of a key that hold the position in the batch; the rest is the run's slot."""
SUSPECTS = 10
"""So many suspects, and more than were accepted: the guard pauses the credential."""
_POSITION = (1 << SHIFT) - 1


@dataclass(slots=True)
class Failure:
    """A device that was finally not reached, not yet written."""

    installation: int
    result: Result
    address: str


class _Offset:
    """Position by primary key in a batch without gaps."""

    def __init__(self, first: int) -> None:
        self._first = first

    def __getitem__(self, pk: int) -> int:
        return pk - self._first


class Run:
    """The devices of one batch that still need an outcome."""

    def __init__(self, batch: PushBatch, slot: int, lease_ends: float) -> None:
        self.batch, self.slot = batch, slot
        self.ids = ledger.unpack_ids(bytes(batch.ids), batch.first_id, batch.size)
        self.outcomes = bytearray(batch.outcomes)
        self.in_flight = 0
        self.unwritten = 0
        """Outcomes since the last checkpoint."""
        self.failures: list[Failure] = []
        self.open_results: dict[int, Result] = {}
        """The last answer of devices whose outcome is still open, by position."""
        self.lease_ends = lease_ends
        self.checkpoint_at = time.monotonic()
        self.is_proven = False
        """A checkpoint was written since this claim: it kills no worker."""
        self.stopped: State | None = None
        """Why no more is sent: the push was cancelled or paused."""
        self.lost = False
        """The lease went to another worker: nothing of this run may be written."""
        self.deferred: tuple[float, str] | None = None
        """The provider is out of reach: seconds until the next try, and why."""
        self.pause_reason = ""
        self.credential_refused = False
        """Whether it is the provider that refuses, and not our own set-up that lacks something."""
        self.released = False
        """This worker stops: the rest goes back to the queue untouched."""
        self.switched_off: set[int] = set()
        """Installations that a checkpoint switched off, not yet told."""
        self.suspects = 0
        self._groups: list[tuple[Any, list[tuple[int, str, int]]]] = []
        self._group = self._next = 0
        self._addresses: dict[int, str] | None = None
        self._first_sent: float | None = None
        self._sent = 0

    def load(self, renderer: Renderer, candidates: list[Candidate]) -> None:
        """Read the devices that have no final outcome and group them by payload."""
        positions = ledger.open_positions(self.outcomes)
        if not positions:
            return
        ids = [self.ids[position] for position in positions]
        rows = read(self.batch, ids, renderer.columns, candidates)
        if len(rows) < len(ids):
            self._mark_missing(ids, rows)
        base = self.slot << SHIFT
        place = self._places()
        for prepared, group in renderer.groups(rows):
            devices = [(base + place[row[0]], row[1], row[0]) for row in group]
            self._groups.append((prepared, devices))

    def send(self, channel: Channel[Any], room: int) -> int:
        """Give up to ``room`` devices to ``channel``; how many went."""
        total = 0
        room = min(room, self._allowed())
        while room > 0 and self._group < len(self._groups):
            prepared, devices = self._groups[self._group]
            chunk = devices[self._next : self._next + room]
            channel.send(prepared, chunk)
            room -= len(chunk)
            total += len(chunk)
            self._next += len(chunk)
            if self._next == len(devices):
                self._group, self._next = self._group + 1, 0
        self.in_flight += total
        self._sent += total
        return total

    def accept(self, keys: Iterable[int]) -> None:
        """The provider accepted these: the hot path."""
        outcomes, number = self.outcomes, 0
        for key in keys:
            outcomes[key & _POSITION] = 1
            number += 1
        self.in_flight -= number
        self.unwritten += number

    def record(self, key: int, result: Result) -> None:
        """Any other answer."""
        position = key & _POSITION
        self.in_flight -= 1
        self.unwritten += 1
        mark: int = STATUSES[result.status]
        if result.status is Status.UNKNOWN:
            result, mark = self._unanswered(position, result)
        if mark in ledger.FINAL:
            self.fail(position, result, mark)
        else:
            self.outcomes[position] = mark
            self.open_results[position] = result
            self._guard(result)

    def fail(self, position: int, result: Result, mark: int = Mark.FAILED) -> None:
        """A final outcome that is not "accepted"."""
        self.outcomes[position] = mark
        self.open_results.pop(position, None)
        self.failures.append(Failure(self.ids[position], result, self.address(position)))

    def skip_open(self, mark: Mark) -> None:
        """Give every device without a final outcome the same reason for being left out."""
        for position in ledger.open_positions(self.outcomes):
            self.outcomes[position] = mark
        self.open_results.clear()
        self._groups.clear()

    @property
    def is_waiting(self) -> bool:
        """Whether devices are left to hand over."""
        return self._group < len(self._groups) and not self.halted

    @property
    def halted(self) -> bool:
        return bool(
            self.lost or self.stopped or self.deferred or self.pause_reason or self.released
        )

    @property
    def is_over(self) -> bool:
        return self.in_flight == 0 and (self.halted or self._group >= len(self._groups))

    def _allowed(self) -> int:
        """How many may go now, by the lease and by the push's rate."""
        now = time.monotonic()
        if now >= self.lease_ends:
            self.lost = True
            return 0
        rate = self.batch.rate
        if not rate:
            return self.batch.size
        if self._first_sent is None:
            self._first_sent = now
        return int((now - self._first_sent) * rate) + 1 - self._sent

    def _guard(self, result: Result) -> None:
        """Stop at once when the credential is refused, or when most tokens look wrong together:
        then it is our set-up, and not one device is switched off."""
        if result.status is Status.UNAUTHORIZED:
            self.pause_reason = f"{result.reason} {result.detail}".strip()
            self.credential_refused = True
        elif result.status is Status.SUSPECT:
            self.suspects += 1
            if self.suspects >= SUSPECTS and self.suspects > self.outcomes.count(Mark.SENT):
                self.pause_reason, self.credential_refused = result.reason, True

    def address(self, key: int) -> str:
        """The address that was used; looked up only for the few that fail."""
        if self._addresses is None:
            sent = (device for _, devices in self._groups for device in devices)
            self._addresses = {key & _POSITION: address for key, address, _ in sent}
        return self._addresses.get(key & _POSITION, "")

    def _places(self) -> Any:
        """Primary key to position: arithmetic without gaps, else a dictionary."""
        if isinstance(self.ids, range):
            return _Offset(self.ids.start)
        return {pk: position for position, pk in enumerate(self.ids)}

    def _mark_missing(self, ids: list[int], rows: list[tuple[Any, ...]]) -> None:
        found = {row[0] for row in rows}
        place = self._places()
        for pk, mark in why_missing(self.batch, [pk for pk in ids if pk not in found]).items():
            self.outcomes[place[pk]] = mark
            self.unwritten += 1

    def _unanswered(self, position: int, result: Result) -> tuple[Result, int]:
        before = self.outcomes[position]
        times = before - Mark.UNKNOWN + 2 if self._is_unknown(before) else 1
        if times >= MAX_UNKNOWN:
            return Result(Status.FAILED, "NoAnswer", result.reason), Mark.FAILED
        return result, Mark.UNKNOWN + times - 1

    @staticmethod
    def _is_unknown(mark: int) -> bool:
        return Mark.UNKNOWN <= mark < Mark.UNKNOWN + MAX_UNKNOWN
