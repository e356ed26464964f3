from __future__ import annotations

import time
from typing import Any

import hpack
import orjson
import pytest

from django_push.exceptions import InvalidPush, PayloadTooLarge
from django_push.messages import Account, Device, Envelope, Message, Priority, PushType
from django_push.providers.apns import ApnsProvider

PUSH_ID = "0e3c1a52-9d0a-4f65-8a8e-1f2d3c4b5a69"
TOPIC = "com.example.app"
TEXT = {"title": "Sale", "body": "Today"}


def prepared(content: dict[str, Any], **envelope: Any) -> Any:
    message = Message.from_content(content)
    return provider().prepare(Envelope(message=message, push_id=PUSH_ID, **envelope))


def provider() -> ApnsProvider:
    return ApnsProvider(Account(provider="apns", topic=TOPIC))


def payload(**content: Any) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(prepared(content).body)
    return body


def aps(**content: Any) -> Any:
    return payload(**content)["aps"]


def headers(content: dict[str, Any] | None = None, **envelope: Any) -> dict[str, str]:
    return dict(prepared(TEXT if content is None else content, **envelope).headers)


# Topic suffix, and what of the message may be in it.
PUSH_TYPES: dict[PushType, tuple[str, dict[str, Any]]] = {
    PushType.ALERT: ("", TEXT),
    PushType.BACKGROUND: ("", {}),
    PushType.VOIP: (".voip", {}),
    PushType.COMPLICATION: (".complication", {}),
    PushType.FILEPROVIDER: (".pushkit.fileprovider", {}),
    PushType.LOCATION: (".location-query", {}),
    PushType.LIVEACTIVITY: (".push-type.liveactivity", {}),
    PushType.PUSHTOTALK: (".voip-ptt", {}),
    PushType.WIDGETS: (".push-type.widgets", {}),
    PushType.CONTROLS: (".push-type.controls", {}),
    PushType.MDM: ("", {}),
}


@pytest.mark.parametrize("push_type", PushType)
def test_headers_of_every_push_type(push_type: PushType) -> None:
    suffix, content = PUSH_TYPES[push_type]
    found = headers({**content, "push_type": push_type.value}, expires_at=0)
    expected = {
        "apns-push-type": push_type.value,
        "apns-topic": TOPIC + suffix,
        "apns-priority": "5" if push_type is PushType.BACKGROUND else "10",
        "apns-expiration": "0",
        "apns-collapse-id": PUSH_ID,
    }
    if push_type is PushType.MDM:
        del expected["apns-collapse-id"]
    assert found == expected


def test_a_topic_that_has_its_suffix_already_keeps_it() -> None:
    account = Account(provider="apns", topic=f"{TOPIC}.voip")
    message = Message(push_type=PushType.VOIP)
    found = ApnsProvider(account).prepare(Envelope(message=message, push_id=PUSH_ID))
    assert dict(found.headers)["apns-topic"] == f"{TOPIC}.voip"


@pytest.mark.parametrize(
    ("priority", "value"), [(Priority.HIGH, "10"), (Priority.NORMAL, "5"), (Priority.LOW, "1")]
)
def test_priorities(priority: Priority, value: str) -> None:
    assert headers({**TEXT, "priority": priority.value})["apns-priority"] == value


def test_a_background_push_has_priority_5_whatever_is_said() -> None:
    assert headers({"push_type": "background", "priority": "high"})["apns-priority"] == "5"
    assert headers({"push_type": "background", "priority": "low"})["apns-priority"] == "5"


def test_expiration() -> None:
    now = int(time.time())
    assert headers(expires_at=now + 60)["apns-expiration"] == str(now + 60)
    assert headers(expires_at=0)["apns-expiration"] == "0"
    assert headers(expires_at=now - 60)["apns-expiration"] == "0"
    month = now + 30 * 86_400
    assert month <= int(headers()["apns-expiration"]) <= month + 5
    assert int(headers(expires_at=now + 10**9)["apns-expiration"]) <= month + 5


