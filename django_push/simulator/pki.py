"""Keys and certificates of the simulated providers: made here, of no use anywhere else."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PUSH_DEVELOPMENT = x509.ObjectIdentifier("1.2.840.113635.100.6.3.1")
PUSH_PRODUCTION = x509.ObjectIdentifier("1.2.840.113635.100.6.3.2")
PUSH_TOPICS = x509.ObjectIdentifier("1.2.840.113635.100.6.3.6")
"""Apple's extensions of a push certificate: its environments and its topics."""

_DER_NULL = b"\x05\x00"
_LIFETIME = dt.timedelta(days=3650)
_TOPIC_KINDS = (("", "app"), (".voip", "voip"), (".complication", "complication"))


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A certificate authority: its certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("django_push simulator CA")
        builder = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )
        return cls(certificate=builder.sign(key, hashes.SHA256()), key=key)

    def issue_server(self, hosts: Sequence[str]) -> tuple[bytes, bytes]:
        """Return certificate and key (PEM) of a TLS server that answers to `hosts`."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._leaf(_name(hosts[0]), key, ExtendedKeyUsageOID.SERVER_AUTH)
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        certificate = self._sign(builder.add_extension(names, critical=False))
        return certificate.public_bytes(serialization.Encoding.PEM), private_pem(key)

    def issue_push_certificate(self, bundle_id: str, password: str) -> bytes:
        """Return a ``.p12`` laid out as Apple's push certificates for both environments are."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        friendly = f"Apple Push Services: {bundle_id}"
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.USER_ID, bundle_id),
                # RFC 5280 allows 64 characters here.
                x509.NameAttribute(NameOID.COMMON_NAME, friendly[:64]),
            ]
        )
        builder = self._leaf(name, key, ExtendedKeyUsageOID.CLIENT_AUTH)
        for oid, value in (
            (PUSH_DEVELOPMENT, _DER_NULL),
            (PUSH_PRODUCTION, _DER_NULL),
            (PUSH_TOPICS, _topics_der(bundle_id)),
        ):
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        certificate = self._sign(builder)
        encryption = serialization.BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(
            friendly.encode(), key, certificate, None, encryption
        )

    def _leaf(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        usage: x509.ObjectIdentifier,
    ) -> x509.CertificateBuilder:
        issuer_key = self.key.public_key()
        return (
            _builder(subject, self.certificate.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
            )
        )

    def _sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self.key, hashes.SHA256())


def private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """Return `key` as unencrypted PKCS #8 PEM, the form of Apple's ``.p8`` files."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@dataclass(frozen=True, kw_only=True)
class PushCertificate:
    """What a client certificate allows.

    `topics` are those of Apple's extension, or the subject's user id where there is none.
    `environments` are ``production``, ``sandbox``, both, or none: not a push certificate.
    """

    topics: tuple[str, ...]
    environments: frozenset[str]

    @classmethod
    def parse(cls, der: bytes) -> PushCertificate:
        certificate = x509.load_der_x509_certificate(der)
        values = {
            extension.oid: extension.value.value
            for extension in certificate.extensions
            if isinstance(extension.value, x509.UnrecognizedExtension)
        }
        names = certificate.subject.get_attributes_for_oid(NameOID.USER_ID)
        subject = tuple(str(name.value) for name in names)
        topics = tuple(_read_topics(values[PUSH_TOPICS])) if PUSH_TOPICS in values else subject
        pairs = ((PUSH_PRODUCTION, "production"), (PUSH_DEVELOPMENT, "sandbox"))
        environments = frozenset(word for oid, word in pairs if oid in values)
        return cls(topics=topics, environments=environments)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + _LIFETIME)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def _topics_der(bundle_id: str) -> bytes:
    parts = (
        _der(0x0C, (bundle_id + suffix).encode()) + _der(0x30, _der(0x0C, kind.encode()))
        for suffix, kind in _TOPIC_KINDS
    )
    return _der(0x30, b"".join(parts))


def _read_topics(der: bytes) -> Iterable[str]:
    """Yield the topics of SEQUENCE {UTF8String topic, SEQUENCE {UTF8String kind}, …}."""
    _, content, _ = _read(der)
    while content:
        tag, value, content = _read(content)
        if tag == 0x0C:
            yield value.decode()


def _read(der: bytes) -> tuple[int, bytes, bytes]:
    """Split the first DER element: its tag, its content, what follows it."""
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    return der[0], der[start : start + length], der[start + length :]
