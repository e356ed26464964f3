"""Google's access tokens, fetched beside the sending and without holding it up.

https://developers.google.com/identity/protocols/oauth2/service-account#httprest

A signed assertion is exchanged for a token that is good for an hour. While it is fetched for the
first time the channel has no room; later ones are fetched some minutes before the old one ends.
"""

from __future__ import annotations

import hashlib
import random
import selectors
import time
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from ..conf import push_settings
from ..http2 import Answer, Template
from .fcm_credential import ServiceAccount
from .http2 import Authorization, OwnedClient, decoded, open_client, server_context
from .jwt import encode

__all__ = ["SCOPE", "ServiceAccountAuthorization"]

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EARLY = 300.0
"""Seconds before its end at which a token is replaced, while there is something to send."""
RESERVE = 10.0
"""Seconds before its end at which a token is not used any more: requests take time."""
LONGEST_PAUSE = 60.0
REFUSALS = frozenset(
    ("invalid_grant", "invalid_client", "unauthorized_client", "access_denied", "invalid_scope")
)
"""Errors of RFC 6749, 5.2 that mean: not this account. All others may pass."""


class _Token(NamedTuple):
    value: str
    ends_at: float
    """``time.monotonic()``."""


_tokens: dict[str, _Token] = {}
"""Shared by the channels of the process."""


class ServiceAccountAuthorization(Authorization):
    """``authorization: Bearer <access token>``."""

    def __init__(
        self, account: ServiceAccount, selector: selectors.BaseSelector, owner: object
    ) -> None:
        self._account = account
        self._selector, self._owner = selector, owner
        self._url = str(push_settings.FCM_TOKEN_URL)
        self._identity = _identity(account, self._url)
        self._client: OwnedClient | None = None
        self._asked = False
        self._failures = 0
        self._token = _Token("", 0.0)
        self._use(_tokens.get(self._identity, self._token))
        self._new_client().close()  # a wrong setting shows now, not in the middle of sending

    def ready(self) -> bool:
        now = time.monotonic()
        if now >= self._token.ends_at - EARLY and now >= self.retry_at:
            self._fetch()
        return now < self._token.ends_at - RESERVE

    def take(self) -> None:
        client = self._client
        if client is None:
            return
        self._fetch()
        outcome = client.take()
        for answer in outcome.answers:
            self._read(answer)
        for lost in outcome.lost:
            self._fail(lost.reason)
        if not self._asked and self._client is not None and client.error:
            self._fail(client.error, client.retry_at)

    def deadline(self) -> float | None:
        return self._client.deadline() if self._client is not None else None

    def renew(self) -> None:
        if _tokens.get(self._identity) == self._token:
            del _tokens[self._identity]
        self._token = _Token("", 0.0)
        self._use(_tokens.get(self._identity, self._token))

    def close(self) -> None:
        self._let_go()

    def _fetch(self) -> None:
        """Open a connection, and ask once it is up."""
        if self._client is None:
            self._client = self._new_client()
        if not self._asked and self._client.room():
            self._asked = True
            self._client.send(_template(self._url), [(0, b"", b"", self._request())])

    def _new_client(self) -> OwnedClient:
        parts = urlsplit(self._url)
        return open_client(
            f"{parts.scheme}://{parts.netloc}",
            server_context(push_settings.CA_FILE),
            self._selector,
            self._owner,
            connections=1,
            keep_ok=True,
        )

    def _request(self) -> bytes:
        account, now = self._account, int(time.time())
        claims = {
            "iss": account.email,
            "scope": SCOPE,
            "aud": account.audience,
            "iat": now,
            "exp": now + 3600,
        }

        def sign(content: bytes) -> bytes:
            return account.key.sign(content, padding.PKCS1v15(), hashes.SHA256())

        assertion = encode({"alg": "RS256", "typ": "JWT", "kid": account.key_id}, claims, sign)
        return urlencode({"grant_type": GRANT_TYPE, "assertion": assertion}).encode()

    def _read(self, answer: Answer) -> None:
        said = decoded(answer.body)
        if answer.status == 200 and isinstance(said.get("access_token"), str):
            lifetime = said.get("expires_in")
            seconds = float(lifetime) if isinstance(lifetime, int | float) else 3600.0
            token = _Token(said["access_token"], time.monotonic() + seconds)
            _tokens[self._identity] = token
            self._use(token)
            self._let_go()
            self._failures, self.error, self.refused = 0, "", ""
            return
        code = str(said.get("error") or f"HTTP {answer.status}")
        words = f"{code}: {said['error_description']}" if "error_description" in said else code
        if answer.status in (400, 401, 403) and code in REFUSALS:
            self.refused = f"Google refused the service account: {words}"
        self._fail(f"Google gave no access token: {words}")

    def _fail(self, reason: str, retry_at: float = 0.0) -> None:
        """Try again later; the old token is used as long as it lasts."""
        self._let_go()
        self._failures += 1
        pause = min(LONGEST_PAUSE, 2.0**self._failures) * random.uniform(0.5, 1)  # noqa: S311
        self.retry_at = max(time.monotonic() + pause, retry_at)
        self.error = "" if time.monotonic() < self._token.ends_at - RESERVE else reason

    def _use(self, token: _Token) -> None:
        self._token = token
        self.value = f"Bearer {token.value}" if token.value else ""

    def _let_go(self) -> None:
        """Hang up: the next question comes in an hour."""
        client, self._client, self._asked = self._client, None, False
        if client is not None:
            client.close()


def _template(url: str) -> Template:
    parts = urlsplit(url)
    pseudo = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", parts.netloc),
        (":path", parts.path or "/"),
    ]
    return Template(pseudo, [("content-type", "application/x-www-form-urlencoded")])


def _identity(account: ServiceAccount, url: str) -> str:
    numbers = account.key.public_key().public_numbers()
    content = repr((account.email, account.key_id, account.audience, url, numbers.n))
    return hashlib.sha256(content.encode()).hexdigest()
