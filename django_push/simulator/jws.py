"""Signed JSON tokens (RFC 7515, compact form): taking them apart and checking a signature."""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class Token(NamedTuple):
    """A token taken apart; nothing about it is proved yet."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def parse(token: bytes) -> Token | None:
    """Take a compact JWS apart; None when it is not one."""
    parts = token.split(b".")
    if len(parts) != 3:
        return None
    try:
        header, claims, signature = (_decode(part) for part in parts)
        result = Token(
            orjson.loads(header), orjson.loads(claims), token.rpartition(b".")[0], signature
        )
    except (ValueError, binascii.Error):
        return None
    whole = isinstance(result.header, dict) and isinstance(result.claims, dict)
    return result if whole else None


def _decode(part: bytes) -> bytes:
    return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)


def is_signed(token: Token, key: PublicKey) -> bool:
    """Tell whether `key` made the signature: ES256 for an elliptic curve, RS256 for RSA."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(token.signature, token.signed, padding.PKCS1v15(), SHA256())
        else:
            key.verify(_der_signature(token.signature), token.signed, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _der_signature(raw: bytes) -> bytes:
    """Turn the 64 bytes r‖s of RFC 7518, section 3.4, into what the library reads."""
    if len(raw) != 64:
        raise ValueError("an ES256 signature has 64 bytes")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    return utils.encode_dss_signature(r, s)
