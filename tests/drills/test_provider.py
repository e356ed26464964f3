"""A provider that misbehaves in the middle of a push, and mends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from django_push.models import Installation
from tests.support.processes import wait_until

from .rig import Rig, fill, finish

DEVICES = 1500
SLOWLY = {"latency_ms": 50, "max_concurrent_streams": 20}
"""Slow enough that a fault meets a push under way: 1,600 a second over four connections."""

PASSING: dict[str, dict[str, Any]] = {
    "APNs 503": {"status": 503},
    "APNs 503 with Retry-After": {"status": 503, "retry_after": 1},
    "APNs 429": {"status": 429},
    "APNs 429 with Retry-After": {"status": 429, "retry_after": 1},
    "APNs 500": {"status": 500},
    "APNs stall": {"stall": True},
    "FCM 503 with Retry-After": {"status": 503, "retry_after": 1},
    "FCM 429 with Retry-After": {"status": 429, "retry_after": 1},
    "FCM stall": {"stall": True},
}
"""What lasts for a while, and is over then. FCM never says 429 without a time to wait."""
LASTING: dict[str, dict[str, Any]] = {
    "APNs GOAWAY every 1,000": {"goaway_every": 1000},
    "APNs GOAWAY every 50": {"goaway_every": 50},
    "APNs RST_STREAM REFUSED_STREAM": {"rst_every": 10, "rst_code": 7},
    "APNs RST_STREAM INTERNAL_ERROR": {"rst_every": 97, "rst_code": 2},
    "APNs connection cut": {"close_every": 499, "max_concurrent_streams": 10},
    "FCM GOAWAY every 1,000": {"goaway_every": 1000},
    "FCM connection cut": {"close_every": 499, "max_concurrent_streams": 10},
}
"""What goes on from the beginning to the end. Rare enough that no device is hit three times in a
row, which would make it "failed: no answer"."""


def platform_of(fault: str) -> str:
    return {"APNs": "ios", "FCM": "android"}[fault.partition(" ")[0]]


@pytest.mark.parametrize("fault", PASSING)
def test_it_refuses_for_a_while(rig: Rig, fault: str, note: Callable[[str], None]) -> None:
    """Nobody is lost, and nobody is switched off, by answers that say "later"."""
    fill(rig.application, DEVICES, platform_of(fault))
    rig.simulator.behave(**SLOWLY)
    with rig.worker():
        history = rig.send()
        wait_until(lambda: rig.accepted() > DEVICES // 4)
        rig.simulator.behave(**SLOWLY, **PASSING[fault])
        time.sleep(0.7)
        rig.simulator.behave(reset=True)
        took = finish(history)
    audit = rig.audit(history)
    note(f"over {took:.1f} s after it was mended, {audit.repeats} repeats")
    assert audit.marks == {"SENT": DEVICES}
    assert Installation.objects.filter(is_active=True).count() == DEVICES


@pytest.mark.parametrize("fault", LASTING)
def test_it_breaks_off_again_and_again(rig: Rig, fault: str, note: Callable[[str], None]) -> None:
    number = 5000 if "1,000" in fault else DEVICES
    fill(rig.application, number, platform_of(fault))
    rig.simulator.behave(**LASTING[fault])
    with rig.worker():
        history = rig.send()
        took = finish(history)
    audit = rig.audit(history)
    note(f"{took:.1f} s, {audit.repeats} repeats")
    assert audit.marks == {"SENT": number}
    assert Installation.objects.filter(is_active=True).count() == number
