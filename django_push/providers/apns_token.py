"""Apple's provider tokens: signed once, shared by all channels of the process.

https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns
A token may be used for an hour, and a new one may come every 20 minutes at most: more often is
answered with ``TooManyProviderTokenUpdates``, and the connection is no good for a while.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ..exceptions import InvalidCredential
from .http2 import Authorization
from .jwt import encode
from .keyfile import load_key

__all__ = ["TokenAuthorization", "provider_token"]

LIFETIME = 50 * 60
"""Seconds after which a new token is signed; Apple refuses it after 60 minutes."""
EARLIEST_RENEWAL = 20 * 60
"""Seconds before which no new token is signed, whatever the server says."""


class _Token(NamedTuple):
    value: str
    issued_at: float
    """``time.time()``: also right after the machine slept."""


_tokens: dict[tuple[str, str, str], _Token] = {}
_lock = threading.Lock()


def provider_token(pem: str, key_id: str, team_id: str, *, oldest: float = LIFETIME) -> _Token:
    """The process's token of a key; a new one when it is older than ``oldest`` seconds.

    Raises :class:`~django_push.exceptions.InvalidCredential` when ``pem`` is no P-256 key.
    """
    identity = (key_id, team_id, hashlib.sha256(pem.encode()).hexdigest())
    now = time.time()
    with _lock:
        token = _tokens.get(identity)
        if token is None or not 0 <= now - token.issued_at < oldest:
            token = _tokens[identity] = _Token(_sign(pem, key_id, team_id, int(now)), now)
        return token


def _sign(pem: str, key_id: str, team_id: str, now: int) -> str:
    key = load_key(pem.encode(), "")
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InvalidCredential("The stored key is not an APNs key: upload it again.")

    def sign(content: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(content, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")  # RFC 7518, 3.4

    return encode({"alg": "ES256", "kid": key_id}, {"iss": team_id, "iat": now}, sign)


class TokenAuthorization(Authorization):
    """``authorization: bearer <provider token>``, changed on the living connection."""

    def __init__(self, pem: str, key_id: str, team_id: str) -> None:
        self._key = (pem, key_id, team_id)
        self._due = 0.0
        self.take()

    def take(self) -> None:
        if time.time() >= self._due:
            self._use(provider_token(*self._key))

    def renew(self) -> None:
        self._use(provider_token(*self._key, oldest=EARLIEST_RENEWAL))

    def _use(self, token: _Token) -> None:
        self.value = f"bearer {token.value}"
        self._due = token.issued_at + LIFETIME
