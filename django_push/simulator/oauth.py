"""Google's token endpoint for service accounts: a signed assertion in, an access token out.

Source: developers.google.com/identity/protocols/oauth2/service-account, and RFC 7523.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import parse_qs

import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from . import jws
from .behaviour import Behaviour
from .certificates import GOOGLE_TOKEN_URL, Identity
from .wire import JSON_TYPE, Answer, Request

PATH = b"/token"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPES = frozenset(
    (
        "https://www.googleapis.com/auth/firebase.messaging",
        "https://www.googleapis.com/auth/cloud-platform",
    )
)
LIFETIME = 3600
"""Seconds for which an access token, and an assertion at most, is good."""
_SKEW = 60
_NO_STORE = (b"cache-control", b"no-cache, no-store")


class AccessTokens:
    """The access tokens that were given out."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._expiry: dict[bytes, float] = {}

    def issue(self) -> tuple[str, int]:
        """Return a new token and for how many seconds it is good."""
        now = self._clock()
        self._expiry = {token: end for token, end in self._expiry.items() if end > now}
        token = "ya29.simulator." + secrets.token_urlsafe(48)
        self._expiry[token.encode()] = now + LIFETIME
        return token, LIFETIME - 1

    def is_good(self, token: bytes) -> bool:
        return self._expiry.get(token, 0.0) > self._clock()

    def expire_all(self) -> None:
        self._expiry.clear()


class TokenEndpoint:
    """``POST /token``."""

    def __init__(
        self,
        identity: Identity,
        tokens: AccessTokens,
        audiences: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        account = identity.service_account
        key = serialization.load_pem_private_key(account["private_key"].encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key = key.public_key()
        self._email = account["client_email"]
        self._audiences = frozenset((*audiences, account["token_uri"], GOOGLE_TOKEN_URL))
        self._tokens = tokens
        self._clock = clock
        self._behaviour = Behaviour()

    def behave(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def answer(self, request: Request) -> Answer:
        """Exchange an assertion for an access token, or say in Google's words why not."""
        forced = self._behaviour.token_status
        if forced is not None:
            return _error("server_error" if forced >= 500 else "invalid_grant", "Forced.", forced)
        if request.fields.get(b":method") != b"POST":
            return _error("invalid_request", "Only POST is allowed.", 405)
        form = parse_qs(request.body.decode("latin-1"))
        grant_type = form.get("grant_type", [""])[0]
        if grant_type != GRANT_TYPE:
            return _error("unsupported_grant_type", f"Invalid grant_type: {grant_type}")
        fault = self._fault(form.get("assertion", [""])[0])
        if fault is not None:
            return _error(*fault)
        token, lifetime = self._tokens.issue()
        document = {"access_token": token, "expires_in": lifetime, "token_type": "Bearer"}
        return Answer(200, (JSON_TYPE, _NO_STORE), orjson.dumps(document))

    def _fault(self, assertion: str) -> tuple[str, str] | None:
        if not assertion:
            return "invalid_request", "Missing required parameter: assertion"
        parsed = jws.parse(assertion.encode("latin-1"))
        if parsed is None or parsed.header.get("alg") != "RS256":
            return "invalid_grant", "Invalid JWT: not a compact token signed with RS256."
        claims = parsed.claims
        if claims.get("iss") != self._email or self._behaviour.credentials == "refuse":
            return "invalid_grant", "Invalid grant: account not found"
        if not jws.is_signed(parsed, self._key):
            return "invalid_grant", "Invalid JWT Signature."
        return self._claims_fault(claims)

    def _claims_fault(self, claims: dict[str, Any]) -> tuple[str, str] | None:
        if claims.get("aud") not in self._audiences:
            return "invalid_grant", "Invalid JWT: Failed audience check."
        if not self._timely(claims.get("iat"), claims.get("exp")):
            return "invalid_grant", (
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
                "timeframe. Check your iat and exp values in the JWT claim."
            )
        scopes = str(claims.get("scope", "")).split()
        if not SCOPES.intersection(scopes):
            return "invalid_scope", "Invalid OAuth scope or ID token audience provided."
        return None

    def _timely(self, issued: object, expires: object) -> bool:
        if type(issued) not in (int, float) or type(expires) not in (int, float):
            return False
        assert isinstance(issued, int | float)
        assert isinstance(expires, int | float)
        now = self._clock()
        short = 0 < expires - issued <= LIFETIME + _SKEW
        return short and issued <= now + _SKEW and expires >= now - _SKEW


def _error(error: str, description: str, status: int = 400) -> Answer:
    document = {"error": error, "error_description": description}
    return Answer(status, (JSON_TYPE, _NO_STORE), orjson.dumps(document), error)
