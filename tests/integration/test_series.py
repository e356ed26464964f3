"""Repeated messages, day by day: each push exists once, none is late, all can be stopped."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from django_push.delivery import (
    advance_series,
    cancel,
    pause,
    pause_series,
    resume_series,
    stop_series,
)
from django_push.exceptions import InvalidPush, NotAllowed
from django_push.models import Notification, PushHistory, Segment, State
from django_push.providers import locmem
from django_push.scheduler import tick
from django_push.submission import push, submit
from django_push.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)

START = datetime(2027, 1, 4, 9, 0)
"""A Monday, 08:00 UTC in Berlin."""
Status = Notification.Status


@pytest.fixture(autouse=True)
def at_home(settings, application, device, moving_clock):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem", "BATCH_SIZE": 2}
    application.time_zone = "Europe/Berlin"
    application.save()
    moving_clock.set(datetime(2027, 1, 1, 12, 0, tzinfo=UTC))
    device("one", time_zone="Europe/Berlin")
    locmem.outbox.clear()
    yield
    locmem.outbox.clear()


@pytest.fixture
def at(moving_clock):
    """Put the clock at a day of January 2027, UTC, and let a worker work; how many were sent."""

    def work_at(day: int, hour: int = 8, minute: int = 0, second: int = 2) -> int:
        days = timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second)
        moving_clock.set(datetime(2027, 1, 1, tzinfo=UTC) + days)
        worker = Worker(listen=False)
        worker.drain(20)
        worker.close()
        return len(locmem.outbox)

    return work_at


def send(application, recurrence="FREQ=WEEKLY;BYDAY=MO,WE", **details) -> Notification:
    details = {"audience": {"everyone": True}, "title": "Hi", "send_at": START, **details}
    return push(application, recurrence=recurrence, **details).notification


def states(notification: Notification) -> list[tuple[str, str]]:
    rows = notification.pushes.order_by("due_at").values_list("due_at", "state")
    return [(due.strftime("%d %H:%M"), state) for due, state in rows]


def status(notification: Notification) -> str:
    notification.refresh_from_db()
    return notification.status


def test_each_is_sent_at_its_moment_and_the_next_is_made(application, device, at):
    series = send(application)
    assert status(series) == Status.REPEATING
    assert states(series) == [("04 08:00", "scheduled")]
    assert at(4, 7, 59) == 0
    assert at(4) == 1
    assert states(series) == [("04 08:00", "done"), ("06 08:00", "scheduled")]
    device("two")  # the audience of each is that of its moment
    assert at(6) == 3
    assert states(series)[-1] == ("11 08:00", "scheduled")
    assert status(series) == Status.REPEATING


def test_a_first_moment_that_does_not_fit_the_rule_is_not_sent(application, at):
    series = send(application, "FREQ=WEEKLY;BYDAY=TU")
    assert states(series) == [("05 08:00", "scheduled")]
    assert at(4) == 0
    assert at(5) == 1


def test_a_beginning_in_the_past_sends_nothing_late(application, at):
    series = send(application, "FREQ=DAILY", send_at=START - timedelta(days=100))
    assert states(series) == [("02 08:00", "scheduled")]


@pytest.mark.parametrize("rule", ["FREQ=DAILY;COUNT=2", "FREQ=DAILY;UNTIL=20270105"])
def test_it_ends(application, at, rule):
    series = send(application, rule)
    assert [at(4), at(5), at(6), at(7)] == [1, 2, 2, 2]
    assert states(series) == [("04 08:00", "done"), ("05 08:00", "done")]
    assert status(series) == Status.SENT
    assert series.next_at is None


def test_it_ends_with_its_message(application, at):
    ends = datetime(2027, 1, 6, 8, tzinfo=UTC)
    series = send(application, "FREQ=DAILY", expires_at=ends)
    assert [at(4), at(5), at(6), at(7)] == [1, 2, 2, 2]
    assert status(series) == Status.SENT


def test_after_a_sleep_only_the_newest_is_sent_and_only_if_it_is_not_late(application, at):
    series = send(application, "FREQ=DAILY")
    assert at(4) == 1
    # no worker for three days, until half past nine in Berlin
    assert at(8, 8, 30) == 2
    assert states(series) == [
        ("04 08:00", "done"),
        ("05 08:00", "missed"),
        ("08 08:00", "done"),
        ("09 08:00", "scheduled"),
    ]
    missed = series.pushes.get(state=State.MISSED)
    assert missed.finished_at is not None
    assert "No worker" in missed.detail
    # and once more, until an hour and a minute after: that one is not sent either
    assert at(11, 9, 1) == 2
    assert states(series)[-2:] == [("09 08:00", "missed"), ("12 08:00", "scheduled")]


def test_its_own_time_to_live_may_be_shorter(application, at):
    series = send(application, "FREQ=DAILY", time_to_live=300)
    assert at(4, 8, 6) == 0
    assert states(series)[0] == ("04 08:00", "missed")


def test_one_that_comes_every_minute_is_not_sent_twice_in_a_minute(application, at):
    series = send(application, "FREQ=MINUTELY")
    assert at(4) == 1
    assert at(4, 8, 10, 30) == 2
    assert [row for row in states(series) if row[1] == "done"] == [
        ("04 08:00", "done"),
        ("04 08:10", "done"),
    ]


def test_several_schedulers_make_each_push_once(application, moving_clock):
    series = send(application, "FREQ=DAILY")
    moving_clock.set(datetime(2027, 1, 4, 8, 0, 1, tzinfo=UTC))
    start, failed = threading.Barrier(6), []

    def advance() -> None:
        start.wait()
        try:
            advance_series()
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=advance) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [due for due, _state in states(series)] == ["04 08:00", "05 08:00"]


def test_one_of_them_can_be_left_out(application, at):
    series = send(application, "FREQ=DAILY")
    at(4)
    cancel(series.pushes.get(state=State.SCHEDULED), by="ana")
    assert at(5) == 1
    assert at(6) == 2
    assert states(series)[1:3] == [("05 08:00", "cancelled"), ("06 08:00", "done")]
    assert status(series) == Status.REPEATING


def test_one_of_them_can_be_paused_but_is_not_sent_late(application, at):
    series = send(application, "FREQ=DAILY")
    waiting = series.pushes.get(state=State.SCHEDULED)
    pause(waiting)
    assert at(4, 8, 30) == 0
    assert at(5) == 1  # the series goes on


def test_a_paused_series_goes_on_with_its_next_moment(application, at):
    series = send(application, "FREQ=DAILY")
    at(4)
    pause_series(series, by="ana")
    assert status(series) == Status.PAUSED
    assert at(6, 8, 20) == 1
    resume_series(series, by="ana")
    assert status(series) == Status.REPEATING
    assert at(6, 8, 21) == 1  # what it missed is not sent
    assert at(7) == 2
    assert states(series) == [
        ("04 08:00", "done"),
        ("05 08:00", "cancelled"),
        ("07 08:00", "done"),
        ("08 08:00", "scheduled"),
    ]


def test_resumed_before_its_moment_that_one_is_sent(application, at):
    series = send(application, "FREQ=DAILY")
    pause_series(series)
    resume_series(series)
    assert at(4) == 1
    assert at(5) == 2


def test_stopped_it_is_a_draft_that_can_be_changed_and_sent_again(application, at):
    series = send(application, "FREQ=DAILY")
    at(4)
    stop_series(series, by="ana")
    assert status(series) == Status.DRAFT
    assert at(5) == 1
    series.recurrence, series.content = "FREQ=WEEKLY;BYDAY=TH", {"title": "Changed"}
    series.save()
    submit(series)
    assert at(7) == 2
    assert locmem.outbox[-1].payload["aps"]["alert"] == {"title": "Changed"}
    assert status(series) == Status.REPEATING


def test_one_under_way_goes_on_when_the_series_stops(application, at, moving_clock):
    series = send(application, "FREQ=DAILY")
    moving_clock.set(datetime(2027, 1, 4, 8, 0, 1, tzinfo=UTC))
    tick()
    running = series.pushes.order_by("due_at").first()
    PushHistory.objects.filter(pk=running.pk).update(state=State.SENDING)
    stop_series(series)
    assert at(4) == 1


def test_what_does_not_repeat_cannot_be_paused_as_a_series(application, at):
    once = push(application, audience={"everyone": True}, title="Hi").notification
    for verb in (pause_series, stop_series, resume_series):
        with pytest.raises(NotAllowed):
            verb(once)
    series = send(application, "FREQ=DAILY;COUNT=1")
    pause_series(series)
    at(5)
    with pytest.raises(NotAllowed, match="last"):
        resume_series(series)
    stop_series(series)
    assert status(series) == Status.DRAFT


def test_at_the_devices_own_clocks(application, device, at):
    device("tokyo", time_zone="Asia/Tokyo")
    device("newyork", time_zone="America/New_York")
    series = send(application, "FREQ=DAILY", local_time=True)
    assert at(4, 0) == 1  # nine in Tokyo
    assert at(4, 8) == 2
    assert at(4, 14) == 3
    assert at(5, 0) == 4
    assert at(5, 8) == 5
    assert at(5, 14) == 6
    assert states(series)[:2] == [("04 08:00", "done"), ("05 08:00", "done")]
    tokens = [delivery.token for delivery in locmem.outbox]
    assert tokens == ["tokyo", "one", "newyork"] * 2


def test_a_series_that_cannot_go_on_is_paused_and_holds_up_no_other(application, at):
    broken, sound = send(application, "FREQ=DAILY"), send(application, "FREQ=DAILY", title="Other")
    Notification.objects.filter(pk=broken.pk).update(content={"title": 3})
    assert at(4) == 2  # what was frozen before still goes
    assert status(broken) == Status.PAUSED
    assert at(5) == 3
    assert status(sound) == Status.REPEATING


@pytest.mark.parametrize(
    ("details", "code", "field"),
    [
        ({"recurrence": "FREQ=SECONDLY"}, "wrong_rule", "recurrence"),
        ({"recurrence": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "never", "recurrence"),
        ({"recurrence": "FREQ=DAILY;UNTIL=20260101"}, "never", "recurrence"),
        ({"recurrence": "FREQ=DAILY", "send_at": None}, "no_moment", "send_at"),
        ({"recurrence": "FREQ=HOURLY", "local_time": True}, "too_often", "recurrence"),
        (
            {"recurrence": "FREQ=DAILY;BYHOUR=9,17", "local_time": True},
            "too_often",
            "recurrence",
        ),
        (
            {"recurrence": "FREQ=DAILY", "expires_at": datetime(2027, 1, 3, tzinfo=UTC)},
            "never",
            "recurrence",
        ),
    ],
)
def test_what_cannot_be_repeated_is_refused(application, details, code, field):
    with pytest.raises(InvalidPush) as caught:
        send(application, **details)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert not Notification.objects.exists()
    assert not PushHistory.objects.exists()


def test_a_moment_is_made_once_whatever_happens(application, at):
    """The last line of defence is the database's."""
    from django.db import IntegrityError

    from django_push.delivery import open_push

    series = send(application, "FREQ=DAILY")
    with pytest.raises(IntegrityError), transaction.atomic():
        open_push(series, series.pushes.get().due_at)


