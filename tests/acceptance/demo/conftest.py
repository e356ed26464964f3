"""Starts ``manage.py demo`` as a person does, on free ports and with data of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

PROJECT = Path(__file__).resolve().parents[3]
PORTS = (
    "PORT",
    "SIMULATOR_PORT",
    "SIMULATOR_CONTROL_PORT",
    "SIMULATOR_FCM_PORT",
    "SIMULATOR_SANDBOX_PORT",
)
PATIENCE = 60.0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]
    finally:
        for probe in sockets:
            probe.close()


def eventually(condition: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """The first true value of ``condition``; fails when there is none in time."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.05)
    return value


class Demo:
    """A running demo."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "DEMO_DIR": str(directory),
            **environment,
            **dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True)),
        }
        self.port = int(self.environment["PORT"])
        self.said = directory / "said.txt"
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo", "--installations", "30"],
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        self.children: list[psutil.Process] = []

    def wait_until_up(self) -> Demo:
        eventually(lambda: "is up" in self.text or self.process.poll() is not None)
        assert self.process.poll() is None, self.text
        self.children = psutil.Process(self.process.pid).children(recursive=True)
        return self

    @property
    def text(self) -> str:
        """All that it has written."""
        return self.said.read_text()

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def get(self, path: str, port: int = 0) -> bytes:
        address = f"http://127.0.0.1:{port or self.port}{path}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.read()

    def post(self, path: str, key: str, document: object) -> tuple[int, bytes]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(document).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo's directory after its first start, for tests to copy."""
    directory = tmp_path_factory.mktemp("demo")
    demo = Demo(directory)
    try:
        assert demo.wait_until_up().end() == 0, demo.text
    finally:
        demo.process.kill()
    return directory


@pytest.fixture
def start(seeded: Path, tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Starts a demo that has been started before; whatever runs at the end of a test is ended."""
    directory = tmp_path / "with a space"
    shutil.copytree(seeded, directory)
    started: list[Demo] = []

    def start_one(**environment: str) -> Demo:
        started.append(Demo(directory, **environment))
        return started[-1]

    yield start_one
    for demo in started:
        demo.process.kill()  # its children follow it: test_a_killed_parent_takes_all_along
        demo.process.wait()
