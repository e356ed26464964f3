"""Provider accounts as they are given: a form's file, a command's, or one that the settings name.

Whoever gives it, the provider's own class reads the file and checks the whole; what it refuses
never becomes a credential.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from .conf import alias, push_settings
from .exceptions import InvalidCredential, LockedSecret
from .messages import Environment
from .models import Application, Credential
from .providers.base import CredentialFile, Provider, known_providers

__all__ = [
    "MAX_FILE",
    "Change",
    "Declared",
    "Upload",
    "declare",
    "declare_settings",
    "take",
]

MAX_FILE = 64 * 1024
"""Bytes. No key or certificate is near it."""

_SOURCES = ("file", "env", "value")
_ABOUT_ROW = ("application", "provider", "name", "environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that a provider gave out."""

    name: str = ""
    """Apple's key id is in the name of its files."""
    content: bytes = field(repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A credential as the settings or a command describe it."""

    application: str
    """The application's key."""
    provider: str
    upload: Upload
    name: str = ""
    environment: str = ""
    """Empty: what the file says, else production."""
    typed: Mapping[str, str] = field(default_factory=dict)
    """The provider's own fields: ``topic``, ``key_id``, …"""

    @classmethod
    def from_setting(cls, entry: Mapping[str, Any]) -> Declared:
        """Read one entry of ``DJANGO_PUSH["CREDENTIALS"]``.

        Raises :class:`~django_push.exceptions.InvalidCredential`.
        """
        if not isinstance(entry, Mapping):
            raise InvalidCredential(_("A credential in the settings is a dictionary."))
        provider = _account_provider(str(entry.get("provider", "")))
        names = [spec.name for spec in provider.fields]
        known = {*_ABOUT_ROW, *_SOURCES, "password", *names}
        unknown = sorted(set(entry) - known)
        if unknown:
            raise InvalidCredential(
                _("A credential of %(provider)s has no “%(name)s”. It has: %(known)s.")
                % {
                    "provider": provider.name,
                    "name": unknown[0],
                    "known": ", ".join(sorted(known)),
                },
                code="unknown_field",
                field=str(unknown[0]),
            )
        return cls(
            application=str(entry.get("application", "")),
            provider=provider.name,
            name=str(entry.get("name", "")),
            environment=str(entry.get("environment", "")),
            upload=_upload(entry),
            typed={name: str(entry[name]) for name in names if name in entry},
        )


class Change(StrEnum):
    """What :func:`declare` did."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@sensitive_variables()
def take(credential: Credential, upload: Upload | None, typed: Mapping[str, str]) -> None:
    """Let the provider read the file, take what was typed, and look at everything together.

    The row is not saved. Raises :class:`~django_push.exceptions.InvalidCredential`, and
    :class:`~django_push.exceptions.LockedSecret` without ``upload`` when no key opens the secret.
    """
    provider = _account_provider(credential.provider)
    if upload is not None:
        if len(upload.content) > MAX_FILE:
            raise InvalidCredential(
                _("This file has more than 64 kB: it is no credential."), code="too_large"
            )
        found = provider.read_file(upload.name, upload.content, upload.password)
        _check_storable(found)
        kept = {spec.name for spec in provider.fields}
        credential.public = {k: v for k, v in credential.public.items() if k in kept}
        credential.take_file(found)
    public = dict(credential.public)
    for name, value in typed.items():
        if name == "topic":
            credential.topic = value
        else:
            public[name] = value
    credential.public = public
    provider.validate_account(credential.account())


def declare_settings(by: str = "DJANGO_PUSH") -> Iterator[tuple[Credential, Change]]:
    """Store each of ``DJANGO_PUSH["CREDENTIALS"]``, one at a time.

    Raises :class:`~django_push.exceptions.InvalidCredential` that names the entry; those before
    it are stored.
    """
    for number, entry in enumerate(push_settings.CREDENTIALS):
        try:
            yield declare(Declared.from_setting(entry), by=by)
        except InvalidCredential as error:
            place = f"CREDENTIALS[{number}]"
            raise error.within(place, f'DJANGO_PUSH["CREDENTIALS"][{number}]') from None


@sensitive_variables()
def declare(wanted: Declared, *, by: str) -> tuple[Credential, Change]:
    """Make the stored credential what ``wanted`` says; a second call changes nothing.

    It is the same one when application, provider, name, environment and topic are. ``by`` is who
    is shown as having uploaded it. Raises :class:`~django_push.exceptions.InvalidCredential`.
    """
    application = _application(wanted.application)
    _check_environment(wanted.environment)
    fresh = Credential(
        application=application,
        provider=wanted.provider,
        name=wanted.name,
        environment=wanted.environment or Environment.PRODUCTION,
    )
    take(fresh, wanted.upload, wanted.typed)
    if wanted.environment and fresh.environment != wanted.environment:
        raise InvalidCredential(
            _("The file is for %(found)s, not for %(wanted)s.")
            % {"found": fresh.environment, "wanted": wanted.environment},
            code="wrong_environment",
            field="environment",
        )
    with transaction.atomic(using=alias()):
        # Two servers may start at the same moment: one after the other, SQLite included.
        Application.objects.using(alias()).filter(pk=application.pk).update(key=F("key"))
        return _store(fresh, by)


def _store(fresh: Credential, by: str) -> tuple[Credential, Change]:
    known = (
        Credential.objects.using(alias())
        .filter(
            application=fresh.application,
            provider=fresh.provider,
            name=fresh.name,
            environment=fresh.environment,
            topic=fresh.topic,
        )
        .order_by("pk")
        .first()
    )
    if known is None:
        fresh.uploaded_by = by
        fresh.save(using=alias())
        return fresh, Change.CREATED
    if known.public == fresh.public and _secret(known) == _secret(fresh):
        return known, Change.UNCHANGED
    known.sealed, known.public, known.expires_at = fresh.sealed, fresh.public, fresh.expires_at
    known.check_result, known.check_detail, known.checked_at = fresh.check_result, "", None
    known.uploaded_by = by
    known.save(using=alias())
    return known, Change.CHANGED


@sensitive_variables()
def _secret(credential: Credential) -> str:
    """Empty when no key opens it any more: it is written again then."""
    try:
        return credential.account().secret
    except LockedSecret:
        return ""


def _application(key: str) -> Application:
    found: Application | None = Application.objects.using(alias()).filter(key=key).first()
    if found is None:
        raise InvalidCredential(
            _("There is no application with the key “%s”. Create it first.") % key,
            code="unknown_application",
            field="application",
        )
    return found


def _check_environment(name: str) -> None:
    known = (Environment.PRODUCTION.value, Environment.SANDBOX.value)
    if name and name not in known:
        raise InvalidCredential(
            _("“%(name)s” is no environment. There are: %(known)s.")
            % {"name": name, "known": ", ".join(known)},
            code="unknown_environment",
            field="environment",
        )


def _account_provider(name: str) -> type[Provider[Any]]:
    accounts = {key: cls for key, cls in known_providers().items() if cls.needs_account}
    if name not in accounts:
        raise InvalidCredential(
            _("There is no provider “%(name)s” with accounts. There are: %(known)s.")
            % {"name": name, "known": ", ".join(sorted(accounts))},
            code="unknown_provider",
            field="provider",
        )
    return accounts[name]


@sensitive_variables()
def _upload(entry: Mapping[str, Any]) -> Upload:
    given = [name for name in _SOURCES if entry.get(name)]
    if len(given) != 1:
        raise InvalidCredential(
            _("Give the credential in one of: %s.") % ", ".join(_SOURCES), code="missing"
        )
    source, value = given[0], entry[given[0]]
    password = str(entry.get("password", ""))
    if source == "file":
        path = Path(value)
        return Upload(name=path.name, content=_read(path), password=password)
    if source == "env":
        if value not in os.environ:
            raise InvalidCredential(
                _("The environment variable %s is not set.") % value, code="missing", field="env"
            )
        value = os.environ[value]
    return Upload(content=_decoded(value), password=password)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except OSError as error:
        raise InvalidCredential(
            _("%(path)s cannot be read: %(why)s.") % {"path": path, "why": error.strerror},
            code="unreadable",
            field="file",
        ) from None


@sensitive_variables()
def _decoded(value: object) -> bytes:
    """PEM and JSON as they are, anything else from base64: a variable holds no bytes."""
    if isinstance(value, bytes):
        return value
    text = str(value).strip()
    if text.startswith("-----"):
        # Many shells and services hand over a PEM on one line.
        return text.replace("\\n", "\n").encode()
    if text.startswith("{"):
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidCredential(
            _("This is neither PEM, nor JSON, nor base64 of a file."), code="damaged"
        ) from None


def _check_storable(found: CredentialFile) -> None:
    """What a crafted file says of itself may not fit into a column."""
    longest = Credential._meta.get_field("topic").max_length or 0
    if len(found.topic) > longest or b"\\u0000" in orjson.dumps([found.topic, found.public]):
        raise InvalidCredential(
            _("The names in this file are damaged. Download or export it again."), code="damaged"
        )
