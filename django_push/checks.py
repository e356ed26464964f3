"""System checks: what would go wrong at night, said at the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.module_loading import import_string

from .conf import alias, push_settings
from .crypto import unseal
from .exceptions import LockedSecret
from .models import ApiKey, Credential

__all__ = ["check_cache", "check_databases", "check_secrets", "check_settings"]


@register
def check_settings(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """``DJANGO_PUSH`` can be used as it is."""
    try:
        providers, redirect = push_settings.PROVIDERS, push_settings.REDIRECT_TO
    except ImproperlyConfigured as error:
        return [Error(str(error), id="django_push.E001")]
    found: list[CheckMessage] = []
    if not settings.USE_TZ:
        hint = "Set USE_TZ = True: schedules and leases are moments, not wall clocks."
        found.append(Error("django_push needs time zones.", hint=hint, id="django_push.E002"))
    if redirect and redirect not in providers:
        hint = f"Choose one of {', '.join(sorted(providers))}, or None."
        message = f"DJANGO_PUSH['REDIRECT_TO'] names no provider: {redirect!r}."
        found.append(Error(message, hint=hint, id="django_push.E003"))
    if not 1 <= push_settings.BATCH_SIZE <= 65_535:
        hint = "5000 is a good size."
        message = "DJANGO_PUSH['BATCH_SIZE'] must be 1 to 65,535."
        found.append(Error(message, hint=hint, id="django_push.E004"))
    return found + _check_imports(providers)


def _check_imports(providers: dict[str, str]) -> list[CheckMessage]:
    """A provider of an extra that is not installed is fine; a misspelt path is not."""
    found: list[CheckMessage] = []
    for name, path in {**providers, "DISPATCHER": push_settings.given.get("DISPATCHER")}.items():
        if not isinstance(path, str):
            continue
        try:
            import_string(path)
        except ImportError as error:
            missing = getattr(error, "name", None) or ""
            if missing and not path.startswith(missing):
                continue
            message = f"DJANGO_PUSH: {name} cannot be imported from {path!r}: {error}"
            found.append(Error(message, id="django_push.E005"))
    return found


@register(Tags.database)
def check_databases(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """SQLite is set up for writers that wait for each other."""
    connection = connections[alias()]
    if connection.vendor != "sqlite":
        return []
    options = connection.settings_dict.get("OPTIONS", {})
    wal = "journal_mode=wal" in str(options.get("init_command", "")).lower().replace(" ", "")
    if options.get("transaction_mode") == "IMMEDIATE" and wal and options.get("timeout", 0) >= 5:
        return []
    hint = (
        "In DATABASES set OPTIONS to {'transaction_mode': 'IMMEDIATE', 'timeout': 20, "
        "'init_command': 'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;'}."
    )
    message = "With these SQLite settings a worker and a web server lock each other out."
    return [Warning(message, hint=hint, id="django_push.W001")]


@register(Tags.caches, deploy=True)
def check_cache(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Throttles count in the cache, which must be one for all processes."""
    backend = settings.CACHES.get("default", {}).get("BACKEND", "")
    if not backend.endswith(("LocMemCache", "DummyCache")):
        return []
    hint = "Use a shared cache, such as django.core.cache.backends.redis.RedisCache."
    message = "The cache is not shared: each process throttles registrations on its own."
    return [Warning(message, hint=hint, id="django_push.W002")]


@register(Tags.database)
def check_secrets(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Secrets still open. Asked only with ``check --database default`` and by ``migrate``."""
    if not databases or alias() not in databases:
        return []
    tables = connections[alias()].introspection.table_names()
    if Credential._meta.db_table not in tables:
        return []
    locked = sum(row.is_locked for row in Credential.objects.exclude(sealed=""))
    locked += sum(_is_locked(key) for key in ApiKey.objects.filter(revoked_at=None)[:100])
    if not locked:
        return []
    hint = (
        "Put the former SECRET_KEY into SECRET_KEY_FALLBACKS (or the former key into "
        "DJANGO_PUSH['ENCRYPTION_KEYS']), or enter the secrets again."
    )
    message = f"{locked} stored secrets cannot be opened; their pushes are paused."
    return [Warning(message, hint=hint, id="django_push.W003")]


def _is_locked(key: ApiKey) -> bool:
    try:
        unseal(key.sealed)
    except LockedSecret:
        return True
    return False
