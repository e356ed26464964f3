"""A parent and its worker processes: real forks, which do nothing but show that they live."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import wait_until

Parent = subprocess.Popen[bytes]


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    command = [sys.executable, "-m", "tests.support.family", str(tmp_path)]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(command, stderr=said)
    yield process
    process.kill()
    process.wait()
    wait_until(lambda: not children(tmp_path))


@pytest.fixture
def alive(parent: Parent, tmp_path: Path) -> Path:
    """The file that says that all of them work, as soon as they do."""
    file = tmp_path / "alive"
    wait_until(lambda: file.exists() and len(children(tmp_path)) == 2)
    return file


def children(directory: Path) -> list[int]:
    """Those that run."""
    pids = [int(file.stem) for file in directory.glob("*.child")]
    return [pid for pid in pids if is_running(pid)]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return False
    return state != "Z"


def touched(file: Path) -> bool:
    """Whether there is a sign of life from now on."""
    before = time.time_ns()
    time.sleep(0.2)
    return file.stat().st_mtime_ns > before


def test_all_of_them_touch_the_file_and_end_together(parent: Parent, alive: Path) -> None:
    wait_until(lambda: touched(alive))
    assert len(children(alive.parent)) == 2
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(60) == 0
    assert children(alive.parent) == []


def test_a_child_that_dies_is_replaced(parent: Parent, alive: Path) -> None:
    first, second = children(alive.parent)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: set(children(alive.parent)) - {first, second})
    assert second in children(alive.parent)
    wait_until(lambda: touched(alive))
    said = (alive.parent / "said").read_text()
    assert f"Worker process {first} ended with status -9" in said


def test_one_that_hangs_stops_the_signs_of_life(parent: Parent, alive: Path) -> None:
    first, _ = children(alive.parent)
    os.kill(first, signal.SIGSTOP)
    try:
        wait_until(lambda: not touched(alive))
    finally:
        os.kill(first, signal.SIGCONT)
    wait_until(lambda: touched(alive))


def test_children_outlive_no_parent(parent: Parent, alive: Path) -> None:
    """Nobody would replace them, or stop them."""
    assert len(children(alive.parent)) == 2
    parent.kill()
    wait_until(lambda: not children(alive.parent))
