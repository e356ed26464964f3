"""Several pushes in one request."""

from __future__ import annotations

import pytest

from django_push.models import Notification, PushHistory, Role

from .conftest import refused

BATCH = "/push/api/notifications/batch/"


def to(device, **said):
    return {"body": "Hello", "audience": {"installations": [device.public_id]}, **said}


def test_each_says_something_else(server, device):
    ana, ben = device("b1"), device("b2")
    body = {"pushes": [to(ana, body="For Ana"), to(ben, body="For Ben")]}
    response = server.post(BATCH, body, format="json")
    assert response.status_code == 201, response.json()
    ids = response.json()["pushes"]
    pushes = PushHistory.objects.in_bulk(ids, field_name="public_id").values()
    assert {str(push.public_id): push.message.body for push in pushes} == dict(
        zip(ids, ["For Ana", "For Ben"], strict=True)
    )


def test_keys_make_it_safe_to_repeat(server, device):
    body = {"pushes": [to(device("b1"), idempotency_key="order-17"), to(device("b2"))]}
    first = server.post(BATCH, body, format="json").json()["pushes"]
    again = server.post(BATCH, body, format="json").json()["pushes"]
    assert (first[0] == again[0], first[1] == again[1]) == (True, False)
    body["pushes"][0]["body"] = "Something else"
    refused(server.post(BATCH, body, format="json"), 409, "idempotency_conflict")


def test_one_bad_push_stops_all(server, device):
    good = to(device("b1"))
    response = server.post(BATCH, {"pushes": [good, to(device("b2"), colour="red")]}, format="json")
    refused(response, 400, "unknown_field", "pushes.1.colour")
    response = server.post(BATCH, {"pushes": [good, {**good, "body": ""}]}, format="json")
    refused(response, 400, "empty_message", "pushes.1.body")
    refused(server.post(BATCH, {"pushes": []}, format="json"), 400, "empty")
    refused(server.post(BATCH, {"pushes": [good] * 501}, format="json"), 400, "too_long")
    assert not Notification.objects.exists()


def test_a_client_key_may_not(phone, device):
    response = phone.post(BATCH, {"pushes": [to(device("b1"))]}, format="json")
    refused(response, 403, "client_key")


@pytest.mark.parametrize("bad", [[{"body": "Hi"}], ["body"], 5, "Hi", None])
def test_a_push_that_is_no_object_is_told_where_it_stands(server, device, bad):
    response = server.post(BATCH, {"pushes": [to(device("b1")), bad]}, format="json")
    assert refused(response, 400, response.json()["code"], "pushes.1")
    assert not Notification.objects.exists()


def test_one_key_for_all_is_not_passed_over_in_silence(server, device):
    response = server.post(
        BATCH, {"pushes": [to(device("b1"))]}, format="json", headers={"Idempotency-Key": "once"}
    )
    assert "of its own" in refused(response, 400, "wrong_value", "Idempotency-Key")
    assert not Notification.objects.exists()


def test_staff_of_another_application_send_nothing(staff, application, other, device):
    mine = to(device("b1"))
    visitor = staff("send_notification", application=other, role=Role.SENDER)
    for body in ({"application": application.key, "pushes": [mine]}, {"pushes": [mine]}):
        assert visitor.post(BATCH, body, format="json").status_code == 400
    composer = staff("send_notification", application=application, role=Role.EDITOR)
    refused(composer.post(BATCH, {"pushes": [mine]}, format="json"), 403, "role_too_low")
    assert not Notification.objects.exists()
