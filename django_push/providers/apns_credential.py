"""Apple's credential files: token keys (.p8) and push certificates (.p12, .pem).

What a file is, is told by its content, since names lie. The secret that is stored is a JSON text
of PEM blocks, without passwords: ``{"key": ...}`` or ``{"certificate": ..., "key": ...}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn

import orjson
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from ..exceptions import InvalidCredential
from .base import CredentialFile
from .keyfile import Key, key_text, load_key, load_p12, public_bytes

__all__ = ["PushCertificate", "TokenKey", "load_secret", "read_file"]

# https://www.apple.com/certificateauthority/pdf/Apple_WWDR_CPS.pdf, certificate extensions
_SANDBOX = x509.ObjectIdentifier("1.2.840.113635.100.6.3.1")
_PRODUCTION = x509.ObjectIdentifier("1.2.840.113635.100.6.3.2")
_TOPICS = x509.ObjectIdentifier("1.2.840.113635.100.6.3.6")

_KEY_ID = re.compile(r"AuthKey_([A-Z0-9]{10})(?:[^A-Z0-9].*)?\.p8", re.IGNORECASE)
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"

_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for damaged parts, some of them only when they are looked at."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key that signs provider tokens."""

    pem: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PushCertificate:
    """A TLS client certificate with its key."""

    certificate: x509.Certificate
    key: Key = field(repr=False)

    @property
    def expires_at(self) -> datetime:
        return self.certificate.not_valid_after_utc

    @property
    def bundle_id(self) -> str:
        return _name(self.certificate, NameOID.USER_ID)

    @property
    def topics(self) -> tuple[str, ...]:
        """Everything that may stand in ``apns-topic``; the bundle id when the file names none."""
        found = tuple(topic for topic, _kind in _topics(self.certificate))
        return found or tuple(filter(None, (self.bundle_id,)))

    @property
    def environments(self) -> tuple[str, ...]:
        known = (("production", _PRODUCTION), ("sandbox", _SANDBOX))
        present = {extension.oid for extension in self.certificate.extensions}
        return tuple(name for name, oid in known if oid in present)


@sensitive_variables()
def read_file(name: str, content: bytes, password: str) -> CredentialFile:
    """Tell what an uploaded file is and read it.

    Raises :class:`~django_push.exceptions.InvalidCredential`.
    """
    try:
        return _read(name, content, password)
    except InvalidCredential:
        raise
    except _UNREADABLE:
        raise _damaged() from None


@sensitive_variables()
def _read(name: str, content: bytes, password: str) -> CredentialFile:
    if content.lstrip()[:1] == b"{":
        raise InvalidCredential(
            _("This is a JSON file, as Google gives out. Apple needs a .p8, .p12 or .pem file."),
            code="wrong_file",
        )
    if b"-----BEGIN " in content:
        return _read_pem(name, content, password)
    if b"<plist" in content:
        raise InvalidCredential(
            _("This is a provisioning profile. Upload a .p8 key or a push certificate instead."),
            code="wrong_file",
        )
    _refuse_bare_certificate(content)
    key, certificate, others = load_p12(content, password)
    return _describe(_belonging(key, [certificate, *others]))


@sensitive_variables()
def load_secret(secret: str) -> TokenKey | PushCertificate:
    """What :func:`read_file` stored.

    Raises :class:`~django_push.exceptions.InvalidCredential` when it is not that.
    """
    try:
        stored = orjson.loads(secret)
        pem = stored["key"]
        if "certificate" not in stored:
            return TokenKey(pem)
        certificate = x509.load_pem_x509_certificate(stored["certificate"].encode())
        return PushCertificate(certificate, load_key(pem.encode(), ""))
    except (*_UNREADABLE, KeyError, AttributeError):
        message = _("Nothing usable is stored. Upload the .p8 key or the push certificate again.")
        raise InvalidCredential(message, code="missing") from None


def _read_pem(name: str, content: bytes, password: str) -> CredentialFile:
    if b"-----BEGIN CERTIFICATE REQUEST" in content:
        raise InvalidCredential(
            _(
                "This is a signing request (.csr). Upload it to Apple, and upload what Apple "
                "gives for it here."
            ),
            code="wrong_file",
        )
    if _CERTIFICATE not in content:
        return _describe_key(name, load_key(content, password))
    if b"PRIVATE KEY-----" not in content:
        _refuse_without_key()
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except ValueError:
        raise _damaged() from None
    return _describe(_belonging(load_key(content, password), certificates))


