"""Credential files as people would upload them, made on the spot."""

from __future__ import annotations

import datetime as dt
import json
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

SANDBOX = "1.2.840.113635.100.6.3.1"
PRODUCTION = "1.2.840.113635.100.6.3.2"
TOPICS = "1.2.840.113635.100.6.3.6"
NULL = b"\x05\x00"
BUNDLE = "com.example.app"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: Any, password: str = "") -> bytes:
    encryption: KeySerializationEncryption = NoEncryption()
    if password:
        encryption = BestAvailableEncryption(password.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def topics_extension(bundle: str = BUNDLE) -> bytes:
    kinds = (("", "app"), (".voip", "voip"), (".complication", "complication"))
    parts = [
        element(0x0C, (bundle + suffix).encode()) + element(0x30, element(0x0C, kind.encode()))
        for suffix, kind in kinds
    ]
    return element(0x30, b"".join(parts))


def element(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = b"\x82" + size.to_bytes(2, "big") if size > 127 else bytes([size])
    return bytes([tag]) + length + content


def certificate(
    *oids: str, days: int = 365, bundle: str = BUNDLE, key: Any = None
) -> x509.Certificate:
    """A self-signed certificate with Apple's extensions ``oids``."""
    key = key or rsa_key()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.USER_ID, bundle),
            x509.NameAttribute(NameOID.COMMON_NAME, "Apple Push Services"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "TEAM123456"),
        ]
    )
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=400))
        .not_valid_after(now + dt.timedelta(days=days))
    )
    for oid in oids:
        value = topics_extension(bundle) if oid == TOPICS else NULL
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256())


def push_certificate(**options: Any) -> x509.Certificate:
    return certificate(SANDBOX, PRODUCTION, TOPICS, **options)


def p12(
    cert: x509.Certificate | None = None,
    password: str = "geheim",
    encryption: KeySerializationEncryption | None = None,
    others: list[x509.Certificate] | None = None,
) -> bytes:
    if encryption is None:
        encryption = BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(
        b"push", rsa_key(), cert or push_certificate(), others, encryption
    )


def pem_pair(password: str = "") -> bytes:
    """A push certificate and its key, one after the other."""
    return cert_pem(push_certificate()) + pem(rsa_key(), password)


def cert_pem(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(Encoding.PEM)


def service_account(**changes: Any) -> bytes:
    document = {
        "type": "service_account",
        "project_id": "demo-project",
        "private_key_id": "0123456789abcdef",
        "private_key": pem(rsa_key()).decode(),
        "client_email": "push@demo-project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        **changes,
    }
    return json.dumps({k: v for k, v in document.items() if v is not None}).encode()
