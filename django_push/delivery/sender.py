"""The sender: one per worker process, outliving batches, never blocking on one provider."""

from __future__ import annotations

import logging
import os
import secrets
import selectors
import socket
import time
from datetime import UTC, datetime

from django.db import transaction

from ..clock import clock
from ..conf import alias, push_settings
from ..exceptions import InvalidPush
from ..messages import Result, Status
from ..models import Application, PushBatch, State
from . import ledger
from .claims import MAX_CRASHES, history_states, renew
from .lanes import Lane, LaneKey, Unusable, lane_key, open_lane
from .ledger import Mark
from .partition import Candidate, sorted_credentials
from .rendering import Renderer
from .rows import PASSING, histories
from .run import Run
from .settling import checkpoint, finish, pause_credential, settle, tell

__all__ = ["Sender", "worker_name"]

logger = logging.getLogger("django_push.delivery")

LOOK_EVERY = 0.04
"""Seconds between two looks at the pushes' states: a cancel takes effect within 50 ms."""
IDLE_LANE = 3600.0
"""Seconds after which an unused connection is closed. Apple wants them kept for hours."""

AHEAD, MOST_AHEAD, MOST_OF_ALL = 2, 16, 256
"""Batches that wait in the lanes: enough to go on at once, few enough to leave to others."""
LANE_SHARE = 8
"""How many of one lane count: a slow provider must not use up what all may have waiting."""


def worker_name() -> str:
    """A name no other worker has, also after a restart with the same process id."""
    return f"{socket.gethostname()[:30]}:{os.getpid()}:{secrets.token_hex(4)}"


