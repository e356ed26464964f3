from __future__ import annotations

import selectors
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_push.exceptions import InvalidCredential
from django_push.messages import Account, Device, Envelope, Message, Result, Status
from django_push.providers.base import BlockingProvider, Field, get_provider_class, known_providers
from django_push.providers.contract import drain
from django_push.providers.http2 import RefusedChannel
from django_push.providers.locmem import LocmemProvider


def test_the_providers_of_the_first_version() -> None:
    assert set(known_providers()) == {"apns", "fcm", "pyfcm", "console", "locmem", "file"}
    for name, cls in known_providers().items():
        assert cls.name == name


def test_an_unknown_provider_is_named_with_the_known_ones() -> None:
    with pytest.raises(ImproperlyConfigured, match="apns, console, fcm"):
        get_provider_class("apsn")


def test_an_extra_that_is_not_installed_is_not_offered() -> None:
    paths = {
        "mine": "not_installed_here.Provider",
        "locmem": "django_push.providers.locmem.LocmemProvider",
    }
    with override_settings(DJANGO_PUSH={"PROVIDERS": paths}):
        assert known_providers() == {"locmem": LocmemProvider}


TEAM = Field(name="team_id", label="Team id", help="10 letters.", pattern=r"[A-Z]{10}")


@pytest.mark.parametrize("value", ["", "short", "ABCDEFGHIJK", "abcdefghij", "ABCDEFGHIJ\n"])
def test_a_field_says_what_is_wrong_with_it(value: str) -> None:
    with pytest.raises(InvalidCredential, match=r"Team id.*10 letters") as caught:
        TEAM.check(value)
    assert caught.value.field == "team_id"


def test_a_field_takes_what_fits() -> None:
    TEAM.check("ABCDEFGHIJ")
    Field(name="x", label="X", required=False, pattern="a").check("")


def test_where_a_field_is_kept() -> None:
    account = Account(provider="x", topic="com.example", public={"team_id": "T", "none": None})
    assert TEAM.value_in(account) == "T"
    assert Field(name="topic", label="Topic").value_in(account) == "com.example"
    assert Field(name="none", label="None").value_in(account) == ""


class Moody(BlockingProvider[str]):
    name = verbose_name = network = "moody"
    batch = 2

    def prepare(self, envelope: Envelope) -> str:
        return envelope.message.title

    def deliver(self, prepared: str, device: Device) -> Result:
        if device.address == "bug":
            raise ZeroDivisionError
        return Result(Status.SENT if device.address == "ok" else Status.FAILED, "Moody")


def test_a_bug_in_a_library_costs_one_device_its_answer(caplog: Any) -> None:
    provider = Moody(Account(provider="moody"))
    selector = selectors.DefaultSelector()
    devices = [Device(n, address, n) for n, address in enumerate(["ok", "bug", "no", "ok"])]
    prepared = provider.prepare(Envelope(message=Message(title="T"), push_id="x"))
    outcome = drain(provider.open(selector), selector, prepared, devices)
    assert outcome.sent == [0, 3]
    assert outcome.results == [
        (1, Result(Status.UNKNOWN, "ZeroDivisionError")),
        (2, Result(Status.FAILED, "Moody")),
    ]
    assert "Provider moody raised" in caplog.text


def test_a_blocking_channel_works_in_take() -> None:
    channel = Moody(Account(provider="moody")).open(selectors.DefaultSelector())
    assert channel.room() == 2
    assert channel.deadline() is None
    channel.send("T", [Device(1, "ok", 1), Device(2, "ok", 2)])
    assert (channel.room(), channel.in_flight, channel.deadline()) == (0, 2, 0.0)
    assert channel.take().sent == [1, 2]
    assert (channel.room(), channel.in_flight) == (2, 0)


def test_a_refused_channel_takes_nothing() -> None:
    channel = RefusedChannel[Any]("no key")
    assert (channel.room(), channel.refused, channel.error) == (0, "no key", "no key")
    with pytest.raises(RuntimeError, match="room"):
        channel.send(None, [Device(1, "x", 1)])
