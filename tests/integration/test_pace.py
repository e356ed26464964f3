"""A push's speed limit: kept by all workers together, and in nobody's way."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_push.clock import DatabaseClock
from django_push.delivery import cancel, claim, claim_plan, clock, free_stranded, pause, resume
from django_push.models import Notification, PushBatch, PushHistory
from django_push.submission import push, submit
from tests.support.ledgers import work_until
from tests.support.scripted import script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scripted")]

EVERYONE = {"everyone": True}


def rated(application, rate: int) -> PushHistory:
    history = submit(
        Notification(
            application=application, content={"title": "Slow"}, audience=EVERYONE, rate=rate
        )
    )
    plan = claim_plan("planner")
    while plan.step():
        pass
    return history


def let_nobody_work_for(hours: float) -> None:
    past = timedelta(hours=hours)
    for batch in PushBatch.objects.filter(settled_at=None):
        batch.not_before, batch.turn_at = batch.not_before - past, batch.turn_at - past
        batch.claim_at = batch.claim_at and batch.turn_at
        batch.save(update_fields=["not_before", "turn_at", "claim_at"])


def now():
    return clock("default").now()


def assert_between(before: datetime, moment: datetime, after: datetime) -> None:
    """As exact as the database's clock is carried on, however slow the machine."""
    little = timedelta(milliseconds=50)
    assert before - little <= moment <= after + little


def test_an_overdue_backlog_is_in_nobodys_way(application, device):
    """A thousand batches that are due long since; behind them, one push to one device."""
    phones = [device(f"{number:064x}") for number in range(1000)]
    slow = rated(application, rate=1)
    let_nobody_work_for(hours=2)
    assert PushBatch.objects.filter(history=slow, not_before__lt=timezone.now()).count() == 1000
    small = push(application, audience={"installations": [phones[0].public_id]}, title="Code")
    claimed = [batch.history_id for _ in range(2) for batch in claim("me")]
    assert small.pk in claimed
    assert claimed.count(slow.pk) <= 2


def test_time_that_nobody_used_is_gone(application, device):
    for number in range(10):
        device(f"{number:064x}")
    slow = rated(application, rate=1)
    let_nobody_work_for(hours=2)
    before = now()
    assert [batch.seq for batch in claim("me")] == [0]
    after = now()
    assert claim("me") == []
    slow.refresh_from_db()
    assert_between(before, slow.next_slot_at - timedelta(seconds=1), after)


def test_slots_follow_each_other_without_a_gap(application, device, monkeypatch):
    """Workers look now and then: a slot that began with the look would lose that time each time."""
    for number in range(30):
        device(f"{number:064x}")
    slow = rated(application, rate=10)  # three batches of ten
    at = now()
    monkeypatch.setattr(DatabaseClock, "now", lambda self: at)
    first = claim("one")
    at += timedelta(seconds=0.7)
    second = claim("another")
    assert [batch.seq for batch in first + second] == [0, 1]
    begins = PushBatch.objects.get(seq=1).not_before
    slow.refresh_from_db()
    assert (slow.next_slot_at - begins).total_seconds() == pytest.approx(1.0)
    assert claim("third") == []


def test_a_retry_takes_a_slot_as_long_as_what_is_left(application, device):
    for number in range(10):
        device(f"{number:064x}")
    slow = rated(application, rate=10)
    PushBatch.objects.update(successes=7, skipped=1)
    before = now()
    claim("me")
    slow.refresh_from_db()
    assert_between(before, slow.next_slot_at - timedelta(seconds=0.2), now())


def test_two_limited_pushes_keep_no_broadcast_waiting(application, device, worker):
    for number in range(20):
        device(f"{number:064x}")
    limited = [rated(application, rate=1), rated(application, rate=1)]
    broadcast = push(application, audience=EVERYONE, title="All at once")
    over = PushHistory.objects.filter(finished_at__isnull=False)
    work_until(worker, over.filter(pk=broadcast.pk).exists, hurry=False)
    assert not over.exclude(pk=broadcast.pk).exists(), "it waited for what takes 20 s"
    broadcast.refresh_from_db()
    assert broadcast.successes == 20
    for history in limited:
        cancel(history)


def test_what_lags_behind_its_slot_waits_for_another(application, device, worker):
    """A worker that stood still must not send in one burst what it should have sent meanwhile."""
    for number in range(100):
        device(f"{number:064x}")
    rated(application, rate=100)
    worker.sender.begin_all(claim(worker.name))
    (run,) = worker.sender.runs.values()
    run._meter._begins -= 0.7
    worker.sender.step(0)
    assert script.tokens == []
    batch = PushBatch.objects.get()
    assert (batch.lease_owner, batch.claim_at is None, batch.retries) == ("", False, 0)


def test_a_push_that_was_held_does_not_come_back_before_everybody(application, device):
    phones = [device(f"{number:064x}") for number in range(2)]
    held = push(application, audience=EVERYONE, title="Held")
    plan = claim_plan("planner")
    while plan.step():
        pass
    pause(held)
    let_nobody_work_for(hours=2)
    small = push(application, audience={"installations": [phones[0].public_id]}, title="Code")
    resume(held)
    turns = PushBatch.objects.order_by("claim_at").values_list("history", flat=True)
    assert list(turns) == [small.pk, held.pk]


def test_thirty_overdue_backlogs_are_in_nobodys_way(application, device):
    """Each has taken its slot; behind them stand one more of their kind, and one that is not."""
    phones = [device(f"{number:064x}") for number in range(4)]
    slow = [rated(application, rate=1) for _ in range(31)]
    let_nobody_work_for(hours=2)
    last = slow.pop()
    taken = PushHistory.objects.filter(pk__in=[push.pk for push in slow])
    taken.update(next_slot_at=now() + timedelta(seconds=30))
    (batch,) = [batch for batch in claim("me") if batch.rate]
    assert batch.history_id == last.pk
    listed = {"installations": [phones[0].public_id]}
    quick = push(application, audience=listed, title="Quick")
    PushBatch.objects.filter(history=last).update(claim_at=None)
    assert [batch.history_id for batch in claim("you")] == [quick.pk]


def test_settled_batches_cost_the_search_for_stranded_ones_nothing(application, device, worker):
    device("a" * 64)
    with CaptureQueriesContext(connection) as asked:
        assert free_stranded() == 0
    searches = [query["sql"] for query in asked if "pushbatch" in query["sql"]]
    assert not searches
