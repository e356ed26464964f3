"""Sending through the API, and watching what becomes of it."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from django_push import delivery
from django_push.models import (
    Credential,
    DeliveryFailure,
    Installation,
    Notification,
    PushHistory,
    Role,
)
from django_push.providers import locmem
from django_push.worker import Worker

from .conftest import bearer, refused, rows

User = get_user_model()

SEND = "/push/api/notifications/"
COUNT = "/push/api/audience/count"
HISTORY = "/push/api/history/"
EVERYONE = {"everyone": True}


@pytest.fixture(autouse=True)
def outbox():
    locmem.outbox.clear()
    yield locmem.outbox
    locmem.outbox.clear()


def work() -> None:
    worker = Worker(listen=False)
    worker.drain(20)
    worker.close()


def sent(client, **body):
    response = client.post(SEND, {"body": "Hello", "audience": EVERYONE, **body}, format="json")
    assert response.status_code == 201, response.json()
    return response.json()


def test_a_push_goes_from_the_api_to_the_device(server, device, outbox):
    device("b1")
    push = sent(server, title="Hi", data={"seat": "7A"})
    work()
    assert [delivery.token for delivery in outbox] == ["b1"]
    assert outbox[0].payload["aps"]["alert"] == {"title": "Hi", "body": "Hello"}
    shown = server.get(f"{HISTORY}{push['id']}/").json()
    assert (shown["state"], shown["devices"], shown["successes"]) == ("done", 1, 1)
    assert shown["progress"]["percent"] == 100
    assert shown["content"]["message"]["title"] == "Hi"
    assert (shown["source"], shown["sent_by"]) == ("api", "API key backend")


def test_the_message_is_found_by_its_id(server, device):
    push = sent(server, name="first", texts={"de": {"body": "Hallo"}})
    shown = server.get(f"{SEND}{push['notification']}").json()
    assert (shown["name"], shown["status"], shown["pushes"]) == ("first", "sent", [push["id"]])
    assert shown["content"]["body"] == "Hello"
    assert shown["texts"] == {"de": {"body": "Hallo"}}


def test_the_same_key_sends_once(server, device, outbox):
    device("b1")
    pushes = [
        server.post(
            SEND,
            {"body": "Hello", "audience": EVERYONE},
            format="json",
            headers={"Idempotency-Key": "order-17"},
        )
        for _ in range(2)
    ]
    assert [response.status_code for response in pushes] == [201, 201]
    assert pushes[0].json()["id"] == pushes[1].json()["id"]
    work()
    assert len(outbox) == 1


def test_the_same_key_for_another_push_is_a_conflict(server):
    key = {"Idempotency-Key": "order-17"}
    body = {"body": "Hello", "audience": EVERYONE}
    assert server.post(SEND, body, format="json", headers=key).status_code == 201
    before = rows()
    response = server.post(SEND, {**body, "body": "Bye"}, format="json", headers=key)
    refused(response, 409, "idempotency_conflict")
    assert rows() == before


@pytest.mark.parametrize("key", ["k" * 192, "a\tb"])
def test_an_idempotency_key_has_a_measure(server, key):
    body = {"body": "Hello", "audience": EVERYONE}
    response = server.post(SEND, body, format="json", headers={"Idempotency-Key": key})
    refused(response, 400, "wrong_value", "Idempotency-Key")
    assert not PushHistory.objects.exists()


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"titel": "Hi"}, "unknown_field", "titel"),
        ({"title": 7}, "wrong_type", "title"),
        ({"title": None}, "wrong_type", "title"),
        ({"badge": "1"}, "wrong_type", "badge"),
        ({"badge": True}, "wrong_type", "badge"),
        ({"badge": 2**70}, "wrong_type", "badge"),
        ({"mutable_content": 1}, "wrong_type", "mutable_content"),
        ({"data": []}, "wrong_type", "data"),
        ({"texts": []}, "wrong_type", "texts"),
        ({"overrides": 0}, "wrong_type", "overrides"),
        ({"priority": "urgent"}, "invalid_push", "priority"),
        ({"body": ""}, "empty_message", "body"),
        ({"audience": {}}, "empty_audience", "audience"),
        ({"audience": None}, "wrong_type", "audience"),
        ({"audience": []}, "wrong_type", "audience"),
        ({"audience": {"everyone": "yes"}}, "wrong_type", "audience"),
        ({"audience": {"channels": []}}, "empty_audience", "audience.channels"),
        ({"audience": {"channels": "news"}}, "wrong_type", "audience.channels"),
        ({"audience": {"users": [{}]}}, "wrong_type", "audience.users"),
        ({"audience": {"$where": "1=1"}}, "unknown_operator", "audience"),
        ({"audience": {"installations": ["f" * 24]}}, "unknown_installation", None),
        ({"application": "opera"}, "unknown_application", "application"),
        ({"application": "none"}, "unknown_application", "application"),
        ({"send_at": "tomorrow"}, "wrong_type", "send_at"),
        ({"send_at": "2027-01-12T08:00:00"}, "wrong_type", "send_at"),
        ({"send_at": 1_799_740_800}, "wrong_type", "send_at"),
        ({"send_at": "9999-12-31T23:59:59-23:00"}, "wrong_type", "send_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expired", "expires_at"),
        ({"time_to_live": -1}, "too_small", "time_to_live"),
        ({"time_to_live": 2**31}, "too_large", "time_to_live"),
        ({"time_to_live": 1.5}, "wrong_type", "time_to_live"),
        ({"rate": 0}, "too_small", "rate"),
        ({"name": "n" * 192}, "too_long", "name"),
        ({"variables": []}, "wrong_type", "variables"),
        ({"recurrence": "daily"}, "wrong_rule", "recurrence"),
        ({"status": "sent"}, "unknown_field", "status"),
        ({"created_by": 1}, "unknown_field", "created_by"),
    ],
)
def test_a_push_that_makes_no_sense_writes_nothing(server, device, other, change, code, field):
    device("b1")
    before = rows()
    body = {"body": "Hello", "audience": EVERYONE, **change}
    response = server.post(SEND, body, format="json", headers={"Idempotency-Key": "k"})
    refused(response, 400, code, field)
    assert rows() == before


def test_a_device_of_another_application_is_no_audience(server, device, other):
    own, foreign = (
        device("b1"),
        Installation.objects.register(other, device_type="ios", address="f0"),
    )
    audience = {"installations": [own.public_id, foreign.public_id]}
    before = rows()
    for address, body in (
        (SEND, {"body": "Hello", "audience": audience}),
        (COUNT, {"audience": audience}),
    ):
        response = server.post(address, body, format="json")
        message = refused(response, 400, "unknown_installation", "audience.installations")
        assert foreign.public_id in message
        assert own.public_id not in message
    assert rows() == before


class TestWithCredentials:
    """Without a redirect, as in production."""

    @pytest.fixture(autouse=True)
    def in_production(self, settings, at_home):
        settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": None}

    def test_a_payload_that_is_too_large_is_refused_with_its_bytes(self, server, application):
        Credential.objects.create(application=application, provider="apns", topic="com.example")
        before = rows()
        body = {"body": "x" * 5000, "audience": EVERYONE}
        message = refused(server.post(SEND, body, format="json"), 400, "payload_too_large")
        assert "4,096" in message
        assert rows() == before

    def test_an_application_that_cannot_send_says_so(self, server, device):
        device("b1")
        before = rows()
        body = {"body": "Hello", "audience": EVERYONE}
        refused(server.post(SEND, body, format="json"), 400, "no_credentials")
        assert rows() == before


class TestWhoMay:
    BODY = {"body": "Hello", "audience": EVERYONE}

    def test_nobody_sends_without_credentials(self, device):
        before = rows()
        refused(APIClient().post(SEND, self.BODY, format="json"), 401, "not_authenticated")
        refused(bearer("guess").post(SEND, self.BODY, format="json"), 401, "not_authenticated")
        assert rows() == before

    def test_a_client_key_does_not_send(self, phone, device):
        before = rows()
        for address in (SEND, COUNT):
            refused(phone.post(address, self.BODY, format="json"), 403, "client_key")
        assert rows() == before

    def test_an_editor_counts_and_does_not_send(self, staff, device, application):
        device("b1")
        client = staff(
            "add_notification", "send_notification", application=application, role=Role.EDITOR
        )
        before = rows()
        assert client.post(COUNT, {"audience": EVERYONE}, format="json").json()["devices"] == 1
        refused(client.post(SEND, self.BODY, format="json"), 403, "role_too_low")
        assert rows() == before

    def test_the_permission_to_compose_is_not_the_one_to_send(self, staff, application):
        client = staff("add_notification", application=application)
        refused(client.post(SEND, self.BODY, format="json"), 403, "permission_missing")
        assert not Notification.objects.exists()

    def test_a_sender_sends_and_is_named(self, staff, device, application):
        client = staff("send_notification", application=application, role=Role.SENDER)
        assert sent(client)["sent_by"] == User.objects.get().username
        assert Notification.objects.get().created_by == User.objects.get()

    def test_a_session_needs_the_csrf_token(self, staff, device, application):
        User.objects.create_superuser("root", password="secret")
        client = APIClient(enforce_csrf_checks=True)
        client.login(username="root", password="secret")
        refused(client.post(SEND, self.BODY, format="json"), 403, "not_allowed_here")
        assert not Notification.objects.exists()


class TestCount:
    def test_an_audience_is_counted_and_said_in_words(self, server, device):
        device("b1", channels=["news"])
        device("tokentoken:1", "android", channels=["news"])
        off = device("b2", channels=["news"])
        Installation.objects.filter(pk=off.pk).update(is_active=False)
        body = {"audience": {"channels": ["news"]}}
        assert server.post(COUNT + "/", body, format="json").json() == {
            "devices": 2,
            "per_type": {"android": 1, "ios": 1},
            "no_credential": 0,
            "inactive": 1,
            "opted_out": 0,
            "local": None,
            "quiet": None,
            "in_words": "channel “news”",
        }

    def test_an_audience_that_makes_no_sense_is_refused(self, server):
        body = {"audience": {"friends": ["ana"]}}
        message = refused(server.post(COUNT, body, format="json"), 400, "unknown_operator")
        assert "channels" in message


class TestHistory:
    def test_failures_are_listed_with_the_providers_reason(self, server, device):
        good, bad = device("b1"), device("fail-1")
        push = sent(server)
        work()
        shown = server.get(f"{HISTORY}{push['id']}/").json()
        assert shown["progress"]["failures"] == 1
        assert [reason["reason"] for reason in shown["failure_reasons"]] == ["Rejected"]
        page = server.get(f"{HISTORY}{push['id']}/failures/").json()
        assert [row["installation"] for row in page["results"]] == [bad.public_id]
        assert page["results"][0]["status"] == "rejected"
        assert good.public_id not in str(page)
        none = server.get(f"{HISTORY}{push['id']}/failures?status=unregistered").json()
        assert none["results"] == []

    def test_a_failure_of_an_erased_device_stays(self, server, device):
        bad = device("fail-1")
        push = sent(server)
        work()
        Installation.objects.filter(pk=bad.pk).delete()
        assert DeliveryFailure.objects.count() == 1
        page = server.get(f"{HISTORY}{push['id']}/failures/").json()
        assert [row["installation"] for row in page["results"]] == [None]

    def test_a_push_is_paused_resumed_and_cancelled(self, server, device, outbox):
        for number in range(3):
            device(f"{number:04x}")
        address = f"{HISTORY}{sent(server)['id']}"
        assert server.post(f"{address}/pause").json()["state"] == "paused"
        work()
        assert not outbox
        assert server.post(f"{address}/resume/").json()["state"] == "sending"
        assert server.post(f"{address}/cancel").json()["state"] == "cancelled"
        for verb in ("pause", "resume", "cancel"):
            refused(server.post(f"{address}/{verb}"), 409, "not_allowed")
        work()
        assert not outbox

    def test_a_scheduled_message_is_cancelled_by_its_own_id(self, server, device):
        push = sent(server, send_at="2999-01-01T00:00:00Z")
        assert push["state"] == "scheduled"
        address = f"{SEND}{push['notification']}/cancel"
        assert server.post(address).json()["status"] == "draft"
        assert PushHistory.objects.get().state == "cancelled"
        refused(server.post(address), 409, "not_allowed")

    def test_pushes_of_other_applications_do_not_exist(self, server, foreign_key, device):
        push = sent(server)
        stranger = bearer(foreign_key)
        for address in (HISTORY, SEND):
            assert stranger.get(address).json()["results"] == []
        refused(stranger.get(f"{SEND}{push['notification']}/"), 404, "not_found")
        refused(stranger.post(f"{SEND}{push['notification']}/cancel/"), 404, "not_found")
        refused(stranger.get(f"{HISTORY}{push['id']}/"), 404, "not_found")
        refused(stranger.get(f"{HISTORY}{push['id']}/failures/"), 404, "not_found")
        for verb in ("cancel", "pause", "resume"):
            refused(stranger.post(f"{HISTORY}{push['id']}/{verb}/"), 404, "not_found")
        assert PushHistory.objects.get().state == "sending"

    def test_a_viewer_watches_and_stops_nothing(self, server, staff, application, device):
        push = sent(server)
        client = staff(
            "view_pushhistory", "send_notification", application=application, role=Role.VIEWER
        )
        assert client.get(f"{HISTORY}{push['id']}/").status_code == 200
        refused(client.post(f"{HISTORY}{push['id']}/cancel/"), 403, "role_too_low")
        assert PushHistory.objects.get().state == "sending"

    def test_filters(self, server, device):
        first, second = sent(server), sent(server, send_at="2999-01-01T00:00:00Z")
        found = server.get(f"{HISTORY}?state=scheduled").json()["results"]
        assert [row["id"] for row in found] == [second["id"]]
        found = server.get(f"{HISTORY}?notification={first['notification']}").json()["results"]
        assert [row["id"] for row in found] == [first["id"]]
        found = server.get(f"{SEND}?status=scheduled").json()["results"]
        assert [row["id"] for row in found] == [second["notification"]]
        found = server.get(f"{HISTORY}?created_since=2999-01-01T00:00:00Z").json()["results"]
        assert found == []

    @pytest.mark.parametrize("name", ["1", str(uuid.UUID(int=0)), "x" * 24, "0" * 24])
    def test_what_does_not_exist_is_not_found(self, server, name):
        refused(server.get(f"{HISTORY}{name}/"), 404, "not_found")
        refused(server.get(f"{SEND}{name}/"), 404, "not_found")
        refused(server.get(f"/push/api/installations/{name}/"), 404, "not_found")


def test_progress_is_the_ledgers(server, device):
    push = sent(server, audience={"installations": [device("b1").public_id]})
    shown = server.get(f"{HISTORY}{push['id']}/").json()["progress"]
    counted = delivery.progress(PushHistory.objects.get())
    assert (shown["devices"], shown["open"], shown["planned"]) == (1, 1, True)
    assert shown["devices"] == counted.devices


def test_a_draft_cannot_be_cancelled(server, application):
    draft = Notification.objects.create(
        application=application, content={"title": "Hi"}, audience={"everyone": True}
    )
    refused(server.post(f"{SEND}{draft.public_id}/cancel/"), 409, "not_allowed")
