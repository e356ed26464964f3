from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from django_push.exceptions import InvalidRegistration
from django_push.http2 import Answer
from django_push.messages import Account, Result, Status
from django_push.providers.apns import REASONS, ApnsProvider

ANSWERS = [
    (410, "Unregistered", Status.UNREGISTERED),
    (410, "ExpiredToken", Status.UNREGISTERED),
    (400, "BadDeviceToken", Status.SUSPECT),
    (400, "DeviceTokenNotForTopic", Status.SUSPECT),
    (400, "BadCollapseId", Status.REJECTED),
    (400, "BadExpirationDate", Status.REJECTED),
    (400, "BadMessageId", Status.REJECTED),
    (400, "BadPriority", Status.REJECTED),
    (400, "BadTopic", Status.UNAUTHORIZED),
    (400, "DuplicateHeaders", Status.REJECTED),
    (400, "InvalidPushType", Status.REJECTED),
    (400, "MissingDeviceToken", Status.REJECTED),
    (400, "MissingTopic", Status.UNAUTHORIZED),
    (400, "PayloadEmpty", Status.REJECTED),
    (400, "TopicDisallowed", Status.UNAUTHORIZED),
    (413, "PayloadTooLarge", Status.REJECTED),
    (404, "BadPath", Status.REJECTED),
    (405, "MethodNotAllowed", Status.REJECTED),
    (403, "BadCertificate", Status.UNAUTHORIZED),
    (403, "BadCertificateEnvironment", Status.UNAUTHORIZED),
    (403, "ExpiredProviderToken", Status.UNAUTHORIZED),
    (403, "InvalidProviderToken", Status.UNAUTHORIZED),
    (403, "MissingProviderToken", Status.UNAUTHORIZED),
    (403, "Forbidden", Status.UNAUTHORIZED),
    (403, "UnrelatedKeyIdInToken", Status.UNAUTHORIZED),
    (403, "BadEnvironmentKeyIdInToken", Status.UNAUTHORIZED),
    (429, "TooManyRequests", Status.DEFERRED),
    (429, "TooManyProviderTokenUpdates", Status.DEFERRED),
    (400, "IdleTimeout", Status.DEFERRED),
    (500, "InternalServerError", Status.DEFERRED),
    (503, "ServiceUnavailable", Status.DEFERRED),
    (503, "Shutdown", Status.DEFERRED),
    (400, "SomethingNew", Status.FAILED),
    (418, "SomethingNew", Status.FAILED),
    (503, "SomethingNew", Status.DEFERRED),
    (429, "SomethingNew", Status.DEFERRED),
]


def read(status: int, body: bytes, **headers: str) -> Result:
    provider = ApnsProvider(Account(provider="apns"))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return provider.read(Answer(1, status, named, body))


@pytest.mark.parametrize(("status", "reason", "verdict"), ANSWERS)
def test_reasons(status: int, reason: str, verdict: Status) -> None:
    result = read(status, orjson.dumps({"reason": reason}))
    assert (result.status, result.reason) == (verdict, reason)


def test_every_reason_of_the_table_is_tried_above() -> None:
    assert set(REASONS) == {reason for _, reason, _ in ANSWERS} - {"SomethingNew"}


def test_a_dead_token_tells_since_when() -> None:
    body = b'{"reason": "Unregistered", "timestamp": 1795310000123}'
    moment = datetime(2026, 11, 22, 1, 13, 20, 123000, tzinfo=UTC)
    assert read(410, body).invalid_since == moment


@pytest.mark.parametrize("timestamp", ["null", '"x"', "1e300", "-1e300", "[]"])
def test_a_strange_timestamp_is_none(timestamp: str) -> None:
    body = f'{{"reason": "Unregistered", "timestamp": {timestamp}}}'.encode()
    assert read(410, body) == Result(Status.UNREGISTERED, "Unregistered")


@pytest.mark.parametrize("body", [b"", b"<html>oops</html>", b"[]", b'{"reason": ""}', b"\xff"])
def test_answers_of_a_proxy(body: bytes) -> None:
    assert read(502, body).status is Status.DEFERRED
    assert read(429, body).status is Status.DEFERRED
    result = read(403, body)
    assert (result.status, result.reason) == (Status.FAILED, "HTTP 403")


def test_what_a_proxy_says_is_kept() -> None:
    assert read(403, b"blocked by policy").detail == "blocked by policy"


def test_too_many_new_tokens_wait_for_20_minutes() -> None:
    assert read(429, b'{"reason": "TooManyProviderTokenUpdates"}').retry_after == 1200


def test_retry_after_is_honoured() -> None:
    assert read(503, b'{"reason": "Shutdown"}', retry_after="17").retry_after == 17
    soon = read(503, b"", retry_after="Wed, 21 Oct 2015 07:28:00 GMT")
    assert soon.retry_after == 0
    assert read(503, b"", retry_after="soon").retry_after is None
    assert read(503, b"").retry_after is None


@pytest.mark.parametrize(
    ("address", "stored"),
    [
        ("AB" * 32, "ab" * 32),
        ("Ab" * 50, "ab" * 50),
        ("not-Hex_" * 8, "not-Hex_" * 8),
        ("ABCD", "ABCD"),
        ("a", "a"),
        ("f" * 400, "f" * 400),
    ],
)
def test_addresses(address: str, stored: str) -> None:
    assert ApnsProvider.check_address(address) == stored


@pytest.mark.parametrize(
    "address",
    ["", "f" * 401, "a/b", "..", "a b", "a?b", "a#b", "a%2fb", "é", "a\n", "<ab cd>", "a\x00"],
)
def test_addresses_that_can_not_be(address: str) -> None:
    with pytest.raises(InvalidRegistration) as caught:
        ApnsProvider.check_address(address)
    assert caught.value.field == "address"


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        ("api.push.apple.com:443: GOAWAY NO_ERROR: BadCertificateEnvironment", True),
        ("api.push.apple.com:443: connection lost: tlsv1 alert unknown ca", True),
        ("api.push.apple.com:443: connection lost: sslv3 alert certificate expired", True),
        ("api.push.apple.com:443: TLS handshake failed: tlsv13 alert certificate required", True),
        ("api.push.apple.com:443: GOAWAY NO_ERROR: Shutdown", False),
        ("api.push.apple.com:443: GOAWAY NO_ERROR: ExpiredProviderToken", False),
        ("api.push.apple.com:443: TLS certificate not accepted: unable to get issuer", False),
        ("api.push.apple.com:443: TLS handshake failed: tlsv1 alert internal error", False),
        ("api.push.apple.com:443: no connection: Connection refused", False),
        ("", False),
    ],
)
def test_which_lost_connections_are_the_credentials_fault(error: str, refused: bool) -> None:
    assert bool(ApnsProvider(Account(provider="apns")).refusal(error)) is refused
