"""Stopping and pausing in the middle: what still goes out after the click has a bound."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from django_push.delivery import cancel, pause, resume
from django_push.models import PushHistory, State
from tests.support.processes import wait_until

from .rig import Rig, fill, finish

DEVICES = 20_000
WORKERS, CONNECTIONS, STREAMS = 2, 4, 20
SLOWLY = {"latency_ms": 50, "max_concurrent_streams": STREAMS}
WINDOW = WORKERS * CONNECTIONS * STREAMS
"""Devices in flight."""
NOTICE = 0.05
"""Seconds of sending that a worker may need to notice."""


@pytest.fixture
def sending(rig: Rig) -> Iterator[PushHistory]:
    """A push in the middle of its fan-out, two workers at it."""
    fill(rig.application, DEVICES)
    rig.simulator.behave(**SLOWLY)
    with rig.worker(), rig.worker():
        history = rig.send()
        wait_until(lambda: rig.accepted() > DEVICES // 8)
        yield history


def late(rig: Rig, clicked: float) -> tuple[int, float]:
    """Devices accepted after the click, and how many may be."""
    times = [each.time for each in rig.deliveries() if each.outcome == "sent"]
    before = sum(clicked - 1.0 < at <= clicked for at in times)
    return sum(at > clicked for at in times), before * NOTICE + WINDOW


def test_stopped_in_the_middle(rig: Rig, sending: PushHistory, note) -> None:
    cancel(sending, by="Sara")
    clicked = time.time()
    finish(sending)
    number, allowed = late(rig, clicked)
    audit = rig.audit(sending)
    note(f"{number} devices after the click, {allowed:.0f} allowed; {audit.marks}")
    assert sending.state == State.CANCELLED
    assert audit.marks["SENT"] + audit.marks["CANCELLED"] == sum(audit.marks.values())
    assert audit.marks["SENT"] < DEVICES
    assert audit.repeats == 0
    assert number <= allowed


def test_paused_in_the_middle_and_resumed(rig: Rig, sending: PushHistory, note) -> None:
    pause(sending, by="Sara")
    clicked = time.time()
    time.sleep(1.0)
    number, allowed = late(rig, clicked)
    quiet = rig.accepted()
    time.sleep(0.5)
    assert rig.accepted() == quiet < DEVICES, "a paused push went on"
    rig.simulator.behave(reset=True)
    resume(sending, by="Sara")
    finish(sending)
    audit = rig.audit(sending)
    note(f"{number} devices after the click, {allowed:.0f} allowed; {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}
    assert audit.repeats == 0
    assert number <= allowed
