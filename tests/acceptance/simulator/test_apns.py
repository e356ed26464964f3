"""APNs over a real connection: TLS, HTTP/2, both engines."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from django_push.simulator import Simulator
from tests.unit.simulator.tokens import provider_token

from .client import Client, Reply, write_pem
from .conftest import TOPIC

PAYLOAD = b'{"aps":{"alert":"Hello"}}'


def token(number: int, prefix: str = "ab12") -> str:
    return prefix + f"{number:060x}"


class Sender(Client):
    """A client that pushes."""

    simulator: Simulator
    jwt: str

    @classmethod
    def open(cls, simulator: Simulator, url: str | None = None) -> Sender:
        sender = cls(url or simulator.apns_url, simulator.identity)
        sender.jwt = provider_token(simulator.identity)
        return sender

    def begin(self, device: str, payload: bytes = PAYLOAD, **headers: str) -> int:
        given = {
            "authorization": f"bearer {self.jwt}",
            "apns-topic": TOPIC,
            "apns-push-type": "alert",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.start(f"/3/device/{device}", payload, *given.items())

    def push(self, device: str, payload: bytes = PAYLOAD, **headers: str) -> Reply:
        return self.finish([self.begin(device, payload, **headers)])[0]

    def warm_up(self) -> None:
        """Have the first push accepted, so that many streams are allowed."""
        assert self.push(token(0)).status == 200
        self.settle(0.05)


@pytest.fixture
def sender(simulator: Simulator) -> Iterator[Sender]:
    with Sender.open(simulator) as sender:
        yield sender


def test_a_push_arrives_with_everything_it_had(sender: Sender, simulator: Simulator) -> None:
    ident = str(uuid4())

    reply = sender.push(token(1), apns_id=ident, apns_priority="5", apns_collapse_id="c")

    assert (reply.status, reply.body, reply.headers["apns-id"]) == (200, b"", ident)
    (delivery,) = simulator.deliveries()
    assert delivery["provider"] == "apns"
    assert delivery["environment"] == "production"
    assert delivery["token"] == token(1)
    assert delivery["id"] == ident
    assert delivery["payload"] == json.loads(PAYLOAD)
    assert (delivery["status"], delivery["outcome"]) == (200, "sent")
    assert delivery["headers"]["apns-topic"] == TOPIC
    assert delivery["headers"]["apns-collapse-id"] == "c"
    assert sender.jwt not in json.dumps(delivery)
    assert abs(delivery["time"] - time.time()) < 30


def test_the_sandbox_has_its_own_port(simulator: Simulator) -> None:
    with Sender.open(simulator, simulator.sandbox_url) as sender:
        reply = sender.push(token(1, "5a4d"))

    assert reply.status == 200
    assert "apns-unique-id" in reply.headers
    assert simulator.deliveries()[0]["environment"] == "sandbox"


@pytest.mark.parametrize(
    ("prefix", "status", "reason"),
    [
        ("dead", 410, "Unregistered"),
        ("bad0", 400, "BadDeviceToken"),
        ("4290", 429, "TooManyRequests"),
        ("5030", 503, "ServiceUnavailable"),
        ("5a4d", 400, "BadDeviceToken"),
    ],
)
def test_fates(sender: Sender, simulator: Simulator, prefix: str, status: int, reason: str) -> None:
    reply = sender.push(token(1, prefix))

    assert (reply.status, reply.document["reason"]) == (status, reason)
    assert simulator.deliveries()[0]["outcome"] == reason


def test_refusals_do_not_end_the_connection(sender: Sender) -> None:
    statuses = [sender.push(token(n, prefix)).status for n, prefix in enumerate(("dead", "bad0"))]

    assert statuses == [410, 400]
    assert sender.push(token(3)).status == 200


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/3/device/", "MissingDeviceToken"), ("/3/devices/ab", "BadPath"), ("/", None)],
)
def test_paths(sender: Sender, path: str, reason: str | None) -> None:
    reply = sender.request(
        path, PAYLOAD, ("authorization", f"bearer {sender.jwt}"), ("apns-topic", TOPIC)
    )

    if reason is None:
        assert reply.status == 404
    else:
        assert reply.document == {"reason": reason}


def test_a_body_far_above_the_limit_is_too_large(sender: Sender) -> None:
    payload = b'{"aps":{},"x":"%s"}' % (b"x" * 60_000)
    stream = sender.h2.get_next_available_stream_id()
    sender.replies[stream] = Reply()
    sender.h2.send_headers(
        stream,
        [
            (":method", "POST"),
            (":scheme", "https"),
            (":path", f"/3/device/{token(1)}"),
            (":authority", sender.host),
            ("authorization", f"bearer {sender.jwt}"),
            ("apns-topic", TOPIC),
        ],
    )
    for start in range(0, len(payload), 16_000):
        sender.h2.send_data(stream, payload[start : start + 16_000])
    sender.h2.end_stream(stream)

    reply = sender.finish([stream])[0]

    assert (reply.status, reply.document) == (413, {"reason": "PayloadTooLarge"})


def test_many_at_once_are_all_answered(sender: Sender, simulator: Simulator) -> None:
    sender.warm_up()
    streams = [sender.begin(token(number)) for number in range(1, 401)]

    replies = sender.finish(streams)

    assert [reply.status for reply in replies] == [200] * 400
    tokens = [delivery["token"] for delivery in simulator.deliveries()]
    assert sorted(tokens) == sorted(token(number) for number in range(401))


# streams


def test_one_stream_until_the_first_push_was_accepted_then_500(sender: Sender) -> None:
    assert sender.limits == [1]
    sender.push(token(1, "dead"))
    sender.settle()
    assert sender.limits == [1]

    sender.push(token(2))
    sender.settle()

    assert sender.limits == [1, 500]


def test_a_refused_provider_token_gives_no_more_streams(
    sender: Sender, simulator: Simulator
) -> None:
    sender.jwt = provider_token(simulator.identity, iss="SOMEONE")
    assert sender.push(token(1)).document == {"reason": "InvalidProviderToken"}
    sender.settle()

    assert sender.limits == [1]


def test_the_limit_can_fall_to_one_after_a_refusal(sender: Sender, simulator: Simulator) -> None:
    simulator.behave(fall_to_one=True)
    sender.warm_up()

    for prefix in ("dead", "ab12"):
        sender.push(token(1, prefix))
        sender.settle(0.05)

    assert sender.limits == [1, 500, 1, 500]


def test_a_fixed_limit_reaches_live_connections_and_new_ones(
    sender: Sender, simulator: Simulator
) -> None:
    sender.warm_up()
    simulator.behave(max_concurrent_streams=7)
    sender.until(lambda: sender.limit == 7)
    sender.push(token(1))
    sender.settle(0.05)
    assert sender.limits == [1, 500, 7]

    with Sender.open(simulator) as other:
        assert other.limits == [7]

    simulator.behave(max_concurrent_streams=None)
    sender.push(token(2))
    sender.until(lambda: sender.limit == 500)


def test_streams_above_the_limit_are_not_processed(sender: Sender, simulator: Simulator) -> None:
    sender.h2.remote_settings.max_concurrent_streams = 100
    sender.h2.remote_settings.acknowledge()
    simulator.behave(stall=True)
    streams = [sender.begin(token(number)) for number in range(3)]
    sender.flush()
    sender.settle(0.3)

    assert simulator.status()["kept"] <= 1
    assert not any(sender.replies[stream].status for stream in streams)


# misbehaviour


def goaway_reason(sender: Sender) -> str:
    assert sender.goaway is not None
    return str(json.loads(sender.goaway.additional_data or b"")["reason"])


def test_a_goaway_device_is_answered_and_what_follows_is_not(
    sender: Sender, simulator: Simulator
) -> None:
    sender.warm_up()
    before = [sender.begin(token(number)) for number in (1, 2)]
    leaving = sender.begin(token(3, "90a1"))
    after = [sender.begin(token(number)) for number in (4, 5)]

    replies = sender.finish([*before, leaving])
    sender.until(lambda: sender.closed)

    assert [reply.status for reply in replies] == [200, 200, 200]
    assert goaway_reason(sender) == "Shutdown"
    assert sender.goaway is not None
    assert sender.goaway.last_stream_id == leaving
    assert not any(sender.replies[stream].status for stream in after)
    tokens = [delivery["token"] for delivery in simulator.deliveries()]
    assert tokens == [token(0), token(1), token(2), token(3, "90a1")]


def test_what_is_slow_is_still_answered_after_goaway(sender: Sender, simulator: Simulator) -> None:
    simulator.behave(slow_ms=400, goaway_reason="Maximum active streams violated")
    sender.warm_up()
    slow, leaving = sender.begin(token(1, "510e")), sender.begin(token(2, "90a1"))

    replies = sender.finish([slow, leaving])

    assert [reply.status for reply in replies] == [200, 200]
    assert goaway_reason(sender) == "Maximum active streams violated"


def test_goaway_every_so_often(simulator: Simulator) -> None:
    simulator.behave(goaway_every=3)
    with Sender.open(simulator) as sender:
        assert [sender.push(token(number)).status for number in (1, 2)] == [200, 200]
        sender.settle(0.05)
        assert sender.goaway is None
        assert sender.push(token(3)).status == 200
        sender.until(lambda: sender.goaway is not None)


def test_a_slow_device_does_not_hold_up_the_others(sender: Sender, simulator: Simulator) -> None:
    simulator.behave(slow_ms=1500)
    sender.warm_up()
    slow, quick = sender.begin(token(1, "510e")), sender.begin(token(2))
    started = time.monotonic()

    sender.finish([quick])
    assert not sender.replies[slow].done
    assert sender.finish([slow])[0].status == 200

    assert time.monotonic() - started >= 1.45


def test_latency_is_for_all(sender: Sender, simulator: Simulator) -> None:
    simulator.behave(latency_ms=200)
    started = time.monotonic()

    assert sender.push(token(1)).status == 200

    assert time.monotonic() - started >= 0.18


def test_every_nth_push_is_reset(sender: Sender, simulator: Simulator) -> None:
    simulator.behave(rst_every=2, rst_code=7)

    replies = [sender.push(token(number)) for number in range(4)]

    assert [reply.reset for reply in replies] == [None, 7, None, 7]
    outcomes = [delivery["outcome"] for delivery in simulator.deliveries()]
    assert outcomes == ["sent", "reset", "sent", "reset"]


def test_the_connection_is_cut_at_every_nth_push(sender: Sender, simulator: Simulator) -> None:
    simulator.behave(close_every=2)
    assert sender.push(token(1)).status == 200

    reply = sender.push(token(2))

    assert sender.closed
    assert sender.goaway is None
    assert not reply.done
    assert [delivery["outcome"] for delivery in simulator.deliveries()] == ["sent", "closed"]


def test_a_stall_holds_answers_until_it_ends(sender: Sender, simulator: Simulator) -> None:
    sender.warm_up()
    simulator.behave(stall=True)
    streams = [sender.begin(token(number)) for number in range(1, 4)]
    sender.flush()
    simulator.wait_for(4)
    sender.settle(0.1)
    assert not any(sender.replies[stream].done for stream in streams)

    simulator.behave(stall=False)

    assert [reply.status for reply in sender.finish(streams)] == [200] * 3


def test_a_client_may_give_up_thousands_of_streams_in_a_stall(
    sender: Sender, simulator: Simulator
) -> None:
    sender.warm_up()
    simulator.behave(stall=True)
    for start in range(0, 2000, 200):
        streams = [sender.begin(token(start + number)) for number in range(200)]
        sender.flush()
        for stream in streams:
            sender.h2.reset_stream(stream, 8)
            sender.replies[stream].done = True
        sender.flush()
    simulator.behave(stall=False)

    assert sender.push(token(1)).status == 200
    assert sender.goaway is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [(503, "ServiceUnavailable"), (500, "InternalServerError"), (403, "InvalidProviderToken")],
)
def test_every_push_can_be_refused(
    sender: Sender, simulator: Simulator, status: int, reason: str
) -> None:
    simulator.behave(status=status, retry_after=7)

    reply = sender.push(token(1))

    assert (reply.status, reply.document) == (status, {"reason": reason})
    assert reply.headers.get("retry-after") == ("7" if status == 503 else None)
    simulator.behave(status=403, reason="Forbidden")
    assert sender.push(token(1)).document == {"reason": "Forbidden"}


def test_credentials_can_be_refused_and_made_to_expire(
    sender: Sender, simulator: Simulator
) -> None:
    sender.warm_up()
    simulator.behave(credentials="refuse")
    assert sender.push(token(1)).document == {"reason": "InvalidProviderToken"}

    simulator.behave(credentials="expire")
    assert sender.push(token(2)).document == {"reason": "ExpiredProviderToken"}
    sender.jwt = provider_token(simulator.identity)

    assert sender.push(token(3)).status == 200


def test_new_provider_tokens_can_be_rationed(sender: Sender, simulator: Simulator) -> None:
    sender.warm_up()
    simulator.behave(token_update_interval=1200)
    first, sender.jwt = sender.jwt, provider_token(simulator.identity)

    reply = sender.push(token(1))

    assert (reply.status, reply.document) == (429, {"reason": "TooManyProviderTokenUpdates"})
    sender.jwt = first
    assert sender.push(token(2)).status == 200


# certificates


@pytest.fixture
def certificate(simulator: Simulator, tmp_path: Path) -> Path:
    identity = simulator.identity
    key, leaf, _ = pkcs12.load_key_and_certificates(identity.p12, identity.p12_password.encode())
    assert key is not None
    assert leaf is not None
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return write_pem(tmp_path / "push.pem", leaf.public_bytes(pem), private)


@pytest.mark.parametrize("door", ["apns_url", "sandbox_url"])
def test_a_certificate_needs_no_token(simulator: Simulator, certificate: Path, door: str) -> None:
    with Client(getattr(simulator, door), simulator.identity, certificate) as client:
        reply = client.request(f"/3/device/{token(1)}", PAYLOAD, ("apns-topic", TOPIC))
        voip = client.request(
            f"/3/device/{token(2)}",
            PAYLOAD,
            ("apns-topic", f"{TOPIC}.voip"),
            ("apns-push-type", "voip"),
        )

    assert (reply.status, voip.status) == (200, 200)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((), "MissingTopic"),
        ((("apns-topic", "com.example.other"),), "TopicDisallowed"),
        (
            (("apns-topic", f"{TOPIC}.location-query"), ("apns-push-type", "location")),
            "TopicDisallowed",
        ),
        ((("apns-topic", TOPIC), ("apns-push-type", "voip")), "InvalidPushType"),
    ],
)
def test_a_certificate_is_good_for_its_topics_only(
    simulator: Simulator, certificate: Path, headers: tuple[tuple[str, str], ...], reason: str
) -> None:
    with Client(simulator.apns_url, simulator.identity, certificate) as client:
        reply = client.request(f"/3/device/{token(1)}", PAYLOAD, *headers)

    assert reply.document == {"reason": reason}


# the protocol


def test_an_upper_case_header_is_refused_by_the_protocol(simulator: Simulator) -> None:
    before = simulator.status()["protocol_faults"]
    config = {"validate_outbound_headers": False, "normalize_outbound_headers": False}
    with Client(simulator.apns_url, simulator.identity, **config) as client:
        stream = client.start(f"/3/device/{token(1)}", PAYLOAD, ("Apns-Topic", TOPIC))
        client.flush()
        client.until(lambda: client.closed or client.replies[stream].done)

        assert client.closed or client.replies[stream].reset == 1
    assert simulator.deliveries() == []
    assert simulator.status()["protocol_faults"] > before


def test_apns_speaks_http2_only(simulator: Simulator) -> None:
    context = ssl.create_default_context(cafile=simulator.identity.ca_file)
    port = int(simulator.apns_url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(b"POST /3/device/ab HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            answer = tls.recv(100)
        except OSError:
            answer = b""

    assert answer == b""


def test_garbage_ends_only_its_own_connection(sender: Sender, simulator: Simulator) -> None:
    with Client(simulator.apns_url, simulator.identity) as client:
        client.socket.sendall(bytes(9))  # a DATA frame that belongs to no stream
        client.until(lambda: client.closed)

    assert sender.push(token(1)).status == 200


def test_connections_are_counted(sender: Sender, simulator: Simulator) -> None:
    sender.warm_up()
    before = simulator.status()["connections"]
    with Sender.open(simulator):
        during = simulator.status()["connections"]

    assert during["open"] == before["open"] + 1
    assert during["total"] == before["total"] + 1
