"""Google's token endpoint."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from django_push.simulator import Behaviour, Identity
from django_push.simulator.certificates import GOOGLE_TOKEN_URL
from django_push.simulator.oauth import GRANT_TYPE, AccessTokens, TokenEndpoint
from django_push.simulator.wire import Answer, Peer, Request

from .conftest import Clock
from .tokens import assertion, new_rsa_key

HERE = "https://127.0.0.1:8445/token"
A_DAY = 86_400
"""Seconds: these moments are chosen when tests are collected, long before the last of them runs."""


class Endpoint:
    def __init__(self, identity: Identity, clock: Clock) -> None:
        self.tokens = AccessTokens(clock)
        self.endpoint = TokenEndpoint(identity, self.tokens, [HERE], clock)

    def post(self, method: str = "POST", **form: str) -> Answer:
        body = urlencode({"grant_type": GRANT_TYPE, **form}).encode()
        fields = {b":method": method.encode(), b":path": b"/token"}
        return self.endpoint.answer(Request(Peer(), b"/token", fields, 2, body))

    def error(self, **form: str) -> str:
        answer = self.post(**form)
        assert answer.status == 400
        document: dict[str, Any] = json.loads(answer.body)
        assert set(document) == {"error", "error_description"}
        return f"{document['error']}: {document['error_description']}"


@pytest.fixture
def endpoint(identity: Identity, clock: Clock) -> Endpoint:
    return Endpoint(identity, clock)


@pytest.mark.parametrize("audience", [None, HERE, GOOGLE_TOKEN_URL])
def test_an_assertion_buys_an_access_token(
    endpoint: Endpoint, identity: Identity, audience: str | None
) -> None:
    changes = {} if audience is None else {"aud": audience}
    answer = endpoint.post(assertion=assertion(identity, **changes))

    document = json.loads(answer.body)
    assert answer.status == 200
    assert (document["token_type"], document["expires_in"]) == ("Bearer", 3599)
    assert endpoint.tokens.is_good(document["access_token"].encode())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "someone@example.com"}, "invalid_grant: Invalid grant: account not found"),
        ({"aud": "https://example.com/token"}, "invalid_grant: Invalid JWT: Failed audience"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "invalid_scope"),
        ({"exp": 1}, "invalid_grant: Invalid JWT: Token must be a short-lived token"),
        ({"exp": "soon"}, "invalid_grant: Invalid JWT: Token must be a short-lived token"),
        ({"exp": int(time.time()) + A_DAY}, "invalid_grant: Invalid JWT: Token must be"),
        ({"iat": int(time.time()) + A_DAY}, "invalid_grant: Invalid JWT: Token must be"),
        ({"iat": None}, "invalid_grant: Invalid JWT: Token must be"),
        ({"alg": "HS256"}, "invalid_grant: Invalid JWT"),
    ],
)
def test_wrong_claims_are_refused(
    endpoint: Endpoint, identity: Identity, changes: dict[str, Any], words: str
) -> None:
    assert endpoint.error(assertion=assertion(identity, **changes)).startswith(words)


def test_an_expired_assertion_is_refused(
    endpoint: Endpoint, identity: Identity, clock: Clock
) -> None:
    old = assertion(identity)
    clock.now += 3700

    assert "short-lived" in endpoint.error(assertion=old)


def test_another_key_is_refused(endpoint: Endpoint, identity: Identity) -> None:
    forged = assertion(identity, pem=new_rsa_key())

    assert endpoint.error(assertion=forged) == "invalid_grant: Invalid JWT Signature."


def test_claims_can_not_be_exchanged(endpoint: Endpoint, identity: Identity) -> None:
    _, claims, _ = assertion(identity, sub="admin@example.com").split(".")
    header, _, signature = assertion(identity).split(".")

    forged = f"{header}.{claims}.{signature}"

    assert endpoint.error(assertion=forged) == "invalid_grant: Invalid JWT Signature."


def test_the_form_is_checked(endpoint: Endpoint, identity: Identity) -> None:
    assert endpoint.error().startswith("invalid_request")
    assert endpoint.error(assertion="x.y").startswith("invalid_grant")
    wrong = endpoint.error(grant_type="password", assertion=assertion(identity))
    assert wrong.startswith("unsupported_grant_type")
    assert endpoint.post("GET").status == 405


def test_it_can_be_out_of_order(endpoint: Endpoint, identity: Identity) -> None:
    endpoint.endpoint.behave(Behaviour(token_status=503))

    assert endpoint.post(assertion=assertion(identity)).status == 503


def test_the_account_can_be_refused(endpoint: Endpoint, identity: Identity) -> None:
    endpoint.endpoint.behave(Behaviour(credentials="refuse"))

    assert endpoint.error(assertion=assertion(identity)).startswith("invalid_grant")


def test_old_tokens_are_forgotten(endpoint: Endpoint, clock: Clock) -> None:
    for _ in range(10):
        endpoint.tokens.issue()
        clock.now += 1200

    assert len(endpoint.tokens._expiry) <= 3
