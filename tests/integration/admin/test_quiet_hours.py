"""Quiet hours in the console: set for an application, counted, and seen while a push waits."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest
from django.urls import reverse

from django_push.admin.preflight import look
from django_push.admin.report import Report
from django_push.models import Notification
from django_push.submission import submit
from django_push.worker import Worker
from tests.integration.admin.test_purposes import form, page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at_night(application, moving_clock):
    application.quiet_from, application.quiet_until = time(22), time(7)
    application.time_zone = "UTC"
    application.save()
    moving_clock.set(datetime(2027, 6, 1, 23, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("starts", "ends", "problem"),
    [
        ("22:00", "07:00", ""),
        ("", "", ""),
        ("22:00", "", "Give both times"),
        ("", "07:00", "Give both times"),
        ("22:00", "22:00", "no length"),
        ("25:00", "07:00", "Enter a valid time"),
    ],
)
def test_an_application_has_both_times_or_none(root, application, starts, ends, problem):
    data = {**form(application), "quiet_from": starts, "quiet_until": ends}
    answer = root.post(page(application), data)
    assert answer.status_code == (200 if problem else 302)
    assert problem in answer.content.decode()
    application.refresh_from_db()
    expected = ("22:00", "07:00") if starts == "22:00" and not problem else None
    assert application.quiet_hours is None or application.quiet_hours.in_words() == expected


def draft(application, **details) -> Notification:
    return Notification.objects.create(
        application=application, content={"title": "Hi"}, audience={"everyone": True}, **details
    )


def test_the_count_says_who_waits_until_when(application, device, at_night):
    device("a")
    device("b", time_zone="Asia/Tokyo")
    notes = look(draft(application)).count.notes
    assert any("1 has quiet hours and gets it at" in line for line in notes), notes
    notes = look(draft(application, time_to_live=60)).count.notes
    assert notes == ["1 is left out: the message expires before its quiet hours are over."]
    assert look(draft(application, transactional=True)).count.notes == []


def test_the_report_says_what_it_waits_for(root, application, device, at_night):
    device("a")
    device("b", time_zone="Asia/Tokyo")
    history = submit(draft(application))
    worker = Worker(listen=False)
    worker.drain(10)
    worker.close()
    history.refresh_from_db()
    sentence = Report(history).sentence
    assert "1 device has quiet hours; it goes on at" in sentence
    shown = root.get(reverse("admin:django_push_pushhistory_change", args=[history.pk]))
    assert "has quiet hours" in shown.content.decode()
