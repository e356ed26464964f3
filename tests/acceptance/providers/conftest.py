from __future__ import annotations

import selectors
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest
from django.test import override_settings

from django_push.messages import Account, Device, Envelope, Message
from django_push.providers import apns_token, oauth
from django_push.providers.apns import ApnsProvider
from django_push.providers.base import Outcome, Provider
from django_push.providers.contract import drain
from django_push.providers.fcm import FcmProvider
from django_push.simulator import Simulator

PUSH_ID = "0e3c1a52-9d0a-4f65-8a8e-1f2d3c4b5a69"
TOKEN = "dQw4w9WgXcQ:APA91b" + "x" * 40
MESSAGE = Message(title="Title", body="Body", badge=1, sound="default", data={"n": 1})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator.run(tmp_path_factory.mktemp("simulator")) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    """A simulator in good health that has seen nothing, and settings that lead to it."""
    running.behave(reset=True)
    running.clear()
    apns_token._tokens.clear()
    oauth._tokens.clear()
    addresses = {
        "APNS_PRODUCTION_URL": running.apns_url,
        "APNS_SANDBOX_URL": running.sandbox_url,
        "FCM_URL": running.fcm_url,
        "FCM_TOKEN_URL": running.token_url,
        "CA_FILE": str(running.identity.ca_file),
    }
    with override_settings(DJANGO_PUSH=addresses):
        yield running
    running.behave(reset=True)


def token_account(simulator: Simulator, **changes: Any) -> Account:
    identity = simulator.identity
    found = ApnsProvider.read_file(
        f"AuthKey_{identity.key_id}.p8", identity.apns_key_file.read_bytes()
    )
    values = {
        "topic": identity.topics[0],
        "public": {"team_id": identity.team_id, **found.public},
        "secret": found.secret,
        **changes,
    }
    return Account(provider="apns", **values)


def certificate_account(simulator: Simulator, **changes: Any) -> Account:
    identity = simulator.identity
    found = ApnsProvider.read_file("push.p12", identity.p12, identity.p12_password)
    values = {"topic": found.topic, "public": found.public, "secret": found.secret, **changes}
    return Account(provider="apns", **values)


def google_account(simulator: Simulator, **changes: Any) -> Account:
    content = orjson.dumps({**simulator.identity.service_account, **changes})
    found = FcmProvider.read_file("account.json", content)
    return Account(provider="fcm", topic=found.topic, public=found.public, secret=found.secret)


def devices(*tokens: str) -> list[Device]:
    return [Device(n, token, 100 + n) for n, token in enumerate(tokens)]


class Sender:
    """A provider's channel with its selector, kept open between sends."""

    def __init__(self, provider: Provider[Any]) -> None:
        self.provider = provider
        self.selector = selectors.DefaultSelector()
        self.channel = provider.open(self.selector)

    def send(
        self, to: Sequence[Device], message: Message = MESSAGE, timeout: float = 20, **options: Any
    ) -> Outcome:
        envelope = Envelope(message=message, push_id=PUSH_ID, **options)
        prepared = self.provider.prepare(envelope)
        return drain(self.channel, self.selector, prepared, to, timeout)

    def close(self) -> None:
        self.channel.close()
        self.selector.close()


@pytest.fixture
def senders() -> Iterator[Any]:
    opened: list[Sender] = []

    def make(provider: Provider[Any]) -> Sender:
        opened.append(Sender(provider))
        return opened[-1]

    yield make
    for sender in opened:
        sender.close()
