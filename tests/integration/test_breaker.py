"""Providers that are away, busy or silent: they are left alone, and nobody else waits for them."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from django_push.clock import clock
from django_push.delivery import breaker, claim, claim_plan
from django_push.messages import Device, Result, Status
from django_push.models import Credential, PushBatch
from django_push.providers.base import Channel, Outcome
from django_push.submission import push
from django_push.worker import Worker
from tests.support.ledgers import end, work_until
from tests.support.scripted import SENT, ScriptedProvider, script

pytestmark = pytest.mark.django_db(transaction=True)

DOWN = Result(Status.DEFERRED, "ServiceUnavailable", "try later")


class Silent(Channel):
    """Takes five at a time and answers none until it is told to."""

    answers: Result | None = None
    reachable = True

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.taken: list[int] = []

    def room(self) -> int:
        if not Silent.reachable:
            self.error, self.retry_at = "nowhere: Connection refused", time.monotonic() + 0.1
            return 0
        self.error = ""
        return 5 - len(self.keys)

    def send(self, prepared, devices) -> None:
        self.keys += [key for key, *_ in devices]
        self.in_flight = len(self.keys)

    def take(self) -> Outcome:
        if Silent.answers is None:
            return Outcome()
        outcome = Outcome()
        if Silent.answers.status is Status.SENT:
            outcome.sent = self.keys
        else:
            outcome.results = [(key, Silent.answers) for key in self.keys]
        self.keys, self.in_flight = [], 0
        return outcome


class SilentProvider(ScriptedProvider):
    name = "silent"
    verbose_name = "Silent"
    network = "fcm"

    def open(self, selector) -> Channel:
        return Silent()


@pytest.fixture(autouse=True)
def providers(settings):
    settings.DJANGO_PUSH = {
        **settings.DJANGO_PUSH,
        "PROVIDERS": {
            "scripted": "tests.support.scripted.ScriptedProvider",
            "silent": "tests.integration.test_breaker.SilentProvider",
        },
        "BATCH_SIZE": 40,
        "RETRY_SECONDS": 0.01,
        "REQUEST_TIMEOUT": 1.0,
    }
    script.reset()
    Silent.answers, Silent.reachable = None, True
    yield
    script.reset()


@pytest.fixture
def credential(application):
    return Credential.objects.create(application=application, provider="scripted", name="Apple")


@pytest.fixture
def silent(application):
    return Credential.objects.create(application=application, provider="silent", name="Google")


@pytest.fixture
def devices(device):
    return [device(f"{n:064x}") for n in range(400)]


def broadcast(application):
    history = push(application, audience={"everyone": True}, title="Hi")
    plan = claim_plan("planner")
    while plan and plan.step():
        pass
    return history


def work(worker: Worker, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        worker.step()


def test_a_provider_out_of_order_is_not_asked_for_everybody(
    application, devices, worker, credential
):
    script.answer = lambda device: DOWN
    history = broadcast(application)
    work_until(worker, lambda: Credential.objects.get().down_since, hurry=False)
    credential.refresh_from_db()
    assert "ServiceUnavailable" in credential.down_reason
    assert credential.next_try_at > clock("default").now()
    assert len(script.tokens) <= 20
    work(worker, 0.3)
    assert len(script.tokens) <= 20, "nobody is tried before the moment"
    assert not PushBatch.objects.exclude(lease_owner="").exists()
    assert not PushBatch.objects.filter(retries__gt=0).exists(), "an outage uses up no attempt"
    script.answer = lambda device: SENT
    end(worker, history)
    assert (history.successes, history.failures) == (400, 0)
    credential.refresh_from_db()
    assert (credential.down_since, credential.next_try_at, credential.down_reason) == (
        None,
        None,
        "",
    )


def test_while_it_lasts_a_try_costs_a_few_devices_and_no_busy_loop(
    application, devices, worker, credential, django_assert_max_num_queries
):
    script.answer = lambda device: DOWN
    broadcast(application)
    work_until(worker, lambda: Credential.objects.get().down_since, hurry=False)
    worker.drain(0.2)
    before = len(script.tokens)
    since = Credential.objects.get().down_since
    past = timezone.now() - timedelta(seconds=1)
    Credential.objects.update(next_try_at=past)
    PushBatch.objects.filter(claim_at__isnull=False).update(not_before=past)
    work(worker, 0.5)
    assert 1 <= len(script.tokens) - before <= breaker.PROBE_SIZE
    credential.refresh_from_db()
    assert credential.down_since == since
    assert credential.next_try_at > clock("default").now()
    with django_assert_max_num_queries(40):
        work(worker, 0.5)


def test_one_worker_tries_and_the_others_wait_for_it(application, devices, credential):
    script.answer = lambda device: DOWN
    broadcast(application)
    past = timezone.now() - timedelta(minutes=5)
    Credential.objects.update(down_since=past, next_try_at=past, down_reason="away")
    first, second = Worker(listen=False), Worker(listen=False)
    one = claim(first.name)
    Credential.objects.update(down_since=past, next_try_at=past)
    first.sender.begin_all(one)
    assert sum(run.is_try for run in first.sender.runs.values()) == 1
    PushBatch.objects.filter(claim_at__isnull=False).update(not_before=past)
    second.sender.begin_all(claim(second.name))
    assert not any(run.is_try for run in second.sender.runs.values())
    second.sender.step(0)
    assert script.tokens == []
    first.close()
    second.close()


def test_waits_grow_with_the_outage_and_respect_the_providers_wish(application, credential):
    now = clock("default").now()
    for lasted, least, most in [(0, 0.7, 1.3), (20, 14, 26), (4000, 44, 76)]:
        Credential.objects.update(
            down_since=now - timedelta(seconds=lasted) if lasted else None, next_try_at=None
        )
        due = breaker.trip(credential, "away", 0.0, was_trying=True)
        assert least <= (due - now).total_seconds() <= most + 1
    due = breaker.trip(credential, "quota", 600.0, was_trying=True)
    assert 600 <= (due - now).total_seconds() <= 602


def test_a_busy_device_is_no_outage(application, devices, worker, credential, monkeypatch):
    monkeypatch.setattr(ScriptedProvider, "about_device", frozenset(["TooManyRequests"]))
    script.answer = lambda device: Result(Status.DEFERRED, "TooManyRequests")
    broadcast(application)
    work(worker, 0.5)
    assert Credential.objects.get().down_since is None


def test_lost_connections_of_a_provider_at_work_are_no_outage(
    application, devices, worker, credential
):
    turns = iter(range(10_000))

    def lose_some(device: Device) -> Result:
        return Result(Status.UNKNOWN, "connection cut") if next(turns) % 40 > 10 else SENT

    script.answer = lose_some
    broadcast(application)
    work(worker, 1.0)
    assert Credential.objects.get().down_since is None


def test_a_provider_that_cannot_be_reached_is_told_and_holds_no_batches(
    application, device, worker, silent
):
    Silent.reachable = False
    for n in range(100):
        device(f"token-{n}", "android")
    history = broadcast(application)
    work_until(worker, lambda: Credential.objects.get().down_since, hurry=False)
    work(worker, 0.2)
    row = Credential.objects.get()
    assert "Connection refused" in row.down_reason
    assert not PushBatch.objects.exclude(lease_owner="").exists()
    Silent.reachable, Silent.answers = True, SENT
    end(worker, history)
    assert history.successes == 100


def test_a_silent_provider_does_not_keep_a_healthy_one_waiting(
    application, device, worker, silent, credential, devices
):
    """A dead provider's backlog, a broadcast, and one code that somebody waits for."""
    for n in range(400):
        device(f"token-{n}", "android")
    asked = push(application, audience={"everyone": True}, title="Broadcast")
    for _ in range(20):
        worker.step()
    code = push(application, audience={"installations": [devices[3].public_id]}, title="Your code")
    started = time.monotonic()
    work_until(worker, lambda: _is_over(code), hurry=False)
    assert time.monotonic() - started < 10.0
    assert not _is_over(asked)
    Silent.answers = SENT


