"""Signed tokens as a provider library would make them, and ways to spoil them."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from django_push.simulator import Identity

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(header: dict[str, Any], claims: dict[str, Any], pem: str) -> str:
    """Return a compact JWS, ES256 or RS256 by the kind of key."""
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    key = serialization.load_pem_private_key(pem.encode(), None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = utils.decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    else:
        assert isinstance(key, rsa.RSAPrivateKey)
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{b64(signature)}"


def provider_token(identity: Identity, *, pem: str | None = None, **changes: Any) -> str:
    """Return an APNs provider token; `changes` go to the claims, ``alg``/``kid`` to the header."""
    header = {"alg": "ES256", "kid": identity.key_id}
    claims = {"iss": identity.team_id, "iat": int(time.time())}
    for name, value in changes.items():
        (header if name in ("alg", "kid") else claims)[name] = value
    return sign(header, claims, pem or identity.apns_key)


def assertion(identity: Identity, *, pem: str | None = None, **changes: Any) -> str:
    """Return a service account's assertion for an access token."""
    account = identity.service_account
    now = int(time.time())
    claims = {
        "iss": account["client_email"],
        "aud": account["token_uri"],
        "iat": now,
        "exp": now + 3600,
        "scope": SCOPE,
        **changes,
    }
    header = {"alg": claims.pop("alg", "RS256"), "typ": "JWT"}
    return sign(header, claims, pem or account["private_key"])


def new_ec_key() -> str:
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def new_rsa_key() -> str:
    return _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
