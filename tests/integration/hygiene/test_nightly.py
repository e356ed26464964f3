"""Once a night, by one of all workers."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.utils import timezone

from django_push.hygiene import nightly
from django_push.hygiene.nightly import NightWatch, clean_up
from django_push.models import CleanUp, Installation


@pytest.fixture
def at_midnight(settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "CLEAN_UP_AT": "00:00"}


def test_one_does_it_and_says_what_was_done(seen, push):
    seen("a1", 100)
    push(400)
    assert clean_up("first") is True
    row = CleanUp.objects.get()
    assert (row.owner, row.night) == ("first", timezone.localdate())
    assert row.report["switched_off"] == 1
    assert row.report["purged"]["PushHistory"] == 1
    assert row.finished_at is not None
    seen("b2", 100)
    assert clean_up("second") is False  # it was done today
    assert Installation.objects.filter(is_active=True).count() == 1


def test_two_never_do_it_at_once_and_a_dead_one_is_replaced(seen):
    seen("a1", 100)
    assert nightly._claim(timezone.localdate(), "first")
    assert clean_up("second") is False
    CleanUp.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert clean_up("second") is True


def test_who_is_stopped_leaves_the_rest_to_the_next_at_once(seen, monkeypatch):
    from django_push.hygiene import chunks

    monkeypatch.setattr(chunks, "CHUNK", 2)
    for number in range(6):
        seen(f"a{number}", 100)
    asked = iter([False, True])
    assert clean_up("first", stopped=lambda: next(asked)) is False
    assert Installation.objects.filter(is_active=False).count() == 4
    first = CleanUp.objects.get()
    assert first.report["switched_off"] == 4
    assert clean_up("second") is True
    assert not Installation.objects.filter(is_active=True).exists()
    second = CleanUp.objects.get()
    assert (second.report["switched_off"], second.started_at) == (6, first.started_at)


def test_who_lost_the_lease_stops(seen, monkeypatch):
    monkeypatch.setattr(nightly, "RENEWED", 0.0)
    seen("a1", 100)

    def stolen() -> bool:
        CleanUp.objects.update(owner="other")
        return False

    assert clean_up("first", stopped=stolen) is False
    assert CleanUp.objects.get().finished_at is None


def test_rows_of_a_year_ago_are_forgotten(db):
    old = timezone.localdate() - timedelta(days=400)
    CleanUp.objects.create(night=old)
    assert clean_up()
    assert not CleanUp.objects.filter(night=old).exists()


def test_looking_asks_the_database_nothing(at_midnight, django_assert_num_queries, db):
    watch = NightWatch()
    with django_assert_num_queries(0):
        assert not watch.is_due()  # some minutes by chance first
        watch._look_at = 0.0
        assert watch.is_due()
        assert not watch.is_due()
    assert watch._look_at > time.monotonic() + nightly.LOOK / 3


def test_before_the_hour_and_without_one_nothing_is_due(settings):
    watch = NightWatch()
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "CLEAN_UP_AT": None}
    watch._look_at = 0.0
    assert not watch.is_due()
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "CLEAN_UP_AT": "23:59:59.999999"}
    watch._look_at = 0.0
    assert not watch.is_due()


@pytest.mark.django_db(transaction=True)
def test_the_worker_does_it_in_a_thread(seen, at_midnight):
    seen("a1", 100)
    watch = NightWatch()
    watch._look_at = 0.0
    watch.look()
    assert watch._thread is not None
    watch._thread.join(timeout=120)
    assert CleanUp.objects.get().finished_at
    assert not Installation.objects.get().is_active
    watch._look_at = 0.0
    watch.look()  # done tonight: the thread is not started again
    assert not watch._thread.is_alive()
    watch.close()


def test_the_task_of_celery(seen):
    from django_push.tasks import clean_up as task

    seen("a1", 100)
    task()
    assert not Installation.objects.get().is_active


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        ({"CLEAN_UP_AT": "3 o'clock"}, "django_push.E006"),
        ({"CLEAN_UP_AT": "25:00"}, "django_push.E006"),
        ({"CLEAN_UP_AT": 3}, "django_push.E006"),
        ({"STALE_DAYS": 0}, "django_push.E007"),
        ({"DEAD_DAYS": "180"}, "django_push.E007"),
        ({"HISTORY_DAYS": True}, "django_push.E007"),
        ({"HISTORY_DAYS": 1, "IDEMPOTENCY_SECONDS": 100_000}, "django_push.W004"),
    ],
)
def test_the_checks(settings, wrong, check):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **wrong}
    assert check in [found.id for found in run_checks()]


def test_the_defaults_are_fine():
    assert not [found for found in run_checks() if found.id in {"django_push.W004"}]


@pytest.fixture
def eager():
    """Tasks run at once, without a broker."""
    from django_push.tasks import tick

    tick.app.conf.task_always_eager = True
    yield
    tick.app.conf.task_always_eager = False


def test_celerys_tick_queues_the_clean_up_when_it_is_time(seen, at_midnight, eager, monkeypatch):
    from django_push import tasks

    seen("a1", 100)
    monkeypatch.setattr(tasks, "_night", NightWatch())  # this process may be old
    tasks.tick()
    assert Installation.objects.get().is_active  # some minutes by chance first
    monkeypatch.setattr(tasks._night, "_look_at", 0.0)
    tasks.tick()
    assert not Installation.objects.get().is_active
