"""One claimed batch while this worker sends it: its ledger in memory, what is still to write."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..clock import clock
from ..conf import alias, push_settings
from ..messages import Result, Status
from ..models import PushBatch, State
from ..providers.base import Channel
from . import ledger
from .expiry import expiry_of
from .ledger import MAX_UNKNOWN, NO_ANSWER, STATUSES, Mark
from .pace import Meter
from .partition import Candidate, Part, counterpart
from .quiet import let_sleep, quiet_of
from .reading import Together, planned_in, read, why_missing
from .rendering import Renderer
from .rows import is_planned

__all__ = ["SHIFT", "SUSPECTS", "Run"]

SHIFT = 16
"""Bits of a key that hold the position in the batch; the rest is the run's slot."""
SUSPECTS = 10
"""So many that look wrong, and more than were accepted: the guard takes a look."""
FEW_GROUPS = 4
"""A device is looked for in so many payloads' lists; a dictionary of all is made for more. It
costs 0.6 µs for each device of a batch, and one in twenty may have failed."""
_POSITION = (1 << SHIFT) - 1
_SUSPECT, _PENDING = bytes([Mark.SUSPECT]), bytes([Mark.PENDING])


@dataclass(slots=True)
class Failure:
    """A device that was finally not reached, not yet written."""

    installation: int
    result: Result
    address: str
    is_wrong: bool = False
    """The token is known in no environment."""