def test_each_push_takes_the_conditions_of_its_segments_when_it_is_made(application, device, at):
    segment = Segment.objects.create(
        application=application, key="news", name="News", audience={"everyone": True}
    )
    series = send(application, audience={"segments": ["news"]})
    assert at(4) == 1
    segment.audience = {"channels": ["nobody"]}
    segment.save()
    assert at(6) == 2  # it was made on the 4th, when that of the 4th was due
    assert at(11) == 2
    assert states(series)[-2:] == [("11 08:00", "nobody"), ("13 08:00", "scheduled")]


def test_a_series_whose_segment_is_gone_is_paused_and_others_go_on(application, at, caplog):
    segment = Segment.objects.create(
        application=application, key="news", name="News", audience={"everyone": True}
    )
    series = send(application, audience={"segments": ["news"]})
    other = send(application)
    segment.delete()  # past the pages and the API, which refuse it
    assert at(4) == 2
    assert status(series) == Status.PAUSED
    assert "There is no segment “news”" in caplog.text
    assert status(other) == Status.REPEATING


def test_a_moment_that_was_left_out_stays_left_out_when_the_series_goes_on(application, at):
    message = send(application)
    cancel(message.pushes.get())  # the 4th is left out
    pause_series(message)
    assert resume_series(message).due_at.day == 6
    assert states(message) == [("04 08:00", "cancelled"), ("06 08:00", "scheduled")]
    pause_series(message)  # which leaves nothing out
    resume_series(message)
    assert (at(4), at(6)) == (0, 1)


def test_a_rule_too_long_for_its_column_is_refused(application):
    days = ",".join(str(day) for day in range(1, 32))
    long = f"FREQ=YEARLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12;BYMONTHDAY={days};BYHOUR=" + ",".join(
        str(hour) for hour in range(24)
    )
    long += ";BYMINUTE=" + ",".join(str(minute) for minute in range(30))
    assert len(long) > 255
    with pytest.raises(InvalidPush) as refused:
        send(application, long)
    assert refused.value.field == "recurrence"
    assert not Notification.objects.exists()
