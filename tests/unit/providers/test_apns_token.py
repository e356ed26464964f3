from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from django_push.exceptions import InvalidCredential
from django_push.providers import apns_token
from django_push.providers.apns_token import TokenAuthorization, provider_token

from . import files

PEM = files.pem(files.ec_key()).decode()


@pytest.fixture(autouse=True)
def _no_tokens() -> Iterator[None]:
    apns_token._tokens.clear()
    yield
    apns_token._tokens.clear()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time; move it by changing its only element."""
    moment = [1_800_000_000.0]
    monkeypatch.setattr(time, "time", lambda: moment[0])
    monkeypatch.setattr(apns_token, "_age_clock", lambda: moment[0] - 1_700_000_000.0)
    return moment


def decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_is_what_apple_wants() -> None:
    header, claims, signature = provider_token(PEM, "KEY1234567", "TEAM123456").value.split(".")
    assert json.loads(decode(header)) == {"alg": "ES256", "kid": "KEY1234567"}
    found = json.loads(decode(claims))
    assert found.pop("iat") == pytest.approx(time.time(), abs=5)
    assert found == {"iss": "TEAM123456"}
    raw = decode(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    signed = f"{header}.{claims}".encode()
    files.ec_key().public_key().verify(der, signed, ec.ECDSA(hashes.SHA256()))
    assert len(raw) == 64


def test_one_token_for_all_channels_of_a_key(now: list[float]) -> None:
    first = provider_token(PEM, "KEY1234567", "TEAM123456")
    now[0] += 49 * 60
    assert provider_token(PEM, "KEY1234567", "TEAM123456") is first
    assert provider_token(PEM, "KEY1234567", "TEAM654321") is not first
    other = files.pem(ec.generate_private_key(ec.SECP256R1())).decode()
    assert provider_token(other, "KEY1234567", "TEAM123456") is not first


def test_a_new_token_before_the_hour_is_over(now: list[float]) -> None:
    channel = TokenAuthorization(PEM, "KEY1234567", "TEAM123456")
    first = channel.value
    now[0] += 49 * 60
    channel.take()
    assert channel.value == first
    now[0] += 61
    channel.take()
    assert channel.value != first
    assert channel.value.startswith("bearer ey")


def test_never_more_often_than_every_20_minutes(now: list[float]) -> None:
    channel = TokenAuthorization(PEM, "KEY1234567", "TEAM123456")
    first = channel.value
    now[0] += 19 * 60
    channel.renew()
    assert channel.value == first
    now[0] += 2 * 60
    channel.renew()
    assert channel.value != first


def test_who_renews_second_takes_what_the_first_made(now: list[float]) -> None:
    channels = [TokenAuthorization(PEM, "KEY1234567", "TEAM123456") for _ in range(3)]
    now[0] += 30 * 60
    for channel in channels:
        channel.renew()
    assert len({channel.value for channel in channels}) == 1


def test_a_clock_that_was_set_back_gives_a_new_token(now: list[float]) -> None:
    first = provider_token(PEM, "KEY1234567", "TEAM123456")
    now[0] -= 3600
    assert provider_token(PEM, "KEY1234567", "TEAM123456") is not first


def test_a_key_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidCredential):
        provider_token(files.pem(files.rsa_key()).decode(), "KEY1234567", "TEAM123456")


def test_a_clock_set_an_hour_ahead_signs_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apple would refuse a token from the future; the one that it knows is still good."""
    real = time.time
    first = provider_token(PEM, "KEY1234567", "TEAM123456")
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    known_by_age = hasattr(time, "CLOCK_BOOTTIME")  # Linux
    assert (provider_token(PEM, "KEY1234567", "TEAM123456") is first) == known_by_age


def test_a_refused_token_of_a_clock_that_was_wrong_is_replaced_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 7200)
    channels = [TokenAuthorization(PEM, "KEY1234567", "TEAM123456") for _ in range(3)]
    first = channels[0].value
    channels[0].renew()
    assert channels[0].value == first  # it is too young
    monkeypatch.setattr(time, "time", real)
    for channel in channels:
        channel.renew()
    assert first not in {channel.value for channel in channels}
    assert len({channel.value for channel in channels}) == 1
