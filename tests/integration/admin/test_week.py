"""The week ahead on the home page: each push on its own day, of one's own applications only."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from django_push.admin.week import end_of_week, week
from django_push.models import Notification, PushHistory, Role
from django_push.submission import push, submit


@pytest.fixture(autouse=True)
def clock(settings):
    settings.TIME_ZONE = "UTC"


@pytest.fixture
def noon():
    """Tomorrow at twelve."""
    return timezone.localtime().replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(1)


def plan(application, title, at):
    return push(application, audience={"everyone": True}, title=title, send_at=at)


def now():
    return week(PushHistory.objects.all(), Notification.objects.all())


def home(client) -> str:
    return client.get(reverse("admin:app_list", args=["django_push"])).content.decode()


def test_without_anything_to_come_there_is_no_strip(root, application):
    assert now() == []
    assert "This week" not in home(root)


def test_each_push_stands_on_its_day(root, application, device, noon):
    device("a" * 64)
    plan(application, "Doors open", noon)
    plan(application, "Encore", noon + timedelta(days=2, hours=6))
    plan(application, "Next month", noon + timedelta(days=20))
    days = now()
    assert [[entry.text for entry in day.entries] for day in days] == [
        [],
        ["Doors open"],
        [],
        ["Encore"],
        [],
        [],
        [],
    ]
    assert days[0].name == "Today"
    assert days[1].entries[0].clock == "12:00"
    page = home(root)
    assert "This week" in page
    assert page.index("Doors open") < page.index("Encore") < page.index("Later")
    assert page.count("Next month") == 1


def test_a_full_day_tells_how_many_more(root, application, device, noon):
    device("a" * 64)
    for number in range(5):
        plan(application, f"Push {number}", noon)
    assert now()[1].more == 2
    assert "and 2 more" in home(root)


def test_a_repeated_message_stands_on_each_of_its_days(application, device, noon):
    device("a" * 64)
    message = Notification.objects.create(
        application=application,
        content={"title": "Morning digest"},
        audience={"everyone": True},
        send_at=noon,
        recurrence="FREQ=DAILY",
    )
    submit(message)
    days = now()
    assert [len(day.entries) for day in days] == [0, 1, 1, 1, 1, 1, 1]
    assert all(day.entries[0].repeats for day in days[1:])
    assert all(entry.due < end_of_week() for day in days for entry in day.entries)


def test_rules_that_take_long_do_not_hold_up_the_page(application, device, noon, monkeypatch):
    """What waits is shown in any case: it is a row."""
    device("a" * 64)
    for number in range(4):
        push(
            application,
            audience={"everyone": True},
            title=f"Digest {number}",
            send_at=noon,
            recurrence="FREQ=DAILY",
        )
    monkeypatch.setattr("django_push.admin.week.PATIENCE", -1.0)
    assert [len(day.entries) for day in now()] == [0, 4, 0, 0, 0, 0, 0]


def test_strangers_see_nothing_of_it(staff, as_user, application, store, device, noon):
    device("a" * 64)
    plan(application, "Doors open", noon)
    stranger = as_user(staff("stranger", there=(store, Role.MANAGER)))
    assert "Doors open" not in home(stranger)
    assert "This week" not in home(stranger)
