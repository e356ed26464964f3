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
CLOCK_SET = 60
"""Seconds by which the machine's clock may drift before it counts as set by somebody."""
EARLIEST_RENEWAL = 20 * 60
"""Seconds before which no new token is signed, whatever the server says."""


class _Token(NamedTuple):
    value: str
    issued_at: float
    """:func:`_age_clock`."""
    signed_at: float
    """``time.time()``, as the token itself says."""

    @property
    def is_from_another_time(self) -> bool:
        """Whether somebody set the machine's clock since."""
        ours, its = _age_clock() - self.issued_at, time.time() - self.signed_at
        return abs(ours - its) > CLOCK_SET


_tokens: dict[tuple[str, str, str], _Token] = {}
_lock = threading.Lock()


def provider_token(pem: str, key_id: str, team_id: str, *, oldest: float = LIFETIME) -> _Token:
    """The process's token of a key; a new one when it is older than ``oldest`` seconds.

    Asked for with an ``oldest`` below :data:`LIFETIME` by who was refused, a token that a wrong
    clock signed is replaced whatever its age.

    Raises :class:`~django_push.exceptions.InvalidCredential` when ``pem`` is no P-256 key.
    """
    identity = (key_id, team_id, hashlib.sha256(pem.encode()).hexdigest())
    now = _age_clock()
    with _lock:
        token = _tokens.get(identity)
        wall = time.time()
        refused = oldest < LIFETIME
        if (
            token is None
            or wall < token.signed_at
            or now - token.issued_at >= oldest
            or (refused and token.is_from_another_time)
        ):
            signed = _sign(pem, key_id, team_id, int(wall))
            token = _tokens[identity] = _Token(signed, now, wall)
        return token


def _age_clock() -> float:
    """Seconds that go on while the machine sleeps, and stay when somebody sets its clock: a token
    signed by a clock that is an hour fast is refused, and the old one is still good."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)  # Linux has it
    return time.time() if boot_time is None else time.clock_gettime(boot_time)


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
        self._use(provider_token(*self._key))

    def take(self) -> None:
        if _age_clock() >= self._due:
            self._use(provider_token(*self._key))

    def renew(self) -> None:
        self._use(provider_token(*self._key, oldest=EARLIEST_RENEWAL))

    def _use(self, token: _Token) -> None:
        self.value = f"bearer {token.value}"
        self._due = token.issued_at + LIFETIME
