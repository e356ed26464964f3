"""A push at the devices' own clocks, through the real pipeline, hour by hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_push.delivery import cancel, pause, progress, resume
from django_push.exceptions import InvalidPush
from django_push.models import Installation, Notification, PushBatch, PushHistory, State
from django_push.providers import locmem
from django_push.scheduler import tick
from django_push.submission import count, push, submit, zones_for
from django_push.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)

WALL = datetime(2027, 6, 1, 9, 0)
"""Nine o'clock on a summer's Tuesday: 07:00 UTC in Berlin, 13:00 in New York, 00:00 in Tokyo."""


@pytest.fixture(autouse=True)
def at_home(settings, application, moving_clock):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem", "BATCH_SIZE": 2}
    application.time_zone = "Europe/Berlin"
    application.save()
    moving_clock.set(datetime(2027, 5, 30, 12, 0, tzinfo=UTC))
    locmem.outbox.clear()
    yield
    locmem.outbox.clear()


@pytest.fixture
def at(moving_clock):
    """Put the clock at a time of 1 June 2027, UTC, let a worker work; who has got it then."""

    def work_at(hour: int, minute: int = 0, day: int = 1) -> list[str]:
        midnight = datetime(2027, 5, 31, tzinfo=UTC) + timedelta(days=day)
        moving_clock.set(midnight + timedelta(hours=hour, minutes=minute, seconds=1))
        worker = Worker(listen=False)
        worker.drain(20)
        worker.close()
        return sorted(delivery.token for delivery in locmem.outbox)

    return work_at


def send(application, audience=None, **details) -> PushHistory:
    details = {"title": "Hi", "send_at": WALL, "local_time": True, **details}
    return push(application, audience=audience or {"everyone": True}, **details)


def state(history: PushHistory) -> str:
    history.refresh_from_db()
    return history.state


def test_each_gets_it_when_its_own_clock_shows_the_time(application, device, at):
    for name, zone in [
        ("tokyo", "Asia/Tokyo"),
        ("kathmandu", "Asia/Kathmandu"),
        ("berlin", "Europe/Berlin"),
        ("none", ""),
        ("junk", "Middle/Earth"),
        ("newyork", "America/New_York"),
    ]:
        device(name, time_zone=zone)
    history = send(application)
    assert state(history) == State.SCHEDULED
    assert at(0) == ["tokyo"]
    assert state(history) == State.SENDING
    assert at(3, 14) == ["tokyo"]
    assert at(3, 15) == ["kathmandu", "tokyo"]
    assert at(6, 59) == ["kathmandu", "tokyo"]
    assert at(7) == ["berlin", "junk", "kathmandu", "none", "tokyo"]
    now = progress(history)
    assert (now.next_due, now.next_zone) == (datetime(2027, 6, 1, 13, tzinfo=UTC), "UTC-04:00")
    assert state(history) == State.SENDING
    assert len(at(13)) == 6
    assert state(history) == State.DONE
    assert (history.devices, history.successes) == (6, 6)
    assert progress(history).next_due is None


def test_both_ends_of_the_world(application, device, at, moving_clock):
    device("first", time_zone="Pacific/Kiritimati")  # UTC+14
    device("last", time_zone="Etc/GMT+12")  # UTC-12
    history = send(application)
    moving_clock.set(datetime(2027, 5, 31, 18, 59, tzinfo=UTC))
    assert not tick()
    moving_clock.set(datetime(2027, 5, 31, 19, 0, 1, tzinfo=UTC))
    assert tick()
    assert at(19, 0, day=0) == ["first"]
    assert at(20, 59) == ["first"]
    assert at(21) == ["first", "last"]
    assert state(history) == State.DONE


def test_zones_that_have_passed_get_it_at_once_for_an_hour_only(application, device, at):
    device("tokyo", time_zone="Asia/Tokyo")  # 00:00 UTC
    device("berlin", time_zone="Europe/Berlin")  # 07:00
    device("london", time_zone="Europe/London")  # 08:00
    at(7, 30)
    history = send(application)
    assert at(7, 31) == ["berlin"]
    assert at(8) == ["berlin", "london"]
    assert state(history) == State.DONE
    assert history.skipped == {"local_time_passed": 1}
    assert (history.devices, history.successes) == (2, 2)


def test_the_audience_is_that_of_its_first_zone_with_devices(application, device, at):
    device("berlin", time_zone="Europe/Berlin")
    history = send(application)
    at(0)  # nine in Tokyo: nobody there
    assert state(history) == State.SCHEDULED
    device("later", time_zone="Europe/Berlin")
    assert at(7) == ["berlin", "later"]
    device("too-late", time_zone="America/New_York")
    assert at(13) == ["berlin", "later"]
    assert state(history) == State.DONE


def test_who_travels_stays_in_the_zone_it_had(application, device, at):
    device("tokyo", time_zone="Asia/Tokyo")
    device("traveller", time_zone="Europe/Berlin")
    send(application)
    at(0)
    Installation.objects.filter(address="traveller").update(time_zone="Asia/Tokyo")
    assert at(7) == ["tokyo", "traveller"]
    Installation.objects.filter(address="tokyo").update(time_zone="America/New_York")
    assert at(13) == ["tokyo", "traveller"]


def test_a_worker_that_slept_does_not_send_at_night(application, device, at):
    device("tokyo", time_zone="Asia/Tokyo")
    device("berlin", time_zone="Europe/Berlin")
    device("newyork", time_zone="America/New_York")
    history = send(application)
    at(0)
    # no worker from Berlin's nine o'clock on, until a quarter past noon in Berlin
    assert at(10, 15) == ["tokyo"]
    assert at(13) == ["newyork", "tokyo"]
    assert state(history) == State.DONE
    assert history.skipped == {"local_time_passed": 1}


def test_the_days_when_clocks_change(application, device, moving_clock):
    moving_clock.set(datetime(2027, 3, 27, 12, tzinfo=UTC))
    device("berlin", time_zone="Europe/Berlin")
    device("madrid", time_zone="Europe/Madrid")
    device("reykjavik", time_zone="Atlantic/Reykjavik")
    history = send(application, send_at=datetime(2027, 3, 28, 2, 30))  # missing in Berlin
    zones = {name: zone.due for zone in zones_for(history.notification) for name in zone.names}
    assert zones["Europe/Madrid"] == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)
    # the application's own clock skips it: everybody else's shows what Berlin's has jumped to
    assert zones["Atlantic/Reykjavik"] == datetime(2027, 3, 28, 3, 0, tzinfo=UTC)


def test_expiry_counts_from_each_devices_own_moment(application, device, at):
    device("berlin", "windows", time_zone="Europe/Berlin")
    device("newyork", "windows", time_zone="America/New_York")
    send(application, time_to_live=600)
    at(7)
    at(13)
    berlin, newyork = sorted(locmem.outbox, key=lambda delivery: delivery.token)
    for delivery, hour in ((berlin, 7), (newyork, 13)):
        ends = datetime(2027, 6, 1, hour, 10, tzinfo=UTC)
        assert delivery.payload["expires_at"] == int(ends.timestamp())


def test_nobody_gets_it_after_his_own_expiry(application, device, at):
    device("berlin", time_zone="Europe/Berlin")
    device("newyork", time_zone="America/New_York")
    history = send(application, time_to_live=600)
    assert at(7, 1) == ["berlin"]
    assert at(13, 11) == ["berlin"]  # not late by an hour, but past its ten minutes
    assert state(history) == State.DONE
    assert history.skipped == {"expired": 1}


def test_the_earlier_end_counts(application, device, at):
    device("berlin", time_zone="Europe/Berlin")
    device("newyork", time_zone="America/New_York")
    history = send(
        application, time_to_live=86_400, expires_at=datetime(2027, 6, 1, 12, 59, tzinfo=UTC)
    )
    assert at(7) == ["berlin"]
    assert at(13) == ["berlin"]
    assert state(history) == State.DONE
    assert history.skipped == {"expired": 1}


def test_a_pause_does_not_let_waiting_zones_go_early_nor_late_ones_go_at_all(
    application, device, at
):
    device("tokyo", time_zone="Asia/Tokyo")
    device("berlin", time_zone="Europe/Berlin")
    device("london", time_zone="Europe/London")
    device("newyork", time_zone="America/New_York")
    history = send(application)
    at(0)
    pause(history)
    resume(history)
    assert at(1) == ["tokyo"]  # Berlin waits on
    pause(history)
    assert at(8, 30) == ["tokyo"]
    resume(history)
    assert at(8, 31) == ["london", "tokyo"]  # Berlin's time is an hour and a half ago
    assert at(13) == ["london", "newyork", "tokyo"]
    assert state(history) == State.DONE
    assert history.skipped == {"local_time_passed": 1}


def test_a_pause_before_its_first_zone(application, device, at):
    device("tokyo", time_zone="Asia/Tokyo")
    device("berlin", time_zone="Europe/Berlin")
    history = send(application)
    pause(history)
    assert at(6) == []
    resume(history)
    assert state(history) == State.SCHEDULED
    assert at(7) == ["berlin"]  # Tokyo's time is long gone
    assert state(history) == State.DONE
    assert history.skipped == {"local_time_passed": 1}


def test_stopping_it_while_zones_wait(application, device, at):
    device("tokyo", time_zone="Asia/Tokyo")
    device("berlin", time_zone="Europe/Berlin")
    history = send(application)
    at(0)
    cancel(history)
    assert at(0, 1) == ["tokyo"]
    assert state(history) == State.CANCELLED
    assert history.finished_at is not None
    assert history.skipped == {"cancelled": 1}
    assert at(7) == ["tokyo"]


def test_stopping_it_before_its_first_zone_makes_it_a_draft_again(application, device, at):
    device("berlin", time_zone="Europe/Berlin")
    history = send(application)
    at(0)
    cancel(history)
    assert at(7) == []
    assert state(history) == State.CANCELLED
    history.notification.refresh_from_db()
    assert history.notification.status == Notification.Status.DRAFT


def test_listed_people_get_it_at_their_own_clocks_too(application, device, at):
    ana = device("ana", time_zone="Asia/Tokyo")
    device("other", time_zone="Asia/Tokyo")
    send(application, {"installations": [ana.public_id]})
    assert at(0) == ["ana"]


def test_a_rate_is_counted_from_each_zones_beginning(application, device, at):
    for number in range(4):
        device(f"tokyo{number}", time_zone="Asia/Tokyo")
        device(f"berlin{number}", time_zone="Europe/Berlin")
    notification = Notification(
        application=application,
        content={"title": "Hi"},
        audience={"everyone": True},
        send_at=WALL.replace(tzinfo=ZoneInfo("Europe/Berlin")),
        local_time=True,
        rate=2,
    )
    submit(notification)
    at(0)
    waits = PushBatch.objects.filter(due_at__hour=7).order_by("seq")
    assert [batch.not_before - batch.due_at for batch in waits] == [
        timedelta(0),
        timedelta(seconds=1),
    ]


def test_waiting_batches_do_not_stand_in_the_way(application, device, at):
    """A push to one device passes the batches that wait for their hour."""
    device("tokyo", time_zone="Asia/Tokyo")
    for number in range(20):
        device(f"ny{number:02}", time_zone="America/New_York")
    send(application)
    at(0)
    one = device("one")
    push(application, audience={"installations": [one.public_id]}, title="Now")
    assert at(0, 1) == ["one", "tokyo"]


def test_the_count_says_who_gets_it_when(application, device, at):
    for name, zone in [
        ("a", "Asia/Tokyo"),
        ("b", "Europe/Berlin"),
        ("c", "Europe/London"),
        ("d", ""),
        ("e", "Middle/Earth"),
        ("f", "America/New_York"),
    ]:
        device(name, time_zone=zone)
    at(7, 30)
    asked = Notification(
        application=application,
        send_at=WALL.replace(tzinfo=ZoneInfo("Europe/Berlin")),
        local_time=True,
    )
    found = count(application, {"everyone": True}, zones_for(asked))
    assert found.devices == 5
    assert found.local is not None
    assert (found.local.at_once, found.local.later, found.local.passed) == (3, 2, 1)
    assert found.local.no_zone == 2
    assert found.local.first == datetime(2027, 6, 1, 8, tzinfo=UTC)
    assert found.local.last == datetime(2027, 6, 1, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("details", "code"),
    [
        ({"send_at": None}, "no_moment"),
        ({"send_at": datetime(2027, 5, 28, 9, 0)}, "passed"),
        ({"expires_at": datetime(2027, 5, 31, 12, tzinfo=UTC)}, "expired"),
        ({"expires_at": datetime(2027, 6, 5, 12)}, "wrong_type"),
        ({"local_time": False}, "wrong_type"),
        ({"send_at": datetime.max}, "wrong_value"),
        ({"send_at": datetime.min.replace(tzinfo=UTC)}, "wrong_value"),
        ({"send_at": datetime.max, "recurrence": "FREQ=YEARLY"}, "wrong_value"),
        ({"expires_at": datetime.max.replace(tzinfo=UTC)}, "wrong_value"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(application, details, code):
    with pytest.raises(InvalidPush) as caught:
        send(application, **details)
    assert caught.value.code == code
    assert not Notification.objects.exists()


def test_a_moment_is_read_by_the_applications_clock(application, device, at):
    device("tokyo", time_zone="Asia/Tokyo")
    send(application, send_at=datetime(2027, 6, 1, 7, tzinfo=UTC))  # nine in Berlin
    assert at(0) == ["tokyo"]


def test_a_push_for_all_at_once_pays_nothing_for_the_zones(application, device, at):
    for number in range(9):
        device(f"d{number}")
    push(application, audience={"everyone": True}, title="Hi")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        at(0)
    asked = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    assert len(locmem.outbox) == 9
    assert not [sql for sql in asked if "time_zone" in sql and "installation" in sql]
