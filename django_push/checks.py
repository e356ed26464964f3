"""System checks: what would go wrong at night, said at the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import connections
from django.db.models.sql import Query
from django.utils.dateparse import parse_time
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
    return found + _check_imports(providers) + _check_clean_up() + _check_lookups()


def _check_lookups() -> list[CheckMessage]:
    """Names of ``AUDIENCE_LOOKUPS`` that lead nowhere."""
    found: list[CheckMessage] = []
    for name in push_settings.AUDIENCE_LOOKUPS:
        try:
            if not str(name).startswith("user__"):
                raise FieldError(f"{name!r} does not begin with 'user__'.")
            Query(get_user_model()).solve_lookup_type(name.removeprefix("user__"))
        except FieldError as error:
            hint = "Write names such as 'user__is_staff' or 'user__groups__name'."
            message = f"DJANGO_PUSH['AUDIENCE_LOOKUPS']: {error}"
            found.append(Error(message, hint=hint, id="django_push.E008"))
    return found


def _check_clean_up() -> list[CheckMessage]:
    """What is kept, and for how long."""
    found: list[CheckMessage] = []
    begins = push_settings.CLEAN_UP_AT
    if begins is not None and not _is_time(begins):
        hint = "Write it as '03:00', or None to clean up by command or beat only."
        message = f"DJANGO_PUSH['CLEAN_UP_AT'] is no time of the day: {begins!r}."
        found.append(Error(message, hint=hint, id="django_push.E006"))
    for name in ("STALE_DAYS", "DEAD_DAYS", "HISTORY_DAYS"):
        days = getattr(push_settings, name)
        if days is not None and not (type(days) is int and days >= 1):
            hint = "Give whole days, at least 1, or None for never."
            message = f"DJANGO_PUSH[{name!r}] cannot be {days!r}."
            found.append(Error(message, hint=hint, id="django_push.E007"))
    if not found and _days(push_settings.HISTORY_DAYS) < push_settings.IDEMPOTENCY_SECONDS / 86_400:
        hint = "Keep history for longer, or lower IDEMPOTENCY_SECONDS."
        message = (
            "DJANGO_PUSH['HISTORY_DAYS'] is shorter than IDEMPOTENCY_SECONDS: a push stays until "
            "its key is forgotten, so history is kept for longer than you asked."
        )
        found.append(Warning(message, hint=hint, id="django_push.W004"))
    return found


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and parse_time(value) is not None
    except ValueError:  # well written, and no time: 25:00
        return False


def _days(value: int | None) -> float:
    return float("inf") if value is None else value


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
