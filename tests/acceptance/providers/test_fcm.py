from __future__ import annotations

import selectors
import time
from dataclasses import replace
from typing import Any

import pytest
from django.test import override_settings

from django_push.conf import push_settings
from django_push.messages import Envelope, Message, Status
from django_push.providers import oauth
from django_push.providers.contract import ProviderContract
from django_push.providers.fcm import FcmProvider
from django_push.providers.http2 import open_client, server_context
from django_push.simulator import Simulator

from .conftest import PUSH_ID, TOKEN, devices, google_account


class TestContract(ProviderContract):
    provider_class = FcmProvider

    @pytest.fixture(autouse=True)
    def _account(self, simulator: Simulator) -> None:
        self.account = google_account(simulator)


@pytest.fixture
def provider(simulator: Simulator) -> FcmProvider:
    return FcmProvider(google_account(simulator))


def test_fates(simulator: Simulator, provider: FcmProvider, senders: Any) -> None:
    simulator.behave(slow_ms=200)
    prefixes = ["abcd", "dead", "bad0", "4290", "5030", "510e", "90a1", "beef"]
    outcome = senders(provider).send(devices(*[prefix + "0" * 60 for prefix in prefixes]))
    assert sorted(outcome.sent) == [0, 5, 6, 7]
    found = {
        key: (result.status, result.reason, result.retry_after) for key, result in outcome.results
    }
    assert found == {
        1: (Status.UNREGISTERED, "UNREGISTERED", None),
        2: (Status.UNREGISTERED, "INVALID_ARGUMENT", None),
        3: (Status.DEFERRED, "QUOTA_EXCEEDED", 60),
        4: (Status.DEFERRED, "UNAVAILABLE", 10),
    }


def test_a_token_of_another_project_is_suspect(
    simulator: Simulator, provider: FcmProvider, senders: Any
) -> None:
    simulator.behave(fates={"c0de": "wrong_app"})
    [(_, result)] = senders(provider).send(devices("c0de" + "0" * 60)).results
    assert (result.status, result.reason) == (Status.SUSPECT, "SENDER_ID_MISMATCH")


FULL = {
    "title": "Title",
    "subtitle": "Sub",
    "body": "Body",
    "image": "https://x.example/a.png",
    "link": "https://x.example/",
    "sound": "default",
    "badge": 3,
    "category": "OFFER",
    "thread_id": "t",
    "android_channel_id": "c",
    "collapse_id": "k",
    "interruption_level": "active",
    "relevance_score": 0.5,
    "data": {"n": 1, "deep": {"a": []}},
    "overrides": {"fcm": {"fcm_options": {"analytics_label": "x"}}},
}


def test_a_message_with_everything_is_accepted(
    simulator: Simulator, provider: FcmProvider, senders: Any
) -> None:
    message = Message.from_content(FULL)
    sender = senders(provider)
    to = devices(TOKEN, "fid:dQw4w9WgXcQ_-abcdefghi")
    outcome = sender.send(to, message, expires_at=int(time.time()) + 60)
    assert (sorted(outcome.sent), outcome.results) == ([0, 1], [])
    assert [each["token"] for each in simulator.deliveries()] == [
        TOKEN,
        "dQw4w9WgXcQ_-abcdefghi",
    ]


def test_data_alone_is_accepted(simulator: Simulator, provider: FcmProvider, senders: Any) -> None:
    assert senders(provider).send(devices(TOKEN), Message(data={"sync": True})).sent == [0]
    payload = simulator.deliveries()[0]["payload"]["message"]
    assert payload["data"] == {"push_id": PUSH_ID, "sync": "true"}


def test_a_message_at_our_limit_is_within_googles(
    simulator: Simulator, provider: FcmProvider, senders: Any
) -> None:
    used = provider.payload_size(Envelope(message=Message(body="x"), push_id=PUSH_ID))
    message = Message(body="x" * (4096 - used + 1))
    assert senders(provider).send(devices(TOKEN), message).sent == [0]


