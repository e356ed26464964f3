"""APNs' judgement of a single request."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from django_push.simulator import Behaviour, Fate, Identity
from django_push.simulator.apns import REASONS, Apns
from django_push.simulator.wire import Answer, Peer, Request

from .conftest import Clock
from .tokens import provider_token

TOKEN = "ab" * 32
TOPIC = "com.example.app"
PAYLOAD = b'{"aps":{"alert":"Hello"}}'


class Provider:
    """Sends to the judge what a client would; keywords change one thing."""

    def __init__(self, identity: Identity, clock: Clock) -> None:
        self.apns = Apns(identity, clock)
        self.clock = clock
        self.jwt = provider_token(identity, iat=int(clock.now))

    def push(
        self,
        token: str = TOKEN,
        payload: bytes = PAYLOAD,
        *,
        peer: Peer | None = None,
        method: str = "POST",
        extra: tuple[tuple[str, str], ...] = (),
        **headers: str | None,
    ) -> Answer:
        path = f"/3/device/{token}"
        given: dict[str, str | None] = {
            ":method": method,
            ":path": path,
            ":scheme": "https",
            ":authority": "127.0.0.1:8443",
            "authorization": f"bearer {self.jwt}",
            "apns-topic": TOPIC,
            "apns-push-type": "alert",
        }
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        pairs = [(name, value) for name, value in given.items() if value is not None]
        pairs += extra
        fields = {name.encode(): value.encode() for name, value in pairs}
        return self.apns.answer(Request(peer or Peer(), path.encode(), fields, len(pairs), payload))


@pytest.fixture
def provider(identity: Identity, clock: Clock) -> Provider:
    return Provider(identity, clock)


def headers_of(answer: Answer) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in answer.headers}


def body_of(answer: Answer) -> dict[str, Any]:
    document = json.loads(answer.body)
    assert isinstance(document, dict)
    return document


def test_a_good_push_is_accepted_with_an_empty_body_and_an_id(provider: Provider) -> None:
    answer = provider.push()

    assert (answer.status, answer.body, answer.outcome) == (200, b"", "sent")
    assert len(headers_of(answer)["apns-id"]) == 36


def test_made_up_ids_differ(provider: Provider) -> None:
    assert headers_of(provider.push()) != headers_of(provider.push())


def test_the_clients_id_is_echoed(provider: Provider) -> None:
    ident = str(uuid4())

    assert headers_of(provider.push(apns_id=ident)) == {"apns-id": ident}


def test_the_sandbox_adds_a_unique_id(provider: Provider) -> None:
    answer = provider.push(peer=Peer(environment="sandbox"))

    assert set(headers_of(answer)) == {"apns-id", "apns-unique-id"}


def test_a_host_name_with_sandbox_in_it_is_the_sandbox(provider: Provider) -> None:
    answer = provider.push(**{":authority": "api.sandbox.push.apple.com"})

    assert "apns-unique-id" in headers_of(answer)


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("BadCollapseId", {"apns_collapse_id": "x" * 65}),
        ("BadCollapseId", {"apns_collapse_id": ""}),
        ("BadCollapseId", {"apns_collapse_id": "é" * 33}),
        ("BadDeviceToken", {"token": "ab" * 31}),
        ("BadDeviceToken", {"token": "ab" * 32 + "a"}),
        ("BadDeviceToken", {"token": "xy" * 32}),
        ("BadDeviceToken", {"token": "ab" * 201}),
        ("BadDeviceToken", {"token": "ab" * 31 + "+1"}),
        ("BadExpirationDate", {"apns_expiration": "tomorrow"}),
        ("BadExpirationDate", {"apns_expiration": "-1"}),
        ("BadExpirationDate", {"apns_expiration": ""}),
        ("BadMessageId", {"apns_id": "1"}),
        ("BadMessageId", {"apns_id": str(uuid4()).upper()}),
        ("BadMessageId", {"apns_id": uuid4().hex + "----"}),
        ("BadMessageId", {"apns_id": "123e4567-e89b-12d3-a456-42661417400-"}),
        ("BadPriority", {"apns_priority": "7"}),
        ("BadPriority", {"apns_priority": ""}),
        ("BadPriority", {"apns_push_type": "background"}),
        ("BadPriority", {"apns_push_type": "background", "apns_priority": "10"}),
        ("BadTopic", {"apns_topic": "com example"}),
        ("BadTopic", {"apns_topic": ""}),
        ("InvalidPushType", {"apns_push_type": "shout"}),
        ("InvalidPushType", {"apns_push_type": "Alert"}),
        ("InvalidPushType", {"apns_push_type": "voip"}),
        ("InvalidPushType", {"apns_topic": f"{TOPIC}.voip"}),
        ("InvalidPushType", {"apns_push_type": "liveactivity"}),
        ("MissingDeviceToken", {"token": ""}),
        ("MissingProviderToken", {"authorization": None}),
        ("MissingProviderToken", {"authorization": "basic YTpi"}),
        ("MissingTopic", {"apns_topic": None}),
        ("MethodNotAllowed", {"method": "GET"}),
        ("PayloadEmpty", {"payload": b""}),
        ("PayloadEmpty", {"payload": b"{}"}),
        ("PayloadEmpty", {"payload": b"[]"}),
        ("PayloadEmpty", {"payload": b"alert"}),
        ("PayloadEmpty", {"payload": b'{"alert":"Hello"}'}),
        ("PayloadEmpty", {"payload": b'{"aps":"Hello"}'}),
        ("TopicDisallowed", {"apns_topic": "com.example.other"}),
        ("TopicDisallowed", {"apns_topic": f"{TOPIC}.elsewhere"}),
    ],
)
def test_what_apple_refuses_is_refused_in_its_words(
    provider: Provider, reason: str, changes: dict[str, Any]
) -> None:
    answer = provider.push(**changes)

    assert (answer.status, body_of(answer)) == (REASONS[reason], {"reason": reason})
    assert answer.outcome == reason
    assert "apns-id" in headers_of(answer)


@pytest.mark.parametrize(
    ("push_type", "suffix"),
    [
        ("alert", ""),
        ("voip", ".voip"),
        ("complication", ".complication"),
        ("fileprovider", ".pushkit.fileprovider"),
        ("location", ".location-query"),
        ("liveactivity", ".push-type.liveactivity"),
        ("pushtotalk", ".voip-ptt"),
        ("widgets", ".push-type.widgets"),
        ("controls", ".push-type.controls"),
    ],
)
def test_every_push_type_has_its_topic(provider: Provider, push_type: str, suffix: str) -> None:
    answer = provider.push(apns_push_type=push_type, apns_topic=TOPIC + suffix)

    assert answer.status == 200


def test_background_takes_priority_5(provider: Provider) -> None:
    assert provider.push(apns_push_type="background", apns_priority="5").status == 200


def test_without_a_push_type_it_is_an_alert(provider: Provider) -> None:
    assert provider.push(apns_push_type=None).status == 200


@pytest.mark.parametrize("value", ["0", "1798000000"])
def test_an_expiration_is_an_epoch_second_or_0(provider: Provider, value: str) -> None:
    assert provider.push(apns_expiration=value).status == 200


def test_a_collapse_id_may_have_64_bytes(provider: Provider) -> None:
    assert provider.push(apns_collapse_id="x" * 64).status == 200


def test_a_header_that_came_twice_is_refused(provider: Provider) -> None:
    answer = provider.push(extra=(("apns-topic", TOPIC),))

    assert body_of(answer) == {"reason": "DuplicateHeaders"}


@pytest.mark.parametrize(
    ("push_type", "suffix", "limit"), [("alert", "", 4096), ("voip", ".voip", 5120)]
)
def test_the_payload_limit_is_met_to_the_byte(
    provider: Provider, push_type: str, suffix: str, limit: int
) -> None:
    frame = len(b'{"aps":{},"x":""}')
    fitting = b'{"aps":{},"x":"%s"}' % (b"x" * (limit - frame))
    target = {"apns_push_type": push_type, "apns_topic": TOPIC + suffix}

    assert provider.push(payload=fitting, **target).status == 200
    answer = provider.push(payload=fitting + b" ", **target)
    assert (answer.status, body_of(answer)) == (413, {"reason": "PayloadTooLarge"})


def test_mdm_needs_no_aps(provider: Provider) -> None:
    assert provider.push(payload=b'{"mdm":"magic"}', apns_push_type="mdm").status == 200


def test_the_same_payload_is_judged_by_each_push_types_rules(provider: Provider) -> None:
    payload = b'{"mdm":"magic"}'
    assert provider.push(payload=payload, apns_push_type="mdm").status == 200

    assert body_of(provider.push(payload=payload)) == {"reason": "PayloadEmpty"}


@pytest.mark.parametrize(
    ("prefix", "status", "reason"),
    [
        ("bad0", 400, "BadDeviceToken"),
        ("BAD0", 400, "BadDeviceToken"),
        ("4290", 429, "TooManyRequests"),
        ("5030", 503, "ServiceUnavailable"),
        ("5a4d", 400, "BadDeviceToken"),
    ],
)
def test_the_first_four_characters_are_the_devices_fate(
    provider: Provider, prefix: str, status: int, reason: str
) -> None:
    answer = provider.push(token=prefix + TOKEN[4:])

    assert (answer.status, body_of(answer)) == (status, {"reason": reason})
    assert "retry-after" not in headers_of(answer)


def test_a_dead_device_is_told_with_a_time_in_milliseconds(provider: Provider) -> None:
    answer = provider.push(token="dead" + TOKEN[4:])

    assert answer.status == 410
    assert body_of(answer) == {
        "reason": "Unregistered",
        "timestamp": int(provider.clock.now * 1000),
    }


def test_the_time_of_a_410_can_lie_back(provider: Provider) -> None:
    provider.apns.behave(Behaviour(unregistered_ago=3600))

    answer = provider.push(token="dead" + TOKEN[4:])

    assert body_of(answer)["timestamp"] == int((provider.clock.now - 3600) * 1000)


def test_a_slow_device_is_accepted_late(provider: Provider) -> None:
    provider.apns.behave(Behaviour(slow_ms=300))

    answer = provider.push(token="510e" + TOKEN[4:])

    assert (answer.status, answer.delay) == (200, 0.3)


def test_a_goaway_device_is_accepted(provider: Provider) -> None:
    answer = provider.push(token="90a1" + TOKEN[4:])

    assert (answer.status, answer.goaway) == (200, True)


def test_a_sandbox_device_lives_in_the_sandbox(provider: Provider) -> None:
    answer = provider.push(token="5a4d" + TOKEN[4:], peer=Peer(environment="sandbox"))

    assert answer.status == 200


def test_a_fault_of_ours_comes_before_the_devices_fate(provider: Provider) -> None:
    answer = provider.push(token="dead" + TOKEN[4:], payload=b"")

    assert body_of(answer) == {"reason": "PayloadEmpty"}


@pytest.mark.parametrize(
    ("fate", "status", "reason"),
    [
        (Fate.WRONG_APP, 400, "DeviceTokenNotForTopic"),
        (Fate.INTERNAL, 500, "InternalServerError"),
        (Fate.EXPIRED_TOKEN, 410, "ExpiredToken"),
    ],
)
def test_further_fates_can_be_given(
    provider: Provider, fate: Fate, status: int, reason: str
) -> None:
    provider.apns.behave(Behaviour(fates={"abab": fate}))

    answer = provider.push()

    assert (answer.status, body_of(answer)["reason"]) == (status, reason)


def test_a_provider_token_grows_old_between_two_pushes(provider: Provider) -> None:
    assert provider.push().status == 200
    provider.clock.now += 3601

    answer = provider.push()

    assert (answer.status, body_of(answer)) == (403, {"reason": "ExpiredProviderToken"})


def test_retry_after_is_sent_when_it_is_set(provider: Provider) -> None:
    provider.apns.behave(Behaviour(retry_after=7))

    answer = provider.push(token="4290" + TOKEN[4:])

    assert headers_of(answer)["retry-after"] == "7"


def test_common_parts_are_kept_once(provider: Provider) -> None:
    first, second = provider.push("ab" * 32, bytes(PAYLOAD)), provider.push("cd" * 32)

    assert first.record is not None
    assert second.record is not None
    assert first.record.fields is second.record.fields
    assert first.record.token != second.record.token


def test_many_different_pushes_do_not_fill_the_memory(provider: Provider) -> None:
    for number in range(2000):
        payload = b'{"aps":{"badge":%d}}' % number
        assert provider.push(payload=payload, apns_collapse_id=str(number)).status == 200

    assert len(provider.apns._verdicts) <= 512
    assert len(provider.apns._payloads) <= 512
