"""What django_push raises.

::

    DjangoPushError
    ├── InvalidPush (ValueError)        this push cannot be sent as it is; nothing was written
    │   ├── PayloadTooLarge             the provider's byte limit
    │   └── NoCredentials               the application has no account to send through
    ├── InvalidRegistration (ValueError)  this device cannot be registered as told
    ├── InvalidPreference (ValueError)  what a person or a device wants cannot be kept as told
    ├── InvalidCredential (ValueError)  a file that is not what a provider needs
    ├── IdempotencyConflict             the key was used for another push
    ├── NotAllowed                      the push is past the state in which this can be done
    └── LockedSecret                    no key of ours opens a stored secret

A device's fate is never an exception, it is a :class:`django_push.messages.Result`.
Wrong settings raise Django's own ``ImproperlyConfigured``, outside this tree.
"""

from __future__ import annotations

from typing import Self

from django.utils.translation import gettext as _

__all__ = [
    "DjangoPushError",
    "IdempotencyConflict",
    "InvalidCredential",
    "InvalidPreference",
    "InvalidPush",
    "InvalidRegistration",
    "LockedSecret",
    "NoCredentials",
    "NotAllowed",
    "PayloadTooLarge",
]


class DjangoPushError(Exception):
    """Base of all. ``code`` is stable and short, for machines; ``str()`` says what to do."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.field = field
        """Which field of the input is meant; empty when it is the whole."""

    def within(self, place: str, words: str) -> Self:
        """The same, of one among several: ``place`` goes before the field, ``words`` before all."""
        self.field = f"{place}.{self.field}" if self.field else place
        self.message = f"{words}: {self.message}"
        self.args = (self.message,)
        return self


class InvalidPush(DjangoPushError, ValueError):
    """The message, the audience or the schedule cannot be used."""

    code = "invalid_push"


class PayloadTooLarge(InvalidPush):
    """A payload above the provider's limit. ``size`` and ``limit`` are bytes."""

    code = "payload_too_large"

    def __init__(self, provider: str, size: int, limit: int) -> None:
        super().__init__(
            _(
                "The message takes %(size)s bytes for %(provider)s; at most %(limit)s are allowed. "
                "Shorten the text or the data by %(over)s bytes."
            )
            % {
                "size": f"{size:,}",
                "provider": provider,
                "limit": f"{limit:,}",
                "over": f"{size - limit:,}",
            }
        )
        self.provider, self.size, self.limit = provider, size, limit


class NoCredentials(InvalidPush):
    code = "no_credentials"


class InvalidRegistration(DjangoPushError, ValueError):
    code = "invalid_registration"


class InvalidPreference(DjangoPushError, ValueError):
    code = "invalid_preference"


class InvalidCredential(DjangoPushError, ValueError):
    code = "invalid_credential"


class IdempotencyConflict(DjangoPushError):
    code = "idempotency_conflict"


class NotAllowed(DjangoPushError):
    code = "not_allowed"


class LockedSecret(DjangoPushError):
    """The secret was sealed under a key that is not configured any more."""

    code = "locked_secret"
