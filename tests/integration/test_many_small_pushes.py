"""Small pushes are read, settled and ended together; each must come out as if it were alone."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_push import worker as embedded
from django_push.delivery import claim, finish
from django_push.messages import Result, Status
from django_push.models import DeliveryFailure, Installation, PushBatch, PushHistory
from django_push.signals import push_finished
from django_push.submission import push
from tests.support.scripted import SENT, script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scripted")]

PUSH_SETTINGS = {"RETRY_SECONDS": 0.01}


def to(application, *devices, **message):
    listed = {"installations": [device.public_id for device in devices]}
    return push(application, audience=listed, **{"title": "Hi", **message})


def end(worker, *pushes):
    while PushHistory.objects.filter(finished_at=None).exists():
        worker.step()
    for history in pushes:
        history.refresh_from_db()


def test_each_push_gets_its_own_sums(application, device, worker):
    good, dead, wrong = (device(letter * 64) for letter in "abc")
    off = device("d" * 64)
    both = to(application, good, dead)
    alone = to(application, good)
    refused = to(application, wrong)
    nobody = to(application, off)
    Installation.objects.filter(pk=off.pk).update(is_active=False)
    verdicts = {dead.address: Status.UNREGISTERED, wrong.address: Status.REJECTED}
    script.answer = lambda device: (
        Result(verdicts[device.address], "No") if device.address in verdicts else SENT
    )
    ended = []
    push_finished.connect(lambda history, **_: ended.append(history.pk), weak=False)
    end(worker, both, alone, refused, nobody)
    seen = [
        (h.devices, h.successes, h.failures, h.invalid_tokens, h.skipped, h.reasons, h.state)
        for h in (both, alone, refused, nobody)
    ]
    assert seen == [
        (2, 1, 1, 1, {}, {"No": 1}, "done"),
        (1, 1, 0, 0, {}, {}, "done"),
        (1, 0, 1, 0, {}, {"No": 1}, "done"),
        (0, 0, 0, 0, {"inactive": 1}, {}, "nobody"),
    ]
    assert sorted(ended) == sorted(h.pk for h in (both, alone, refused, nobody))
    assert DeliveryFailure.objects.count() == 2


def test_each_push_says_its_own_words(application, device, worker):
    devices = [device(f"{number:064x}") for number in range(3)]
    for number, one in enumerate(devices):
        to(application, one, title=f"Number {number}")
    end(worker)
    titles = {token: envelope.message.title for token, envelope in script.seen}
    assert titles == {one.address: f"Number {n}" for n, one in enumerate(devices)}


def test_draining_again_at_once_finds_what_came_in_between(
    application, device, worker, monkeypatch
):
    """Between two looks of its own a worker rests; somebody who asks it to drain has work."""
    monkeypatch.setattr(embedded, "GAP", 30.0)
    phone = device("a" * 64)
    for _ in range(2):
        history = to(application, phone)
        assert not worker.drain(10)
        history.refresh_from_db()
        assert history.state == "done"


def test_a_device_that_changed_hands_gets_only_what_is_not_for_its_old_user(
    application, device, worker
):
    """Both batches are read by one statement, which knows nothing of either push."""
    phone, other = device("a" * 64, user_key="ana", user_verified=True), device("b" * 64)
    for_ana = push(application, audience={"users": ["ana"]}, title="Secret")
    for_the_phone = to(application, phone)
    to(application, other)
    later = timezone.now() + timedelta(minutes=1)
    Installation.objects.filter(pk=phone.pk).update(user_key="ben", bound_at=later)
    end(worker, for_ana, for_the_phone)
    assert (for_ana.successes, for_ana.skipped) == (0, {"changed_hands": 1})
    assert for_the_phone.successes == 1


def test_a_lease_that_was_lost_costs_the_others_nothing(application, device, worker):
    kept, lost = (to(application, device(letter * 64)) for letter in "ab")
    worker.sender.begin_all(claim(worker.name))
    PushBatch.objects.filter(history=lost).update(lease_owner="another worker")
    while worker.sender.runs:
        worker.sender.step(0)
    kept.refresh_from_db()
    lost.refresh_from_db()
    assert (kept.state, kept.successes, kept.open_batches) == ("done", 1, 0)
    assert (lost.state, lost.finished_at, lost.open_batches) == ("sending", None, 1)


def test_a_push_is_ended_once(application, device, worker):
    history = to(application, device("a" * 64))
    end(worker, history)
    assert finish(history.pk) == set()
    assert finish() == set()


def test_a_hundred_pushes_are_settled_by_few_statements(application, device, worker):
    devices = [device(f"{number:064x}") for number in range(100)]
    worker.step()
    for one in devices:
        to(application, one)
    with CaptureQueriesContext(connection) as asked:
        end(worker)
    assert PushHistory.objects.filter(successes=1).count() == 100
    writes = [query for query in asked if query["sql"].startswith("UPDATE")]
    # Twenty rounds, since this provider takes five devices at a time: each settles, counts down
    # and ends its pushes. Alone they would be four hundred and more.
    assert len(writes) < 150


def test_a_badge_is_counted_for_the_devices_of_the_push_and_for_no_other(
    application, device, worker
):
    """Primary keys of the push lie close together, with strangers in between."""
    phones = [device(f"{number:064x}") for number in range(9)]
    to(application, *phones[::2], badge_increment=1)
    end(worker)
    badges = list(Installation.objects.order_by("pk").values_list("badge", flat=True))
    assert badges == [1, 0, 1, 0, 1, 0, 1, 0, 1]


def meanwhile(act):
    """While a push is added up, once, somebody does ``act``."""
    done = []

    def wrapper(execute, sql, params, many, context):
        if "SUM(" in sql and not done:
            done.append(True)
            act()
        return execute(sql, params, many, context)

    return connection.execute_wrapper(wrapper)


def all_but_ended(worker, *pushes) -> None:
    """Their batches are settled, and nobody has ended them yet."""
    end(worker)
    rows = PushHistory.objects.filter(pk__in=[push.pk for push in pushes])
    rows.update(finished_at=None, state="sending", devices=0, successes=0)


def test_a_push_that_is_stopped_while_it_is_added_up_stays_stopped(application, device, worker):
    history = to(application, device("a" * 64))
    all_but_ended(worker, history)
    same = PushHistory.objects.filter(pk=history.pk)
    with meanwhile(lambda: same.update(state="cancelled")):
        assert finish(history.pk) == {history.pk}
    history.refresh_from_db()
    assert (history.state, history.devices, history.successes) == ("cancelled", 1, 1)


def test_a_push_is_ended_once_when_two_workers_add_it_up(application, device, worker):
    first, second = (to(application, device(letter * 64)) for letter in "ab")
    all_but_ended(worker, first, second)
    ended = []
    with meanwhile(lambda: ended.append(finish(first.pk))):
        ended.append(finish(first.pk, second.pk))
    assert ended == [{first.pk}, {second.pk}]
    assert PushHistory.objects.filter(state="done", successes=1).count() == 2
    assert finish(first.pk, second.pk) == set()


def test_however_often_it_is_told_a_worker_looks_once_in_a_gap(application, worker, monkeypatch):
    monkeypatch.setattr(embedded, "GAP", 0.25)
    monkeypatch.setattr(embedded, "POLL", 60.0)
    monkeypatch.setattr(worker.sender, "step", lambda timeout: worker._hear())
    began = time.monotonic()
    with CaptureQueriesContext(connection) as asked:
        while time.monotonic() - began < 0.5:
            worker.step()
    took = time.monotonic() - began
    looks = [query for query in asked if "claim_at" in query["sql"].partition("ORDER BY")[2]]
    assert 1 <= len(looks) <= took / 0.25 + 1


def test_the_first_after_a_pause_is_claimed_by_the_very_next_step(application, device, worker):
    phone = device("a" * 64)
    end(worker, to(application, phone))
    time.sleep(embedded.GAP)
    to(application, phone)
    worker._hear()
    assert worker.step()
