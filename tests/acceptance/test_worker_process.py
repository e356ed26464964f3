"""The whole way with real processes: submit, worker, TLS, a server that answers as Apple does."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from django_push.delivery import progress
from django_push.models import Application, Installation, PushHistory, State
from django_push.simulator import Simulator
from django_push.submission import push
from tests.support.processes import endpoints, make_credentials, wait_until, worker_process

pytestmark = pytest.mark.django_db(transaction=True)

IN_FLIGHT = 4 * 500
"""Streams of all connections: what a worker that is killed may have sent without knowing."""


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator.run(tmp_path / "simulator") as simulator:
        yield simulator


@pytest.fixture
def settings_for_worker(simulator: Simulator, settings: Any) -> dict[str, Any]:
    given = {**endpoints(simulator), "BATCH_SIZE": 200}
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **given}
    return given


@pytest.fixture
def application(simulator: Simulator) -> Application:
    application = Application.objects.register(None, "Concert Hall", key="hall")
    make_credentials(application, simulator)
    return application


def fill(application: Application, ios: int, android: int = 0, prefix: str = "") -> list[str]:
    tokens = [f"{prefix}{n:0{64 - len(prefix)}x}" for n in range(1, ios + android + 1)]
    for n, token in enumerate(tokens):
        Installation.objects.register(
            application, device_type="ios" if n < ios else "android", address=token
        )
    return tokens


def is_over(history: PushHistory) -> bool:
    history.refresh_from_db()
    return history.finished_at is not None


def arrived(simulator: Simulator) -> Counter[str]:
    return Counter(each["token"] for each in simulator.deliveries() if each["outcome"] == "sent")


def test_everyone_gets_it_exactly_once(application, simulator, settings_for_worker):
    tokens = fill(application, ios=300, android=150)
    with worker_process(settings_for_worker) as worker:
        history = push(application, audience={"everyone": True}, title="Doors open", body="at 8")
        wait_until(lambda: is_over(history))
        assert (history.state, history.successes, history.failures) == (State.DONE, 450, 0)
        assert arrived(simulator) == Counter(tokens)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0


def test_each_fate_is_in_the_report(application, simulator, settings_for_worker):
    fill(application, ios=20)
    dead = fill(application, ios=2, android=2, prefix="dead")
    bad = fill(application, ios=1, prefix="bad0")
    Installation.objects.update(last_seen_at="2020-01-01T00:00:00Z")
    with worker_process(settings_for_worker):
        history = push(application, audience={"everyone": True}, title="Doors open")
        wait_until(lambda: is_over(history))
    assert (history.successes, history.failures, history.invalid_tokens) == (20, 5, 4)
    assert history.reasons == {"Unregistered": 2, "UNREGISTERED": 2, "BadDeviceToken": 1}
    off = Installation.objects.filter(is_active=False).values_list("address", flat=True)
    assert set(off) == set(dead)
    assert not set(off) & set(bad)


def test_ctrl_c_releases_what_it_holds_and_nothing_is_sent_twice(
    application, simulator, settings_for_worker
):
    tokens = fill(application, ios=600)
    simulator.behave(latency_ms=30, max_concurrent_streams=20)
    with worker_process(settings_for_worker) as worker:
        history = push(application, audience={"everyone": True}, title="Doors open")
        wait_until(lambda: len(arrived(simulator)) > 40)
        worker.send_signal(signal.SIGINT)
        assert worker.wait(15) == 0
    assert not is_over(history)
    simulator.behave(reset=True)
    with worker_process(settings_for_worker):
        wait_until(lambda: is_over(history))
    assert history.successes == 600
    assert arrived(simulator) == Counter(tokens)


def test_sigkill_loses_nothing(application, simulator, settings_for_worker):
    tokens = fill(application, ios=600)
    simulator.behave(latency_ms=20, max_concurrent_streams=20)
    given = {**settings_for_worker, "LEASE_SECONDS": 1.5}
    history = None
    for kill_at in (60, 200, 400):
        with worker_process(given) as worker:
            history = history or push(application, audience={"everyone": True}, title="Doors")
            wait_until(lambda at=kill_at: sum(arrived(simulator).values()) > at)
            worker.send_signal(signal.SIGKILL)
            worker.wait(5)
    assert history is not None
    simulator.behave(reset=True)
    with worker_process(given):
        wait_until(lambda: is_over(history))
    counts = arrived(simulator)
    assert (history.successes, history.failures) == (600, 0)
    assert set(counts) == set(tokens)
    repeats = sum(counts.values()) - len(tokens)
    assert repeats <= 3 * (4 * 20 + 200), f"{repeats} repeats"


def test_a_provider_that_cannot_be_reached_defers_and_loses_none(
    application, simulator, settings_for_worker, tmp_path
):
    fill(application, ios=30)
    nowhere = {**settings_for_worker, "APNS_PRODUCTION_URL": "https://127.0.0.1:9"}
    with worker_process(nowhere) as worker:
        history = push(application, audience={"everyone": True}, title="Doors open")
        wait_until(lambda: history.batches.filter(lease_owner="", claim_at__isnull=False).exists())
        wait_until(lambda: progress(history).devices == 30)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(15) == 0
    assert not is_over(history)
    assert progress(history).open == 30
    with worker_process(settings_for_worker):
        wait_until(lambda: is_over(history))
    assert (history.successes, history.failures) == (30, 0)


def test_a_wrong_key_pauses_and_the_right_one_completes(
    application, simulator, settings_for_worker
):
    fill(application, ios=300)
    simulator.behave(credentials="refuse")
    with worker_process(settings_for_worker):
        history = push(application, audience={"everyone": True}, title="Doors open")
        wait_until(lambda: progress(history).paused)
        assert progress(history).open == 300
        assert Installation.objects.filter(is_active=True).count() == 300
        simulator.behave(reset=True)
        from django_push.delivery import resume

        resume(history)
        wait_until(lambda: is_over(history))
    assert history.successes == 300
