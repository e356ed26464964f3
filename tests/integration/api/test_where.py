"""Conditions on devices through the API: whom they find, and what is answered to a bad one."""

from __future__ import annotations

import pytest

from django_push.delivery import claim_plan
from django_push.models import Installation, Notification, Owner, PushHistory
from django_push.submission import count, push
from django_push.worker import Worker

from .conftest import refused

SEND = "/push/api/notifications/"
COUNT = "/push/api/audience/count"


def counted(client, application, audience) -> int:
    body = {"audience": audience, "application": application.key}
    response = client.post(COUNT, body, format="json")
    assert response.status_code == 200, response.json()
    return response.json()["devices"]


@pytest.fixture
def phones(device):
    device("proved", owner=Owner(user_key="7", proved=True), locale="de")
    device("claimed", owner=Owner(user_key="7"), locale="fr")
    device("nobody", attributes={"prefs": {"lang": "de"}})


@pytest.mark.parametrize(
    ("where", "devices"),
    [
        ({"deviceType": "ios"}, 3),
        ({"localeIdentifier": {"$in": ["de", "fr"]}}, 2),
        ({"prefs.lang": {"$ne": "de"}}, 2),
        ({"$nor": [{"locale": "de"}, {"locale": "fr"}]}, 1),
        ({"badge": "0"}, 0),
    ],
)
def test_it_is_counted_and_said_in_words(server, application, phones, where, devices):
    assert counted(server, application, {"where": where}) == devices


@pytest.mark.parametrize(
    ("where", "code", "field"),
    [
        ({"badge": {"$where": "1"}}, "unknown_operator", "audience.where.badge.$where"),
        ({"x": {"$regex": "(a+)+$"}}, "regex_construct", "audience.where.x.$regex"),
        ({"deviceToken": {"$gt": "a"}}, "operator_not_allowed", "audience.where.deviceToken.$gt"),
        ({"a b": 1}, "unknown_field", "audience.where.a b"),
        ([], "wrong_type", "audience.where"),
    ],
)
@pytest.mark.parametrize("path", [SEND, COUNT])
def test_a_bad_one_is_a_400_that_names_the_place(server, application, path, where, code, field):
    body = {"audience": {"where": where}, **({"body": "Hi"} if path == SEND else {})}
    response = server.post(path, body, format="json")
    refused(response, 400, code, field)
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    "where",
    [
        {"userId": "7"},
        {"user": {"__type": "Pointer", "className": "_User", "objectId": "7"}},
        {"user": {"$in": ["7"]}, "deviceType": "ios"},
    ],
)
def test_a_server_keys_where_finds_claimed_ids_and_no_other(
    server, application, phones, admin_client, where
):
    assert counted(server, application, {"where": where}) == 2
    assert count(application, {"where": where}).devices == 1
    assert counted(server, application, {"users": ["7"], "where": {"badge": 0}}) == 1


def test_what_a_server_key_sends_reaches_claimed_ids_as_it_was_counted(server, phones, application):
    body = {"body": "Hi", "audience": {"where": {"userId": "7"}}}
    assert server.post(SEND, body, format="json").status_code == 201
    push(application, audience=body["audience"], body="Hi")
    worker = Worker(listen=False)
    worker.drain(20)
    worker.close()
    by_key, by_project = PushHistory.objects.order_by("pk")
    assert (by_key.devices, by_project.devices) == (2, 1)


def test_a_device_that_changed_hands_gets_no_push_that_asked_for_its_user(
    server, phones, application
):
    body = {"body": "Hi", "audience": {"where": {"userId": "7"}}}
    server.post(SEND, body, format="json")
    while (plan := claim_plan("tests")) is not None:
        while plan.step():
            pass
    Installation.objects.register(
        application, device_type="ios", address="proved", owner=Owner(user_key="8", proved=True)
    )
    worker = Worker(listen=False)
    worker.drain(20)
    worker.close()
    history = PushHistory.objects.get()
    assert (history.devices, history.skipped) == (1, {"changed_hands": 1})
