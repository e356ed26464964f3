from __future__ import annotations

import json
import selectors
import stat
import threading
import unittest
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from django_push.exceptions import InvalidPush, PayloadTooLarge
from django_push.messages import Account, Device, Envelope, Message, Status
from django_push.providers.console import ConsoleProvider
from django_push.providers.contract import ProviderContract, drain
from django_push.providers.file import FileProvider
from django_push.providers.locmem import LocmemProvider, outbox

PUSH_ID = "0e3c1a52-9d0a-4f65-8a8e-1f2d3c4b5a69"


def account(network: str = "", device_type: str = "", topic: str = "") -> Account:
    public = {"network": network, "device_type": device_type}
    return Account(provider="locmem", topic=topic, public=public)


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path) -> Any:
    outbox.clear()
    with override_settings(DJANGO_PUSH={"FILE": str(tmp_path / "out.jsonl")}):
        yield
    outbox.clear()


def send(provider: Any, *tokens: str, **content: Any) -> Any:
    message = Message(**({"title": "T", "body": "B"} | content))
    prepared = provider.prepare(Envelope(message=message, push_id=PUSH_ID))
    devices = [Device(n, token, n + 1) for n, token in enumerate(tokens)]
    selector = selectors.DefaultSelector()
    return drain(provider.open(selector), selector, prepared, devices)


class LocmemContract(ProviderContract, unittest.TestCase):
    provider_class = LocmemProvider
    account = account("apns", "ios")


class ConsoleContract(ProviderContract, unittest.TestCase):
    provider_class = ConsoleProvider
    account = account("fcm", "android")


class FileContract(ProviderContract, unittest.TestCase):
    provider_class = FileProvider
    account = account()


def test_fates_by_the_beginning_of_the_token() -> None:
    outcome = send(LocmemProvider(account("apns")), "abc", "fail1", "gone2", "failed", "xfail")
    assert outcome.sent == [0, 4]
    assert [(key, result.status) for key, result in outcome.results] == [
        (1, Status.REJECTED),
        (2, Status.UNREGISTERED),
        (3, Status.REJECTED),
    ]
    assert [delivery.outcome for delivery in outbox] == [
        "sent", "rejected", "unregistered", "rejected", "sent",
    ]  # fmt: skip


def test_a_redirected_push_looks_as_apple_would_get_it() -> None:
    before = datetime.now(UTC)
    send(LocmemProvider(account("apns", "ios", "com.example.app")), "abc", badge=2)
    [delivery] = outbox
    assert delivery.provider == "apns"
    assert delivery.device_type == "ios"
    assert delivery.token == "abc"
    assert delivery.headers["apns-topic"] == "com.example.app"
    assert delivery.headers["apns-id"] == "0e3c1a52-9d0a-4f65-8a8e-000000000001"
    assert delivery.payload["aps"] == {"alert": {"title": "T", "body": "B"}, "badge": 2}
    assert before <= delivery.time <= datetime.now(UTC)


def test_a_redirected_push_looks_as_google_would_get_it() -> None:
    send(LocmemProvider(account("fcm", "android")), "abc")
    message = outbox[0].payload["message"]
    assert message["token"] == "abc"
    assert message["notification"] == {"title": "T", "body": "B"}


@pytest.mark.parametrize("network", ["hms", "", "locmem"])
def test_a_network_without_a_provider_shows_the_message_itself(network: str) -> None:
    send(LocmemProvider(account(network)), "abc", data={"a": 1})
    assert outbox[0].provider == network
    assert outbox[0].payload == {
        "title": "T",
        "body": "B",
        "data": {"a": 1},
        "push_id": PUSH_ID,
        "expires_at": None,
    }


def test_what_the_network_would_refuse_is_refused() -> None:
    with pytest.raises(PayloadTooLarge):
        send(LocmemProvider(account("apns")), "abc", body="x" * 5000)
    with pytest.raises(InvalidPush):
        send(LocmemProvider(account("fcm")), "abc", data={"from": "x"})
    assert outbox == []


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_per_hand_over(tmp_path: Path) -> None:
    send(FileProvider(account("apns", "ios")), "abc", "gone1")
    sent, gone = lines(tmp_path / "out.jsonl")
    assert list(sent) == [
        "provider", "device_type", "token", "headers", "payload", "time", "outcome",
    ]  # fmt: skip
    assert (sent["token"], sent["outcome"]) == ("abc", "sent")
    assert (gone["token"], gone["outcome"]) == ("gone1", "unregistered")
    assert datetime.fromisoformat(sent["time"]).tzinfo == UTC
    assert sent["payload"]["aps"]["alert"] == {"title": "T", "body": "B"}


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    send(FileProvider(account()), "abc")
    assert stat.S_IMODE((tmp_path / "out.jsonl").stat().st_mode) == 0o600


def test_lines_of_many_writers_do_not_mix(tmp_path: Path) -> None:
    def write(name: str) -> None:
        send(FileProvider(account("apns")), *[f"{name}{n}" for n in range(50)], body="x" * 3000)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {f"{name}{n}" for name in "abcd" for n in range(50)}
    found = [line["token"] for line in lines(tmp_path / "out.jsonl")]
    assert len(found) == len(expected)
    assert set(found) == expected


def test_a_file_that_can_not_be_written_defers_the_device(tmp_path: Path) -> None:
    with override_settings(DJANGO_PUSH={"FILE": str(tmp_path / "no" / "dir" / "x")}):
        outcome = send(FileProvider(account()), "abc")
    [(_, result)] = outcome.results
    assert result.status is Status.DEFERRED
    assert result.reason == "FileNotFoundError"


def test_the_console_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    send(ConsoleProvider(account("apns", "ios")), "abc")
    text = capsys.readouterr().out
    shown, _, rest = text.partition("-" * 79)
    assert json.loads(shown)["token"] == "abc"
    assert rest == "\n"
