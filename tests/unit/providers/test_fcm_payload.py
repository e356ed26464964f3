from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from django_push.exceptions import InvalidPush, InvalidRegistration, PayloadTooLarge
from django_push.messages import Account, Device, Envelope, Message
from django_push.providers import fcm_payload
from django_push.providers.fcm import FcmProvider

PUSH_ID = "0e3c1a52-9d0a-4f65-8a8e-1f2d3c4b5a69"
TEXT = {"title": "Sale", "body": "Today"}


def provider() -> FcmProvider:
    return FcmProvider(Account(provider="fcm", topic="demo-project"))


def envelope(content: dict[str, Any], **options: Any) -> Envelope:
    return Envelope(message=Message.from_content(content), push_id=PUSH_ID, **options)


def sent(content: dict[str, Any], address: str = "t0k:en", **options: Any) -> Any:
    prepared = provider().prepare(envelope(content, **options))
    return provider().preview(prepared, Device(1, address, 1)).payload["message"]


def test_the_smallest_message() -> None:
    assert sent(TEXT) == {
        "token": "t0k:en",
        "notification": {"title": "Sale", "body": "Today"},
        "data": {"push_id": PUSH_ID},
        "android": {"priority": "HIGH", "notification": {"tag": PUSH_ID}},
        "apns": {
            "headers": {
                "apns-push-type": "alert",
                "apns-priority": "10",
                "apns-collapse-id": PUSH_ID,
            },
            "payload": {"aps": {}},
        },
    }


def test_everything_that_android_knows() -> None:
    found = sent(
        {
            **TEXT,
            "image": "https://x.example/a.png",
            "link": "https://x.example/",
            "sound": "default",
            "badge": 4,
            "category": "OFFER",
            "android_channel_id": "offers",
            "collapse_id": "score",
            "priority": "normal",
        },
        expires_at=int(time.time()) + 61,
    )
    assert found["notification"]["image"] == "https://x.example/a.png"
    ttl = found["android"].pop("ttl")
    assert ttl in ("60s", "61s")
    assert found["android"] == {
        "priority": "NORMAL",
        "collapse_key": "score",
        "notification": {
            "tag": "score",
            "channel_id": "offers",
            "sound": "default",
            "click_action": "OFFER",
            "notification_count": 4,
        },
    }
    assert found["data"]["link"] == "https://x.example/"
    assert found["webpush"] == {"fcm_options": {"link": "https://x.example/"}}


def test_everything_that_ios_knows() -> None:
    found = sent(
        {
            **TEXT,
            "subtitle": "Shoes",
            "image": "https://x.example/a.png",
            "badge": 4,
            "sound": "ding",
            "category": "OFFER",
            "thread_id": "offers",
            "interruption_level": "passive",
            "collapse_id": "score",
            "priority": "normal",
        },
        expires_at=1_900_000_000,
    )
    assert found["apns"] == {
        "headers": {
            "apns-push-type": "alert",
            "apns-priority": "5",
            "apns-collapse-id": "score",
            "apns-expiration": "1900000000",
        },
        "payload": {
            "aps": {
                "alert": {"title": "Sale", "subtitle": "Shoes", "body": "Today"},
                "badge": 4,
                "sound": "ding",
                "category": "OFFER",
                "thread-id": "offers",
                "interruption-level": "passive",
                "mutable-content": 1,
            }
        },
        "fcm_options": {"image": "https://x.example/a.png"},
    }


def test_a_collapse_key_only_when_asked_for() -> None:
    assert "collapse_key" not in sent(TEXT)["android"]


@pytest.mark.parametrize(("expires_in", "ttl"), [(None, None), (-10, "0s"), (10**9, "2419200s")])
def test_time_to_live(expires_in: int | None, ttl: str | None) -> None:
    moment = None if expires_in is None else int(time.time()) + expires_in
    assert sent(TEXT, expires_at=moment)["android"].get("ttl") == ttl


def test_tried_once() -> None:
    assert sent(TEXT, expires_at=0)["android"]["ttl"] == "0s"


def test_data_alone_shows_nothing_and_wakes_ios_in_the_background() -> None:
    found = sent({"data": {"sync": True}})
    assert "notification" not in found
    assert "notification" not in found["android"]
    assert found["apns"]["payload"]["aps"] == {"content-available": 1}
    assert found["apns"]["headers"]["apns-push-type"] == "background"
    assert found["apns"]["headers"]["apns-priority"] == "5"


def test_data_values_are_texts() -> None:
    given = {"s": "ü", "i": 7, "f": 1.5, "t": True, "n": None, "d": {"a": [1]}, "l": []}
    assert sent({**TEXT, "data": given})["data"] == {
        "push_id": PUSH_ID,
        "s": "ü",
        "i": "7",
        "f": "1.5",
        "t": "true",
        "n": "null",
        "d": '{"a":[1]}',
        "l": "[]",
    }


