"""A client certificate for :mod:`ssl`, which reads keys from files only.

The key is encrypted with a passphrase that is used once. On Linux the file is in memory (memfd);
elsewhere it is a temporary file of mode 0600, removed as soon as it was read.
"""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from .keyfile import Key

__all__ = ["load_client_certificate"]


def load_client_certificate(
    context: ssl.SSLContext, certificate: x509.Certificate, key: Key
) -> None:
    """Let ``context`` prove itself with this certificate."""
    passphrase = secrets.token_hex(32)
    content = certificate.public_bytes(Encoding.PEM) + key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )
    hold = (
        _in_memory if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd") else _on_disk
    )
    with hold(content) as path:
        context.load_cert_chain(path, password=passphrase)


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    with os.fdopen(os.memfd_create("push-certificate", os.MFD_CLOEXEC), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


@contextmanager
def _on_disk(content: bytes) -> Iterator[str]:
    descriptor, path = tempfile.mkstemp(prefix="push-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        yield path
    finally:
        os.unlink(path)
