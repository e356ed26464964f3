"""Certificates that expire when a drill wants it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from django_push.simulator.pki import PUSH_PRODUCTION

__all__ = ["push_certificate", "server_context"]

LOOPBACK = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
DER_NULL = b"\x05\x00"


def server_context(ca_file: Path, ends_in: dt.timedelta) -> ssl.SSLContext:
    """TLS of 127.0.0.1, whose certificate ends ``ends_in`` from now; it is added to ``ca_file``."""
    key, certificate = _self_signed("127.0.0.1", ends_in, LOOPBACK)
    pem = certificate.public_bytes(Encoding.PEM)
    ca_file.write_bytes(ca_file.read_bytes() + pem)
    chain = ca_file.with_name("expiring.pem")
    chain.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    context.set_alpn_protocols(["h2"])
    return context


def push_certificate(topic: str, ends_in: dt.timedelta, password: str) -> bytes:
    """A ``.p12`` laid out as Apple's, which ends ``ends_in`` from now."""
    oid = x509.UnrecognizedExtension(PUSH_PRODUCTION, DER_NULL)
    key, certificate = _self_signed(topic, ends_in, oid)
    encryption = BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(b"push", key, certificate, None, encryption)


def _self_signed(
    name: str, ends_in: dt.timedelta, extension: x509.ExtensionType
) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.USER_ID, name),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Apple Push Services: {name}"),
        ]
    )
    ends = dt.datetime.now(dt.UTC) + ends_in
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - dt.timedelta(days=90))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(extension, critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate
