"""The state directory: everything that a real provider account would have given out.

It is filled on first use, is readable by its owner only, and belongs in no repository. All files
are made beside the directory and moved in by one rename, so that of two processes which start at
once one wins and both read the winner's.
"""

from __future__ import annotations

import os
import secrets
import shutil
import string
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from .pki import Authority, private_pem

P12_PASSWORD = "simulator"  # noqa: S105 - opens a certificate that only the simulator honours
DEFAULT_TOPICS = ("com.example.demo",)
DEFAULT_PROJECT = "django-push-demo"
GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
HOSTS = ("127.0.0.1", "localhost", "sandbox.localhost", "::1")

_FOLDER = "identity"
_ALPHABET = string.ascii_uppercase + string.digits


class StateError(Exception):
    """The state directory can not be used. The message says what to do about it."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The simulated accounts: what a client needs, and what the simulator checks against."""

    directory: Path
    """Where the files lie."""
    ca_file: Path
    """PEM of the authority that signed the server's certificate; clients must trust it."""
    server_certificate: Path
    server_key: Path
    key_id: str
    """Id of the APNs key, 10 characters."""
    team_id: str
    """Apple team, 10 characters."""
    topics: tuple[str, ...]
    """Bundle ids that the simulated team owns; the first one is the push certificate's."""
    project_id: str
    """Firebase project."""
    apns_key_file: Path
    p12_file: Path
    service_account_file: Path
    apns_key: str = field(repr=False)
    """The ``.p8`` file's text (PEM)."""
    p12: bytes = field(repr=False)
    """Push certificate with its key, for both environments."""
    p12_password: str = field(repr=False)
    service_account: dict[str, Any] = field(repr=False)
    """Google's service-account JSON; ``token_uri`` points at the simulator."""


def load_identity(
    state_dir: Path | str,
    *,
    topics: Sequence[str] | None = None,
    token_uri: str | None = None,
) -> Identity:
    """Return the identity kept in `state_dir`, making what is missing.

    `topics` (bundle ids) and `token_uri` replace what is stored when they differ; keys stay.
    Raises `StateError` when the directory is not usable.
    """
    folder = Path(state_dir) / _FOLDER
    if not folder.is_dir():
        _create(folder, tuple(topics or DEFAULT_TOPICS), token_uri or GOOGLE_TOKEN_URL)
    try:
        if topics is not None:
            _change_topics(folder, tuple(topics))
        if token_uri is not None:
            _change_token_uri(folder, token_uri)
        return _read(folder)
    except (OSError, ValueError, KeyError) as error:
        raise StateError(
            f"{folder} is damaged or not readable ({error}). Remove it; it is made anew at the "
            "next start, and credentials made from the old files must then be uploaded again."
        ) from error


def _create(folder: Path, topics: tuple[str, ...], token_uri: str) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    except OSError as error:
        raise StateError(
            f"The simulator can not write to {folder.parent} ({error}). Name a directory that "
            "this user may write to."
        ) from error
    try:
        for name, content in _first_files(topics, token_uri).items():
            _write(draft / name, content)
        draft.rename(folder)
    except OSError:
        # Another process was quicker: a directory is not replaced by a rename.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _first_files(topics: tuple[str, ...], token_uri: str) -> dict[str, bytes]:
    authority = Authority.create()
    certificate, key = authority.issue_server(HOSTS)
    names = {
        "key_id": _random_id(10),
        "team_id": _random_id(10),
        "project_id": DEFAULT_PROJECT,
        "topics": topics,
    }
    return {
        "ca.pem": authority.certificate.public_bytes(serialization.Encoding.PEM),
        "ca.key": private_pem(authority.key),
        "server.pem": certificate,
        "server.key": key,
        "apns.p8": private_pem(ec.generate_private_key(ec.SECP256R1())),
        "push.p12": authority.issue_push_certificate(topics[0], P12_PASSWORD),
        "service-account.json": _service_account(DEFAULT_PROJECT, token_uri),
        "identity.json": orjson.dumps(names, option=orjson.OPT_INDENT_2),
    }


def _random_id(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _service_account(project: str, token_uri: str) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    document = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": secrets.token_hex(20),
        "private_key": private_pem(key).decode(),
        "client_email": f"firebase-adminsdk-simulator@{project}.iam.gserviceaccount.com",
        "client_id": str(secrets.randbelow(10**21)),
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": token_uri,
        "universe_domain": "googleapis.com",
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _write(path: Path, content: bytes) -> None:
    """Write `content` to a new file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    _write(draft, content)
    draft.replace(path)


def _change_topics(folder: Path, topics: tuple[str, ...]) -> None:
    if not topics:
        raise StateError("The simulator needs at least one topic (bundle id).")
    names = orjson.loads((folder / "identity.json").read_bytes())
    before = tuple(names["topics"])
    if before == topics:
        return
    if before[0] != topics[0]:
        p12 = _authority(folder).issue_push_certificate(topics[0], P12_PASSWORD)
        _replace(folder / "push.p12", p12)
    names["topics"] = topics
    _replace(folder / "identity.json", orjson.dumps(names, option=orjson.OPT_INDENT_2))


def _authority(folder: Path) -> Authority:
    key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("ca.key is not an elliptic-curve key")
    certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    return Authority(certificate=certificate, key=key)


def _change_token_uri(folder: Path, token_uri: str) -> None:
    path = folder / "service-account.json"
    document = orjson.loads(path.read_bytes())
    if document["token_uri"] != token_uri:
        document["token_uri"] = token_uri
        _replace(path, orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _read(folder: Path) -> Identity:
    names = orjson.loads((folder / "identity.json").read_bytes())
    return Identity(
        directory=folder,
        ca_file=folder / "ca.pem",
        server_certificate=folder / "server.pem",
        server_key=folder / "server.key",
        apns_key_file=folder / "apns.p8",
        p12_file=folder / "push.p12",
        service_account_file=folder / "service-account.json",
        key_id=names["key_id"],
        team_id=names["team_id"],
        topics=tuple(names["topics"]),
        project_id=names["project_id"],
        apns_key=(folder / "apns.p8").read_text(),
        p12=(folder / "push.p12").read_bytes(),
        p12_password=P12_PASSWORD,
        service_account=orjson.loads((folder / "service-account.json").read_bytes()),
    )
