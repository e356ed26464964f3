"""What happens between two statements: a pause, another submit, the end of a lease, a cut line."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from django_push.delivery import (
    Sender,
    advance_series,
    cancel,
    claim,
    claim_plan,
    clock,
    expire_leases,
    pause,
    pause_series,
    resume,
    resume_series,
    stop_series,
)
from django_push.messages import Result, Status
from django_push.models import (
    IdempotencyKey,
    Notification,
    PushBatch,
    PushHistory,
)
from django_push.scheduler import tick
from django_push.signals import pre_submit
from django_push.submission import compose, push, submit, submit_many
from django_push.worker import Worker
from tests.support.scripted import script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scripted")]

NINE = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)


class Once:
    """Does something at the first statement that ``is_meant``, before it or after it."""

    def __init__(self, is_meant: Callable[[str], bool], act: Callable[[], Any], *, after: bool):
        self.is_meant, self.act, self.after = is_meant, act, after
        self.done = False

    def __call__(self, execute, sql, params, many, context) -> Any:
        meant = not self.done and self.is_meant(sql)
        self.done = self.done or meant
        if meant and not self.after:
            self.act()
        result = execute(sql, params, many, context)
        if meant and self.after:
            self.act()
        return result


def cut() -> None:
    raise OperationalError("the connection ended")


def to(application, *phones) -> dict[str, Any]:
    return {"audience": {"installations": [phone.public_id for phone in phones]}, "title": "Hi"}


def work() -> None:
    worker = Worker(listen=False)
    worker.drain(5)
    worker.close()


def test_who_stood_still_between_claim_and_send_sends_nothing(application, device, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "LEASE_SECONDS": 0.4}
    push(application, **to(application, device("a" * 64)))
    slow, quick = Sender("slow"), Sender("quick")
    lost = claim("slow")
    time.sleep(0.5)
    assert expire_leases() == 1
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "LEASE_SECONDS": 60}
    taken = claim("quick")
    slow.begin_all(lost)
    slow.step(0)
    quick.begin_all(taken)
    quick.step(0)
    slow.close(1)
    quick.close(1)
    assert script.tokens == ["a" * 64]


@pytest.mark.parametrize("number", [1, 3])
def test_what_could_not_be_read_goes_back_untried(application, device, number):
    """Else it lies with this worker until the lease ends, and has used up an attempt."""
    for each in range(number):
        push(application, **to(application, device(f"{each:064x}")))
    sender = Sender("me")
    claimed = claim("me")
    reads = Once(lambda sql: "django_push_installation" in sql, cut, after=False)
    with connection.execute_wrapper(reads), pytest.raises(OperationalError):
        sender.begin_all(claimed)
    sender.step(0)
    left = PushBatch.objects.filter(
        lease_owner="", retries=0, not_before__lte=clock("default").now()
    )
    assert left.exclude(claim_at=None).count() == number
    sender.close(1)
    work()
    assert sorted(script.tokens) == [f"{each:064x}" for each in range(number)]


@pytest.mark.parametrize("statement", ["plan_owner", "state"])
def test_paused_while_its_plan_is_taken_it_is_sent_after_resume(
    application, device, moving_clock, statement
):
    """It must not be planned and scheduled at once: it would end as "scheduled"."""
    due = moving_clock.now() + timedelta(hours=1)
    history = push(application, **to(application, device("a" * 64)), send_at=due)
    moving_clock.forward(hours=1, seconds=1)
    takes = f'UPDATE "django_push_pushhistory" SET "{statement}"'.replace(
        '"', connection.ops.quote_name("x")[0]
    )
    halt = Once(
        lambda sql: sql.startswith(takes), lambda: pause(history), after=statement != "state"
    )
    with connection.execute_wrapper(halt):
        assert claim_plan("me") is None
    assert halt.done
    work()
    assert script.tokens == []
    resume(history)
    work()
    history.refresh_from_db()
    assert (history.state, history.successes, script.tokens) == ("done", 1, ["a" * 64])


def test_stopped_after_a_send_without_answer_it_is_not_said_to_be_untried(application, device):
    script.answer = lambda device: Result(Status.UNKNOWN, "the connection ended")
    history = push(application, **to(application, device("a" * 64)))
    sender = Sender("me")
    sender.begin_all(claim("me"))
    sender.step(0)
    sender.close(1)
    assert script.tokens == ["a" * 64]
    cancel(history)
    work()
    history.refresh_from_db()
    assert (history.state, history.devices, history.failures) == ("cancelled", 1, 1)
    assert (history.reasons, history.skipped) == ({"NoAnswer": 1}, {})


def test_a_small_push_with_a_speed_limit_has_batches_of_a_second(application, device):
    """What is interrupted waits for a slot that is as long as the batch."""
    phones = [device(f"{number:064x}") for number in range(12)]
    history = push(application, **to(application, *phones), rate=5)
    sizes = history.batches.order_by("seq").values_list("size", flat=True)
    assert (list(sizes), history.open_batches) == ([5, 5, 2], 3)


def test_badges_are_counted_for_those_who_see_them(application, device):
    phone, other = device("a" * 64), device("fcm-token", "android")
    push(application, **to(application, phone, other), badge_increment=1)
    phone.refresh_from_db()
    other.refresh_from_db()
    assert (phone.badge, other.badge) == (1, 0)


def test_two_jobs_with_the_same_key_at_the_same_time_send_once(application, device):
    details = to(application, device("a" * 64))
    first: list[PushHistory] = []

    def another() -> None:
        first.extend(submit_many([compose(application, **details)], idempotency_keys=["k"]))

    reads = Once(lambda sql: "django_push_credential" in sql, another, after=False)
    messages = [compose(application, **details) for _ in range(2)]
    with connection.execute_wrapper(reads):
        pushes = submit_many(messages, idempotency_keys=["k", "other"])
    assert pushes[0] == first[0]
    assert PushHistory.objects.count() == Notification.objects.count() == 2


def test_a_key_that_is_forgotten_while_it_is_looked_up_is_taken_anew(
    application, device, moving_clock
):
    details = to(application, device("a" * 64))
    first = push(application, **details, idempotency_key="k")
    moving_clock.forward(days=2)
    forget = Once(
        lambda sql: sql.startswith("UPDATE") and "idempotencykey" in sql, tick, after=False
    )
    with connection.execute_wrapper(forget):
        second = push(application, **details, idempotency_key="k")
    assert forget.done
    assert first != second
    assert push(application, **details, idempotency_key="k") == second


def test_keys_are_taken_in_one_order(application, device):
    details = to(application, device("a" * 64))
    messages = [compose(application, **details) for _ in range(3)]
    submit_many(messages, idempotency_keys=["c", "a", "b"])
    taken = IdempotencyKey.objects.order_by("pk").values_list("key", flat=True)
    assert list(taken) == ["a", "b", "c"]


def test_what_a_receiver_changes_is_no_other_request(application, device):
    details = to(application, device("a" * 64))

    def sign(notification: Notification, **_: Any) -> None:
        notification.content = {**notification.content, "body": "Yours"}

    pre_submit.connect(sign)
    try:
        once, again = (
            submit_many([compose(application, **details)], idempotency_keys=["k"]) for _ in range(2)
        )
    finally:
        pre_submit.disconnect(sign)
    assert once == again


@pytest.fixture(params=[False, True], ids=["one clock", "own clocks"])
def just_sent(request, application, device, moving_clock) -> Notification:
    """A daily message whose push of 9:00 was made five seconds ago."""
    device("a" * 64)
    moving_clock.set(NINE - timedelta(hours=2))
    details = {"audience": {"everyone": True}, "title": "Hi", "local_time": request.param}
    history = push(application, **details, recurrence="FREQ=DAILY", send_at=NINE)
    moving_clock.set(NINE + timedelta(seconds=5))
    work()
    history.notification.refresh_from_db()
    return history.notification


def moments(notification: Notification) -> list[datetime]:
    made = notification.pushes.exclude(state="cancelled").order_by("due_at")
    return [due.replace(microsecond=0) for due in made.values_list("due_at", flat=True)]


def test_a_series_paused_and_resumed_at_once_makes_no_moment_twice(just_sent):
    pause_series(just_sent)
    resume_series(just_sent)
    advance_series()
    found = moments(just_sent)
    assert found[0] == NINE
    assert len(found) == len(set(found)) > 1


def test_a_series_stopped_and_sent_at_once_makes_no_moment_twice(just_sent):
    stop_series(just_sent)
    submit(just_sent)
    advance_series()
    found = moments(just_sent)
    assert found[0] == NINE
    assert len(found) == len(set(found)) > 1


def test_a_series_that_breaks_takes_no_worker_down(just_sent, application, moving_clock):
    def fall() -> None:
        raise ValueError("nobody thought of this")

    moving_clock.forward(days=2)
    breaks = Once(lambda sql: sql.startswith("INSERT"), fall, after=False)
    with connection.execute_wrapper(breaks):
        advance_series()
    just_sent.refresh_from_db()
    assert (breaks.done, just_sent.status) == (True, Notification.Status.PAUSED)
