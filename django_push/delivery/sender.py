"""The sender: one per worker process, outliving batches, never blocking on one provider."""

from __future__ import annotations

import logging
import os
import secrets
import selectors
import socket
import time
from collections.abc import Sequence
from datetime import timedelta

from django.utils.translation import gettext as _

from ..clock import clock
from ..conf import alias, push_settings
from ..exceptions import InvalidPush
from ..messages import Result, Status
from ..models import Application, Credential, PushBatch, State
from . import ledger
from .breaker import is_closed_until, recover, take_try, trip
from .claims import MAX_CRASHES, history_states, lease_ends, renew
from .expiry import is_late
from .finishing import finish
from .hand_over import follow
from .judging import weigh
from .lanes import Lane, LaneKey, Unusable, lane_key, open_lane
from .ledger import Mark
from .mending import acquit_mended, free_mended
from .partition import Candidate, sorted_credentials
from .reading import Together
from .rendering import Renderer
from .rows import PASSING, histories
from .run import Run
from .settling import checkpoint, pause_credential, settle, tell

__all__ = ["Sender", "worker_name"]

logger = logging.getLogger("django_push.delivery")

LOOK_EVERY = 0.04
"""Seconds between two looks at the pushes' states: a cancel takes effect within 50 ms."""
IDLE_LANE = 3600.0
"""Seconds after which an unused connection is closed. Apple wants them kept for hours."""

