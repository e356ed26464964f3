"""The machine's clock jumps in the middle of a push.

Leases and due times are the database's; what a worker's own clock is for is the age of its keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from django_push.delivery import progress, resume
from django_push.models import Installation
from tests.support.processes import wait_until

from .rig import Rig, fill, finish, is_over

DEVICES = 8000
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
SLOWLY = {"latency_ms": 50, "max_concurrent_streams": 20}


@pytest.fixture
def clock(tmp_path: Path) -> tuple[dict[str, str], Callable[[int], object]]:
    """A process's environment, and what moves its clock by so many seconds from the true time."""
    assert LIBRARIES, "libfaketime is missing: apt install libfaketime"
    file = tmp_path / "time"

    def move(seconds: int) -> None:
        new = file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(file)

    move(0)
    environment = {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return environment, move


def test_a_workers_clock_jumps_to_and_fro(rig: Rig, clock, note) -> None:
    """By 40 minutes, and with SQLite, whose clock is the worker's, by four seconds."""
    environment, move = clock
    jump = 4 if connection.vendor == "sqlite" else 2400
    fill(rig.application, DEVICES)
    rig.simulator.behave(**SLOWLY)
    with rig.worker(environment), rig.worker():
        history = rig.send()
        wait_until(lambda: rig.accepted() > DEVICES // 8)
        for seconds in (jump, 0, -jump, 0):
            move(seconds)
            time.sleep(0.5)
        assert not is_over(history), "the provider is too quick for this drill"
        rig.simulator.behave(reset=True)
        took = finish(history)
    audit = rig.audit(history)
    note(f"over {took:.1f} s after four jumps by {jump} s, {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}
    assert audit.repeats <= 2 * 4 * 20


def test_a_worker_lives_in_another_hour(rig: Rig, clock, note) -> None:
    """Two hours ahead no key that it signs is accepted: paused with the reason, nobody is
    switched off, and resumed once the clock is right."""
    environment, move = clock
    fill(rig.application, DEVICES)
    move(7200)
    with rig.worker(environment):
        history = rig.send()
        wait_until(lambda: is_paused(history))
        assert rig.accepted() == 0
    (_, reason), *_ = progress(history).paused
    assert Installation.objects.filter(is_active=True).count() == DEVICES
    resume(history)
    with rig.worker():
        finish(history)
    audit = rig.audit(history)
    note(f"paused: {reason!r}, {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}


def is_paused(history) -> bool:
    history.refresh_from_db()
    waiting = history.batches.filter(settled_at=None)
    return history.planned_at is not None and not waiting.filter(pause_reason="").exists()
