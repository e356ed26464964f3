"""Quiet hours, through the real pipeline, hour by hour: deferred, not dropped."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, time
from time import monotonic

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_push.delivery import cancel, pause, progress, resume
from django_push.delivery.ledger import Mark
from django_push.messages import Result, Status
from django_push.models import (
    Credential,
    Installation,
    Owner,
    Purpose,
    PushBatch,
    PushHistory,
    QuietHours,
    State,
    Whose,
)
from django_push.providers import locmem
from django_push.quiet import Hours
from django_push.submission import (
    compose,
    count,
    push,
    read_clock,
    submit,
    submit_many,
    zones_for,
)
from django_push.worker import Worker
from tests.support.ledgers import FailAt, assert_ledger_is_whole, fates, let_leases_expire
from tests.support.scripted import script

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def at_home(settings, application, moving_clock):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem", "BATCH_SIZE": 4}
    application.time_zone = "Europe/Berlin"
    application.quiet_from, application.quiet_until = time(22), time(7)
    application.save()
    moving_clock.set(datetime(2027, 6, 1, 21, 0, tzinfo=UTC))  # 23:00 in Berlin
    locmem.outbox.clear()
    yield
    locmem.outbox.clear()


@pytest.fixture
def at(moving_clock):
    """Put the clock at a time in June 2027, UTC, let a worker work; who has got it then."""

    def work_at(day: int, hour: int, minute: int = 0, second: int = 1) -> list[str]:
        moving_clock.set(datetime(2027, 6, day, hour, minute, second, tzinfo=UTC))
        return work()

    return work_at


def work() -> list[str]:
    worker = Worker(listen=False)
    worker.drain(20)
    worker.close()
    return sorted(delivery.token for delivery in locmem.outbox)


def send(application, audience=None, **details) -> PushHistory:
    details = {"title": "Hi", **details}
    return push(application, audience=audience or {"everyone": True}, **details)


def state(history: PushHistory) -> str:
    history.refresh_from_db()
    return history.state


def of(device: Installation) -> Whose:
    return Whose(application=device.application, installation=device)


def night(starts: int, ends: int) -> Hours:
    return Hours.between(time(starts), time(ends))


def test_who_sleeps_gets_it_in_the_morning_and_nobody_waits_for_them(application, device, at):
    for name, zone in [
        ("berlin", "Europe/Berlin"),
        ("none", ""),
        ("junk", "Middle/Earth"),
        ("lisbon", "Europe/Lisbon"),  # 22:00: just begun
        ("newyork", "America/New_York"),
        ("kathmandu", "Asia/Kathmandu"),  # 02:45
        ("kiritimati", "Pacific/Kiritimati"),  # 11:00
        ("baker", "Etc/GMT+12"),  # 09:00
    ]:
        device(name, time_zone=zone)
    history = send(application)
    awake = ["baker", "kiritimati", "newyork"]
    assert work() == awake
    assert state(history) == State.SENDING
    now = progress(history)
    assert (now.devices, now.successes, now.asleep) == (8, 3, 5)
    assert now.wakes_at == datetime(2027, 6, 2, 1, 15, tzinfo=UTC)
    assert at(2, 1, 14) == awake
    assert at(2, 1, 15) == sorted([*awake, "kathmandu"])
    assert at(2, 4, 59) == sorted([*awake, "kathmandu"])
    assert at(2, 5) == sorted([*awake, "kathmandu", "berlin", "none", "junk"])
    assert progress(history).asleep == 1
    assert at(2, 6) == sorted([*awake, "kathmandu", "berlin", "none", "junk", "lisbon"])
    assert state(history) == State.DONE
    assert (history.devices, history.successes, history.skipped) == (8, 8, {})
    assert_ledger_is_whole(history)
    assert len(locmem.outbox) == 8
    assert progress(history).wakes_at is None


def test_hours_of_ones_own_beat_those_of_the_user_and_of_the_application(application, device, at):
    ana = Owner(user_key="ana", proved=True)
    late = device("late")
    QuietHours.objects.set(of(late), night(23, 9))
    never = device("never", owner=ana)
    QuietHours.objects.set(of(never), Hours(0, 0))
    device("anas", owner=ana)
    QuietHours.objects.set(Whose(application=application, user_key="ana"), night(22, 8))
    device("like-all")
    send(application)
    assert work() == ["never"]
    assert at(2, 5) == ["like-all", "never"]
    assert at(2, 6) == ["anas", "like-all", "never"]
    assert at(2, 7) == ["anas", "late", "like-all", "never"]


def test_hours_of_ones_own_where_the_application_has_none(application, device, at):
    type(application).objects.filter(pk=application.pk).update(quiet_from=None, quiet_until=None)
    application.refresh_from_db()
    row = device("a")
    device("b")
    QuietHours.objects.set(of(row), night(21, 6))
    application.refresh_from_db()
    assert application.own_quiet_hours
    history = send(application)
    assert work() == ["b"]
    QuietHours.objects.set(of(row), None)
    assert not QuietHours.objects.exists()
    assert at(2, 4) == ["a", "b"]
    assert state(history) == State.DONE


def test_what_expires_before_the_morning_is_left_out_and_says_so(application, device, at):
    device("berlin")
    device("newyork", time_zone="America/New_York")
    history = send(application, time_to_live=3600)
    assert work() == ["newyork"]
    assert state(history) == State.DONE
    assert history.skipped == {"quiet_hours": 1}
    assert Mark.QUIET_HOURS in fates(history).values()
    assert_ledger_is_whole(history)
    now_or_never = send(application, time_to_live=0)
    work()
    assert state(now_or_never) == State.DONE
    assert now_or_never.skipped == {"quiet_hours": 1}


def test_what_expires_in_the_very_minute_of_waking_up_is_left_out(application, device):
    device("berlin")
    seven = datetime(2027, 6, 2, 5, 0, tzinfo=UTC)
    history = send(application, expires_at=seven)
    work()
    assert (state(history), history.skipped) == (State.NOBODY, {"quiet_hours": 1})


def test_transactional_wakes_up(application, device):
    Purpose.objects.create(application=application, key="codes", name="Codes", transactional=True)
    row = device("berlin")
    QuietHours.objects.set(of(row), night(20, 9))
    history = send(application, purpose="codes")
    assert work() == ["berlin"]
    assert state(history) == State.DONE
    send(application, transactional=True)
    assert len(work()) == 2


def test_a_pause_does_not_wake_up(application, device, at):
    device("berlin")
    history = send(application)
    work()
    pause(history)
    assert at(2, 6) == []
    resume(history)
    assert work() == ["berlin"]
    assert state(history) == State.DONE


def test_a_push_resumed_at_night_waits_for_the_morning(application, device, at):
    device("berlin")
    history = send(application)
    work()
    pause(history)
    resume(history)
    assert at(2, 4, 59) == []
    assert PushBatch.objects.filter(history=history).count() == 2
    assert at(2, 5) == ["berlin"]


def test_a_cancelled_push_wakes_nobody_and_ends_at_once(application, device, at):
    device("berlin")
    device("newyork", time_zone="America/New_York")
    history = send(application)
    work()
    cancel(history)
    work()
    assert state(history) == State.CANCELLED
    assert history.finished_at is not None
    assert history.skipped == {"cancelled": 1}
    assert at(2, 5) == ["newyork"]
    assert_ledger_is_whole(history)


def test_who_moves_to_another_zone_meanwhile_is_looked_at_again(application, device, at):
    row = device("traveller", time_zone="Europe/Berlin")
    send(application)
    work()
    Installation.objects.filter(pk=row.pk).update(time_zone="America/New_York")
    assert at(2, 5) == []  # 01:00 in New York
    assert at(2, 11) == ["traveller"]
    assert len(locmem.outbox) == 1


def test_many_sleep_through_many_batches_each_once(application, device, at):
    zones = ["Europe/Berlin", "Europe/Athens", "Asia/Kolkata", "America/New_York"]
    for number in range(30):
        device(f"{number:02d}", time_zone=zones[number % 4])
    history = send(application)
    assert len(work()) == 7
    assert len(at(2, 1, 30)) == 7 + 7  # 07:00 in Kolkata
    assert len(at(2, 4)) == 7 + 7 + 8
    assert len(at(2, 5)) == 30
    assert len(set(work())) == 30
    assert state(history) == State.DONE
    assert_ledger_is_whole(history)


def test_a_small_push_among_others_waits_alone(application, device, at):
    rows = [device("berlin"), device("newyork", time_zone="America/New_York")]
    asked = [
        compose(application, audience={"installations": [row.public_id]}, title="Hi")
        for row in rows
    ]
    asked.append(
        compose(
            application,
            audience={"installations": [rows[0].public_id]},
            title="Code",
            transactional=True,
        )
    )
    QuietHours.objects.set(of(rows[1]), Hours(0, 0))
    submit_many(asked)
    assert work() == ["berlin", "newyork"]
    assert at(2, 5) == ["berlin", "berlin", "newyork"]
    assert set(PushHistory.objects.values_list("state", flat=True)) == {State.DONE}


def test_languages_and_badges_of_who_sleeps(application, device, at):
    row = device("berlin", locale="de-DE")
    history = send(application, texts={"de": {"title": "Hallo"}}, badge_increment=1)
    work()
    assert at(2, 5) == ["berlin"]
    aps = locmem.outbox[0].payload["aps"]
    assert (aps["alert"]["title"], aps["badge"]) == ("Hallo", 1)
    row.refresh_from_db()
    assert row.badge == 1
    assert state(history) == State.DONE


def test_at_the_devices_own_clock_in_the_middle_of_the_night(application, device, at):
    device("berlin", time_zone="Europe/Berlin")
    device("tokyo", time_zone="Asia/Tokyo")
    wall = datetime(2027, 6, 2, 23, 0)
    draft = compose(
        application, audience={"everyone": True}, title="Hi", send_at=wall, local_time=True
    )
    read_clock(draft)
    found = count(application, draft.audience, zones_for(draft), notification=draft)
    assert (found.devices, found.quiet.later) == (2, 2)
    assert found.quiet.first == datetime(2027, 6, 2, 22, 0, tzinfo=UTC)
    assert found.quiet.last == datetime(2027, 6, 3, 5, 0, tzinfo=UTC)
    history = submit(draft)
    assert at(2, 14) == []
    assert at(2, 21) == []
    assert at(2, 22) == ["tokyo"]
    assert at(3, 5) == ["berlin", "tokyo"]
    assert state(history) == State.DONE
    assert history.skipped == {}


def test_with_a_speed_limit(application, device, at):
    for number in range(4):
        device(f"{number}")
    history = send(application, rate=2)
    assert work() == []
    at(2, 5)
    ends = monotonic() + 20
    while len(locmem.outbox) < 4 and monotonic() < ends:
        work()
    assert len(locmem.outbox) == 4
    assert state(history) == State.DONE


def test_the_count_says_who_waits_and_until_when(application, device):
    device("berlin")
    device("athens", time_zone="Europe/Athens")
    device("newyork", time_zone="America/New_York")
    draft = compose(application, audience={"everyone": True}, title="Hi")
    found = count(application, draft.audience, notification=draft)
    assert (found.devices, found.quiet.later, found.quiet.left_out) == (3, 2, 0)
    assert found.quiet.first == datetime(2027, 6, 2, 4, 0, tzinfo=UTC)
    assert found.quiet.last == datetime(2027, 6, 2, 5, 0, tzinfo=UTC)
    draft.time_to_live = 7 * 3600 + 1800
    found = count(application, draft.audience, notification=draft)
    assert (found.devices, found.quiet.later, found.quiet.left_out) == (2, 1, 1)
    draft.transactional = True
    assert count(application, draft.audience, notification=draft).quiet is None
    later = compose(
        application,
        audience={"everyone": True},
        title="Hi",
        send_at=datetime(2027, 6, 2, 12, 0, tzinfo=UTC),
    )
    found = count(application, later.audience, notification=later)
    assert (found.devices, found.quiet.later) == (3, 0)


@pytest.fixture
def credential(settings, application):
    settings.DJANGO_PUSH = {
        **settings.DJANGO_PUSH,
        "REDIRECT_TO": None,
        "PROVIDERS": {"scripted": "tests.support.scripted.ScriptedProvider"},
    }
    script.reset()
    yield Credential.objects.create(
        application=application, provider="scripted", name="hall", topic="com.example.hall"
    )
    script.reset()


def test_a_retry_does_not_wake_up(application, device, credential, moving_clock):
    """The provider says "later" at 21:59; later is 22:00 and something."""
    device("a" * 64, app_identifier="com.example.hall")
    moving_clock.set(datetime(2027, 6, 1, 19, 59, 50, tzinfo=UTC))
    script.answer = lambda device: Result(Status.DEFERRED, "Busy", retry_after=30)
    history = send(application)
    work()
    assert len(script.seen) == 1
    script.answer = lambda device: Result(Status.SENT)
    moving_clock.set(datetime(2027, 6, 1, 20, 1, 0, tzinfo=UTC))
    work()
    assert len(script.seen) == 1
    moving_clock.set(datetime(2027, 6, 2, 5, 0, 1, tzinfo=UTC))
    work()
    assert len(script.seen) == 2
    assert state(history) == State.DONE
    assert_ledger_is_whole(history)


def test_who_changed_its_app_while_asleep_goes_on_by_its_new_credential(
    application, device, credential, moving_clock
):
    bar = Credential.objects.create(
        application=application, provider="scripted", name="bar", topic="com.example.bar"
    )
    row = device("a" * 64, app_identifier="com.example.hall")
    history = send(application)
    work()
    Installation.objects.filter(pk=row.pk).update(app_identifier="com.example.bar")
    moving_clock.set(datetime(2027, 6, 2, 5, 0, 1, tzinfo=UTC))
    work()
    assert script.through == [(bar.name, "a" * 64)]
    assert state(history) == State.DONE
    assert_ledger_is_whole(history)


def test_where_nobody_has_quiet_hours_nothing_of_them_is_read(application, device):
    """Neither a query nor a column: asserted on every statement of a push."""
    type(application).objects.filter(pk=application.pk).update(quiet_from=None, quiet_until=None)
    application.refresh_from_db()
    for number in range(6):
        device(f"{number}")
    with CaptureQueriesContext(connection) as queries:
        send(application)
        work()
    assert len(locmem.outbox) == 6
    statements = [query["sql"] for query in queries]
    assert not [sql for sql in statements if "django_push_quiethours" in sql]
    reads = [sql for sql in statements if '"address"' in sql.replace("`", '"')]
    assert reads
    for sql in reads:
        chosen = sql.replace("`", '"').partition(" FROM ")[0]
        assert chosen.count(",") <= 4, chosen  # the columns that all small pushes share
        assert "time_zone" not in chosen


def test_hours_of_the_applications_own_cost_no_query_of_their_own(application, device):
    for number in range(3):
        device(f"{number}", time_zone="America/New_York")
    with CaptureQueriesContext(connection) as queries:
        send(application)
        work()
    assert len(locmem.outbox) == 3
    assert not [query for query in queries if "django_push_quiethours" in query["sql"]]


def test_late_by_a_day_it_is_still_not_dropped(application, device, at):
    """No worker ran in the morning: the batch waits for the next."""
    device("berlin")
    history = send(application)
    work()
    assert at(3, 22) == []  # midnight again
    assert at(4, 5) == ["berlin"]
    assert state(history) == State.DONE
    assert history.batches.count() == 3


def test_the_hours_of_a_gone_user_do_not_stick(application, device):
    row = device("a", owner=Owner(user_key="ana", proved=True))
    QuietHours.objects.set(Whose(application=application, user_key="ana"), night(0, 23))
    assert QuietHours.objects.in_force(of(row)) == night(0, 23)
    Installation.objects.filter(pk=row.pk).update(user_key="")
    row.refresh_from_db()
    assert QuietHours.objects.in_force(of(row)) == night(22, 7)
    row.delete()
    assert QuietHours.objects.count() == 1


def test_a_worker_that_dies_while_they_are_put_to_sleep(application, device, at):
    """The mark and the late batch are one transaction: a device is in one of the two."""
    for number in range(3):
        device(f"{number}")
    for statement in range(1, 100):
        history = send(application)
        worker = Worker(listen=False)
        fail = FailAt(statement, KeyboardInterrupt(), after=False)
        with suppress(KeyboardInterrupt), connection.execute_wrapper(fail):
            worker.drain(5)
        let_leases_expire()
        work()
        batches = PushBatch.objects.filter(history=history)
        assert sum(batches.values_list("devices", flat=True)) == 3, fail.sql
        assert_ledger_is_whole(history)
        cancel(history)
        work()
        if not fail.sql:
            break  # every statement has failed once
    assert statement > 10


@pytest.mark.parametrize("rate", [None, 1])
def test_at_their_own_clocks_who_wakes_up_is_late_by_the_end_of_the_quiet_hours(
    application, device, at, rate
):
    """As any push at the devices' own clocks: an hour, then it is left out."""
    device("berlin", time_zone="Europe/Berlin")
    wall = datetime(2027, 6, 2, 23, 0)
    history = send(application, send_at=wall, local_time=True, rate=rate)
    assert at(2, 21) == []
    assert at(3, 6, 30) == []
    assert state(history) == State.NOBODY
    assert history.skipped == {"local_time_passed": 1}
    assert_ledger_is_whole(history)


def test_at_their_own_clocks_half_an_hour_late_is_in_time(application, device, at):
    device("berlin", time_zone="Europe/Berlin")
    history = send(application, send_at=datetime(2027, 6, 2, 23, 0), local_time=True)
    assert at(2, 21) == []
    assert at(3, 5, 30) == ["berlin"]
    assert state(history) == State.DONE
