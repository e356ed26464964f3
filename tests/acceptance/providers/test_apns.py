from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from django_push.exceptions import InvalidPush
from django_push.messages import Account, Envelope, Message, PushType, Status
from django_push.providers import apns_token
from django_push.providers.apns import ApnsProvider
from django_push.providers.contract import ProviderContract
from django_push.simulator import Simulator
from tests.unit.providers import files

from .conftest import PUSH_ID, certificate_account, devices, token_account

ACCOUNTS = {"token": token_account, "certificate": certificate_account}


class _Contract(ProviderContract):
    provider_class = ApnsProvider

    @pytest.fixture(autouse=True)
    def _account(self, simulator: Simulator) -> None:
        self.account = self.make_account(simulator)

    def make_account(self, simulator: Simulator) -> Account:
        raise NotImplementedError


class TestTokenContract(_Contract):
    def make_account(self, simulator: Simulator) -> Account:
        return token_account(simulator)


class TestCertificateContract(_Contract):
    def make_account(self, simulator: Simulator) -> Account:
        return certificate_account(simulator)


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_fates(kind: str, simulator: Simulator, senders: Any) -> None:
    simulator.behave(slow_ms=200)
    sender = senders(ApnsProvider(ACCOUNTS[kind](simulator)))
    prefixes = ["abcd", "dead", "bad0", "4290", "5030", "510e", "90a1", "beef"]
    outcome = sender.send(devices(*[prefix + "0" * 60 for prefix in prefixes]))
    assert sorted(outcome.sent) == [0, 5, 6, 7]
    found = {key: (result.status, result.reason) for key, result in outcome.results}
    assert found == {
        1: (Status.UNREGISTERED, "Unregistered"),
        2: (Status.SUSPECT, "BadDeviceToken"),
        3: (Status.DEFERRED, "TooManyRequests"),
        4: (Status.DEFERRED, "ServiceUnavailable"),
    }
    [dead] = [result for key, result in outcome.results if key == 1]
    assert dead.invalid_since is not None
    assert dead.invalid_since.timestamp() == pytest.approx(time.time(), abs=5)


def test_what_left_the_house_is_what_the_preview_shows(simulator: Simulator, senders: Any) -> None:
    provider = ApnsProvider(token_account(simulator))
    sender = senders(provider)
    [device] = devices("ab" * 32)
    sender.send([device], expires_at=0)
    [delivery] = simulator.deliveries()
    assert delivery["id"] == "0e3c1a52-9d0a-4f65-8a8e-000000000064"
    assert delivery["token"] == device.address
    assert (
        delivery["headers"].items()
        >= {
            "apns-topic": simulator.identity.topics[0],
            "apns-push-type": "alert",
            "apns-priority": "10",
            "apns-expiration": "0",
            "apns-collapse-id": PUSH_ID,
        }.items()
    )
    assert delivery["payload"] == {
        "aps": {"alert": {"title": "Title", "body": "Body"}, "badge": 1, "sound": "default"},
        "push_id": PUSH_ID,
        "n": 1,
    }


CONTENT = {PushType.ALERT: {"title": "T"}, PushType.MDM: {"data": {"mdm": "magic"}}}


@pytest.mark.parametrize("push_type", sorted(set(PushType) - {PushType.MDM}))
def test_every_push_type_is_accepted(
    push_type: PushType, simulator: Simulator, senders: Any
) -> None:
    content = CONTENT.get(push_type, {})
    if push_type is PushType.LIVEACTIVITY:
        content = {"overrides": {"apns": {"aps": {"content-state": {"n": 1}}}}}
    message = Message.from_content({**content, "push_type": push_type.value})
    outcome = senders(ApnsProvider(token_account(simulator))).send(devices("ab" * 32), message)
    assert (outcome.sent, outcome.results) == ([0], [])


def test_the_sandbox_is_another_address(simulator: Simulator, senders: Any) -> None:
    account = token_account(simulator, environment="sandbox")
    assert senders(ApnsProvider(account)).send(devices("ab" * 32)).sent == [0]
    assert simulator.deliveries()[0]["environment"] == "sandbox"


def test_another_apps_topic_is_refused_for_every_device(simulator: Simulator, senders: Any) -> None:
    account = token_account(simulator, topic="com.example.stranger")
    outcome = senders(ApnsProvider(account)).send(devices("ab" * 32, "cd" * 32))
    assert outcome.sent == []
    assert len(outcome.results) == 2


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_a_refused_credential(kind: str, simulator: Simulator, senders: Any) -> None:
    simulator.behave(credentials="refuse")
    outcome = senders(ApnsProvider(ACCOUNTS[kind](simulator))).send(devices("ab" * 32))
    [(_, result)] = outcome.results
    assert result.status is Status.UNAUTHORIZED