def test_the_collapse_id_is_the_callers_or_the_pushs() -> None:
    assert headers({**TEXT, "collapse_id": "score"})["apns-collapse-id"] == "score"
    assert headers()["apns-collapse-id"] == PUSH_ID


@pytest.mark.parametrize("collapse_id", ["a\r\nb", " a", "a ", "\x01"])
def test_a_collapse_id_that_is_no_header_is_refused(collapse_id: str) -> None:
    with pytest.raises(InvalidPush) as caught:
        headers({**TEXT, "collapse_id": collapse_id})
    assert caught.value.field == "collapse_id"


def test_the_whole_of_aps() -> None:
    found = aps(
        title="Sale",
        subtitle="Shoes",
        body="Today",
        badge=3,
        sound="ding.caf",
        category="OFFER",
        thread_id="offers",
        interruption_level="time-sensitive",
        relevance_score=0.5,
        mutable_content=True,
    )
    assert found == {
        "alert": {"title": "Sale", "subtitle": "Shoes", "body": "Today"},
        "badge": 3,
        "sound": "ding.caf",
        "category": "OFFER",
        "thread-id": "offers",
        "interruption-level": "time-sensitive",
        "relevance-score": 0.5,
        "mutable-content": 1,
    }


def test_the_apps_own_data_stands_beside_aps() -> None:
    found = payload(**TEXT, data={"order": 7, "deep": {"a": [None]}})
    assert found == {
        "aps": {"alert": {"title": "Sale", "body": "Today"}},
        "push_id": PUSH_ID,
        "order": 7,
        "deep": {"a": [None]},
    }


def test_picture_and_link_are_data() -> None:
    found = payload(**TEXT, image="https://x.example/a.png", link="app://offers")
    assert (found["image"], found["link"]) == ("https://x.example/a.png", "app://offers")
    assert found["aps"]["mutable-content"] == 1


def test_data_of_the_same_name_wins_over_picture_and_link() -> None:
    assert payload(**TEXT, link="app://a", data={"link": "app://b"})["link"] == "app://b"


@pytest.mark.parametrize("name", ["aps", "push_id"])
def test_reserved_data_keys(name: str) -> None:
    with pytest.raises(InvalidPush) as caught:
        payload(**TEXT, data={name: 1})
    assert caught.value.field == "data"


def test_badge_0_takes_the_number_away_and_is_an_alert() -> None:
    found = prepared({"badge": 0})
    assert orjson.loads(found.body)["aps"] == {"badge": 0}
    assert dict(found.headers)["apns-push-type"] == "alert"


def test_data_alone_goes_in_the_background() -> None:
    found = prepared({"data": {"sync": True}})
    assert orjson.loads(found.body)["aps"] == {"content-available": 1}
    assert dict(found.headers)["apns-push-type"] == "background"
    assert dict(found.headers)["apns-priority"] == "5"


@pytest.mark.parametrize("content", [TEXT, {"sound": "default"}, {"badge": 0}])
def test_a_background_push_that_would_show_something_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(InvalidPush) as caught:
        prepared({**content, "push_type": "background"})
    assert caught.value.field == "push_type"


@pytest.mark.parametrize("push_type", ["widgets", "controls"])
def test_widgets_and_controls_are_told_to_look_again(push_type: str) -> None:
    assert aps(push_type=push_type) == {"content-changed": True}


def test_a_live_activity_has_its_moment_and_its_event() -> None:
    state = {"aps": {"content-state": {"goals": 2}}}
    found = aps(push_type="liveactivity", overrides={"apns": state})
    assert found.pop("timestamp") == pytest.approx(time.time(), abs=5)
    assert found == {"content-state": {"goals": 2}, "event": "update"}
    ended = aps(
        push_type="liveactivity", overrides={"apns": {"aps": {"event": "end", "timestamp": 1}}}
    )
    assert ended == {"event": "end", "timestamp": 1}


def test_device_management_gets_its_own_keys_only() -> None:
    assert payload(push_type="mdm", data={"mdm": "magic"}) == {"mdm": "magic"}


