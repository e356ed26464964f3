"""Secrets at rest: sealed with Fernet, found by digest, never shown.

Keys come from ``DJANGO_PUSH["ENCRYPTION_KEYS"]`` (url-safe base64 of 32 bytes, newest first), or
are derived from ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS`` by HKDF, so that the rotation which
Django knows works here too. The first key seals; all of them open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from .conf import push_settings
from .exceptions import LockedSecret

__all__ = ["digest", "digests", "seal", "unseal"]


@sensitive_variables()
def seal(text: str) -> str:
    """Encrypt ``text`` (any length) under the newest key; the answer is ASCII."""
    return _ring(_keys()).encrypt(text.encode()).decode()


@sensitive_variables()
def unseal(token: str) -> str:
    """The text that :func:`seal` was given.

    Raises :class:`~django_push.exceptions.LockedSecret` when no configured key opens it.
    """
    try:
        return _ring(_keys()).decrypt(token.encode()).decode()
    except InvalidToken:
        raise LockedSecret(
            "No configured key opens this secret. Put the former SECRET_KEY into "
            "SECRET_KEY_FALLBACKS (or the former key into DJANGO_PUSH['ENCRYPTION_KEYS']), "
            "or enter the secret again."
        ) from None


@sensitive_variables()
def digest(value: str) -> str:
    """HMAC-SHA256 of ``value`` under the newest key, 64 hex digits: what a key is found by."""
    return digests(value)[0]


@sensitive_variables()
def digests(value: str) -> list[str]:
    """The digest under every configured key, newest first: what a lookup must try."""
    return [
        hmac.new(_derive(key, b"digest"), value.encode(), hashlib.sha256).hexdigest()
        for key in _keys()
    ]


def _keys() -> tuple[bytes, ...]:
    given = push_settings.ENCRYPTION_KEYS
    if given is None:
        secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        return tuple(_derive(str(secret).encode(), b"seal") for secret in secrets)
    if not given:
        raise ImproperlyConfigured("DJANGO_PUSH['ENCRYPTION_KEYS'] is empty: give one, or None.")
    return tuple(base64.urlsafe_b64decode(key) for key in given)


@lru_cache(maxsize=32)
def _derive(secret: bytes, purpose: bytes) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"django_push." + purpose)
    return kdf.derive(secret)


@lru_cache(maxsize=8)
def _ring(keys: tuple[bytes, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
