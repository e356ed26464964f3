"""Schedules through the API: at the devices' own clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from django_push.models import Notification, PushHistory

from .conftest import bearer, refused, rows

SEND = "/push/api/notifications/"
COUNT = "/push/api/audience/count"
EVERYONE = {"everyone": True}


@pytest.fixture(autouse=True)
def zone(application):
    application.time_zone = "Europe/Berlin"
    application.save()


def send(client, **body):
    return client.post(SEND, {"body": "Hello", "audience": EVERYONE, **body}, format="json")


def test_a_time_without_an_offset_is_what_the_devices_clocks_show(server):
    response = send(server, send_at="2090-06-01T09:00:00", local_time=True)
    assert response.status_code == 201, response.json()
    notification = Notification.objects.get()
    assert notification.local_time
    assert notification.send_at == datetime(2090, 6, 1, 7, tzinfo=UTC)
    assert PushHistory.objects.get().content["local"]["wall"] == "2090-06-01T09:00:00"
    shown = server.get(f"{SEND}{notification.public_id}/").json()
    assert (shown["local_time"], shown["status"]) == (True, "scheduled")


def test_a_moment_with_its_offset_is_what_the_applications_clock_shows_then(server):
    assert send(server, send_at="2090-06-01T07:00:00Z", local_time=True).status_code == 201
    assert PushHistory.objects.get().content["local"]["wall"] == "2090-06-01T09:00:00"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"local_time": True}, "no_moment", "send_at"),
        ({"local_time": "yes"}, "wrong_type", "local_time"),
        ({"local_time": True, "send_at": "2020-06-01T09:00:00"}, "passed", "send_at"),
        ({"send_at": "2090-06-01T09:00:00"}, "wrong_type", "send_at"),
        ({"local_time": True, "send_at": "tomorrow"}, "wrong_type", "send_at"),
        ({"expires_at": "2090-06-01T09:00:00"}, "wrong_type", "expires_at"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused_and_named(server, body, code, field):
    before = rows()
    refused(send(server, **body), 400, code, field)
    assert rows() == before


def test_the_count_says_who_gets_it_when(server, device):
    now = datetime.now(UTC)
    device("b1", time_zone="Etc/GMT-9")  # nine hours ahead: two hours ago there
    device("b2", time_zone="Etc/GMT-6")  # in an hour
    device("b3")
    wall = (now + timedelta(hours=7)).replace(tzinfo=None, microsecond=0)
    body = {"audience": EVERYONE, "send_at": wall.isoformat(), "local_time": True}
    found = server.post(COUNT + "/", body, format="json").json()
    assert found["devices"] == 2
    local = found["local"]
    assert (local["at_once"], local["later"], local["passed"], local["no_zone"]) == (0, 2, 1, 1)
    assert local["first"] < local["last"]


def test_a_repeat_with_another_schedule_is_no_repeat(server):
    body = {"body": "Hello", "audience": EVERYONE, "send_at": "2090-06-01T07:00:00Z"}
    first = server.post(SEND, body, format="json", HTTP_IDEMPOTENCY_KEY="k")
    assert first.status_code == 201
    same = {**body, "send_at": "2090-06-01T09:00:00+02:00"}  # the same moment
    again = server.post(SEND, same, format="json", HTTP_IDEMPOTENCY_KEY="k")
    assert again.json()["id"] == first.json()["id"]
    other = server.post(SEND, {**body, "local_time": True}, format="json", HTTP_IDEMPOTENCY_KEY="k")
    refused(other, 409, "idempotency_conflict")


def test_a_message_that_repeats(server):
    body = {"send_at": "2090-01-02T09:00:00", "recurrence": "FREQ=WEEKLY;BYDAY=MO,TH"}
    push = send(server, **body).json()
    assert push["due_at"] == "2090-01-02T08:00:00Z"
    notification = Notification.objects.get()
    address = f"{SEND}{notification.public_id}/"
    shown = server.get(address).json()
    assert shown["recurrence"] == "FREQ=WEEKLY;BYDAY=MO,TH"
    assert shown["recurrence_in_words"] == "every Monday and Thursday at 09:00"
    assert (shown["status"], shown["next_at"]) == ("repeating", "2090-01-02T08:00:00Z")
    shown = server.post(f"{address}pause/").json()
    assert (shown["status"], shown["next_at"]) == ("paused", None)
    assert server.get(f"/push/api/history/{push['id']}/").json()["state"] == "cancelled"
    assert server.post(f"{address}resume/").json()["status"] == "repeating"
    refused(server.post(f"{address}resume/"), 409, "not_allowed")
    assert server.post(f"{address}cancel/").json()["status"] == "draft"
    refused(server.post(f"{address}pause/"), 409, "not_allowed")


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({"recurrence": "FREQ=DAILY;BYHOUR=25"}, "wrong_rule", "BYHOUR must be 0 to 23"),
        ({"recurrence": "hourly"}, "wrong_rule", "FREQ"),
        ({"recurrence": 7}, "wrong_type", "text"),
        ({"recurrence": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "never", "never"),
        ({"recurrence": "FREQ=HOURLY", "local_time": True}, "too_often", "once a day"),
    ],
)
def test_a_rule_that_cannot_be_used_names_its_part(server, body, code, says):
    before = rows()
    response = send(server, send_at="2090-01-02T09:00:00", **body)
    assert says in refused(response, 400, code, "recurrence")
    assert rows() == before


def test_a_client_key_cannot_pause_and_another_application_sees_nothing(server, phone, foreign_key):
    send(server, send_at="2090-01-02T09:00:00", recurrence="FREQ=DAILY")
    address = f"{SEND}{Notification.objects.get().public_id}/pause/"
    assert phone.post(address).status_code == 403
    assert bearer(foreign_key).post(address).status_code == 404
    assert Notification.objects.get().status == "repeating"


def test_a_key_is_remembered_as_long_as_the_body_says(server, moving_clock):
    body = {"body": "Hello", "audience": EVERYONE, "idempotency_seconds": 60}

    def again():
        return server.post(SEND, body, format="json", HTTP_IDEMPOTENCY_KEY="k").json()["id"]

    first = again()
    assert again() == first
    moving_clock.forward(seconds=61)
    assert again() != first
    response = send(server, idempotency_seconds=0)
    refused(response, 400, field="idempotency_seconds", code="too_small")


def test_several_at_once_may_have_schedules_too(server, device):
    devices = [device(f"b{number}").public_id for number in (1, 2, 3)]
    nine = "2090-01-02T09:00:00"
    schedules = [
        {"send_at": nine, "local_time": True},
        {"send_at": nine, "recurrence": "FREQ=DAILY"},
        {"send_at": "2090-01-02T08:00:00Z"},
    ]
    pushes = [
        {"body": "Hello", "audience": {"installations": [chosen]}, **schedule}
        for chosen, schedule in zip(devices, schedules, strict=True)
    ]
    response = server.post(f"{SEND}batch/", {"pushes": pushes}, format="json")
    assert response.status_code == 201, response.json()
    assert [push.state for push in PushHistory.objects.all()] == ["scheduled"] * 3
    assert {push.due_at for push in PushHistory.objects.all()} == {
        datetime(2090, 1, 2, 8, tzinfo=UTC)
    }
    statuses = Notification.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["scheduled", "repeating", "scheduled"]
