"""Workers that die, stand still, meet each other, or are answered with nonsense."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import DatabaseError, OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_push.delivery import claim, claim_plan, expire_leases
from django_push.delivery.ledger import count
from django_push.messages import Device, Result, Status
from django_push.models import (
    Credential,
    DeliveryFailure,
    Installation,
    Notification,
    PushBatch,
    PushHistory,
)
from django_push.providers.base import Channel, Outcome
from django_push.submission import push, submit
from django_push.worker import Worker
from tests.support.ledgers import FailAt
from tests.support.processes import wait_until
from tests.support.scripted import SENT, ScriptedProvider, script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scripted")]

PUSH_SETTINGS = {"BATCH_SIZE": 7, "CHECKPOINT_SECONDS": 0.0, "RETRY_SECONDS": 0.01}

EVERYONE = {"everyone": True}
HOUR = timedelta(hours=1)


class Killed(BaseException):
    """The end of a process, as far as one process can play it."""


def broadcast(application, **extra) -> PushHistory:
    return push(application, audience=EVERYONE, title="Hi", **extra)


def rated(application, rate: int) -> PushHistory:
    slow = Notification(
        application=application, content={"title": "Slow"}, audience=EVERYONE, rate=rate
    )
    return submit(slow)


def plan_all() -> int:
    """Plan what waits; how many steps it took."""
    plan, steps = claim_plan("planner"), 1
    assert plan is not None
    while plan.step():
        steps += 1
    return steps


def let_leases_expire() -> None:
    past = timezone.now() - HOUR
    PushBatch.objects.exclude(lease_owner="").update(lease_until=past)
    PushHistory.objects.filter(planned_at=None).update(plan_until=past)
    expire_leases()


def end(worker: Worker, *pushes: PushHistory) -> None:
    """Work, retries at once, until the pushes have ended; fails when they do not."""
    ends = time.monotonic() + 60
    unfinished = PushHistory.objects.filter(pk__in=[each.pk for each in pushes], finished_at=None)
    while unfinished.exists():
        assert time.monotonic() < ends, list(PushBatch.objects.filter(settled_at=None).values())
        PushBatch.objects.filter(claim_at__isnull=False).update(not_before=timezone.now() - HOUR)
        worker._told, worker._tick_at = True, 0.0
        worker.step()
    for each in pushes:
        each.refresh_from_db()


def assert_ledger_is_whole(history: PushHistory) -> None:
    """The counts, the rows of failures and the bytes of the ledger say the same."""
    history.refresh_from_db()
    batches = PushBatch.objects.filter(history=history)
    for batch in batches:
        counted = count(bytes(batch.outcomes))
        assert counted == {name: getattr(batch, name) for name in counted}
    assert history.open_batches == batches.filter(settled_at=None).count()
    written = DeliveryFailure.objects.filter(history=history).count()
    assert written == sum(batches.values_list("failures", flat=True))


def test_a_small_push_does_not_wait_for_the_slots_of_a_rated_one(application, device):
    rows = [device(f"{n:064x}") for n in range(100)]
    slow = rated(application, rate=1)
    plan_all()
    assert PushBatch.objects.filter(history=slow).count() == 100
    small = push(application, audience={"installations": [rows[0].public_id]}, title="Code")
    assert small.pk in {batch.history_id for batch in claim("me")}


def test_a_long_plan_does_not_keep_others_from_being_planned(application, device, worker, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "BATCH_SIZE": 1}
    for n in range(100):
        device(f"{n:064x}", channels=["news"] if n == 0 else [])
    long = broadcast(application)
    worker.step()
    short = push(application, audience={"channels": ["news"]}, title="News")
    end(worker, short)
    long.refresh_from_db()
    assert (short.successes, long.planned_at) == (1, None)


def test_a_plan_crosses_a_gap_of_ids_in_few_reads(application, device):
    device("a" * 64)
    Installation.objects.update(id=1)
    far = device("b" * 64)
    Installation.objects.filter(pk=far.pk).update(id=300_000)
    history = rated(application, rate=1)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert plan_all() <= 2
    history.refresh_from_db()
    assert (history.planned_at is None, history.open_batches) == (False, 2)
    assert len(queries) < 60


def test_a_batch_that_kills_its_worker_takes_no_other_along(application, device):
    rows = [device(f"{n:064x}") for n in range(10)]
    pushes = [
        push(application, audience={"installations": [row.public_id]}, title="Hi") for row in rows
    ]

    def kill(device: Device) -> Result:
        if device.address == rows[0].address:
            raise Killed
        return SENT

    script.answer = kill
    lives = 0
    while PushHistory.objects.filter(finished_at=None).exists():
        lives += 1
        assert lives < 12
        try:
            end(Worker(listen=False), *pushes)
        except Killed:
            let_leases_expire()
    failure = DeliveryFailure.objects.get()
    assert (failure.history, failure.reason) == (pushes[0], "WorkerDied")
    assert lives > 1


class NeverAnswers(Channel):
    """A connection with three streams, of which none comes back before it is closed."""

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.is_closed = False

    def room(self) -> int:
        return 0 if self.refused else 3 - len(self.keys)

    def send(self, prepared, devices) -> None:
        self.keys += [key for key, *_ in devices]
        self.in_flight = len(self.keys)

    def take(self) -> Outcome:
        outcome = Outcome()
        if self.is_closed:
            lost = Result(Status.UNKNOWN, "closed")
            outcome.results, self.keys = [(key, lost) for key in self.keys], []
            self.in_flight = 0
        return outcome

    def close(self, timeout: float = 0.0) -> None:
        self.is_closed = True


def test_what_is_in_flight_when_a_credential_is_refused_comes_back(
    application, device, worker, monkeypatch
):
    made: list[NeverAnswers] = []

    def open_channel(provider, selector) -> NeverAnswers:
        made.append(NeverAnswers())
        return made[-1]

    def step_until(condition) -> None:
        for _ in range(50):
            if condition():
                return
            worker._told = True
            worker.step()
        raise AssertionError("It never came.")

    monkeypatch.setattr(ScriptedProvider, "open", open_channel)
    for n in range(6):
        device(f"{n:064x}")
    first = broadcast(application)
    step_until(lambda: made and made[0].in_flight == 3)
    made[0].refused = "The service account was refused."
    worker.step()
    broadcast(application)
    step_until(lambda: len(made) == 2)
    worker.step()
    runs = [run for run in worker.sender.runs.values() if run.batch.history_id == first.pk]
    assert runs == []
    batch = PushBatch.objects.get(history=first)
    assert (batch.lease_owner, batch.claim_at) == ("", None)
    assert batch.pause_reason == "The service account was refused."
    made[1].close()


def test_words_that_no_database_stores_stop_no_worker(application, device, worker):
    device("a" * 64)
    script.answer = lambda device: Result(Status.FAILED, "odd\x00", "\ud800 words")
    history = broadcast(application)
    end(worker, history)
    failure = DeliveryFailure.objects.get()
    assert (failure.reason, failure.detail) == ("odd", "? words")


def test_who_gets_a_lost_batch_again_writes_nothing_of_the_first_time(application, device, worker):
    device("a" * 64)
    history = broadcast(application)
    plan_all()
    (before,) = claim(worker.name)
    worker.sender.begin(before)
    (old,) = worker.sender.runs.values()
    let_leases_expire()  # this process stood still
    (after,) = claim(worker.name)
    assert (after.pk, after.lease_owner != before.lease_owner) == (before.pk, True)
    script.answer = lambda device: Result(Status.REJECTED, "No")
    worker.sender.step(0)
    assert old.lost
    assert not DeliveryFailure.objects.exists()
    script.reset()
    worker.sender.begin(after)
    end(worker, history)
    assert (history.successes, history.failures) == (1, 0)
    assert_ledger_is_whole(history)


def test_who_slept_past_its_lease_sends_no_more(application, device, worker):
    device("a" * 64)
    history = broadcast(application)
    plan_all()
    (batch,) = claim(worker.name)
    worker.sender.begin(batch)
    (run,) = worker.sender.runs.values()
    run.lease_ends = time.monotonic() - 1
    worker.sender.step(0)
    assert (script.tokens, run.lost) == ([], True)
    let_leases_expire()
    end(worker, history)
    assert history.successes == 1


def test_who_slept_past_the_lease_of_its_plan_plans_it_once(application, device, worker):
    tokens = [device(f"{n:064x}").address for n in range(60)]
    history = broadcast(application)
    worker._find(time.monotonic())
    for run in worker.sender.runs.values():
        run.lost = True  # what was begun goes with the plan's lease
    let_leases_expire()
    worker._find(time.monotonic())
    assert len(worker.plans) == 1
    end(worker, history)
    assert history.successes == 60
    assert sorted(script.tokens) == sorted(tokens)
    assert sum(PushBatch.objects.values_list("size", flat=True)) == 60


def test_two_workers_share_a_broadcast_and_reach_each_device_once(application, device, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "BATCH_SIZE": 1}
    tokens = [device(f"{n:064x}").address for n in range(100)]
    history = broadcast(application)
    plan_all()
    both, met = threading.Barrier(2, timeout=20), set()

    def answer(device: Device) -> Result:
        if threading.get_ident() not in met:
            met.add(threading.get_ident())
            both.wait()  # neither goes on before the other has batches too
        return Result(Status.REJECTED, "No") if device.address in tokens[:10] else SENT

    def work(worker: Worker) -> None:
        try:
            worker.run()
        finally:
            connections.close_all()

    script.answer = answer
    workers = [Worker(listen=False) for _ in range(2)]
    threads = [threading.Thread(target=work, args=[worker]) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: PushHistory.objects.get().finished_at)
    finally:
        for worker, thread in zip(workers, threads, strict=True):
            worker.stop()
            thread.join()
    assert len(met) == 2
    assert sorted(script.tokens) == sorted(tokens)
    assert_ledger_is_whole(history)
    assert (history.successes, history.failures) == (90, 10)


def mixed_answers():
    """Of twenty devices fourteen arrive in the end, two of them after a refusal."""
    seen: Counter[str] = Counter()

    def answer(device: Device) -> Result:
        seen[device.address] += 1
        kind = int(device.address, 16) % 10
        if kind == 5 and seen[device.address] < 2:
            return Result(Status.DEFERRED, "Busy", retry_after=0.01)
        return {
            3: Result(Status.UNREGISTERED, "Gone"),
            4: Result(Status.REJECTED, "No"),
            6: Result(Status.UNKNOWN, "lost"),
        }.get(kind, SENT)

    return answer


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [Killed(), OperationalError("cut off")])
def test_no_statement_at_which_a_worker_fails_loses_or_doubles_an_outcome(
    application, device, error, after
):
    for n in range(20):
        device(f"{n:064x}")
    Installation.objects.update(last_seen_at=timezone.now() - timedelta(days=400))
    for number in range(1, 90, 8):
        Installation.objects.update(is_active=True)
        script.answer = mixed_answers()
        history = broadcast(application, badge_increment=1)
        fault, first = FailAt(number, error, after=after), Worker(listen=False)
        try:
            with connection.execute_wrapper(fault):
                end(first, history)
        except (Killed, DatabaseError):
            assert not connection.in_atomic_block
        assert fault.sql, f"{number} statements were not needed"
        assert_ledger_is_whole(history)
        if isinstance(error, DatabaseError):
            first.close()
        let_leases_expire()
        second = Worker(listen=False)
        end(second, history)
        second.close()
        assert_ledger_is_whole(history)
        assert (history.successes, history.failures) == (14, 6), fault.sql


def test_refusals_of_a_key_that_was_mended_meanwhile_pause_nothing(application, device, worker):
    """They were on their way while somebody mended the key and resumed the push."""
    device("a" * 64)
    history = broadcast(application)
    plan_all()
    worker.sender.begin_all(claim(worker.name))
    (run,) = worker.sender.runs.values()
    Credential.objects.get().save()  # mended: its updated_at moves
    run.pause_reason, run.credential_refused = "InvalidProviderToken", True
    worker.sender.step(0)
    batch = PushBatch.objects.get(history=history)
    assert (batch.pause_reason, batch.claim_at is None) == ("", False)
    assert Credential.objects.get().check_result != Credential.Check.REFUSED
    end(worker, history)
    assert history.successes == 1