class Run:
    """The devices of one batch that still need an outcome."""

    in_flight = 0
    unwritten = 0
    """Outcomes since the last checkpoint."""
    is_proven = False
    """A checkpoint was written since this claim: it kills no worker."""
    stopped: State | None = None
    """Why no more is sent: the push was cancelled or paused."""
    lost = False
    """The lease went to another worker: nothing of this run may be written."""
    released = False
    """This worker stops, or the slot is over: the rest goes back to the queue untouched."""
    pause_reason = ""
    credential_refused = False
    """Whether it is the provider that refuses, and not our own set-up that lacks something."""
    deferred: tuple[datetime, str] | None = None
    """Nothing gets through: when the next try is, and why."""
    is_try = False
    """Nothing got through lately, and this run finds out whether it does now."""
    due: datetime | None = None
    """When the devices without a final outcome are due again."""
    expired = False
    """Its time was up while it waited for its provider: the rest is not sent."""
    other: Candidate | None = None
    """The credential of the same app in the other environment."""
    suspects = weighed = 0
    """Suspects of this run, and how many there were when the guard last looked."""
    last_reason = ""
    """Of the last suspect."""
    is_probing = False
    """Stopped until it is known how the suspects fare in the other environment."""
    refusals = 0
    """Answers that blame the message, or that nobody knows."""
    _group = _next = 0
    _addresses: dict[int, str] | None = None

    def __init__(self, batch: PushBatch, slot: int, lease_ends: float) -> None:
        self.batch, self.slot = batch, slot
        self.ids = ledger.unpack_ids(bytes(batch.ids), batch.first_id, batch.size)
        # Who looked wrong the last time is tried again.
        self.outcomes = bytearray(batch.outcomes).replace(_SUSPECT, _PENDING)
        self.failures: list[Failure] = []
        self.open_results: dict[int, Result] = {}
        """The last answer of devices whose outcome is still open, by position."""
        self.departures: dict[Part, list[int]] = {}
        """Positions of devices that go to a late batch of that part, not yet written."""
        self.lease_ends = lease_ends
        self.expiry = expiry_of(batch)
        self.checkpoint_at = self.followed_at = time.monotonic()
        self.switched_off: dict[str, set[int]] = {}
        """Installations that a checkpoint switched off, not yet told, by reason."""
        self._groups: list[tuple[Any, list[tuple[int, str, int]]]] = []
        self._repeated: set[int] = set()
        self._meter: Meter | None = None
        """Of a push with a speed limit."""
        if batch.rate:
            wait = (batch.not_before - clock(alias()).now()).total_seconds()
            self._meter = Meter(batch.rate, time.monotonic() + max(wait, 0.0))

    def load(
        self, renderer: Renderer, candidates: list[Candidate], together: Together | None = None
    ) -> None:
        """Read the devices that have no final outcome and group them by payload.

        ``together`` may have read them already, with those of other small batches.
        """
        positions = ledger.open_positions(self.outcomes)
        if not positions:
            return
        ids = [self.ids[position] for position in positions]
        self.other = counterpart(candidates, self.batch.credential_id)
        quiet = quiet_of(self.batch)
        columns = (*renderer.columns, *(quiet.columns if quiet else ()))
        rows = together.rows(self.batch, ids, columns) if together else None
        if rows is None:
            rows = read(self.batch, ids, columns, candidates)
        if len(rows) < len(ids):
            self._mark_missing(ids, rows)
        if quiet:
            rows = let_sleep(self, rows, quiet)
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
            # Asked again each time: a connection may end while it is written to.
            room = min(room - len(chunk), channel.room())
            total += len(chunk)
            self._next += len(chunk)
            if self._next == len(devices):
                self._group, self._next = self._group + 1, 0
        self.in_flight += total
        if self._meter is not None:
            self._meter.passed += total
        return total

    def accept(self, keys: Iterable[int]) -> None:
        """The provider accepted these: the hot path."""
        outcomes, number = self.outcomes, 0
        for key in keys:
            outcomes[key & _POSITION] = 1
            number += 1
        self.in_flight -= number
        self.unwritten += number

    def record(self, key: int, result: Result) -> bool:
        """Any other answer; whether the device is to be handed over again at once."""
        position = key & _POSITION
        self.in_flight -= 1
        if result.status is Status.DEFERRED and result.retry_after == 0 and self._repeat(position):
            return True
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
        return False

    def fail(
        self, position: int, result: Result, mark: int = Mark.FAILED, *, is_wrong: bool = False
    ) -> None:
        """A final outcome that is not "accepted"."""
        self.outcomes[position] = mark
        self.open_results.pop(position, None)
        failure = Failure(self.ids[position], result, self.address(position), is_wrong)
        self.failures.append(failure)

    def depart(self, position: int, part: Part, mark: Mark) -> None:
        """The device goes to a late batch of ``part``, which counts it from now on."""
        self.outcomes[position] = mark
        self.open_results.pop(position, None)
        self.departures.setdefault(part, []).append(position)

    def leave(self, pk: int, why: Mark, part: Part | None = None) -> None:
        """A device is left out, or (with ``part``) goes to a late batch."""
        position = bisect_left(self.ids, pk)
        if part is None:
            self.outcomes[position] = why
        else:
            self.depart(position, part, why)
        self.unwritten += 1

    def skip_open(self, mark: Mark) -> None:
        """Give every device without a final outcome the same reason for being left out."""
        for position in ledger.open_positions(self.outcomes):
            self.outcomes[position] = mark
        self.open_results.clear()
        self._groups.clear()

    def skip_untried(self, mark: Mark) -> int:
        """Leave out the devices that were never sent to; how many others are still open."""
        opened = ledger.open_positions(self.outcomes)
        untried = [position for position in opened if self.outcomes[position] == Mark.PENDING]
        for position in untried:
            self.outcomes[position] = mark
        return len(opened) - len(untried)

    def waiting(self) -> list[int]:
        """The installations that were not handed over yet, ascending; whole groups from now on."""
        if self._next:
            prepared, devices = self._groups[self._group]
            cut = [(prepared, devices[: self._next]), (prepared, devices[self._next :])]
            self._groups[self._group : self._group + 1] = cut
            self._group, self._next = self._group + 1, 0
        return sorted(pk for _, some in self._groups[self._group :] for _key, _address, pk in some)

    def leave_out(self, marks: Mapping[int, Mark]) -> None:
        """Do not hand over these of the :meth:`waiting`; ``marks`` says why not, by id."""
        rest = self._groups[self._group :]
        for key, _address, pk in (device for _, some in rest for device in some):
            self.outcomes[key & _POSITION] = marks.get(pk, self.outcomes[key & _POSITION])
        kept = [(it, [device for device in some if device[2] not in marks]) for it, some in rest]
        self._groups[self._group :] = [group for group in kept if group[1]]
        self.unwritten += len(marks)

    def is_expired(self, now: datetime) -> bool:
        ends = self.expiry.gives_up_at
        return bool(ends) and now.timestamp() >= ends

    @property
    def is_waiting(self) -> bool:
        """Whether devices are left to hand over."""
        return self._group < len(self._groups) and not self.halted

    @property
    def may_kill(self) -> bool:
        """A worker died at this batch, and no checkpoint has cleared it since."""
        return self.batch.crashes > 1 and not self.is_proven

    def is_due_for_checkpoint(self, now: float) -> bool:
        """By the settings; what may kill is cleared by its first answer already, since it may be
        another's fault that this worker does not live until the second."""
        return self.unwritten > 0 and (
            self.may_kill
            or self.unwritten >= push_settings.CHECKPOINT_OUTCOMES
            or now - self.checkpoint_at >= push_settings.CHECKPOINT_SECONDS
        )

    @property
    def halted(self) -> bool:
        return bool(
            self.lost
            or self.stopped
            or self.expired
            or self.deferred
            or self.pause_reason
            or self.released
        )

    @property
    def in_doubt(self) -> bool:
        """Whether the guard must look: most look wrong, twice as many as when it last looked."""
        return (
            self.suspects >= max(SUSPECTS, 2 * self.weighed)
            and not self.halted
            and self.suspects > self.outcomes.count(Mark.SENT)
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
        if self._meter is None:
            return self.batch.size
        if self._meter.is_late:
            self.released = True  # back to the queue, for a slot of its own
            return 0
        return self._meter.allowed()

    @property
    def is_held_back(self) -> bool:
        """Whether its speed limit lets nothing go just now."""
        return self._meter is not None and self._meter.allowed() <= 0

    def _guard(self, result: Result) -> None:
        """Stop at once when the credential is refused, or most devices for one and the same fault
        of ours. Suspects are weighed with those of other batches: :mod:`.judging`."""
        status = result.status
        if status is Status.UNAUTHORIZED:
            self.pause_reason = f"{result.reason} {result.detail}".strip()
            self.credential_refused = True
        elif status is Status.SUSPECT:
            self.suspects += 1
            self.last_reason = result.reason
        elif status is Status.REJECTED or (status is Status.FAILED and result.reason != NO_ANSWER):
            self.refusals += 1
            most = max(SUSPECTS, self.outcomes.count(Mark.SENT) + 1)
            if self.refusals >= most and self.batch.credential_id:
                self.pause_reason = f"{result.reason} {result.detail}".strip()

    def _repeat(self, position: int) -> bool:
        """Hand a device over once more, behind the others; ``False`` when that was done before."""
        if position in self._repeated or self.halted:
            return False
        self._repeated.add(position)
        for prepared, devices in self._groups:
            device = self._device_in(devices, position)
            if device is not None:
                self._groups.append((prepared, [device]))
                return True
        return False

    def _device(self, position: int) -> tuple[int, str, int] | None:
        found = (self._device_in(devices, position) for _, devices in self._groups)
        return next((device for device in found if device is not None), None)

    def _device_in(
        self, devices: list[tuple[int, str, int]], position: int
    ) -> tuple[int, str, int] | None:
        """They are in the order of their keys."""
        key = (self.slot << SHIFT) + position
        place = bisect_left(devices, (key,))
        found = devices[place : place + 1]
        return found[0] if found and found[0][0] == key else None

    def address(self, key: int) -> str:
        """The address that was used; looked up only for the few that fail."""
        if len(self._groups) <= FEW_GROUPS:
            device = self._device(key & _POSITION)
            return device[1] if device else ""
        if self._addresses is None:
            sent = (device for _, devices in self._groups for device in devices)
            self._addresses = {key & _POSITION: address for key, address, _ in sent}
        return self._addresses.get(key & _POSITION, "")

    def _places(self) -> Any:
        """Primary key to position: arithmetic without gaps, else a dictionary."""
        if isinstance(self.ids, range):
            return ledger.Offset(self.ids.start)
        return {pk: position for position, pk in enumerate(self.ids)}

    def _mark_missing(self, ids: list[int], rows: list[tuple[Any, ...]]) -> None:
        found = {row[0] for row in rows}
        missing = [pk for pk in ids if pk not in found]
        place = self._places()
        moved: dict[Part, list[int]] = {}
        for pk, why in why_missing(self.batch, missing).items():
            if isinstance(why, Part):
                moved.setdefault(why, []).append(pk)
            else:
                self.outcomes[place[pk]] = why
                self.unwritten += 1
        if moved and is_planned(self.batch.history):  # else they wait
            self._part_with(moved, place)

    def _part_with(self, moved: dict[Part, list[int]], place: Any) -> None:
        """Mark who moved, and queue those whom the plan did not find in the new place too."""
        for part, pks in moved.items():
            planned = planned_in(self.batch, part, pks)
            for pk in pks:
                if pk in planned:
                    self.outcomes[place[pk]] = Mark.MOVED
                else:
                    self.depart(place[pk], part, Mark.MOVED)
                self.unwritten += 1

    def _unanswered(self, position: int, result: Result) -> tuple[Result, int]:
        before = self.outcomes[position]
        times = before - Mark.UNKNOWN + 2 if ledger.is_unknown(before) else 1
        if times >= MAX_UNKNOWN:
            return Result(Status.FAILED, NO_ANSWER, result.reason), Mark.FAILED
        return result, Mark.UNKNOWN + times - 1
