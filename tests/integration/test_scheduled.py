"""A push at one moment for all: it waits, may be held or taken back, and ends on time."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from django_push.delivery import Plan, Sender, cancel, claim, claim_plan, pause, resume
from django_push.delivery.sender import LOOK_EVERY
from django_push.exceptions import NotAllowed
from django_push.models import Notification, PushHistory, State
from django_push.providers import locmem
from django_push.submission import push, submit
from django_push.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def at_home(settings, device):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem", "BATCH_SIZE": 2}
    locmem.outbox.clear()
    device("one")
    yield
    locmem.outbox.clear()


@pytest.fixture
def scheduled(application, moving_clock) -> PushHistory:
    """In an hour."""
    due = moving_clock.now() + timedelta(hours=1)
    return push(application, audience={"everyone": True}, title="Hi", send_at=due)


def work() -> list[str]:
    worker = Worker(listen=False)
    worker.drain(20)
    worker.close()
    return [delivery.token for delivery in locmem.outbox]


def state(history: PushHistory) -> str:
    history.refresh_from_db()
    return history.state


def status(history: PushHistory) -> str:
    history.notification.refresh_from_db()
    return history.notification.status


def test_it_goes_out_at_its_moment_and_to_its_moments_audience(scheduled, device, moving_clock):
    moving_clock.forward(minutes=59)
    assert work() == []
    assert state(scheduled) == State.SCHEDULED
    device("two")
    moving_clock.forward(minutes=2)
    assert sorted(work()) == ["one", "two"]
    assert (state(scheduled), status(scheduled)) == (State.DONE, Notification.Status.SENT)


def test_stopped_before_its_moment_it_is_a_draft_that_may_be_sent_again(scheduled, moving_clock):
    cancel(scheduled, by="ana")
    assert (state(scheduled), status(scheduled)) == (State.CANCELLED, Notification.Status.DRAFT)
    again = submit(scheduled.notification)  # for the same moment
    assert again != scheduled
    moving_clock.forward(hours=2)
    assert work() == ["one"]
    assert state(scheduled) == State.CANCELLED


def test_paused_before_its_moment_it_waits_for_resume(scheduled, moving_clock):
    pause(scheduled, by="ana")
    assert state(scheduled) == State.PAUSED
    moving_clock.forward(hours=2)
    assert work() == []
    resume(scheduled)
    assert work() == ["one"]
    assert (state(scheduled), status(scheduled)) == (State.DONE, Notification.Status.SENT)


def test_resumed_before_its_moment_it_still_waits_for_it(scheduled, moving_clock):
    pause(scheduled)
    resume(scheduled)
    assert state(scheduled) == State.SCHEDULED
    assert work() == []
    moving_clock.forward(hours=2)
    assert work() == ["one"]


def test_stopped_while_it_is_paused_it_is_a_draft_again(scheduled, moving_clock):
    pause(scheduled)
    cancel(scheduled)
    moving_clock.forward(hours=2)
    assert work() == []
    assert (state(scheduled), status(scheduled)) == (State.CANCELLED, Notification.Status.DRAFT)
    with pytest.raises(NotAllowed):
        resume(scheduled)


def test_after_its_end_nothing_is_sent_however_long_the_workers_slept(application, moving_clock):
    due = moving_clock.now() + timedelta(hours=1)
    history = push(
        application, audience={"everyone": True}, title="Hi", send_at=due, time_to_live=600
    )
    moving_clock.forward(hours=1, minutes=11)
    assert work() == []
    assert state(history) == State.NOBODY
    assert history.skipped == {"expired": 1}


@pytest.mark.parametrize(
    ("interval", "until", "minutes"), [(600, 1200, 10), (1200, 600, 10), (None, 600, 10)]
)
def test_the_earlier_of_two_ends_counts(application, moving_clock, interval, until, minutes):
    now = moving_clock.now()
    history = push(
        application,
        audience={"everyone": True},
        title="Hi",
        time_to_live=interval,
        expires_at=now + timedelta(seconds=until),
    )
    ends = history.content["expires_at"] - now.timestamp()
    assert ends == pytest.approx(minutes * 60, abs=2)
    assert history.content["gives_up_at"] == history.content["expires_at"]


def test_a_retry_never_comes_after_the_end(application, device, moving_clock, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "FILE": "/nowhere/at/all"}
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "file"}
    history = push(application, audience={"everyone": True}, title="Hi", time_to_live=600)
    work()  # the file cannot be written: it is due again in some seconds
    history.refresh_from_db()
    assert history.finished_at is None
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem"}
    moving_clock.forward(seconds=601)
    assert work() == []
    history.refresh_from_db()
    assert history.skipped == {"expired": 1}
    assert history.finished_at is not None


def test_what_waited_for_its_provider_until_the_end_is_not_sent(application, moving_clock):
    history = push(application, audience={"everyone": True}, title="Hi", time_to_live=600)
    plan = claim_plan("w")
    while plan.step():
        pass
    sender = Sender("w")
    sender.begin_all(claim("w"))
    moving_clock.forward(seconds=601)
    time.sleep(LOOK_EVERY)
    sender.step(0.0)
    sender.close(timeout=1.0)
    assert locmem.outbox == []
    assert state(history) == State.NOBODY
    assert history.skipped == {"expired": 1}


@pytest.fixture
def half_planned(application, device) -> tuple[PushHistory, Plan]:
    """A push to nine devices in the middle of being planned: one batch of two is there."""
    for number in range(8):
        device(f"more{number}")
    history = push(application, audience={"everyone": True}, title="Hi")
    plan = claim_plan("planner")
    assert plan.step()
    assert history.batches.count() == 1
    return history, plan


def test_stopped_in_the_middle_of_planning(half_planned):
    history, plan = half_planned
    cancel(history)
    assert not plan.step()
    assert work() == []
    assert state(history) == State.CANCELLED
    assert history.finished_at is not None
    assert history.skipped == {"cancelled": 2}


def test_paused_and_resumed_in_the_middle_of_planning(half_planned):
    history, plan = half_planned
    pause(history)
    while plan.step():
        pass  # it is planned while it is paused: the audience is that of its moment
    assert work() == []
    assert state(history) == State.PAUSED
    resume(history)
    assert len(work()) == 9
    assert (state(history), history.successes) == (State.DONE, 9)


def test_a_planner_that_dies_while_the_push_is_paused_loses_nothing(half_planned, moving_clock):
    history, _dead = half_planned
    pause(history)
    moving_clock.forward(seconds=61)
    assert work() == []
    resume(history)
    assert sorted(work()) == sorted(["one", *(f"more{number}" for number in range(8))])
