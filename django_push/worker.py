"""The embedded worker: plans, sends and schedules in one process, on any database.

Several may run beside each other, on one machine or on many. ``wake`` tells them that work is
due: NOTIFY on PostgreSQL, a loopback datagram elsewhere; a poll every 250 ms is the net below.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import time
import zlib
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, close_old_connections, connections

from .conf import alias
from .delivery import (
    Plan,
    Sender,
    claim,
    claim_plan,
    fail_push,
    finish,
    preload,
    worker_name,
)
from .scheduler import tick

__all__ = ["Worker", "wake"]

logger = logging.getLogger("django_push.worker")

NOTIFY_CHANNEL = "django_push"
POLL = 0.25
"""Seconds between two looks for work that nobody told of."""
TICK = 1.0
"""Seconds between two calls of the scheduler."""
PLAN = 0.05
"""Seconds until the next batches are planned for other workers, while this one has enough."""
BUSY = 0.02
"""Seconds to wait for answers while batches are running."""


def wake(database: str) -> None:
    """Tell one or more workers that work is due. The default ``DISPATCHER``."""
    connection = connections[database]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {NOTIFY_CHANNEL}")
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto(b"due", ("127.0.0.1", _port(database)))


def _port(database: str) -> int:
    """The same for every process on this machine that uses this database."""
    name = str(connections[database].settings_dict["NAME"])
    return 40_000 + zlib.crc32(name.encode()) % 20_000


class Worker:
    """One process's loop."""

    def __init__(self, *, listen: bool = True) -> None:
        self.name = worker_name()
        self.sender = Sender(self.name)
        self.plan: Plan | None = None
        self.stopping = False
        self._look_at = self._tick_at = self._plan_at = 0.0
        self._told = True
        """Somebody submitted a push."""
        self._more = False
        """More batches may be due than were claimed."""
        preload()
        self._close_ears = _listen(self.sender.selector, self._hear) if listen else _no_ears

    def run(self) -> None:
        """Work until :meth:`stop`."""
        while not self.stopping:
            try:
                self.step()
            except DatabaseError:
                # The ledger in memory is whole; what was not written is written next time.
                logger.exception("The database did not answer; trying again")
                close_old_connections()
                time.sleep(1.0)
                self._told = True
        self.close()

    def drain(self, seconds: float) -> bool:
        """Work until nothing is due or ``seconds`` have passed; ``True`` when work is left.

        Can be called again: the connections to the providers stay open in between.
        """
        ends, left, self._told = time.monotonic() + seconds, True, True
        self.sender.step(0.0)  # learn first which connections have ended since
        while left and time.monotonic() < ends and not self.stopping:
            left = self.step() or self.is_busy or self._more
        self._release_plan()
        self.sender.release(timeout=5.0)
        return left

    def step(self) -> bool:
        """One round; ``True`` when there was something new to do."""
        now = time.monotonic()
        if now >= self._tick_at:
            self._tick_at = now + TICK
            tick()
        found = self._find(now) if self._should_look(now) else False
        if self.plan and not found and (self.sender.wants_more() or now >= self._plan_at):
            self._plan(now)
        self.sender.step(0.0 if self._should_look(now) else BUSY if self.is_busy else POLL)
        return found

    @property
    def is_busy(self) -> bool:
        return bool(self.sender.runs) or self.plan is not None

    def stop(self, *_: Any) -> None:
        """Finish what is in flight, give back the rest. A signal handler may call it."""
        self.stopping = True

    def close(self) -> None:
        """Finish what is in flight, give back the rest, close the connections."""
        self._release_plan()
        self._close_ears()
        self.sender.close(timeout=10.0)

    def _release_plan(self) -> None:
        if self.plan is not None:
            self.plan.release()
            self.plan = None

    def _should_look(self, now: float) -> bool:
        return self._told or (self._more and self.sender.wants_more()) or now >= self._look_at

    def _find(self, now: float) -> bool:
        """Look for a plan and for batches; whether there was a batch."""
        told, self._told, self._look_at = self._told, False, now + POLL
        if self.plan is None:
            self.plan = claim_plan(self.name)
        if self.plan is not None and self.plan.is_new:
            self._plan(now)
        if not self.sender.wants_more(told=told):
            return False
        claimed = claim(self.name)
        for batch in claimed:
            self.sender.begin(batch)
        self._more = bool(claimed)
        return self._more

    def _plan(self, now: float) -> None:
        """Plan the next batches; they are due, so look for them."""
        assert self.plan is not None
        plan, self._plan_at, self._more = self.plan, now + PLAN, True
        try:
            more = plan.step()
        except DatabaseError:
            raise
        except Exception as error:
            # A push that cannot be planned must not take the worker down with it, again and again.
            logger.exception("Push %s cannot be planned", plan.history.public_id)
            fail_push(plan.history, f"{type(error).__name__}: {error}")
            more = False
        if not more:
            self.plan = None
            finish(plan.history.pk)  # nobody to send to, or sent before the plan was through

    def _hear(self) -> None:
        self._told = True


class _Ear:
    """Stands in a selector for a socket that only says "look"."""

    def __init__(self, hear: Callable[[], None], clear: Callable[[], None]) -> None:
        self._hear, self._clear = hear, clear
        self.client = self.owner = self  # what the sender calls for every socket

    def handle(self, key: selectors.SelectorKey, mask: int) -> None:
        self._clear()
        self._hear()


def _no_ears() -> None:
    """Nothing to close."""


def _listen(selector: selectors.BaseSelector, hear: Callable[[], None]) -> Callable[[], None]:
    """Hear ``wake``; returns what closes the ear again."""
    if connections[alias()].vendor == "postgresql":
        return _listen_to_postgresql(selector, hear)
    return _listen_to_datagrams(selector, hear)


def _listen_to_datagrams(
    selector: selectors.BaseSelector, hear: Callable[[], None]
) -> Callable[[], None]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    if hasattr(socket, "SO_REUSEPORT"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind(("127.0.0.1", _port(alias())))
    except OSError:
        sock.close()  # somebody else's port: the poll finds the work
        return _no_ears

    def clear() -> None:
        with contextlib.suppress(BlockingIOError):
            while sock.recv(16):
                pass

    selector.register(sock, selectors.EVENT_READ, _Ear(hear, clear))
    return sock.close


def _listen_to_postgresql(
    selector: selectors.BaseSelector, hear: Callable[[], None]
) -> Callable[[], None]:
    """A connection of its own, since the pipeline's is busy with transactions."""
    wrapper = connections[alias()].copy()
    try:
        wrapper.ensure_connection()
        with wrapper.cursor() as cursor:
            cursor.execute(f"LISTEN {NOTIFY_CHANNEL}")
    except DatabaseError:
        wrapper.close()
        return _no_ears
    raw: Any = wrapper.connection

    def clear() -> None:
        if hasattr(raw, "poll"):  # psycopg 2
            raw.poll()
            raw.notifies.clear()
        else:
            for _ in raw.notifies(timeout=0):
                pass

    selector.register(raw.fileno(), selectors.EVENT_READ, _Ear(hear, clear))
    return wrapper.close