def _damaged() -> InvalidCredential:
    return InvalidCredential(
        _("The certificate in this file is damaged. Export it again."), code="damaged"
    )


def _describe_key(name: str, key: Key) -> CredentialFile:
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise InvalidCredential(
            _(
                "This private key is not an APNs key. Create one under Certificates, Identifiers "
                "& Profiles > Keys, or upload the certificate that belongs to this key with it."
            ),
            code="wrong_key",
        )
    found = _KEY_ID.search(name)
    return CredentialFile(
        kind="token key (.p8)",
        secret=orjson.dumps({"key": key_text(key)}).decode(),
        public={
            "fingerprint": _fingerprint(public_bytes(key)),
            **({"key_id": found[1].upper()} if found else {}),
        },
    )


def _describe(found: PushCertificate) -> CredentialFile:
    _check_push_certificate(found)
    certificate, environments = found.certificate, found.environments
    pem = certificate.public_bytes(Encoding.PEM).decode()
    return CredentialFile(
        kind="push certificate",
        secret=orjson.dumps({"certificate": pem, "key": key_text(found.key)}).decode(),
        public={
            "topics": list(found.topics),
            "environments": list(environments),
            "team_id": _name(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME),
            "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
        },
        topic=found.bundle_id or found.topics[0],
        environment=environments[0] if len(environments) == 1 else "",
        expires_at=found.expires_at,
    )


def _check_push_certificate(found: PushCertificate) -> None:
    present = {extension.oid for extension in found.certificate.extensions}
    if not present & {_SANDBOX, _PRODUCTION, _TOPICS} or not found.topics:
        raise InvalidCredential(
            _(
                "This certificate is not a push certificate. Choose “Apple Push Services” when "
                "creating it; certificates for signing apps do not work here."
            ),
            code="not_push",
        )
    if found.expires_at <= datetime.now(UTC):
        raise InvalidCredential(
            _("This certificate expired on %(date)s. Renew it with Apple and upload the new one.")
            % {"date": found.expires_at.date().isoformat()},
            code="expired",
        )


def _belonging(key: Key, certificates: Sequence[x509.Certificate | None]) -> PushCertificate:
    wanted = public_bytes(key)
    for certificate in certificates:
        if certificate is not None and _public_key(certificate) == wanted:
            return PushCertificate(certificate, key)
    raise InvalidCredential(
        _(
            "The private key in this file belongs to another certificate, or the certificate is "
            "missing. Export both together."
        ),
        code="mismatch",
    )


def _public_key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _refuse_bare_certificate(content: bytes) -> None:
    try:
        x509.load_der_x509_certificate(content)
    except ValueError:
        return
    _refuse_without_key()


def _refuse_without_key() -> NoReturn:
    raise InvalidCredential(
        _(
            "This certificate comes without its private key. In Keychain Access choose the entry "
            "that has the key under it and export that as .p12."
        ),
        code="no_key",
    )


def _name(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def _fingerprint(content: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content)
    return digest.finalize().hex()


def _topics(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    """Topic and kind, from ``SEQUENCE {UTF8String topic, SEQUENCE {UTF8String kind}, ...}``."""
    try:
        extension = certificate.extensions.get_extension_for_oid(_TOPICS).value
    except x509.ExtensionNotFound:
        return
    if not isinstance(extension, x509.UnrecognizedExtension):
        return
    outer = next(_elements(extension.value), (0, b""))[1]
    pending = ""
    for tag, content in _elements(outer):
        if tag == _UTF8_STRING:
            pending = content.decode("utf-8", "replace")
        elif pending:
            yield pending, next(_elements(content), (0, b""))[1].decode("utf-8", "replace")
            pending = ""


_UTF8_STRING = 0x0C


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element; stops at whatever is not DER."""
    at = 0
    while at + 2 <= len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:  # long form: so many bytes hold the length (X.690, 8.1.3.5)
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        yield tag, der[at : at + length]
        at += length
