"""Private keys and PKCS #12 files as people upload them, with errors they can act on."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from ..exceptions import InvalidCredential

__all__ = ["Key", "key_text", "load_key", "load_p12", "public_bytes"]

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_RC2_40 = bytes.fromhex("2a864886f70d010c0106")
"""pbeWithSHAAnd40BitRC2-CBC, which exports of older Keychains use (RFC 7292, appendix C)."""


@sensitive_variables()
def load_key(content: bytes, password: str, *, is_ours: bool = False) -> Key:
    """The first private key of a PEM file.

    ``is_ours``: it was checked when it was uploaded. Checking an RSA key again takes 0.1 s, which
    the first device of a push would wait for.

    Raises :class:`~django_push.exceptions.InvalidCredential`.
    """
    encrypted = b"ENCRYPTED" in content  # PKCS #8 in its first line, older files in "Proc-Type"
    if encrypted and not password:
        raise InvalidCredential(
            _("The key in this file is encrypted. Enter the password it was exported with."),
            code="password_needed",
            field="password",
        )
    try:
        key = load_pem_private_key(
            content,
            password.encode() if encrypted else None,
            unsafe_skip_rsa_key_validation=is_ours,
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted and "password" in str(error).lower():
            raise _wrong_password() from None
        raise InvalidCredential(
            _(
                "The private key in this file can not be read: it is damaged, cut off, or a "
                "public key. Download or export it again."
            ),
            code="damaged",
        ) from None
    return _supported(key)


@sensitive_variables()
def load_p12(
    content: bytes, password: str
) -> tuple[Key, x509.Certificate | None, list[x509.Certificate]]:
    """Private key, its certificate and the others of a PKCS #12 file.

    Raises :class:`~django_push.exceptions.InvalidCredential`.
    """
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(content, password.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _explain_p12(str(error), content) from None
    if key is None:
        raise InvalidCredential(
            _(
                "This file was exported without its private key. In Keychain Access choose the "
                "entry that has the key under it, and export again."
            ),
            code="no_key",
        )
    return _supported(key), certificate, others


@sensitive_variables()
def key_text(key: Key) -> str:
    """The key as unencrypted PEM (PKCS #8)."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


def public_bytes(key: Key) -> bytes:
    """The public half, as DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _explain_p12(error: str, content: bytes) -> InvalidCredential:
    if "password" not in error.lower():
        return InvalidCredential(
            _(
                "This is neither a key nor a certificate that can be read, or it is damaged. "
                "Upload a .p8 key, or a push certificate exported as .p12 together with its key."
            ),
            code="wrong_file",
        )
    if _RC2_40 in content:
        # OpenSSL without its legacy algorithms says the same as for a wrong password.
        return InvalidCredential(
            _(
                "The password does not open this file. If you are sure of it: the file uses an "
                "old encryption (RC2) that this server may be unable to read. Export it from a "
                "newer system, or convert it: openssl pkcs12 -legacy -in old.p12 -nodes -out "
                "new.pem"
            ),
            code="wrong_password",
            field="password",
        )
    return _wrong_password()


def _wrong_password() -> InvalidCredential:
    return InvalidCredential(
        _(
            "The password does not open this file. It is the one that was typed when the file "
            "was exported, not the one of a computer or an Apple account."
        ),
        code="wrong_password",
        field="password",
    )


def _supported(key: object) -> Key:
    if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return key
    raise InvalidCredential(
        _("The private key in this file is of a kind that nobody uses for push."),
        code="wrong_key",
    )
