"""Who may push: provider tokens (JWT) and push certificates, checked as Apple checks them.

Rules: developer.apple.com, "Establishing a token-based connection to APNs" and "Establishing a
certificate-based connection to APNs".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from . import jws
from .certificates import Identity
from .pki import PushCertificate

TOKEN_LIFETIME = 3600
"""Seconds after ``iat`` for which a provider token is accepted."""
CLOCK_SKEW = 60
"""Seconds by which ``iat`` may lie in the future."""
_MAX_TOKENS = 1000
_BEARER = b"bearer "


class Grant(NamedTuple):
    """What a credential allows, or the reason why it allows nothing."""

    reason: str | None = None
    topics: frozenset[str] = frozenset()
    """Bundle ids, or for a certificate all its topics."""
    is_certificate: bool = False
    expires: float = 0.0
    """Epoch seconds; 0.0 is never."""
    lasting: bool = True
    """Whether the same credential gets the same answer later."""


class ApnsCredentials:
    """The accounts that the simulated Apple knows."""

    def __init__(self, identity: Identity, clock: Callable[[], float]) -> None:
        key = serialization.load_pem_private_key(identity.apns_key.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key.public_key()
        self._identity = identity
        self._topics = frozenset(identity.topics)
        self._clock = clock
        self._verified: dict[bytes, float | None] = {}
        self._expired: set[bytes] = set()
        self._newest: float = 0.0
        self.refuse = False
        self.update_interval = 0

    def expire_all(self) -> None:
        """Treat every token seen so far as too old."""
        self._expired.update(self._verified)

    def check(
        self, authorization: bytes | None, certificate: bytes | None, environment: str
    ) -> Grant:
        """Judge a credential. A certificate wins over a token, as at Apple."""
        if certificate is not None:
            return self._certificate(certificate, environment)
        if authorization is None or authorization[:7].lower() != _BEARER:
            return Grant("MissingProviderToken")
        if self.refuse:
            return Grant("InvalidProviderToken")
        return self._token(authorization[7:].strip())

    def _certificate(self, der: bytes, environment: str) -> Grant:
        certificate = PushCertificate.parse(der)
        if self.refuse or not certificate.environments:
            return Grant("BadCertificate")
        if environment not in certificate.environments:
            return Grant("BadCertificateEnvironment")
        return Grant(topics=frozenset(certificate.topics), is_certificate=True)

    def _token(self, token: bytes) -> Grant:
        if token in self._expired:
            return Grant("ExpiredProviderToken")
        now = self._clock()
        is_new = token not in self._verified
        if is_new and self.update_interval and now - self._newest < self.update_interval:
            return Grant("TooManyProviderTokenUpdates", lasting=False)
        issued = self._issued_at(token)
        if issued is None or issued > now + CLOCK_SKEW:
            return Grant("InvalidProviderToken", lasting=False)
        if is_new:
            self._remember(token, issued, now)
        if issued + TOKEN_LIFETIME < now:
            return Grant("ExpiredProviderToken")
        return Grant(topics=self._topics, expires=issued + TOKEN_LIFETIME)

    def _remember(self, token: bytes, issued: float, now: float) -> None:
        if len(self._verified) >= _MAX_TOKENS:
            self._verified.clear()
        self._verified[token] = issued
        self._newest = now

    def _issued_at(self, token: bytes) -> float | None:
        """Return the token's ``iat`` if this team's key has signed it, else None."""
        if token in self._verified:
            return self._verified[token]
        parsed = jws.parse(token)
        if parsed is None or parsed.header.get("alg") != "ES256":
            return None
        if parsed.header.get("kid") != self._identity.key_id:
            return None
        issued = parsed.claims.get("iat")
        if parsed.claims.get("iss") != self._identity.team_id or type(issued) is not int:
            return None
        return float(issued) if jws.is_signed(parsed, self._key) else None
