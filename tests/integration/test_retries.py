"""When a device is tried again, and when no more."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from django_push.delivery import claim, claim_plan
from django_push.delivery.judging import _backoff
from django_push.delivery.run import Run
from django_push.messages import Device, Result, Status
from django_push.models import DeliveryFailure, PushBatch, PushHistory
from django_push.submission import push
from tests.support.ledgers import end, work_until
from tests.support.scripted import SENT, script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scripted")]

PUSH_SETTINGS = {"RETRY_SECONDS": 5.0, "RETRY_MAX_SECONDS": 60.0}


def broadcast(application, **extra):
    history = push(application, audience={"everyone": True}, title="Hi", **extra)
    plan = claim_plan("planner")
    while plan and plan.step():
        pass
    return history


def run_with(retries: int, retry_after: float | None) -> Run:
    batch = PushBatch.objects.get()
    batch.retries = retries
    run = Run(batch, 1, 0.0)
    run.open_results[0] = Result(Status.DEFERRED, "Busy", retry_after=retry_after)
    return run


@pytest.mark.parametrize(
    ("retries", "retry_after", "least", "most"),
    [
        (0, None, 3.75, 6.25),
        (2, None, 15, 25),
        (9, None, 45, 75),
        (5000, None, 45, 75),
        (0, 120.0, 120, 132),
        (0, 1.0, 3.75, 6.25),
        (0, float("inf"), 86_400, 96_000),
    ],
)
def test_waits_grow_with_jitter_and_never_undercut_the_provider(
    application, device, retries, retry_after, least, most
):
    device("a" * 64)
    broadcast(application)
    waits = {_backoff(run_with(retries, retry_after)) for _ in range(50)}
    assert least <= min(waits) <= max(waits) <= most
    assert len(waits) > 40, "many batches must not come back in the same moment"


def test_a_device_is_due_again_when_the_provider_said(application, device, worker):
    device("a" * 64)
    script.answer = lambda device: Result(Status.DEFERRED, "QUOTA_EXCEEDED", retry_after=60.0)
    broadcast(application)
    worker.drain(1)
    batch = PushBatch.objects.get()
    assert 59 < (batch.not_before - timezone.now()).total_seconds() < 67
    assert batch.retries == 1


def test_who_would_be_tried_too_late_is_not_kept_waiting(application, device, worker):
    device("a" * 64)
    script.answer = lambda device: Result(Status.DEFERRED, "Busy", retry_after=120.0)
    history = broadcast(application, time_to_live=60)
    end(worker, history)
    assert (history.skipped, len(script.tokens)) == ({"expired": 1}, 1)


def test_who_may_have_got_it_is_not_called_untried(application, device, worker):
    device("a" * 64), device("b" * 64)
    script.answer = lambda device: Result(
        Status.UNKNOWN if device.address[0] == "a" else Status.DEFERRED, "lost"
    )
    history = broadcast(application, time_to_live=60)
    worker.drain(1)
    content = {**history.content, "gives_up_at": int(time.time()) - 1}
    PushHistory.objects.update(content=content)
    end(worker, history)
    assert (history.reasons, history.skipped) == ({"NoAnswer": 1}, {"expired": 1})


def test_a_long_batch_stops_in_its_middle_when_its_time_is_up(application, device, worker):
    for n in range(200):
        device(f"{n:064x}")
    history = broadcast(application)
    moment = int(time.time()) + 3

    def slowly(device: Device) -> Result:
        time.sleep(0.05)
        return SENT

    script.answer = slowly
    PushHistory.objects.update(content={**history.content, "gives_up_at": moment})
    end(worker, history)
    assert time.time() < moment + 4  # all of them would take ten seconds
    assert 0 < history.successes == len(script.tokens) < 200
    assert history.skipped == {"expired": 200 - history.successes}


def test_an_answer_that_says_at_once_is_repeated_at_once_and_only_once(application, device, worker):
    rows = [device(f"{n:064x}") for n in range(12)]
    script.answer = lambda device: Result(Status.DEFERRED, "Renewed", retry_after=0.0)
    broadcast(application)
    work_until(worker, lambda: PushBatch.objects.filter(retries=1).exists(), hurry=False)
    assert Counter(script.tokens) == Counter({row.address: 2 for row in rows})


def test_repeated_at_once_it_arrives_without_a_wait(application, device, worker):
    for n in range(12):
        device(f"{n:064x}", locale="de" if n % 2 else "fr")
    seen: Counter[str] = Counter()

    def second_time(device: Device) -> Result:
        seen[device.address] += 1
        again = Result(Status.DEFERRED, "Renewed", retry_after=0.0)
        return SENT if seen[device.address] == 2 else again

    script.answer = second_time
    history = broadcast(application, texts={"de": {"title": "Hallo"}})
    end(worker, history)
    assert history.successes == 12
    assert PushBatch.objects.get().retries == 0
    assert set(seen.values()) == {2}


def test_attempts_end(application, device, worker, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "MAX_ATTEMPTS": 3}
    device("a" * 64)
    script.answer = lambda device: Result(Status.DEFERRED, "Busy")
    history = broadcast(application)
    end(worker, history)
    assert len(script.tokens) == 3
    assert DeliveryFailure.objects.get().reason == "Busy"


def test_a_push_for_which_a_worker_had_no_time_is_not_sent_late(application, device, worker):
    device("a" * 64)
    history = broadcast(application, time_to_live=60)
    (batch,) = claim(worker.name)
    worker.sender.begin(batch)
    (run,) = worker.sender.runs.values()
    assert run.is_expired(timezone.now() + timedelta(seconds=61))
    assert not run.is_expired(timezone.now())
    end(worker, history)