@pytest.mark.parametrize(
    "name", ["from", "message_type", "google.x", "gcm.notification.title", "", "push_id"]
)
def test_reserved_data_keys(name: str) -> None:
    with pytest.raises(InvalidPush) as caught:
        sent({**TEXT, "data": {name: "x"}})
    assert caught.value.field == "data"


@pytest.mark.parametrize("name", ["fromage", "googly", "x.gcm.", "message_types"])
def test_keys_that_only_look_reserved(name: str) -> None:
    assert sent({**TEXT, "data": {name: "x"}})["data"][name] == "x"


def test_overrides_come_last() -> None:
    override = {
        "android": {"notification": {"color": "#ff0000", "tag": None}, "priority": "NORMAL"},
        "fcm_options": {"analytics_label": "sale"},
        "data": {"n": 1},
        "apns": None,
    }
    found = sent({**TEXT, "overrides": {"fcm": override, "apns": {"aps": {"badge": 1}}}})
    assert found["android"] == {"priority": "NORMAL", "notification": {"color": "#ff0000"}}
    assert found["fcm_options"] == {"analytics_label": "sale"}
    assert found["data"]["n"] == "1"
    assert "apns" not in found


@pytest.mark.parametrize(
    "override",
    [{"token": "x"}, {"topic": "x"}, {"condition": "x"}, {"fid": "x"}, {"android": 1}, {"data": 1},
     {"data": None}, {"notification": []}],
)  # fmt: skip
def test_overrides_that_can_not_be_are_refused(override: dict[str, Any]) -> None:
    with pytest.raises(InvalidPush) as caught:
        sent({**TEXT, "overrides": {"fcm": override}})
    assert caught.value.field == "overrides"


def test_a_reserved_key_does_not_slip_in_by_an_override() -> None:
    with pytest.raises(InvalidPush):
        sent({**TEXT, "overrides": {"fcm": {"data": {"from": "me"}}}})


def test_the_limit_counts_bytes() -> None:
    def content(count: int) -> dict[str, Any]:
        return {"title": "T", "body": "ü" * (count // 2) + "x" * (count % 2)}

    spare = 4096 - provider().payload_size(envelope(content(1))) + 1
    assert provider().payload_size(envelope(content(spare))) == 4096
    provider().prepare(envelope(content(spare)))
    with pytest.raises(PayloadTooLarge) as caught:
        provider().prepare(envelope(content(spare + 1)))
    assert (caught.value.size, caught.value.limit) == (4097, 4096)


def test_apples_share_counts_too() -> None:
    huge = {"fcm": {"apns": {"payload": {"aps": {"x": "x" * 5000}}}}}
    with pytest.raises(PayloadTooLarge):
        provider().prepare(envelope({**TEXT, "overrides": huge}))


@pytest.mark.parametrize(
    "content",
    [
        {"data": {"a": 1}},
        {"data": {"a": 1}, "overrides": {"fcm": {"android": None, "apns": None}}},
        {**TEXT, "overrides": {"fcm": {"android": None, "apns": None, "notification": None}}},
        {**TEXT, "subtitle": "S", "sound": "x", "badge": 7, "image": "https://x.example/a"},
    ],
)
def test_the_size_is_never_far_above_the_messages_own(content: dict[str, Any]) -> None:
    """The exact count is left out for messages that are clearly small enough."""
    built = fcm_payload.build(envelope(content))
    assert fcm_payload.size(built) <= len(orjson.dumps(built)) + fcm_payload.WRAPPING


def test_token_and_installation_id_go_where_they_belong() -> None:
    devices = [Device(1, "a:b-c_d", 1), Device(2, "fid:xyz", 2), Device(3, "afid:APA91", 3)]
    prepared = provider().prepare(envelope(TEXT))
    bodies = [orjson.loads(r[3])["message"] for r in provider().requests(prepared, devices)]
    assert [body.get("token") for body in bodies] == ["a:b-c_d", None, "afid:APA91"]
    assert [body.get("fid") for body in bodies] == [None, "xyz", None]


@pytest.mark.parametrize("address", ['a"', "a\\", "ü"])
def test_an_address_does_not_get_out_of_its_string(address: str) -> None:
    prepared = provider().prepare(envelope(TEXT))
    with pytest.raises(ValueError, match=r"quote|ascii"):
        provider().requests(prepared, [Device(1, "fine", 1), Device(2, address, 2)])


@pytest.mark.parametrize("address", ["c" * 163, "dQw4:APA91b-x_y", "fid:dQw4w9WgXcQ_-abcdefghi"])
def test_addresses(address: str) -> None:
    assert FcmProvider.check_address(address) == address


@pytest.mark.parametrize(
    "address", ["", "x" * 1025, 'a"b', "a\\b", "a b", "é", "a\n", "fid:", "fid:a:b", "{}"]
)
def test_addresses_that_can_not_be(address: str) -> None:
    with pytest.raises(InvalidRegistration):
        FcmProvider.check_address(address)