def _is_over(history) -> bool:
    history.refresh_from_db()
    return history.finished_at is not None


def test_small_pushes_to_a_silent_provider_do_not_pile_up_in_a_worker(
    application, device, worker, silent, credential, devices
):
    phones = [device(f"token-{n}", "android") for n in range(60)]
    for phone in phones:
        push(application, audience={"installations": [phone.public_id]}, title="Hi")
    work(worker, 1.5)
    for phone in phones:
        push(application, audience={"installations": [phone.public_id]}, title="Hi again")
    work(worker, 0.5)
    code = push(application, audience={"installations": [devices[3].public_id]}, title="Code")
    work_until(worker, lambda: _is_over(code), seconds=3, hurry=False)
    held = PushBatch.objects.exclude(lease_owner="").count()
    assert held <= 64 + 2
    Silent.answers = SENT


def test_a_provider_that_answers_nothing_is_left_alone(
    application, device, worker, silent, monkeypatch
):
    monkeypatch.setattr("django_push.delivery.lanes.STALL", 0.3)
    for n in range(100):
        device(f"token-{n}", "android")
    history = broadcast(application)
    work_until(worker, lambda: Credential.objects.get().down_since, hurry=False)
    assert "no answer" in Credential.objects.get().down_reason
    Silent.answers = SENT
    end(worker, history)
    assert history.successes == 100


def test_batches_of_other_credentials_and_later_moments_are_left_where_they_are(
    application, devices, device, credential, silent
):
    device("token", "android")
    broadcast(application)
    hour = timezone.now() + timedelta(hours=1)
    last = PushBatch.objects.filter(credential=credential).last()
    PushBatch.objects.filter(pk=last.pk).update(not_before=hour)
    other = PushBatch.objects.get(credential=silent)
    order = list(_queue(credential))
    due = breaker.trip(credential, "away", 30.0, was_trying=False)
    moved = PushBatch.objects.filter(credential=credential, not_before=due)
    assert moved.count() == 9
    last.refresh_from_db()
    assert last.not_before == hour
    again = PushBatch.objects.get(pk=other.pk)
    assert (again.not_before, again.claim_at) == (other.not_before, other.claim_at)
    breaker.recover(credential)
    assert not PushBatch.objects.filter(credential=credential, not_before=due).exists()
    assert list(_queue(credential)) == order


def _queue(credential):
    return (
        PushBatch.objects.filter(credential=credential)
        .order_by("claim_at")
        .values_list("pk", flat=True)
    )
