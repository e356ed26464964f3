"""Several workers under one parent, and a file that says that all of them are at work."""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

__all__ = ["AliveFile", "Family"]

logger = logging.getLogger("django_push.worker")

BEAT = 1.0
"""Seconds between two signs of life."""
SILENT = 10.0
"""Seconds without one until a worker does not count as alive."""
AGAIN = 1.0
"""Seconds before a worker that died is replaced: a broken set-up must not spin."""

STOP = (signal.SIGTERM, signal.SIGINT)

Work = Callable[[Callable[[], None]], None]
"""What a child does: works until it is told to stop, and calls its argument now and then."""


class AliveFile:
    """A file whose time of change is the last sign of life, for whoever watches the worker."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._touched = float("-inf")

    def beat(self) -> None:
        """Touch the file, at most once a second."""
        now = time.monotonic()
        if self._path is not None and now - self._touched >= BEAT:
            self._touched = now
            self._path.touch()

    def remove(self) -> None:
        """At the end: a worker that has stopped is not alive."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class Child:
    """One worker process; its signs of life come through a pipe."""

    def __init__(self, work: Work) -> None:
        self.beaten_at = time.monotonic()
        self.ended_at: float | None = None
        self.pipe, write = os.pipe()
        os.set_blocking(self.pipe, False)
        os.set_blocking(write, False)
        # A signal that comes in between is for the child too, which has no handler of its own yet.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.pipe)
            for number in STOP:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
            _be_child(work, write)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
        os.close(write)

    def listen(self) -> None:
        """Read its signs of life."""
        with suppress(BlockingIOError):
            if os.read(self.pipe, 4096):
                self.beaten_at = time.monotonic()

    @property
    def is_alive(self) -> bool:
        return self.ended_at is None and time.monotonic() - self.beaten_at < SILENT

    def has_ended(self) -> bool:
        """Whether it has, noticing it when it is new."""
        if self.ended_at is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.ended_at = time.monotonic()
                os.close(self.pipe)
                code = os.waitstatus_to_exitcode(status)
                logger.log(
                    logging.ERROR if code else logging.INFO,
                    "Worker process %s ended with status %s",
                    self.pid,
                    code,
                )
        return self.ended_at is not None

    def send(self, number: int) -> None:
        if self.ended_at is None:
            os.kill(self.pid, number)


def _be_child(work: Work, pipe: int) -> NoReturn:
    """The life of a child; ends the process whatever happens, as a fork must."""
    code = 1
    try:
        beaten = float("-inf")

        def beat() -> None:
            nonlocal beaten
            now = time.monotonic()
            if now - beaten >= BEAT:
                beaten = now
                try:
                    os.write(pipe, b".")
                except BlockingIOError:
                    pass  # the parent has not read for long: there is a sign already
                except BrokenPipeError:
                    # The parent was killed. Nobody would replace this process, or stop it.
                    signal.raise_signal(signal.SIGTERM)

        work(beat)
        code = 0
    except Exception:
        logger.exception("A worker process ends")
    finally:
        os._exit(code)


class Family:
    """A parent that keeps ``number`` workers running until it is told to stop.

    It opens no database connection itself: connections do not survive a fork.
    """

    def __init__(self, number: int, work: Work, alive: AliveFile) -> None:
        self._work, self._alive = work, alive
        self._stopping = False
        self._children = [Child(work) for _ in range(number)]

    def stop(self, number: int, frame: object) -> None:
        """A signal handler: pass it on; the children finish what is in flight."""
        self._stopping = True
        for child in self._children:
            child.send(signal.SIGTERM)

    def run(self) -> None:
        """Until all children have ended after :meth:`stop`."""
        while not self._stopping or not all(child.has_ended() for child in self._children):
            pipes = {child.pipe: child for child in self._children if not child.has_ended()}
            for pipe in select.select(list(pipes), [], [], 0.2)[0]:
                pipes[pipe].listen()
            if not self._stopping:
                self._children = [self._replaced(child) for child in self._children]
            if all(child.is_alive for child in self._children):
                self._alive.beat()

    def _replaced(self, child: Child) -> Child:
        ended = child.ended_at
        if child.has_ended() and ended is not None and time.monotonic() - ended >= AGAIN:
            return Child(self._work)
        return child
