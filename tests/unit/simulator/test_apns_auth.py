"""Provider tokens and push certificates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from django_push.simulator import Identity
from django_push.simulator.apns_auth import ApnsCredentials
from django_push.simulator.certificates import P12_PASSWORD
from django_push.simulator.pki import Authority

from .conftest import Clock
from .tokens import b64, new_ec_key, provider_token


@pytest.fixture
def credentials(identity: Identity, clock: Clock) -> ApnsCredentials:
    return ApnsCredentials(identity, clock)


def verdict(credentials: ApnsCredentials, token: str) -> str | None:
    return credentials.check(f"bearer {token}".encode(), None, "production").reason


def test_a_token_of_the_teams_key_is_accepted(
    credentials: ApnsCredentials, identity: Identity
) -> None:
    grant = credentials.check(f"Bearer {provider_token(identity)}".encode(), None, "sandbox")

    assert grant.reason is None
    assert grant.topics == {"com.example.app"}


@pytest.mark.parametrize(
    "changes",
    [
        {"kid": "0000000000"},
        {"alg": "RS256"},
        {"alg": "none"},
        {"iss": "0000000000"},
        {"iat": "now"},
        {"iat": True},
        {"iat": 2**40},
    ],
)
def test_a_token_with_wrong_contents_is_invalid(
    credentials: ApnsCredentials, identity: Identity, changes: dict[str, object]
) -> None:
    token = provider_token(identity, **changes)

    assert verdict(credentials, token) == "InvalidProviderToken"


def test_a_token_of_another_key_is_invalid(
    credentials: ApnsCredentials, identity: Identity
) -> None:
    token = provider_token(identity, pem=new_ec_key())

    assert verdict(credentials, token) == "InvalidProviderToken"


def test_claims_can_not_be_exchanged(credentials: ApnsCredentials, identity: Identity) -> None:
    header, _, signature = provider_token(identity).split(".")
    claims = b64(f'{{"iss": "{identity.team_id}", "iat": 1}}'.encode())

    assert verdict(credentials, f"{header}.{claims}.{signature}") == "InvalidProviderToken"


def test_every_changed_byte_of_the_signature_spoils_it(
    credentials: ApnsCredentials, identity: Identity
) -> None:
    token = provider_token(identity)
    for position in range(-80, -2, 13):
        other = "A" if token[position] != "A" else "B"
        spoiled = token[:position] + other + token[position + 1 :]
        assert verdict(credentials, spoiled) == "InvalidProviderToken"


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c", "a.b.c.d", "....", "\xff.\xff.\xff"])
def test_what_is_no_token_is_invalid(credentials: ApnsCredentials, token: str) -> None:
    assert verdict(credentials, token) == "InvalidProviderToken"


def test_a_token_is_good_for_an_hour(
    credentials: ApnsCredentials, identity: Identity, clock: Clock
) -> None:
    token = provider_token(identity, iat=int(clock.now))
    assert verdict(credentials, token) is None

    clock.now += 3601

    assert verdict(credentials, token) == "ExpiredProviderToken"


def test_a_clock_that_is_a_little_fast_is_forgiven(
    credentials: ApnsCredentials, identity: Identity, clock: Clock
) -> None:
    assert verdict(credentials, provider_token(identity, iat=int(clock.now) + 30)) is None
    late = provider_token(identity, iat=int(clock.now) + 90)
    assert verdict(credentials, late) == "InvalidProviderToken"


def test_too_many_new_tokens_are_refused_when_looked_for(
    credentials: ApnsCredentials, identity: Identity, clock: Clock
) -> None:
    credentials.update_interval = 1200
    first, second = (provider_token(identity, iat=int(clock.now)) for _ in range(2))

    assert verdict(credentials, first) is None
    assert verdict(credentials, second) == "TooManyProviderTokenUpdates"
    assert verdict(credentials, first) is None
    clock.now += 1200
    assert verdict(credentials, second) is None


def test_tokens_seen_so_far_can_be_made_to_expire(
    credentials: ApnsCredentials, identity: Identity
) -> None:
    old = provider_token(identity)
    assert verdict(credentials, old) is None

    credentials.expire_all()

    assert verdict(credentials, old) == "ExpiredProviderToken"
    assert verdict(credentials, provider_token(identity)) is None


def test_all_credentials_can_be_refused(credentials: ApnsCredentials, identity: Identity) -> None:
    credentials.refuse = True

    assert verdict(credentials, provider_token(identity)) == "InvalidProviderToken"
    assert credentials.check(None, der_of(identity.p12), "sandbox").reason == "BadCertificate"


def der_of(p12: bytes) -> bytes:
    _, certificate, _ = pkcs12.load_key_and_certificates(p12, P12_PASSWORD.encode())
    assert certificate is not None
    return certificate.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("environment", ["production", "sandbox"])
def test_the_push_certificate_is_for_both_environments(
    credentials: ApnsCredentials, identity: Identity, environment: str
) -> None:
    grant = credentials.check(None, der_of(identity.p12), environment)

    assert grant.reason is None
    assert grant.topics == {f"com.example.app{end}" for end in ("", ".voip", ".complication")}


def test_a_certificate_wins_over_a_token(credentials: ApnsCredentials, identity: Identity) -> None:
    grant = credentials.check(b"bearer nonsense", der_of(identity.p12), "production")

    assert grant.is_certificate
    assert grant.reason is None


def test_a_server_certificate_is_no_push_certificate(credentials: ApnsCredentials) -> None:
    pem, _ = Authority.create().issue_server(["localhost"])
    lines = pem.decode().splitlines()[1:-1]
    import base64

    der = base64.b64decode("".join(lines))

    assert credentials.check(None, der, "production").reason == "BadCertificate"


def test_tokens_are_bound_to_the_team(identity: Identity, clock: Clock) -> None:
    other = ApnsCredentials(replace(identity, team_id="OTHERTEAM1"), clock)

    assert verdict(other, provider_token(identity)) == "InvalidProviderToken"
