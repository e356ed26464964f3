"""Devices that leave their batch between plan and deliver."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from django_push.delivery import cancel, claim, claim_plan, pause, progress, resume
from django_push.delivery.late import LATE_SEQ
from django_push.delivery.ledger import Mark
from django_push.models import Application, Credential, Installation, PushBatch, State
from django_push.submission import push
from django_push.worker import Worker
from tests.support.ledgers import (
    FailAt,
    assert_ledger_is_whole,
    due_now,
    end,
    fates,
    let_leases_expire,
)
from tests.support.scripted import script

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def credentials(settings, application) -> dict[str, Credential]:
    settings.DJANGO_PUSH = {
        **settings.DJANGO_PUSH,
        "PROVIDERS": {"scripted": "tests.support.scripted.ScriptedProvider"},
        "BATCH_SIZE": 10,
        "RETRY_SECONDS": 0.01,
    }
    script.reset()
    yield {
        name: Credential.objects.create(
            application=application, provider="scripted", name=name, topic=f"com.example.{name}"
        )
        for name in ("hall", "bar")
    }
    script.reset()


@pytest.fixture
def devices(device):
    return [device(f"{n:064x}", app_identifier="com.example.hall") for n in range(10)]


def broadcast(application: Application, **extra):
    return push(application, audience={"everyone": True}, title="Hi", **extra)


def plan_all() -> None:
    plan = claim_plan("planner")
    assert plan is not None
    while plan.step():
        pass


def move(row: Installation, **changes: str) -> None:
    Installation.objects.filter(pk=row.pk).update(**changes)


def test_who_moved_after_planning_is_sent_to_by_the_new_credential(application, devices, worker):
    history = broadcast(application)
    plan_all()
    move(devices[3], app_identifier="com.example.bar")
    move(devices[7], app_identifier="com.example.bar", device_type="macos")
    end(worker, history)
    assert (history.devices, history.successes, history.skipped) == (10, 10, {})
    assert set(script.through) == {
        ("bar" if n in {3, 7} else "hall", row.address) for n, row in enumerate(devices)
    }
    assert len(script.through) == 10
    late = PushBatch.objects.filter(late=1)
    assert {batch.device_type: batch.devices for batch in late} == {"ios": 1, "macos": 1}
    assert history.per_type["macos"] == {"successes": 1, "failures": 0}


def test_the_whole_batch_may_move(application, devices, worker):
    history = broadcast(application)
    plan_all()
    Installation.objects.update(app_identifier="com.example.bar")
    end(worker, history)
    assert (history.state, history.devices, history.successes) == (State.DONE, 10, 10)
    assert {name for name, _ in script.through} == {"bar"}


def test_who_is_served_by_nobody_now_is_left_out_and_says_so(application, devices, worker):
    history = broadcast(application)
    plan_all()
    move(devices[0], app_identifier="com.example.unheard-of")
    end(worker, history)
    assert (history.devices, history.skipped) == (9, {"no_credential": 1})


def test_who_moves_at_every_look_does_not_keep_the_push_open(application, devices, worker):
    history = broadcast(application)
    plan_all()
    here = "com.example.hall"
    for _ in range(20):
        here = "com.example.bar" if here.endswith("hall") else "com.example.hall"
        move(devices[0], app_identifier=here)
        for batch in claim(worker.name):
            worker.sender.begin(batch)
        for _ in range(4):
            worker.sender.step(0)
        due_now()
    end(worker, history)
    assert (history.devices, history.skipped) == (9, {"moved": 1})
    assert PushBatch.objects.filter(history=history).count() == 4


@pytest.mark.parametrize("mover", [0, 11])
def test_who_moves_while_the_push_is_planned_is_sent_to_once(
    application, device, worker, settings, mover
):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "BATCH_SIZE": 1}
    rows = [device(f"{n:064x}", app_identifier="com.example.hall") for n in range(12)]
    history = broadcast(application)
    plan = claim_plan("planner")
    plan.step()
    move(rows[mover], app_identifier="com.example.bar")
    for batch in claim(worker.name):
        worker.sender.begin(batch)
    worker.sender.step(0)
    while plan.step():
        pass
    end(worker, history)
    assert history.successes == 12
    assert sorted(script.tokens) == sorted(row.address for row in rows)


def finish_planning(plan) -> None:
    while plan.step():
        pass


def test_who_was_sent_to_and_is_planned_again_elsewhere_gets_the_same_push(
    application, device, worker, settings
):
    """The one way to be met twice, and to be counted twice: sent to in its old place, moved, and
    then found by the plan in a place that it had not come to yet. The device shows one: both bear
    the same id."""
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "BATCH_SIZE": 1}
    rows = [device(f"{n:064x}", app_identifier="com.example.hall") for n in range(3)]
    history = broadcast(application)
    plan = claim_plan("planner")
    plan.step()
    worker.sender.begin_all(claim(worker.name))
    worker.sender.step(0)
    assert script.tokens == [rows[0].address]
    move(rows[0], app_identifier="com.example.bar")
    finish_planning(plan)
    worker.drain(10)
    seen = [(token, envelope.push_id) for token, envelope in script.seen]
    assert seen.count((rows[0].address, str(history.public_id))) == 2
    assert len(seen) == 4
    history.refresh_from_db()
    assert (history.state, history.devices, history.successes) == (State.DONE, 4, 4)


def test_who_moves_to_where_the_plan_has_been_is_not_in_the_push(
    application, device, worker, settings
):
    """As who registers after planning began; the one way not to be met at all."""
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "BATCH_SIZE": 1}
    first = device("f" * 64, app_identifier="com.example.hall")
    bars = [device(f"{n:064x}", app_identifier="com.example.bar") for n in range(6)]
    history = broadcast(application)
    plan = claim_plan("planner")
    plan.step()  # the device of the hall
    plan.step()  # four of the bar's
    move(bars[5], app_identifier="com.example.hall")
    finish_planning(plan)
    end(worker, history)
    assert history.successes == 6
    assert set(script.tokens) == {row.address for row in [first, *bars[:5]]}


def test_late_batches_have_numbers_of_their_own(application, devices, worker):
    history = broadcast(application)
    plan_all()
    move(devices[0], app_identifier="com.example.bar")
    move(devices[1], app_identifier="com.example.bar", device_type="macos")
    end(worker, history)
    numbers = set(PushBatch.objects.values_list("seq", flat=True))
    assert numbers == {0, LATE_SEQ, LATE_SEQ + 1}


def test_a_badge_is_not_counted_again(application, devices, worker):
    history = broadcast(application, badge_increment=1)
    plan_all()
    move(devices[0], app_identifier="com.example.bar")
    end(worker, history)
    assert set(Installation.objects.values_list("badge", flat=True)) == {1}


@pytest.mark.parametrize("after", [False, True])
def test_no_statement_at_which_the_database_fails_loses_or_doubles_who_moved(
    application, devices, after
):
    for number in range(1, 40, 2):
        Installation.objects.update(app_identifier="com.example.hall")
        history = broadcast(application)
        plan_all()
        Installation.objects.filter(pk__in=[d.pk for d in devices[:4]]).update(
            app_identifier="com.example.bar"
        )
        fault = FailAt(number, OperationalError("cut off"), after=after)
        first = Worker(listen=False)
        try:
            with connection.execute_wrapper(fault):
                end(first, history)
        except OperationalError:
            assert not connection.in_atomic_block
        assert fault.sql, f"{number} statements were not needed"
        first.close()
        let_leases_expire()
        second = Worker(listen=False)
        end(second, history)
        second.close()
        assert set(fates(history).values()) == {Mark.SENT}
        assert len(fates(history)) == 10


def test_who_lost_the_lease_queues_nothing(application, devices, worker):
    history = broadcast(application)
    plan_all()
    move(devices[0], app_identifier="com.example.bar")
    (batch,) = claim(worker.name)
    worker.sender.begin(batch)
    PushBatch.objects.update(lease_owner="somebody else")
    worker.sender.step(0)
    worker.sender.step(0)
    assert PushBatch.objects.count() == 1
    history.refresh_from_db()
    assert (history.open_batches, history.late_batches) == (1, 0)


def test_stopped_between_the_move_and_the_late_batch_is_stopped(application, devices, worker):
    history = broadcast(application)
    plan_all()
    move(devices[0], app_identifier="com.example.bar")
    (batch,) = claim(worker.name)
    worker.sender.begin(batch)
    pause(history)
    while worker.sender.runs:
        worker.sender.step(0)
    assert_ledger_is_whole(history)
    cancel(history)
    end(worker, history)
    assert history.successes + history.skipped["cancelled"] == 10
    assert devices[0].address not in script.tokens


@pytest.mark.parametrize("how", ["deleted", "switched off"])
def test_a_batch_whose_credential_went_is_shared_out_on_resume(
    application, device, worker, credentials, how
):
    rows = [device(f"{n:064x}") for n in range(6)]  # the older credential serves them: hall
    move(rows[2], app_identifier="com.example.hall")
    history = broadcast(application)
    plan_all()
    if how == "deleted":
        credentials["hall"].delete()
    else:
        Credential.objects.filter(name="hall").update(is_active=False)
    worker.drain(1)
    assert progress(history).paused
    assert script.tokens == []
    third = Credential.objects.create(
        application=application, provider="scripted", name="third", topic="com.example.hall"
    )
    resume(history)
    end(worker, history)
    assert (history.devices, history.successes, history.skipped) == (6, 6, {})
    assert ("third", rows[2].address) in script.through
    assert {name for name, address in script.through if address != rows[2].address} == {"bar"}
    assert third.is_active


def test_an_expired_credential_pauses_and_loses_nobody(application, devices, worker):
    history = broadcast(application)
    plan_all()
    Credential.objects.filter(name="hall").update(expires_at="2020-01-01T00:00:00Z")
    worker.drain(1)
    assert "expired" in progress(history).paused[0][1]
    Credential.objects.update(expires_at=None)
    resume(history)
    end(worker, history)
    assert history.successes == 10
