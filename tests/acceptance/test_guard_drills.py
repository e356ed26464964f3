"""Ten thousand good devices and a set-up that is wrong, against a server that answers as Apple
and Google do: nobody is switched off, nobody is lost, and after the cure each gets it once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from django_push.delivery import progress, resume
from django_push.models import Application, Credential, DeliveryFailure, Installation, PushBatch
from django_push.models.registration import address_hash
from django_push.providers import apns_token, oauth
from django_push.simulator import Simulator
from django_push.submission import push
from django_push.worker import Worker
from tests.support.ledgers import assert_ledger_is_whole, work_until
from tests.support.processes import endpoints, make_credentials

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 10_000


@pytest.fixture
def simulator(tmp_path: Path, settings: Any) -> Iterator[Simulator]:
    apns_token._tokens.clear()
    oauth._tokens.clear()
    with Simulator.run(tmp_path / "simulator") as simulator:
        settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **endpoints(simulator)}
        yield simulator


@pytest.fixture
def application(db: Any, simulator: Simulator) -> Application:
    application = Application.objects.register(None, "Concert Hall", key="hall")
    make_credentials(application, simulator)
    return application


@pytest.fixture
def worker(application: Application) -> Iterator[Worker]:
    worker = Worker(listen=False)
    yield worker
    worker.close()


def fill(application: Application, number: int = MANY, *, prefix: str = "", kind: str = "ios"):
    tokens = [f"{prefix}{n:0{64 - len(prefix)}x}" for n in range(1, number + 1)]
    Installation.objects.bulk_create(
        Installation(
            application=application,
            device_type=kind,
            provider="apns" if kind == "ios" else "fcm",
            address=token,
            address_hash=address_hash(token),
        )
        for token in tokens
    )
    return tokens


def is_over(history: Any) -> bool:
    history.refresh_from_db()
    return history.finished_at is not None


def accepted(simulator: Simulator) -> Counter[str]:
    return Counter(each["token"] for each in simulator.deliveries() if each["outcome"] == "sent")


def wrong_key(credential: Credential) -> None:
    credential.public = {**credential.public, "key_id": "AAAAAAAAAA"}


def wrong_topic(credential: Credential) -> None:
    credential.topic = "com.example.stranger"


def wrong_environment(credential: Credential) -> None:
    credential.environment = "production"


SET_UPS: dict[str, tuple[Callable[[Credential], None], str, str]] = {
    "key": (wrong_key, "", "InvalidProviderToken"),
    "topic": (wrong_topic, "", "TopicDisallowed"),
    # Tokens of test builds, and the credential says production.
    "environment": (wrong_environment, "5a4d", "BadDeviceToken"),
}


@pytest.mark.parametrize("what", SET_UPS)
def test_a_wrong_set_up_costs_no_device_anything(
    what: str, application: Application, simulator: Simulator, worker: Worker
) -> None:
    spoil, prefix, reason = SET_UPS[what]
    tokens = fill(application, prefix=prefix)
    google = fill(application, 50, kind="android")
    credential = Credential.objects.get(provider="apns")
    good = Credential.objects.get(provider="apns")
    good.environment = "sandbox" if prefix else "production"
    spoil(credential)
    credential.save()
    history = push(application, audience={"everyone": True}, title="Doors open")
    work_until(
        worker, lambda: progress(history).paused and progress(history).successes == 50, hurry=False
    )
    worker.drain(1)
    assert_ledger_is_whole(history)
    [(paused, why)] = progress(history).paused
    assert (paused, why.split()[0]) == (credential, reason)
    assert progress(history).open == MANY
    assert not DeliveryFailure.objects.exists()
    assert not Installation.objects.filter(is_active=False).exists()
    credential.refresh_from_db()
    assert credential.check_result == Credential.Check.REFUSED
    assert set(accepted(simulator)) == set(google), "the other credential goes on"
    simulator.clear()
    good.save()
    resume(history)
    work_until(worker, lambda: is_over(history), 60, hurry=False)
    assert_ledger_is_whole(history)
    assert (history.successes, history.failures) == (MANY + 50, 0)
    assert accepted(simulator) == Counter(tokens)


def test_many_test_builds_are_found_in_the_sandbox(
    application: Application, simulator: Simulator, worker: Worker
) -> None:
    """Apple allows one stream until the first push is accepted: production takes its time."""
    number = 2000
    tokens = fill(application, number, prefix="5a4d")
    sandbox = Credential.objects.get(provider="apns")
    sandbox.pk, sandbox.environment, sandbox.name = None, "sandbox", "Apple, test builds"
    sandbox.save()
    history = push(application, audience={"everyone": True}, title="Doors open")
    work_until(worker, lambda: is_over(history), 60, hurry=False)
    assert_ledger_is_whole(history)
    assert (history.devices, history.successes, history.skipped) == (number, number, {})
    assert Installation.objects.filter(environment="sandbox").count() == number
    assert not Credential.objects.filter(check_result=Credential.Check.REFUSED).exists()
    simulator.clear()
    again = push(application, audience={"everyone": True}, title="Doors open")
    work_until(worker, lambda: is_over(again), 60, hurry=False)
    assert accepted(simulator) == Counter(tokens)


def test_a_dead_token_that_was_registered_since_is_kept(
    application: Application, simulator: Simulator, worker: Worker
) -> None:
    fill(application, 4, prefix="dead")
    first = Installation.objects.first()
    assert first is not None
    Installation.objects.exclude(pk=first.pk).update(last_seen_at="2020-01-01T00:00:00Z")
    simulator.behave(unregistered_ago=7200)
    Installation.objects.filter(pk=first.pk).update(last_seen_at=timezone.now())
    history = push(application, audience={"everyone": True}, title="Doors open")
    work_until(worker, lambda: is_over(history))
    assert (history.failures, history.invalid_tokens) == (4, 3)
    assert Installation.objects.get(is_active=True) == first


def test_an_apple_token_that_ends_in_mid_push_is_renewed_and_nobody_waits(
    application: Application,
    simulator: Simulator,
    worker: Worker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apns_token, "EARLIEST_RENEWAL", -1)  # as if it were 20 minutes old
    tokens = fill(application)
    history = push(application, audience={"everyone": True}, title="Doors open")
    simulator.behave(latency_ms=20)
    work_until(worker, lambda: len(accepted(simulator)) > 1000, hurry=False)
    simulator.behave(credentials="expire", latency_ms=0)
    work_until(worker, lambda: is_over(history), 90, hurry=False)
    assert (history.successes, history.failures) == (MANY, 0)
    assert not PushBatch.objects.filter(retries__gt=0).exists()
    assert set(accepted(simulator)) <= set(tokens)


def test_an_apple_token_that_ends_again_at_once_pauses_the_push(
    application: Application, simulator: Simulator, worker: Worker
) -> None:
    fill(application, 2000)
    history = push(application, audience={"everyone": True}, title="Doors open")
    simulator.behave(latency_ms=20)
    work_until(worker, lambda: len(accepted(simulator)) > 100, hurry=False)
    simulator.behave(credentials="expire", latency_ms=0)  # and a new one may not come so soon
    work_until(worker, lambda: progress(history).paused, hurry=False)
    assert "ExpiredProviderToken" in progress(history).paused[0][1]
    assert not DeliveryFailure.objects.exists()


def test_an_access_token_of_google_that_ends_in_mid_push_is_renewed(
    application: Application, simulator: Simulator, worker: Worker
) -> None:
    fill(application, kind="android")
    history = push(application, audience={"everyone": True}, title="Doors open")
    simulator.behave(latency_ms=20)
    work_until(worker, lambda: len(accepted(simulator)) > 1000, hurry=False)
    simulator.behave(credentials="expire", latency_ms=0)
    work_until(worker, lambda: is_over(history), 90, hurry=False)
    assert (history.successes, history.failures) == (MANY, 0)
    assert not PushBatch.objects.filter(retries__gt=0).exists()


@pytest.mark.parametrize("trouble", [{"status": 503}, {"stall": True}, {"token_status": 503}])
def test_a_provider_in_trouble_is_left_alone_and_everybody_gets_it_in_the_end(
    trouble: dict[str, Any],
    application: Application,
    simulator: Simulator,
    settings: Any,
) -> None:
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REQUEST_TIMEOUT": 2.0}
    fill(application, 3000, kind="android")
    simulator.behave(**trouble)
    worker = Worker(listen=False)
    history = push(application, audience={"everyone": True}, title="Doors open")
    google = Credential.objects.filter(provider="fcm", down_since__isnull=False)
    work_until(worker, google.exists, 60, hurry=False)
    worker.drain(0.2)
    assert not PushBatch.objects.exclude(lease_owner="").exists()
    row = google.get()
    assert row.next_try_at is not None
    assert row.down_reason
    simulator.behave(reset=True)
    started = time.monotonic()
    work_until(worker, lambda: is_over(history), 90, hurry=False)
    assert (history.successes, history.failures) == (3000, 0)
    assert not google.exists()
    assert time.monotonic() - started < 60
    worker.close()
