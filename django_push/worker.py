"""The embedded worker: plans, sends and schedules in one process, on any database.

Several may run beside each other, on one machine or on many.
"""

from __future__ import annotations

import gc
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from django.db import close_old_connections

from .conf import alias
from .delivery import (
    PASSING,
    Plan,
    Sender,
    claim,
    claim_plan,
    fail_push,
    finish,
    preload,
    worker_name,
)
from .hygiene.nightly import NightWatch
from .scheduler import tick
from .wakeups import Ear, wake

__all__ = ["Worker", "wake"]

logger = logging.getLogger("django_push.worker")

POLL = 0.25
"""Seconds between two looks for work that nobody told of."""
TICK = 1.0
"""Seconds between two calls of the scheduler."""
PLANS = 8
"""Pushes planned in turn: a long one must not keep the others waiting."""
PLAN = 0.05
"""Seconds until the next batches are planned for other workers, while this one has enough."""
BUSY = 0.02
"""Seconds to wait for answers while batches are running."""
GAP = 0.01
"""Seconds between two looks, however many tell of work. A look costs the same for one batch as for
sixty: without it, pushes that are submitted one by one are also claimed, sent and ended so."""


class Worker:
    """One process's loop."""

    def __init__(self, *, listen: bool = True) -> None:
        self.name = worker_name()
        self.sender = Sender(self.name)
        self.plans: deque[Plan] = deque()
        self.stopping = False
        self._look_at = self._tick_at = self._plan_at = self._rests_until = 0.0
        self._told = True
        """Somebody submitted a push."""
        self._more = False
        """More batches may be due than were claimed."""
        preload()
        self._ear = Ear(alias(), self.sender.selector, self._hear) if listen else None
        # Celery's worker has a task for it.
        self._night = NightWatch() if listen else None

    def run(self, beat: Callable[[], None] | None = None) -> None:
        """Work until :meth:`stop`; ``beat`` is called each round, for whoever watches."""
        while not self.stopping:
            if beat is not None:
                beat()
            try:
                self.step()
            except PASSING:
                # The ledger in memory is whole; what was not written is written next time.
                logger.exception("The database did not answer; trying again")
                close_old_connections()
                time.sleep(1.0)
                self._told = True
        self.close()

    @staticmethod
    def spare_the_collector() -> None:
        """What is loaded by now stays: Python's garbage collector need not look through it again.

        For a process that is a worker and nothing else, before it begins. A broadcast with dead
        devices spent an eighth of its CPU on looking through the modules of Django.
        """
        gc.collect()
        gc.freeze()

    def drain(self, seconds: float) -> bool:
        """Work until nothing is due or ``seconds`` have passed; ``True`` when work is left.

        Can be called again: the connections to the providers stay open in between.
        """
        ends, left, self._told = time.monotonic() + seconds, True, True
        self._rests_until = 0.0
        self.sender.step(0.0)  # learn first which connections have ended since
        while left and time.monotonic() < ends and not self.stopping:
            left = self._look() or self.is_busy or self._more or self._told
            self.sender.step(self._patience(time.monotonic()) if left else 0.0)
        self._release_plan()
        self.sender.release(timeout=5.0)
        return left

    def step(self) -> bool:
        """One round; ``True`` when there was something new to do."""
        found = self._look()
        self.sender.step(self._patience(time.monotonic()))
        return found

    def _look(self) -> bool:
        """Do what is due, but for the answers; whether there was a batch."""
        now = time.monotonic()
        if now >= self._tick_at:
            self._tick_at = now + TICK
            tick()
            if self._ear is not None:
                self._ear.open()
            if self._night is not None:
                self._night.look()
        found = self._find(now) if self._should_look(now) else False
        if self.plans and not found and (self.sender.wants_more() or now >= self._plan_at):
            self._plan(now)
        return found

    @property
    def is_busy(self) -> bool:
        return bool(self.sender.runs or self.plans)

    def stop(self, *_: Any) -> None:
        """Finish what is in flight, give back the rest. A signal handler may call it."""
        self.stopping = True

    def close(self) -> None:
        """Finish what is in flight, give back the rest, close the connections."""
        self._release_plan()
        if self._ear is not None:
            self._ear.close()
        if self._night is not None:
            self._night.close()
        self.sender.close(timeout=10.0)

    def _release_plan(self) -> None:
        while self.plans:
            self.plans.pop().release()

    def _should_look(self, now: float) -> bool:
        return now >= self._look_at or (now >= self._rests_until and self._knows_of_work())

    def _knows_of_work(self) -> bool:
        return self._told or (self._more and self.sender.wants_more())

    def _patience(self, now: float) -> float:
        """Seconds to wait for answers."""
        if self._should_look(now):
            return 0.0
        usual = BUSY if self.is_busy else POLL
        return min(usual, self._rests_until - now) if self._knows_of_work() else usual

    def _find(self, now: float) -> bool:
        """Look for a plan and for batches; whether there was a batch."""
        told, self._told, self._look_at = self._told, False, now + POLL
        self._rests_until = now + GAP
        if len(self.plans) < PLANS and (plan := claim_plan(self.name)):
            # a plan of ours whose lease ran out while this process stood still comes back anew
            others = (p for p in self.plans if p.history.pk != plan.history.pk)
            self.plans = deque([plan, *others])
            self._plan(now)
        if not self.sender.wants_more(told=told):
            return False
        claimed = claim(self.name)
        self.sender.begin_all(claimed)
        self._more = bool(claimed)
        return self._more

    def _plan(self, now: float) -> None:
        """Plan the next batches; they are due, so look for them."""
        plan, self._plan_at, self._more = self.plans[0], now + PLAN, True
        self._rests_until = 0.0
        self.plans.rotate(-1)
        try:
            more = plan.step()
        except PASSING:
            raise
        except Exception as error:
            # A push that cannot be planned must not take the worker down with it, again and again.
            logger.exception("Push %s cannot be planned", plan.history.public_id)
            fail_push(plan.history, f"{type(error).__name__}: {error}")
            more = False
        if not more:
            self.plans.remove(plan)
            finish(plan.history.pk)  # nobody to send to, or sent before the plan was through

    def _hear(self) -> None:
        self._told = True