class Sender:
    """Sends claimed batches and keeps their ledgers.

    The owner loops over :meth:`begin` for what it claimed and :meth:`step`. Not thread-safe;
    made after a fork, never before.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.selector = selectors.DefaultSelector()
        self.runs: dict[int, Run] = {}
        self._lanes: dict[LaneKey, Lane] = {}
        self._slot = 0
        self._started: set[int] = set()
        self._looked_at = self._renewed_at = time.monotonic()
        self._candidates: dict[int, tuple[float, list[Candidate]]] = {}

    def wants_more(self, *, told: bool = False) -> bool:
        """Whether to claim more: the lanes run dry, or somebody just submitted a push.

        A slow provider's lane may hold a few batches; it must not keep the others idle.
        """
        if any(run.batch.crashes > 1 and not run.is_proven for run in self.runs.values()):
            return False  # a worker died at it: it goes alone until its first checkpoint
        waiting = [len(lane.waiting) for lane in self._lanes.values()]
        if sum(waiting) < AHEAD:
            return True
        counted = sum(min(number, LANE_SHARE) for number in waiting)
        return (told or 0 in waiting) and counted < MOST_AHEAD and sum(waiting) < MOST_OF_ALL

    def begin(self, batch: PushBatch) -> None:
        """Start sending a claimed batch."""
        self._slot += 1
        run = Run(batch, self._slot, time.monotonic() + push_settings.LEASE_SECONDS * 0.9)
        self.runs[run.slot] = run
        if self._stops_at_once(run):
            return
        try:
            lane = self._lane(batch)
            run.load(Renderer(batch.history, lane.provider), self._usable(batch))
        except Unusable as error:
            run.pause_reason = error.message
            return
        except InvalidPush as error:
            self._reject(run, error)
            return
        except PASSING:
            raise
        except Exception as error:
            # A bug in one provider must not keep this worker from all the others.
            logger.exception("Batch %s cannot be sent", batch)
            run.pause_reason = f"{type(error).__name__}: see the worker's log."
            return
        if run.is_waiting:
            lane.add(run)

    def step(self, timeout: float) -> None:
        """Send what there is room for, wait at most ``timeout`` seconds for answers, write."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY:
            self._look(now)
        busy = False
        for lane in self._lanes.values():
            if lane.waiting:
                busy = bool(lane.fill()) or busy
        self._wait(0.0 if busy else timeout)
        for lane in self._lanes.values():
            lane.collect(self.runs)
            if lane.waiting:
                lane.watch()
        self._write()

    def release(self, timeout: float) -> None:
        """Hand over no more, wait up to ``timeout`` seconds for answers, give back the rest.

        The connections stay open for the next time.
        """
        for lane in self._lanes.values():
            lane.waiting.clear()
        for run in self.runs.values():
            run.released = True
        ends = time.monotonic() + timeout
        while any(run.in_flight for run in self.runs.values()) and time.monotonic() < ends:
            self.step(0.05)
        self._write()

    def close(self, timeout: float) -> None:
        """:meth:`release`, then close the connections: what they still owe is unknown."""
        self.release(timeout)
        for lane in self._lanes.values():
            lane.channel.close()
            lane.collect(self.runs)
        for run in self.runs.values():
            run.in_flight = 0
        self._write()
        self._lanes.clear()
        self.selector.close()

    def _stops_at_once(self, run: Run) -> bool:
        """What must not be sent at all: stopped, too late, or a batch that kills workers."""
        history = run.batch.history
        gives_up_at = history.content.get("gives_up_at")
        now = clock(alias()).now()
        if history.state in {State.CANCELLED, State.PAUSED}:
            run.stopped = State(history.state)
        elif run.batch.crashes > MAX_CRASHES:
            for position in ledger.open_positions(run.outcomes):
                run.fail(position, Result(Status.FAILED, "WorkerDied"))
        elif gives_up_at and now >= datetime.fromtimestamp(gives_up_at, UTC):
            run.skip_open(Mark.EXPIRED)
        else:
            return False
        return True

    def _reject(self, run: Run, error: InvalidPush) -> None:
        """The message cannot be said through this provider; submit should have seen it."""
        for position in ledger.open_positions(run.outcomes):
            run.fail(position, Result(Status.REJECTED, error.code, error.message), Mark.REJECTED)

    def _usable(self, batch: PushBatch) -> list[Candidate]:
        """The application's credentials, read at most once a second."""
        application: Application = batch.history.application
        at, found = self._candidates.get(application.pk, (0.0, []))
        now = time.monotonic()
        if now - at > 1.0:
            found = sorted_credentials(application)
            self._candidates[application.pk] = (now, found)
        return found

    def _lane(self, batch: PushBatch) -> Lane:
        key = lane_key(batch)
        if key in self._lanes and self._lanes[key].is_refused:
            refused = self._lanes.pop(key)
            refused.channel.close()
            refused.collect(self.runs)  # what was in flight comes back as unknown, now or never
        if key not in self._lanes:
            self._lanes[key] = open_lane(batch, self.selector)
        return self._lanes[key]

    def _wait(self, timeout: float) -> None:
        deadlines = [lane.channel.deadline() for lane in self._lanes.values()]
        due = min((d for d in deadlines if d is not None), default=None)
        if due is not None:
            timeout = max(min(timeout, due - time.monotonic()), 0.0)
        for key, mask in self.selector.select(timeout):
            if key.data is not None:
                key.data.client.owner.handle(key, mask)

    def _look(self, now: float) -> None:
        """Read the pushes' states, renew the leases, close what is idle."""
        self._looked_at = now
        if self.runs:
            states = history_states({run.batch.history_id for run in self.runs.values()})
            for run in self.runs.values():
                state = states.get(run.batch.history_id, State.CANCELLED)
                if state in {State.CANCELLED, State.PAUSED}:
                    run.stopped = State(state)
        if now - self._renewed_at >= push_settings.LEASE_SECONDS / 3:
            self._renewed_at = now
            self._renew(now)

    def _renew(self, now: float) -> None:
        renew([run.batch for run in self.runs.values() if not run.lost])
        for run in self.runs.values():
            if now < run.lease_ends:
                run.lease_ends = now + push_settings.LEASE_SECONDS * 0.9
            else:
                run.lost = True  # this process was stopped for longer than its lease
        for key, lane in list(self._lanes.items()):
            if lane.is_idle and now - lane.used_at > IDLE_LANE:
                lane.channel.close()
                del self._lanes[key]

    def _write(self) -> None:
        """Checkpoint what is due, settle what is over."""
        now = time.monotonic()
        over = []
        for run in self.runs.values():
            if run.is_over:
                over.append(run)
            elif run.unwritten >= push_settings.CHECKPOINT_OUTCOMES or (
                run.unwritten and now - run.checkpoint_at >= push_settings.CHECKPOINT_SECONDS
            ):
                checkpoint(run)
                self._note_start(run)
        if over:
            self._settle(over)

    def _note_start(self, run: Run) -> None:
        """When the first device was reached; a push over before its first checkpoint notes its
        end instead."""
        if run.batch.history_id not in self._started:
            self._started.add(run.batch.history_id)
            unstarted = histories().filter(pk=run.batch.history_id, started_at=None)
            unstarted.update(started_at=clock(alias()).now())

    def _settle(self, over: list[Run]) -> None:
        """Small pushes end many at a time: one transaction for all of them."""
        with transaction.atomic(using=alias()):
            settled = {run.batch.history_id for run in over if settle(run)}
        for run in over:
            del self.runs[run.slot]
            tell(run)
            if run.pause_reason and not run.lost:
                self._pause(run)
        for push in settled:
            if finish(push):
                self._started.discard(push)

    def _pause(self, refused: Run) -> None:
        """The other batches of this push and credential would only be refused too."""
        batch, reason = refused.batch, refused.pause_reason
        for run in self.runs.values():
            same = run.batch.credential_id == batch.credential_id
            if same and run.batch.history_id == batch.history_id:
                run.pause_reason = reason
        pause_credential(
            batch.history, batch.credential, reason, refused=refused.credential_refused
        )