def test_one_access_token_serves_all_channels(
    simulator: Simulator, provider: FcmProvider, senders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    request = oauth.ServiceAccountAuthorization._request

    def counted(self: Any) -> bytes:
        asked.append(1)
        return request(self)

    monkeypatch.setattr(oauth.ServiceAccountAuthorization, "_request", counted)
    for _ in range(3):
        assert senders(provider).send(devices(TOKEN)).sent == [0]
    assert len(asked) == 1


def test_a_connection_that_keeps_200s_keeps_every_one(
    simulator: Simulator, provider: FcmProvider
) -> None:
    """Also once the peer has confirmed that its header blocks hang on nothing before them."""
    with selectors.DefaultSelector() as selector:
        auth: Any = provider.authorization(selector, None)
        context = server_context(str(simulator.identity.ca_file))
        client = open_client(simulator.fcm_url, context, selector, None, keep_ok=True)
        answers: list[Any] = []
        deadline = time.monotonic() + 60
        while len(answers) < 4 and time.monotonic() < deadline:
            if client.room() and not client.in_flight:
                request = (len(answers), b"", b"", auth._request())
                client.send(oauth._template(simulator.token_url), [request])
            for key, mask in selector.select(0.05):
                client.handle(key, mask)
            outcome = client.take()
            assert outcome.ok == []
            answers += outcome.answers
        client.close()
    assert [(answer.status, b"access_token" in answer.body) for answer in answers] == [
        (200, True)
    ] * 4


def test_a_refused_account_is_said_before_any_device_is_tried(
    simulator: Simulator, provider: FcmProvider, senders: Any
) -> None:
    simulator.behave(credentials="refuse")
    sender = senders(provider)
    outcome = sender.send(devices(TOKEN, TOKEN))
    assert (outcome.sent, outcome.results) == ([], [])
    assert "invalid_grant" in sender.channel.refused
    assert sender.channel.room() == 0
    assert simulator.deliveries() == []


def test_an_account_that_is_let_in_again_goes_on(
    simulator: Simulator, provider: FcmProvider, senders: Any
) -> None:
    simulator.behave(credentials="refuse")
    sender = senders(provider)
    sender.send(devices(TOKEN))
    assert sender.channel.refused
    assert sender.channel.retry_at > time.monotonic()
    simulator.behave(reset=True)
    deadline = time.monotonic() + 60
    while not sender.channel.room() and time.monotonic() < deadline:
        for key, mask in sender.selector.select(0.05):
            key.data.client.owner.handle(key, mask)
        sender.channel.take()
    assert sender.channel.refused == ""
    assert sender.send(devices(TOKEN)).sent == [0]


def test_a_token_endpoint_in_trouble_holds_devices_back(
    simulator: Simulator, provider: FcmProvider, senders: Any
) -> None:
    simulator.behave(token_status=503)
    sender = senders(provider)
    outcome = sender.send(devices(TOKEN), timeout=1)
    assert (outcome.sent, outcome.results) == ([], [])
    assert "server_error" in sender.channel.error
    assert sender.channel.refused == ""
    simulator.behave(reset=True)
    assert sender.send(devices(TOKEN)).sent == [0]


def test_an_access_token_that_ends_is_renewed_on_the_living_channel(
    simulator: Simulator, provider: FcmProvider, senders: Any
) -> None:
    sender = senders(provider)
    assert sender.send(devices(TOKEN)).sent == [0]
    simulator.behave(credentials="expire")
    outcome = sender.send(devices(*[TOKEN] * 300))
    deferred = {key: result for key, result in outcome.results}
    assert deferred
    assert {result.status for result in deferred.values()} == {Status.DEFERRED}
    assert {result.reason for result in deferred.values()} == {"UNAUTHENTICATED"}
    assert len(outcome.sent) + len(deferred) == 300
    assert len(sender.send(devices(*[TOKEN] * 50)).sent) == 50


def test_the_token_is_replaced_before_its_end_while_sending_goes_on(
    simulator: Simulator, provider: FcmProvider, senders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = senders(provider)
    sender.send(devices(TOKEN))
    first = sender.channel._auth.value
    monkeypatch.setattr(oauth, "EARLY", 3600.0)
    deadline = time.monotonic() + 60
    while sender.channel._auth.value == first and time.monotonic() < deadline:
        assert sender.send(devices(*[TOKEN] * 20)).results == []
    assert sender.channel._auth.value != first


def test_a_project_that_is_not_the_accounts(simulator: Simulator, senders: Any) -> None:
    account = replace(google_account(simulator), topic="another-project")
    [(_, result)] = senders(FcmProvider(account)).send(devices(TOKEN)).results
    assert (result.status, result.reason) == (Status.UNAUTHORIZED, "PERMISSION_DENIED")


def test_the_address_of_the_file_is_never_asked(simulator: Simulator, senders: Any) -> None:
    account = google_account(simulator, token_uri="https://127.0.0.1:9/token")
    sender = senders(FcmProvider(account))
    sender.send(devices(TOKEN), timeout=3)
    # The endpoint of the settings was asked, and did not like what the assertion is meant for.
    assert "audience" in sender.channel.refused


def test_a_token_endpoint_that_is_not_there(
    simulator: Simulator, provider: FcmProvider, senders: Any
) -> None:
    values = {name: getattr(push_settings, name) for name in ("FCM_URL", "CA_FILE")}
    away = {**values, "FCM_TOKEN_URL": "https://127.0.0.1:9/token"}
    with override_settings(DJANGO_PUSH=away):
        sender = senders(provider)
        outcome = sender.send(devices(TOKEN), timeout=1)
    assert (outcome.sent, outcome.results) == ([], [])
    assert "127.0.0.1:9" in sender.channel.error
    assert sender.channel.refused == ""


@pytest.mark.parametrize(
    "trouble", [{"goaway_every": 40}, {"rst_every": 7}, {"close_every": 60}], ids=str
)
def test_no_key_is_lost_or_doubled_in_trouble(
    trouble: dict[str, Any], simulator: Simulator, provider: FcmProvider, senders: Any
) -> None:
    simulator.behave(**trouble)
    outcome = senders(provider).send(devices(*[f"abcd{n:060x}" for n in range(300)]))
    back = [*outcome.sent, *(key for key, _ in outcome.results)]
    assert sorted(back) == list(range(300))
