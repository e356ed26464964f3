"""Google's service-account file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from ..exceptions import InvalidCredential
from .base import CredentialFile
from .keyfile import key_text, load_key

__all__ = ["GOOGLE_TOKEN_URL", "PROJECT_ID", "ServiceAccount", "load_secret", "read_file"]

GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
PROJECT_ID = r"[a-z0-9.:\-]{1,63}"
"""Also old ones with a domain: ``example.com:project``."""

_KEPT = ("client_email", "private_key_id", "token_uri")
_HOW = (
    "In the Firebase console open Project settings > Service accounts and choose “Generate new "
    "private key”."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """Who asks Google for access tokens."""

    email: str
    key_id: str
    audience: str
    """What the file calls ``token_uri``. It is only named in what we sign: an address from an
    upload is not one that we connect to."""
    key: rsa.RSAPrivateKey = field(repr=False)


@sensitive_variables()
def read_file(content: bytes) -> CredentialFile:
    """Read a service account. Raises :class:`~django_push.exceptions.InvalidCredential`."""
    document = _document(content)
    if document.get("type") != "service_account":
        raise InvalidCredential(_what_it_is(document), code="wrong_file")
    missing = [
        name
        for name in ("client_email", "private_key", "project_id")
        if not isinstance(document.get(name), str) or not document[name]
    ]
    if missing:
        raise InvalidCredential(
            _("The service account has no %(name)s: the file is not complete. %(how)s")
            % {"name": missing[0], "how": _(_HOW)},
            code="incomplete",
        )
    if not re.fullmatch(PROJECT_ID, document["project_id"]):
        raise InvalidCredential(_("The project id in this file is malformed."), code="malformed")
    return _describe(document)


@sensitive_variables()
def load_secret(secret: str) -> ServiceAccount:
    """What :func:`read_file` stored.

    Raises :class:`~django_push.exceptions.InvalidCredential` when it is not that.
    """
    try:
        stored = orjson.loads(secret)
        return ServiceAccount(
            email=stored["client_email"],
            key_id=stored["private_key_id"],
            audience=stored["token_uri"],
            key=_rsa_key(stored["private_key"], is_ours=True),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        message = _("Nothing usable is stored. Upload the service account's file again.")
        raise InvalidCredential(message, code="missing") from None


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        raise InvalidCredential(_what_bytes_are(content), code="wrong_file") from None
    if not isinstance(document, dict):
        raise InvalidCredential(_not_a_service_account(), code="wrong_file")
    return document


def _what_bytes_are(content: bytes) -> str:
    text = content.strip()
    if text.startswith(b"{"):
        return _("This JSON file is damaged or cut off. Download it again.")
    if b"-----BEGIN " in text:
        return _(
            "This is a key or certificate of Apple, or a bare private key. Google needs the "
            "whole JSON file of a service account. %(how)s"
        ) % {"how": _(_HOW)}
    if b"<plist" in text:
        return _(
            "This is GoogleService-Info.plist, which belongs into the app. The server needs a "
            "service account. %(how)s"
        ) % {"how": _(_HOW)}
    if re.fullmatch(rb"AAAA[\w\-]{7}:[\w\-]{100,200}|AIza[\w\-]{35}", text):
        return _(
            "This is a server key of the old FCM interface, which Google switched off in 2024. "
            "%(how)s"
        ) % {"how": _(_HOW)}
    return _not_a_service_account()


def _what_it_is(document: Mapping[str, Any]) -> str:
    if "project_info" in document or "client" in document:
        return _(
            "This is google-services.json, which belongs into the Android app. The server needs "
            "a service account. %(how)s"
        ) % {"how": _(_HOW)}
    if "installed" in document or "web" in document:
        return _(
            "This is an OAuth client, with which people log in. Sending needs a service account. "
            "%(how)s"
        ) % {"how": _(_HOW)}
    if document.get("type") in ("authorized_user", "external_account"):
        return _(
            "This file holds a person's or another system's login, not a service account. %(how)s"
        ) % {"how": _(_HOW)}
    if "publicKey" in document or "apiKey" in document:
        return _("This is the configuration of a web app. The server needs more. %(how)s") % {
            "how": _(_HOW)
        }
    return _not_a_service_account()


def _not_a_service_account() -> str:
    return _("This is not the JSON file of a service account. %(how)s") % {"how": _(_HOW)}


def _describe(document: Mapping[str, Any]) -> CredentialFile:
    kept = {name: str(document.get(name) or "") for name in _KEPT}
    kept["token_uri"] = kept["token_uri"] or GOOGLE_TOKEN_URL
    key = _rsa_key(document["private_key"])
    return CredentialFile(
        kind="service account",
        secret=orjson.dumps({**kept, "private_key": key_text(key)}).decode(),
        public={
            "client_email": kept["client_email"],
            "key_id": kept["private_key_id"],
        },
        topic=document["project_id"],
        environment="production",
    )


@sensitive_variables()
def _rsa_key(pem: str, *, is_ours: bool = False) -> rsa.RSAPrivateKey:
    # People paste keys through editors and environment variables that write line ends as \n.
    key = load_key(pem.replace("\\n", "\n").encode(), "", is_ours=is_ours)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise InvalidCredential(
            _("The private key of this service account is not one of Google's (RSA)."),
            code="wrong_key",
        )
    return key
