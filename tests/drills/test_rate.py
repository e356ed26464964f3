"""A speed limit is held: by several workers, and after a time without any."""

from __future__ import annotations

import time
from bisect import bisect_left

import pytest

from django_push.models import Notification
from django_push.submission import submit
from tests.support.processes import wait_until

from .crew import Crew
from .rig import Rig, fill, finish

RATE = 400
"""Devices a second."""
WINDOW, TOLERANCE = 10.0, 0.05
SENDING, DOWN, REST = 12.0, 5.0, 14.0
"""Seconds of each phase."""
DEVICES = int(RATE * (SENDING + REST))
RUNS = 2
RECOVERY = 2.5
"""Seconds after a restart in which the leases of the dead run out: slower is right then."""


def counts(times: list[float], start: float, end: float) -> list[int]:
    """Devices in each window of ten seconds between two moments, a tenth of a second apart."""
    found = []
    at = start
    while at + WINDOW <= end:
        found.append(bisect_left(times, at + WINDOW) - bisect_left(times, at))
        at += 0.1
    return found


def worst(found: list[int]) -> float:
    """The largest deviation from the rate, as a fraction."""
    return max((number / (RATE * WINDOW) - 1 for number in found), key=abs)


def send_in_two_halves(rig: Rig) -> tuple[list[float], float]:
    """A rated push by two workers, a while of nobody, two workers again.

    Returns when the provider accepted each device, and when the first two were stopped.
    """
    notification = Notification(
        application=rig.application,
        content={"title": "Doors open"},
        audience={"everyone": True},
        rate=RATE,
    )
    with Crew({**rig.settings, "LEASE_SECONDS": 2.0}, 2):
        history = submit(notification)
        wait_until(lambda: rig.accepted_of(history) != [])
        time.sleep(SENDING)
        stopped = time.time()
    time.sleep(DOWN)
    with Crew({**rig.settings, "LEASE_SECONDS": 2.0}, 2):
        finish(history)
    assert rig.audit(history).marks == {"SENT": DEVICES}
    return sorted(each.time for each in rig.accepted_of(history)), stopped


@pytest.mark.long
def test_the_rate_is_held_by_two_workers_and_after_nobody_worked(rig: Rig, note) -> None:
    """Never faster than allowed, whatever happens. And not slower: a machine that stands still for
    half a second beside this makes any push slower, so that much may hold in the second run."""
    fill(rig.application, DEVICES)
    for _run in range(RUNS):
        times, stopped = send_in_two_halves(rig)
        resumed = times[bisect_left(times, stopped + DOWN)] + RECOVERY
        before = worst(counts(times, times[0], stopped))
        after = worst(counts(times, resumed, times[-1]))
        fastest = max(counts(times, times[0], times[-1])) / (RATE * WINDOW) - 1
        note(
            f"{RATE}/s over any {WINDOW:.0f} s: worst {before:+.1%} with two workers, "
            f"{after:+.1%} after {DOWN:.0f} s without any; {len(times) - DEVICES} repeats"
        )
        assert fastest <= TOLERANCE
        if min(before, after) >= -TOLERANCE:
            return
    pytest.fail(f"slower than allowed in each of {RUNS} runs, at last {before:+.1%}, {after:+.1%}")
