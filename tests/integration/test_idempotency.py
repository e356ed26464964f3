"""One key, one push: whoever asks, how often, and at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from django_push.exceptions import IdempotencyConflict, InvalidPush
from django_push.models import (
    Application,
    Credential,
    IdempotencyKey,
    Notification,
    PushHistory,
)
from django_push.scheduler import tick
from django_push.signals import pre_submit
from django_push.submission import push

pytestmark = pytest.mark.django_db(transaction=True)

EVERYONE = {"everyone": True}


@pytest.fixture(autouse=True)
def credential(application):
    return Credential.objects.create(application=application, provider="apns", topic="com.example")


def send(application, title="Hi", key="k", **details) -> PushHistory:
    return push(application, audience=EVERYONE, title=title, idempotency_key=key, **details)


def at_once(*calls: Callable[[], PushHistory]) -> list[object]:
    """What the calls return or raise, each in a thread and on a connection of its own."""
    start, results = threading.Barrier(len(calls)), []

    def run(call: Callable[[], PushHistory]) -> None:
        start.wait()
        try:
            results.append(call().pk)
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_eight_at_once_are_one_push(application):
    results = at_once(*[lambda: send(application)] * 8)
    assert set(results) == {PushHistory.objects.get().pk}
    assert (Notification.objects.count(), IdempotencyKey.objects.count()) == (1, 1)


def test_of_different_requests_at_once_one_wins_and_the_others_learn_it(application):
    results = at_once(*[lambda n=n: send(application, title=f"Text {n}") for n in range(6)])
    won = PushHistory.objects.get()
    assert results.count(won.pk) == 1
    assert sum(isinstance(result, IdempotencyConflict) for result in results) == 5
    assert Notification.objects.count() == 1


def test_an_expired_key_is_taken_over_once(application, moving_clock):
    old = send(application)
    moving_clock.forward(days=1, seconds=1)
    results = at_once(*[lambda: send(application, title="Another")] * 6)
    new = PushHistory.objects.exclude(pk=old.pk).get()
    assert set(results) == {new.pk}
    assert IdempotencyKey.objects.get().history == new


def test_a_key_belongs_to_its_application(application):
    other = Application.objects.register(None, "Opera")
    Credential.objects.create(application=other, provider="apns", topic="com.opera")
    results = at_once(*[lambda: send(application), lambda: send(other)] * 3)
    assert len(set(results)) == 2
    assert PushHistory.objects.count() == 2


@pytest.mark.parametrize(("seconds", "lasts"), [(None, 86_400), (60, 60), (7 * 86_400, 7 * 86_400)])
def test_it_lasts_as_long_as_the_call_says(application, moving_clock, seconds, lasts):
    first = send(application, idempotency_seconds=seconds)
    moving_clock.forward(seconds=lasts - 5)
    assert send(application, idempotency_seconds=seconds) == first
    moving_clock.forward(seconds=6)
    assert send(application, idempotency_seconds=seconds) != first


def test_expired_keys_are_forgotten(application, moving_clock):
    send(application, key="short", idempotency_seconds=60)
    send(application, key="long")
    moving_clock.forward(seconds=61)
    tick()
    assert [key.key for key in IdempotencyKey.objects.all()] == ["long"]


NINE = datetime(2090, 1, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "change",
    [
        {"local_time": True},
        {"recurrence": "FREQ=DAILY"},
        {"send_at": NINE + timedelta(minutes=1)},
        {"expires_at": NINE + timedelta(days=1)},
        {"time_to_live": 60},
        {"body": "More"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_schedule_is_another_request(application, change):
    first = send(application, send_at=NINE)
    with pytest.raises(IdempotencyConflict):
        send(application, **{"send_at": NINE, **change})
    assert send(application, send_at=NINE) == first
    assert PushHistory.objects.count() == 1


def test_what_was_refused_leaves_its_key_free(application):
    def refuse(notification, **_):
        raise InvalidPush("Not on Sundays.")

    pre_submit.connect(refuse)
    try:
        with pytest.raises(InvalidPush):
            send(application)
    finally:
        pre_submit.disconnect(refuse)
    assert not IdempotencyKey.objects.exists()
    assert send(application, title="Another").pk


def test_a_repeat_of_one_that_repeats_is_the_same_push(application):
    details = {"send_at": NINE, "recurrence": "FREQ=DAILY"}
    assert send(application, **details) == send(application, **details)
    assert Notification.objects.count() == 1
