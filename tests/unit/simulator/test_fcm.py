"""FCM's judgement of a single request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from django_push.simulator import Behaviour, Fate, Identity
from django_push.simulator.fcm import Fcm
from django_push.simulator.oauth import AccessTokens
from django_push.simulator.wire import Answer, Peer, Request

from .conftest import Clock

TOKEN = "cafe0123:APA91b-_" + "x" * 120
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


class Provider:
    """Sends to the judge what a client would."""

    def __init__(self, identity: Identity, clock: Clock) -> None:
        self.tokens = AccessTokens(clock)
        self.fcm = Fcm(identity, self.tokens, clock)
        self.path = f"/v1/projects/{identity.project_id}/messages:send"
        self.access = self.tokens.issue()[0]

    def post(self, body: bytes, path: str | None = None, **headers: str | None) -> Answer:
        path = path or self.path
        given: dict[str, str | None] = {
            ":method": "POST",
            ":path": path,
            "authorization": f"Bearer {self.access}",
            "content-type": "application/json",
        }
        given |= headers
        fields = {name.encode(): value.encode() for name, value in given.items() if value}
        return self.fcm.answer(Request(Peer(), path.encode(), fields, len(fields), body))

    def send(self, message: Any = None, **request: Any) -> Answer:
        message = {"token": TOKEN} if message is None else message
        return self.post(compact({"message": message, **request}))


@pytest.fixture
def provider(identity: Identity, clock: Clock) -> Provider:
    return Provider(identity, clock)


def compact(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def error_of(answer: Answer) -> dict[str, Any]:
    document = json.loads(answer.body)
    error = document["error"]
    assert isinstance(error, dict)
    assert error["code"] == answer.status
    return error


def fields_of(answer: Answer) -> list[str]:
    """Return the fields that the answer calls wrong."""
    for detail in error_of(answer)["details"]:
        if detail["@type"] == BAD_REQUEST:
            return [violation["field"] for violation in detail["fieldViolations"]]
    return []


def test_a_good_message_gets_a_name(provider: Provider, identity: Identity) -> None:
    answer = provider.send({"token": TOKEN, "notification": {"title": "Hello"}})

    name = json.loads(answer.body)["name"]
    assert (answer.status, answer.outcome) == (200, "sent")
    assert name.startswith(f"projects/{identity.project_id}/messages/")
    assert answer.record is not None
    assert (answer.record.token, answer.record.ident) == (TOKEN.encode(), name.encode())


def test_names_differ(provider: Provider) -> None:
    assert provider.send().body != provider.send().body


def test_a_full_message_is_accepted_in_both_spellings(provider: Provider) -> None:
    snake = {
        "token": TOKEN,
        "data": {"push_id": "1"},
        "notification": {"title": "T", "body": "B", "image": "https://example.com/x.png"},
        "android": {
            "collapse_key": "k",
            "priority": "high",
            "ttl": "3.5s",
            "restricted_package_name": "com.example",
            "direct_boot_ok": True,
            "notification": {
                "channel_id": "c",
                "color": "#aabbcc",
                "tag": "t",
                "title_loc_args": ["a"],
                "vibrate_timings": ["0.5s", "1s"],
                "visibility": "PUBLIC",
                "notification_count": 3,
                "light_settings": {"color": {"red": 1, "green": 0.5}, "light_on_duration": "1s"},
            },
        },
        "webpush": {
            "headers": {"TTL": "15"},
            "notification": {"title": "T", "actions": [1]},
            "fcm_options": {"link": "https://example.com/"},
        },
        "apns": {"headers": {"apns-priority": "5"}, "payload": {"aps": {"badge": 1}, "x": 1}},
        "fcm_options": {"analytics_label": "l"},
    }
    camel = {
        "token": TOKEN,
        "android": {
            "collapseKey": "k",
            "restrictedPackageName": "com.example",
            "bandwidthConstrainedOk": True,
            "notification": {"channelId": "c", "bodyLocKey": "k"},
        },
        "apns": {"liveActivityToken": "x"},
        "fcmOptions": {"analyticsLabel": "l"},
    }

    assert provider.send(snake).status == 200
    assert provider.send(camel).status == 200


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"token": TOKEN, "data": {"n": 12}}, "message.data[0].value"),
        ({"token": TOKEN, "data": {"a": "b", "n": None}}, "message.data[1].value"),
        ({"token": TOKEN, "data": "x"}, "message.data"),
        ({"token": TOKEN, "android": {"data": {"n": True}}}, "message.android.data[0].value"),
        ({"token": TOKEN, "notification": {"title": 1}}, "message.notification.title"),
        ({"token": TOKEN, "notification": "Hello"}, "message.notification"),
        ({"token": TOKEN, "android": {"ttl": 3600}}, "message.android.ttl"),
        ({"token": TOKEN, "android": {"ttl": "1h"}}, "message.android.ttl"),
        ({"token": TOKEN, "android": {"ttl": "3600"}}, "message.android.ttl"),
        ({"token": TOKEN, "android": {"priority": "urgent"}}, "message.android.priority"),
        (
            {"token": TOKEN, "android": {"notification": {"title_loc_args": ["a", 1]}}},
            "message.android.notification.title_loc_args[1]",
        ),
        (
            {"token": TOKEN, "android": {"notification": {"title_loc_args": "a"}}},
            "message.android.notification.title_loc_args",
        ),
        (
            {"token": TOKEN, "android": {"notification": {"notification_count": "3"}}},
            "message.android.notification.notification_count",
        ),
        ({"token": TOKEN, "apns": {"payload": "x"}}, "message.apns.payload"),
        ({"token": 12}, "message.token"),
        ("Hello", "message"),
    ],
)
def test_a_wrong_type_is_refused_by_the_parser(
    provider: Provider, message: Any, field: str
) -> None:
    answer = provider.send(message)

    error = error_of(answer)
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert fields_of(answer) == [field]
    assert error["message"].startswith(f"Invalid value at '{field}'")
    assert FCM_ERROR not in json.dumps(error["details"])


def test_a_wrong_value_is_shown_as_google_shows_it(provider: Provider) -> None:
    error = error_of(provider.send({"token": TOKEN, "data": {"n": 12}}))

    assert error["message"] == "Invalid value at 'message.data[0].value' (TYPE_STRING), 12"


@pytest.mark.parametrize(
    ("request_body", "field", "where"),
    [
        ({"message": {"token": TOKEN, "sound": "x"}}, "message", " at 'message'"),
        (
            {"message": {"token": TOKEN, "android": {"click_action": "x"}}},
            "message.android",
            " at 'message.android'",
        ),
        ({"message": {"token": TOKEN}, "registration_ids": []}, "", ""),
        ({"to": TOKEN}, "", ""),
        ({"message": {"token": TOKEN, "fcm_Options": {}}}, "message", " at 'message'"),
    ],
)
def test_an_unknown_field_is_refused(
    provider: Provider, request_body: Any, field: str, where: str
) -> None:
    answer = provider.post(compact(request_body))

    assert fields_of(answer) == [field]
    assert f"{where}: Cannot find field." in error_of(answer)["message"]


@pytest.mark.parametrize(
    ("message", "field", "words"),
    [
        ({}, "message", "Recipient of the message is not set."),
        ({"token": ""}, "message", "Recipient of the message is not set."),
        ({"token": TOKEN, "topic": "news"}, "message", "Cannot set 'topic'"),
        ({"fid": "x" * 22, "condition": "'a' in topics"}, "message", "Cannot set 'condition'"),
        ({"topic": "/topics/news"}, "message.topic", "Malformed topic name"),
        ({"topic": "two words"}, "message.topic", "Malformed topic name"),
        ({"condition": "news"}, "message.condition", "Invalid condition"),
        ({"condition": "'a' in topics; drop"}, "message.condition", "Invalid condition"),
        (
            {"condition": " || ".join(f"'t{n}' in topics" for n in range(6))},
            "message.condition",
            "Invalid condition",
        ),
        ({"token": TOKEN, "data": {"from": "x"}}, "message.data", "Invalid data payload key: from"),
        ({"token": TOKEN, "data": {"gcm.n": "x"}}, "message.data", "gcm.n"),
        ({"token": TOKEN, "data": {"google.x": "x"}}, "message.data", "google.x"),
        ({"token": TOKEN, "data": {"": "x"}}, "message.data", "Invalid data payload key"),
        (
            {"token": TOKEN, "android": {"data": {"from": "x"}}},
            "message.android.data",
            "Invalid data payload key",
        ),
        ({"token": TOKEN, "android": {"ttl": "2419201s"}}, "message.android.ttl", "time to live"),
        ({"token": TOKEN, "android": {"ttl": "-1s"}}, "message.android.ttl", "time to live"),
        (
            {"token": TOKEN, "android": {"notification": {"color": "red"}}},
            "message.android.notification.color",
            "Invalid color",
        ),
        ({"token": TOKEN, "apns": {"payload": {"aps": 1}}}, "message.apns.payload.aps", "aps"),
    ],
)
def test_what_fcm_refuses_has_both_details(
    provider: Provider, message: Any, field: str, words: str
) -> None:
    answer = provider.send(message)

    error = error_of(answer)
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert fields_of(answer) == [field]
    assert words in error["message"]
    assert {"@type": FCM_ERROR, "errorCode": "INVALID_ARGUMENT"} in error["details"]


@pytest.mark.parametrize("ttl", ["0s", "2419200s", "3.000000001s"])
def test_ttl_may_be_0_to_four_weeks(provider: Provider, ttl: str) -> None:
    assert provider.send({"token": TOKEN, "android": {"ttl": ttl}}).status == 200


@pytest.mark.parametrize(
    "target",
    [
        {"fid": "c" * 22},
        {"topic": "news-2026_a.b~c%20"},
        {"condition": "'a' in topics && ('b' in topics || !('c' in topics))"},
    ],
)
def test_other_targets_are_accepted(provider: Provider, target: dict[str, str]) -> None:
    answer = provider.send(target)

    assert answer.status == 200
    assert answer.record is not None
    kind, value = next(iter(target.items()))
    shown = value if kind == "fid" else f"{kind}:{value}"
    assert answer.record.token.decode() == shown


@pytest.mark.parametrize(("target", "limit"), [({"token": TOKEN}, 4096), ({"topic": "t"}, 2048)])
def test_the_size_limit_is_met_to_the_byte(
    provider: Provider, target: dict[str, str], limit: int
) -> None:
    fitting = {**target, "data": {"k": "x" * (limit - 1)}}
    too_big = {**target, "data": {"k": "é" + "x" * (limit - 2)}}

    assert provider.send(fitting).status == 200
    answer = provider.send(too_big)
    assert fields_of(answer) == ["message"]
    assert error_of(answer)["message"] == "Android message is too big"


def test_the_notification_counts_too(provider: Provider) -> None:
    message = {"token": TOKEN, "data": {"k": "x" * 4000}, "notification": {"body": "x" * 100}}

    assert error_of(provider.send(message))["message"] == "Android message is too big"


def test_an_apns_payload_has_apples_limit(provider: Provider) -> None:
    message = {"token": TOKEN, "apns": {"payload": {"aps": {}, "x": "x" * 4096}}}

    assert error_of(provider.send(message))["message"] == "APNs message is too big"


def test_validate_only_sends_nothing(provider: Provider, identity: Identity) -> None:
    answer = provider.send(validate_only=True)

    name = f"projects/{identity.project_id}/messages/fake_message_id"
    assert (json.loads(answer.body), answer.outcome) == ({"name": name}, "validated")
    assert provider.send({"token": TOKEN, "sound": 1}, validate_only=True).status == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff"])
def test_what_is_no_message_is_refused(provider: Provider, body: bytes) -> None:
    error = error_of(provider.post(body))

    assert error["status"] == "INVALID_ARGUMENT"
    assert error["message"].startswith("Invalid JSON payload received.")


def test_no_message_has_no_recipient(provider: Provider) -> None:
    assert "Recipient" in error_of(provider.post(b"{}"))["message"]
    assert "Recipient" in error_of(provider.post(b'{"message":null}'))["message"]


@pytest.mark.parametrize(
    ("prefix", "code", "status", "fcm_code"),
    [
        ("dead", 404, "NOT_FOUND", "UNREGISTERED"),
        ("bad0", 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("4290", 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
        ("5030", 503, "UNAVAILABLE", "UNAVAILABLE"),
    ],
)
def test_the_first_four_characters_are_the_devices_fate(
    provider: Provider, prefix: str, code: int, status: str, fcm_code: str
) -> None:
    answer = provider.send({"token": prefix + TOKEN[4:]})

    error = error_of(answer)
    assert (error["code"], error["status"]) == (code, status)
    assert error["details"] == [{"@type": FCM_ERROR, "errorCode": fcm_code}]
    assert answer.outcome == fcm_code


@pytest.mark.parametrize("token", ["short", "x" * 30 + " y", "x" * 5000, "é" * 40])
def test_a_malformed_token_is_no_registration_token(provider: Provider, token: str) -> None:
    error = error_of(provider.send({"token": token}))

    assert error["message"] == "The registration token is not a valid FCM registration token"
    assert error["details"] == [{"@type": FCM_ERROR, "errorCode": "INVALID_ARGUMENT"}]


def test_quota_and_outage_say_when_to_come_back(provider: Provider) -> None:
    waits = [
        dict(provider.send({"token": prefix + TOKEN[4:]}).headers)[b"retry-after"]
        for prefix in ("4290", "5030")
    ]
    assert waits == [b"60", b"10"]

    provider.fcm.behave(Behaviour(retry_after=3))

    assert dict(provider.send({"token": "4290" + TOKEN[4:]}).headers)[b"retry-after"] == b"3"


def test_slow_and_goaway_devices_are_accepted(provider: Provider) -> None:
    slow = provider.send({"token": "510e" + TOKEN[4:]})
    leaving = provider.send({"token": "90a1" + TOKEN[4:]})

    assert (slow.status, slow.delay, slow.goaway) == (200, 2.0, False)
    assert (leaving.status, leaving.delay, leaving.goaway) == (200, 0.0, True)


def test_a_token_of_another_project_can_be_played(provider: Provider) -> None:
    provider.fcm.behave(Behaviour(fates={"cafe": Fate.WRONG_APP}))

    error = error_of(provider.send())

    assert (error["code"], error["message"]) == (403, "SenderId mismatch")
    assert error["details"][0]["errorCode"] == "SENDER_ID_MISMATCH"


@pytest.mark.parametrize("authorization", [None, "key=AAAA", "Bearer ", "Bearer ya29.unknown"])
def test_without_a_good_access_token_nothing_is_sent(
    provider: Provider, authorization: str | None
) -> None:
    answer = provider.post(compact({"message": {"token": TOKEN}}), authorization=authorization)

    assert error_of(answer)["status"] == "UNAUTHENTICATED"
    assert b"www-authenticate" in dict(answer.headers)


def test_an_access_token_is_good_for_an_hour(provider: Provider, clock: Clock) -> None:
    assert provider.send().status == 200
    clock.now += 3600

    assert provider.send().status == 401


def test_all_credentials_can_be_refused(provider: Provider) -> None:
    provider.fcm.behave(Behaviour(credentials="refuse"))

    assert provider.send().status == 401


def test_another_project_is_forbidden(provider: Provider) -> None:
    answer = provider.post(b"{}", "/v1/projects/other/messages:send")

    assert error_of(answer)["status"] == "PERMISSION_DENIED"
    assert "projects/other" in error_of(answer)["message"]


@pytest.mark.parametrize("path", ["/v1/projects/x", "/v1/projects/x/messages:cancel"])
def test_an_unknown_address_is_not_found(provider: Provider, path: str) -> None:
    assert error_of(provider.post(b"{}", path))["status"] == "NOT_FOUND"


def test_messages_that_differ_only_in_the_token_are_judged_alike(
    provider: Provider, identity: Identity, clock: Clock
) -> None:
    """The judge reads such bodies once; that must never show."""
    good = {"notification": {"title": "T"}}
    bad = {"sound": "x"}
    for token in (TOKEN, "dead" + TOKEN[4:], "x" * 20, "short", 'quote"and\\slash' * 3, TOKEN):
        fresh = Provider(identity, clock)
        for content in (good, bad):
            message = {"token": token, **content}
            assert provider.send(message).outcome == fresh.send(message).outcome


def test_a_token_in_the_data_is_not_the_target(provider: Provider) -> None:
    answer = provider.send({"topic": "news", "data": {"token": "dead" + "x" * 40}})

    assert answer.outcome == "sent"
    assert answer.record is not None
    assert answer.record.token == b"topic:news"


def test_many_different_messages_do_not_fill_the_memory(provider: Provider) -> None:
    for number in range(1500):
        provider.send({"token": TOKEN, "data": {"n": str(number)}})

    assert len(provider.fcm._messages) <= 512