@pytest.fixture
def strict_server(simulator: Simulator) -> Iterator[str]:
    """A TLS server that wants a client certificate of the simulator's CA, and nothing else."""
    identity = simulator.identity
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(identity.ca_file))
    context.load_cert_chain(identity.server_certificate, identity.server_key)
    context.set_alpn_protocols(["h2"])
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as raw, contextlib.suppress(OSError):
                context.wrap_socket(raw, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def test_a_certificate_of_nobody_is_a_refusal_of_the_credential(
    simulator: Simulator, strict_server: str, senders: Any
) -> None:
    found = ApnsProvider.read_file("push.p12", files.p12(), "geheim")
    account = Account(provider="apns", topic=found.topic, secret=found.secret)
    ca = str(simulator.identity.ca_file)
    with override_settings(DJANGO_PUSH={"APNS_PRODUCTION_URL": strict_server, "CA_FILE": ca}):
        sender = senders(ApnsProvider(account))
        assert sender.send(devices("ab" * 32)).sent == []
    assert "Apple refused the certificate" in sender.channel.refused


def test_location_pushes_need_a_token_key(simulator: Simulator) -> None:
    message = Message(push_type=PushType.LOCATION)
    with pytest.raises(InvalidPush, match=r"\.p8"):
        ApnsProvider(certificate_account(simulator)).prepare(Envelope(message=message, push_id="x"))


def test_an_unknown_key(simulator: Simulator, senders: Any) -> None:
    public = {"key_id": "AAAAAAAAAA", "team_id": simulator.identity.team_id}
    account = token_account(simulator, public=public)
    [(_, result)] = senders(ApnsProvider(account)).send(devices("ab" * 32)).results
    assert (result.status, result.reason) == (Status.UNAUTHORIZED, "InvalidProviderToken")


def test_an_expired_token_is_renewed_on_the_living_channel(
    simulator: Simulator, senders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = senders(ApnsProvider(token_account(simulator)))
    assert sender.send(devices("ab" * 32)).sent == [0]
    simulator.behave(credentials="expire")
    # Half an hour later: a new token may be signed.
    monkeypatch.setattr(apns_token, "EARLIEST_RENEWAL", -1)
    outcome = sender.send(devices(*["ab" * 32] * 60))
    deferred = [key for key, result in outcome.results if result.status is Status.DEFERRED]
    assert deferred
    assert len(outcome.sent) + len(deferred) == 60
    again = sender.send(devices(*["ab" * 32] * 60))
    assert len(again.sent) == 60


def test_a_token_that_is_expired_though_new_is_a_refusal(
    simulator: Simulator, senders: Any
) -> None:
    sender = senders(ApnsProvider(token_account(simulator)))
    assert sender.send(devices("ab" * 32)).sent == [0]
    simulator.behave(credentials="expire")
    first = sender.send(devices("ab" * 32)).results[0][1]
    assert (first.status, first.retry_after) == (Status.DEFERRED, 0.0)
    second = sender.send(devices("ab" * 32)).results[0][1]
    assert (second.status, second.reason) == (Status.UNAUTHORIZED, "ExpiredProviderToken")


TROUBLE: dict[str, dict[str, Any]] = {
    "goaway": {"goaway_every": 40},
    "reset": {"rst_every": 7},
    "refused": {"rst_every": 7, "rst_code": 7},
    "cut": {"close_every": 60},
    "fall to one": {"fall_to_one": True},
}


@pytest.mark.parametrize("name", TROUBLE)
def test_no_key_is_lost_or_doubled_in_trouble(
    name: str, simulator: Simulator, senders: Any
) -> None:
    simulator.behave(**TROUBLE[name])
    tokens = [("dead" if n % 50 == 7 else "abcd") + f"{n:060x}" for n in range(300)]
    outcome = senders(ApnsProvider(token_account(simulator))).send(devices(*tokens))
    back = [*outcome.sent, *(key for key, _ in outcome.results)]
    assert sorted(back) == list(range(300))
    allowed = {Status.UNREGISTERED, Status.UNKNOWN, Status.DEFERRED}
    assert {result.status for _, result in outcome.results} <= allowed


def test_a_server_that_is_not_there_is_said(simulator: Simulator, senders: Any) -> None:
    with override_settings(DJANGO_PUSH={"APNS_PRODUCTION_URL": "https://127.0.0.1:9"}):
        sender = senders(ApnsProvider(token_account(simulator)))
        outcome = sender.send(devices("ab" * 32), timeout=1)
    assert (outcome.sent, outcome.results) == ([], [])
    assert "127.0.0.1:9" in sender.channel.error
    assert sender.channel.retry_at > time.monotonic() - 5
    assert sender.channel.refused == ""


def test_a_server_that_is_not_trusted_is_said(simulator: Simulator, senders: Any) -> None:
    with override_settings(DJANGO_PUSH={"APNS_PRODUCTION_URL": simulator.apns_url}):
        sender = senders(ApnsProvider(token_account(simulator)))
        outcome = sender.send(devices("ab" * 32), timeout=1)
    assert outcome.sent == []
    assert "certificate not accepted" in sender.channel.error
