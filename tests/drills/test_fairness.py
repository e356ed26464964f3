"""A push of one device in the middle of a broadcast."""

from __future__ import annotations

import statistics
import time

import pytest

from django_push.models import Installation
from tests.support.processes import wait_until

from .rig import Rig, fill, finish, is_over

DEVICES = 200_001
PUSHES = 20
USUALLY, AT_MOST = 1.0, 5.0
"""Seconds, on a machine that does other things too and may stand still for a while; the broadcast
takes 25. What an idle one takes is in docs/benchmarks.md."""


@pytest.mark.long
def test_one_device_does_not_wait_for_two_hundred_thousand(rig: Rig, dice, note) -> None:
    fill(rig.application, DEVICES)
    device = Installation.objects.get(address=f"{DEVICES:064x}")
    # 8,000 a second: the connections are always full, and the provider has time to look.
    rig.simulator.behave(latency_ms=25, max_concurrent_streams=50)
    with rig.worker(BATCH_SIZE=5000):
        broadcast = rig.send()
        wait_until(lambda: rig.accepted() > 5000)
        pushes = []
        for _ in range(PUSHES):
            time.sleep(dice.uniform(0.05, 0.25))
            submitted = time.time()
            audience = {"installations": [device.public_id]}
            pushes.append((submitted, rig.send(audience=audience, title="Your code is 123456")))
        assert not is_over(broadcast), "the broadcast was over too soon"
        rig.simulator.behave(reset=True)
        finish(broadcast)
    arrived = {each.push: each.time for each in rig.deliveries() if each.token == device.address}
    waits = sorted(arrived[str(push.public_id)] - at for at, push in pushes)
    note(
        f"from submit to the provider {statistics.median(waits) * 1000:.0f} ms (median), "
        f"{waits[-1] * 1000:.0f} ms (longest of {PUSHES})"
    )
    audit = rig.audit(broadcast)
    assert audit.marks == {"SENT": DEVICES}
    assert audit.repeats == 0
    assert statistics.median(waits) <= USUALLY
    assert waits[-1] <= AT_MOST