def test_an_unknown_interruption_level_is_refused() -> None:
    with pytest.raises(InvalidPush, match="passive, active, time-sensitive, critical"):
        aps(**TEXT, interruption_level="urgent")


def test_overrides_come_last_key_by_key() -> None:
    override = {
        "aps": {"alert": {"title-loc-key": "SALE", "title": None}, "sound": {"critical": 1}},
        "extra": {"deep": True},
    }
    found = payload(**TEXT, sound="default", overrides={"apns": override, "fcm": {"data": {}}})
    assert found["aps"] == {
        "alert": {"body": "Today", "title-loc-key": "SALE"},
        "sound": {"critical": 1},
    }
    assert found["extra"] == {"deep": True}


def test_overrides_may_change_request_headers() -> None:
    given = {"apns-priority": "1", "apns-collapse-id": None, "apns-topic": "com.example.clip"}
    found = prepared({**TEXT, "overrides": {"apns": {"headers": given}}}, expires_at=0)
    assert dict(found.headers) == {
        "apns-push-type": "alert",
        "apns-priority": "1",
        "apns-expiration": "0",
        "apns-topic": "com.example.clip",
    }
    assert b"headers" not in found.body


@pytest.mark.parametrize(
    "override",
    [
        {"headers": {"authorization": "bearer x"}},
        {"headers": {"apns-id": "x"}},
        {"headers": {":path": "/"}},
        {"headers": {"apns-priority": 5}},
        {"headers": {"apns-priority": " 5"}},
        {"headers": {"apns-priority": "5\r\nx: y"}},
        {"headers": "x"},
        {"aps": "x"},
    ],
)
def test_overrides_that_can_not_be_are_refused(override: dict[str, Any]) -> None:
    with pytest.raises(InvalidPush) as caught:
        prepared({**TEXT, "overrides": {"apns": override}})
    assert caught.value.field == "overrides"


@pytest.mark.parametrize(("push_type", "limit"), [("alert", 4096), ("voip", 5120)])
def test_the_limit_counts_bytes(push_type: str, limit: int) -> None:
    def content(size: int) -> dict[str, Any]:
        return {"body": "ü" * (size // 2) + "x" * (size % 2), "push_type": push_type}

    spare = limit - len(prepared(content(0) | {"body": "x"}).body) + 1
    assert len(prepared(content(spare)).body) == limit
    with pytest.raises(PayloadTooLarge) as caught:
        prepared(content(spare + 1))
    assert (caught.value.size, caught.value.limit) == (limit + 1, limit)


def test_what_json_can_not_say_is_refused() -> None:
    with pytest.raises(InvalidPush):
        prepared({**TEXT, "data": {"n": 2**70}})
    with pytest.raises(InvalidPush):
        prepared({**TEXT, "data": {"n": "\ud800"}})


def test_the_id_is_the_pushs_and_the_installations() -> None:
    found = provider().preview(prepared(TEXT), Device(1, "ab" * 32, 0x1234))
    assert found.headers["apns-id"] == "0e3c1a52-9d0a-4f65-8a8e-000000001234"
    assert found.headers[":path"] == "/3/device/" + "ab" * 32
    huge = provider().preview(prepared(TEXT), Device(1, "ab" * 32, 2**63 - 1))
    assert huge.headers["apns-id"] == "0e3c1a52-9d0a-4f65-8a8e-ffffffffffff"


@pytest.mark.parametrize("length", [1, 63, 64, 115, 116, 117, 160, 400])
def test_requests_are_literals_that_any_decoder_reads(length: int) -> None:
    token = "c" * length
    [(key, path, extra, body)] = provider().requests(prepared(TEXT), [Device(9, token, 77)])
    assert key == 9
    assert hpack.Decoder().decode(path + extra) == [
        (":path", f"/3/device/{token}"),
        ("apns-id", "0e3c1a52-9d0a-4f65-8a8e-00000000004d"),
    ]
    assert body == prepared(TEXT).body
