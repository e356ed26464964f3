"""The ``DJANGO_PUSH`` setting: one dictionary, every default in sight below.

Read as attributes of :data:`push_settings`. A key that does not exist is refused at once with
the keys that do, since a misspelt limit that is silently ignored is found at night.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import router
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["DEFAULTS", "PushSettings", "alias", "push_settings"]

DEFAULTS: dict[str, Any] = {
    # name -> dotted path of a django_push.providers.base.Provider
    "PROVIDERS": {
        "apns": "django_push.providers.apns.ApnsProvider",
        "fcm": "django_push.providers.fcm.FcmProvider",
        "pyfcm": "django_push.providers.pyfcm.PyFcmProvider",
        "console": "django_push.providers.console.ConsoleProvider",
        "locmem": "django_push.providers.locmem.LocmemProvider",
        "file": "django_push.providers.file.FileProvider",
    },
    # Name of a provider that gets everything, whatever the device: "console", "file", "locmem".
    "REDIRECT_TO": None,
    # Where the file provider appends its lines.
    "FILE": "push-deliveries.jsonl",
    # Who is told that work is due: callable(alias: str) -> None.
    "DISPATCHER": "django_push.worker.wake",
    # Fernet keys, newest first. None: derived from SECRET_KEY and SECRET_KEY_FALLBACKS.
    "ENCRYPTION_KEYS": None,
    # Credentials from code, each a dictionary: docs/providers.md. Stored by push_credential and
    # when push_worker starts.
    "CREDENTIALS": [],
    # Provider endpoints, so that a simulator or a proxy can stand in.
    "APNS_PRODUCTION_URL": "https://api.push.apple.com",
    "APNS_SANDBOX_URL": "https://api.sandbox.push.apple.com",
    "FCM_URL": "https://fcm.googleapis.com",
    "FCM_TOKEN_URL": "https://oauth2.googleapis.com/token",
    # File with the CAs to trust for these; None: the system's.
    "CA_FILE": None,
    # Connections to a provider per credential and worker process.
    "CONNECTIONS": 4,
    # Seconds a provider may take to answer one request.
    "REQUEST_TIMEOUT": 30.0,
    # Installations in one ledger row. At most 65,535.
    "BATCH_SIZE": 5000,
    # An audience of at most so many listed users or installations is planned in submit.
    "SMALL_PUSH": 500,
    # A checkpoint of the ledger comes after so many seconds or outcomes, whichever is first.
    "CHECKPOINT_SECONDS": 0.25,
    "CHECKPOINT_OUTCOMES": 2500,
    # Seconds until the work of a silent worker is given to another.
    "LEASE_SECONDS": 60.0,
    # Sends of one device before a refusal that says "later" becomes a failure.
    "MAX_ATTEMPTS": 5,
    # Seconds before the first retry; doubled each time, with jitter, up to the maximum.
    "RETRY_SECONDS": 5.0,
    "RETRY_MAX_SECONDS": 900.0,
    # Seconds a push may wait for a device when the message does not say (APNs, FCM: 28 days).
    "TIME_TO_LIVE": 2_419_200,
    # What an audience may ask about the users of devices: names such as "user__is_staff" or
    # "user__groups__name", as in Installation.objects.filter(…).
    "AUDIENCE_LOOKUPS": [],
    # Seconds that counting an audience may take in the API and the console; None: no limit.
    "COUNT_SECONDS": 10.0,
    # Seconds by which a push at the devices' own clocks, or one of a series, may be late; later
    # than that it is left out instead.
    "LATE_SECONDS": 3600,
    # Seconds for which an idempotency key is remembered.
    "IDEMPOTENCY_SECONDS": 86_400,
    # Days without a sign of life after which a device is switched off; None: never.
    "STALE_DAYS": 90,
    # Days for which a device that was switched off is kept, with its reason; None: for ever.
    "DEAD_DAYS": 180,
    # Days for which finished pushes and what they reached are kept; None: for ever.
    "HISTORY_DAYS": 365,
    # When the nightly clean-up begins, by the project's clock; None: only by command or beat.
    "CLEAN_UP_AT": "03:00",
    # Requests per client key (or user) and network address; None: no limit. Many phones share
    # one address behind a carrier's NAT, so do not be stingy.
    "THROTTLE_REGISTER": "600/min",
    # Refused credentials per network address before the host project's logins must wait.
    "THROTTLE_FAILED_LOGIN": "30/min",
    # Fetches of the OpenAPI document and its page per network address.
    "THROTTLE_PUBLIC": "60/min",
    # The console asks to type the number of devices above this.
    "CONFIRM_ABOVE": 5000,
}

_IMPORTED = {"DISPATCHER"}


class PushSettings:
    """``settings.DJANGO_PUSH`` over :data:`DEFAULTS`, read once and again when tests change it."""

    def __init__(self) -> None:
        self._values: dict[str, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        if name not in DEFAULTS:
            raise AttributeError(f"DJANGO_PUSH has no setting {name!r}.")
        value = self._load()[name]
        if name in _IMPORTED and isinstance(value, str):
            return import_string(value)
        return value

    @property
    def given(self) -> dict[str, Any]:
        """What the project set, without the defaults."""
        return dict(getattr(settings, "DJANGO_PUSH", {}))

    def reload(self) -> None:
        self._values = None

    def _load(self) -> dict[str, Any]:
        if self._values is None:
            given = self.given
            unknown = sorted(set(given) - set(DEFAULTS))
            if unknown:
                raise ImproperlyConfigured(
                    f"DJANGO_PUSH has no setting {', '.join(unknown)}. "
                    f"It knows: {', '.join(sorted(DEFAULTS))}."
                )
            self._values = {**DEFAULTS, **given}
        return self._values


push_settings = PushSettings()


def alias() -> str:
    """The database of every read and write of the pipeline: the primary, never a replica."""
    return router.db_for_write(_pipeline())


@cache
def _pipeline() -> type[Model]:
    """Looked up once: a push to one device asks for the alias twenty times."""
    return apps.get_model("django_push", "PushHistory")


def _on_setting_changed(*, setting: str, **_: Any) -> None:
    if setting == "DJANGO_PUSH":
        push_settings.reload()


setting_changed.connect(_on_setting_changed)
