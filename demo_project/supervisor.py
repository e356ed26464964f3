"""One parent with a few children: they start together and they stop together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

__all__ = ["Child", "Supervisor", "ending"]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PROJECT = str(Path(__file__).resolve().parent.parent)
LOOK_EVERY = 0.1
"""Seconds between two looks at the children."""
PATIENCE = 10.0
"""Seconds that a child has for stopping before it is killed."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """A process to run: a Python module with its arguments."""

    name: str
    """For people: "web"."""
    module: Sequence[str]
    """Name of the module, then its arguments."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What differs from the parent's environment."""
    is_quiet: bool = False
    """Whether only its complaints (standard error) are shown."""


class Supervisor:
    """Runs children until one ends or a signal comes; then stops all of them.

    To be used as a context manager: leaving it, in whatever way, leaves no child behind.
    """

    def __init__(self) -> None:
        self.signalled: int | None = None
        """The signal that asked to stop."""
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        for number in STOP_SIGNALS:
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def start(self, child: Child) -> None:
        """Start a child in a session of its own: Ctrl-C is for the parent, which passes it on."""
        path = os.pathsep.join(filter(None, (PROJECT, os.environ.get("PYTHONPATH"))))
        self._running[child.name] = subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, "-m", "demo_project.child", *child.module],
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **child.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if child.is_quiet else None,
            start_new_session=True,
        )

    def wait(self, until: Callable[[], bool] | None = None) -> str:
        """Wait for a signal, the end of a child, or ``until`` to be true.

        The answer says which child ended and how, for people; it is empty otherwise.
        """
        while self.signalled is None:
            for name, process in self._running.items():
                code = process.poll()
                if code is not None:
                    return f"{name} {ending(code)}"
            if until is not None and until():
                break
            time.sleep(LOOK_EVERY)
        return ""

    def stop(self) -> None:
        """Ask all children to stop, and kill those that do not."""
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + PATIENCE
        for process in self._running.values():
            try:
                process.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        self._running.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signalled = number


def ending(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
