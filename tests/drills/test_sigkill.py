"""Workers killed at random moments: nothing is lost, and how much is sent twice has a bound."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from random import Random

import pytest

from django_push.models import Installation, PushHistory
from tests.support.processes import WorkerProcess, wait_until

from .crew import Crew, Kill
from .rig import Delivery, Rig, fill, finish

DEVICES = 100_000
KILLS, WHILE_PLANNING = 50, 10
CONNECTIONS, STREAMS = 2, 50
SETTINGS = {
    "LEASE_SECONDS": 1.5,
    "BATCH_SIZE": 200,
    "CONNECTIONS": CONNECTIONS,
    "CHECKPOINT_OUTCOMES": 250,
    "REQUEST_TIMEOUT": 10.0,
    "RETRY_SECONDS": 1.0,
    "RETRY_MAX_SECONDS": 60.0,
}
BOUND = CONNECTIONS * STREAMS + SETTINGS["CHECKPOINT_OUTCOMES"]
"""Devices that one kill may make the provider see twice: those in flight, and those whose
outcome came since the last checkpoint."""


@pytest.mark.long
def test_fifty_kills_lose_nobody(rig: Rig, dice: Random, note: Callable[[str], None]) -> None:
    fill(rig.application, DEVICES)
    rig.simulator.behave(latency_ms=100, max_concurrent_streams=STREAMS)
    with Crew({**rig.settings, **SETTINGS}, 2) as crew:
        history = rig.send()
        kills = kill_at_random(crew, history, dice)
        rig.simulator.behave(reset=True)
        finish(history)
    audit = rig.audit(history)
    repeats = repeats_by_kill(kills, rig.deliveries())
    planning = sum(kill.planning for kill in kills)
    note(
        f"{len(kills)} kills, {planning} while planning; {audit.repeats} repeats, "
        f"at most {max(repeats)} by one kill of {BOUND} allowed; "
        f"{sum(bool(kill.open) for kill in kills)} had batches, "
        f"one of which had seen {max(kill.crashes for kill in kills)} kills"
    )
    assert planning >= WHILE_PLANNING
    assert audit.marks == {"SENT": DEVICES}
    assert max(repeats) <= BOUND
    assert audit.repeats <= len(kills) * BOUND


def kill_at_random(crew: Crew, history: PushHistory, dice: Random) -> list[Kill]:
    """At least :data:`KILLS`, at least :data:`WHILE_PLANNING` of them of who plans."""
    kills: list[Kill] = []
    while len(kills) < KILLS:
        planning = sum(kill.planning for kill in kills)
        victim = victim_of(crew, history, dice, planner=planning < WHILE_PLANNING)
        time.sleep(dice.uniform(0.0, 0.4))
        kills.append(crew.kill(victim, history))
        history.refresh_from_db()
        assert not history.is_over, f"over after {len(kills)} kills: the provider is too quick"
    return kills


def victim_of(crew: Crew, history: PushHistory, dice: Random, *, planner: bool) -> WorkerProcess:
    """Who is planning, or anyone who has batches: who does nothing loses nothing."""
    found: list[WorkerProcess] = []

    def look() -> bool:
        busy = [crew.planner(history)] if planner else crew.senders(history)
        found[:] = [worker for worker in busy if worker is not None]
        return bool(found)

    wait_until(look)
    return dice.choice(found)


def repeats_by_kill(kills: list[Kill], log: list[Delivery]) -> list[int]:
    """For each kill, how many devices the provider had accepted and the ledger did not know of."""
    addresses = dict(Installation.objects.values_list("pk", "address"))
    times: dict[str, list[float]] = defaultdict(list)
    for each in log:
        if each.outcome == "sent":
            times[each.token].append(each.time)
    counted: dict[str, float] = {}
    repeats = []
    for kill in kills:
        number, until = 0, kill.at + 0.25  # what was in the sockets is still read
        for token in (addresses[pk] for pk in kill.open):
            since = counted.get(token, 0.0)
            if any(since < at <= until for at in times[token]):
                number += 1
                counted[token] = until
        repeats.append(number)
    return repeats