AHEAD, MOST_AHEAD, MOST_OF_ALL = 2, 16, 256
"""Batches that wait in the lanes: enough to go on at once, few enough to leave to others."""
HOARDED = 5.0
"""Seconds for which a batch is left to the queue when its lane is stuck and has enough."""
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
        if any(run.may_kill for run in self.runs.values()):
            return False  # a worker died at it: it goes alone until its first checkpoint
        lanes = self._lanes.values()
        waiting = [lane.backlog for lane in lanes]
        if sum(lane.backlog for lane in lanes if not lane.is_stuck) < AHEAD:
            return sum(waiting) < MOST_OF_ALL
        counted = sum(min(number, LANE_SHARE) for number in waiting)
        return (told or 0 in waiting) and counted < MOST_AHEAD and sum(waiting) < MOST_OF_ALL

    def begin_all(self, claimed: Sequence[PushBatch]) -> None:
        """Start sending what one claim brought."""
        if not self.runs:  # and the claim has just read the states of its pushes
            self._looked_at = time.monotonic()
        runs = [self._hold(batch) for batch in claimed]
        try:
            together = self._read_together(claimed)
            for run in runs:
                self._begin(run, together)
        except PASSING:
            for run in runs:
                run.released = True  # back to the queue untried, when the database is there again
            raise

    def begin(self, batch: PushBatch) -> None:
        """Start sending a claimed batch."""
        self.begin_all([batch])

    def _hold(self, batch: PushBatch) -> Run:
        """From here on the batch is settled or given back, whatever happens."""
        self._slot += 1
        run = self.runs[self._slot] = Run(batch, self._slot, lease_ends(batch))
        return run

    def _read_together(self, claimed: Sequence[PushBatch]) -> Together:
        together = Together()
        by_application: dict[int, list[PushBatch]] = {}
        for batch in claimed:
            by_application.setdefault(batch.history.application_id, []).append(batch)
        for some in by_application.values():
            together.add(some, self._usable(some[0]))
        return together

    def _begin(self, run: Run, together: Together) -> None:
        """Queue a run in its lane, unless it is decided at once."""
        batch = run.batch
        if self._stops_at_once(run) or self._is_closed(run):
            return
        try:
            lane = self._lane(batch)
            if self._is_hoarding(lane, run):
                return
            lane.breaker.is_trying |= run.is_try
            renderer = Renderer(batch.history, lane.provider, run.expiry.expires_at)
            run.load(renderer, self._serving(batch), together)
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
        for key, lane in self._lanes.items():
            lane.collect(self.runs)
            if lane.waiting:
                lane.watch()
            self._mind(key, lane)
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
        now = clock(alias()).now()
        if history.state in {State.CANCELLED, State.PAUSED}:
            run.stopped = State(history.state)
        elif run.batch.crashes > MAX_CRASHES:
            for position in ledger.open_positions(run.outcomes):
                run.fail(position, Result(Status.FAILED, "WorkerDied"))
        elif run.is_expired(now):
            run.expired = True
        elif is_late(run.batch, now):
            return not run.skip_untried(Mark.LOCAL_TIME_PASSED)
        else:
            return False
        return True

    def _is_closed(self, run: Run) -> bool:
        """Whether nothing gets through this credential, and it is not ours to try again."""
        credential = run.batch.credential
        if credential is None or credential.down_since is None:
            return False
        lane = self._lanes.get(lane_key(run.batch))
        if lane is not None and lane.breaker.was_alive:
            recover(credential)  # another worker's line is broken, not the provider
            return False
        if is_closed_until(credential) is None and take_try(credential):
            run.is_try = True
            return False
        credential.refresh_from_db(fields=["next_try_at"])
        until = is_closed_until(credential)
        if until is None:
            return False
        run.deferred = until, credential.down_reason
        return True

    def _is_hoarding(self, lane: Lane, run: Run) -> bool:
        """A lane in which nothing moves has enough: leave the batch to the queue for a moment."""
        if not lane.is_stuck or len(lane.waiting) < AHEAD:
            return False
        run.deferred = clock(alias()).now() + timedelta(seconds=HOARDED), ""
        return True

    def _mind(self, key: LaneKey, lane: Lane) -> None:
        """Tell all workers what this one learnt of a provider's health."""
        breaker = lane.breaker
        if breaker.trouble:
            self._trip(key, lane)
        elif breaker.has_recovered:
            breaker.has_recovered = False
            if lane.credential is not None:
                recover(lane.credential)

    def _trip(self, key: LaneKey, lane: Lane) -> None:
        """Nothing gets through: give the lane's batches back to the queue."""
        breaker = lane.breaker
        due = clock(alias()).now() + timedelta(seconds=max(breaker.wish, 1.0))
        if lane.credential is not None:
            due = trip(lane.credential, breaker.trouble, breaker.wish, was_trying=breaker.is_trying)
        for run in self.runs.values():
            if lane_key(run.batch) == key:
                run.deferred = run.deferred or (due, breaker.trouble)
        lane.waiting.clear()
        breaker.tripped()

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

    def _serving(self, batch: PushBatch) -> list[Candidate]:
        """:meth:`_usable`, with the credential of ``batch`` among them.

        Raises :class:`Unusable`: without it all devices of the batch would seem to have moved.
        """
        pk, found = batch.credential_id, self._usable(batch)
        if not pk or push_settings.REDIRECT_TO:
            return found
        if all(each.pk != pk for each in found):  # perhaps it was mended a moment ago
            self._candidates.clear()
            found = self._usable(batch)
        if all(each.pk != pk for each in found):
            raise Unusable(_("The credential is switched off. Switch it on and resume."))
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
            moment = clock(alias()).now()
            states = history_states({run.batch.history_id for run in self.runs.values()})
            for run in self.runs.values():
                state = states.get(run.batch.history_id, State.CANCELLED)
                if state in {State.CANCELLED, State.PAUSED}:
                    run.stopped = State(state)
                run.expired = run.expired or run.is_expired(moment)
                follow(run, now)
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
            if run.in_doubt:
                weigh(run)
            if run.is_over:
                over.append(run)
            elif run.is_due_for_checkpoint(now):
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
        acquit_mended([run for run in over if run.pause_reason])
        settled = settle(over)
        free_mended([run for run in over if run.pause_reason and not run.lost])
        for run in over:
            del self.runs[run.slot]
            tell(run)
            if run.pause_reason and not run.lost:
                self._pause(run)
        self._started -= finish(*settled)

    def _pause(self, refused: Run) -> None:
        """The other batches of this push and credential would only be refused too."""
        batch, reason = refused.batch, refused.pause_reason
        accused = [(batch.credential, refused.credential_refused)]
        if batch.probe and refused.other is not None:
            # Wrong in both environments: the one they were planned for is to blame.
            natural = Credential.objects.using(alias()).filter(pk=refused.other.pk).first()
            accused = [(batch.credential, False), (natural, refused.credential_refused)]
        for credential, is_refused in accused:
            pk = credential.pk if credential is not None else None
            for run in self.runs.values():
                if (run.batch.credential_id, run.batch.history_id) == (pk, batch.history_id):
                    run.pause_reason = reason
            pause_credential(batch.history, credential, reason, refused=is_refused)
