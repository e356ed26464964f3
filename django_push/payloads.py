"""How large a message is for each network, before it is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from .conf import push_settings
from .delivery.partition import usable_credentials
from .exceptions import NoCredentials
from .messages import Account, Envelope, Message
from .models import Application, Credential
from .providers.base import get_provider_class

__all__ = ["PayloadSize", "accounts_of", "check_payloads", "payload_sizes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadSize:
    """How large a message is for one provider, in bytes, in its longest language."""

    provider: str
    """As staff read it."""
    size: int
    limit: int | None


def payload_sizes(application: Application, message: Message) -> list[PayloadSize]:
    """The payload of ``message`` for each provider that the application has credentials for.

    Raises :class:`~django_push.exceptions.NoCredentials` when there is none.
    """
    accounts = accounts_of(application, usable_credentials(application))
    return _sizes(accounts, message, enforce=False)


def check_payloads(accounts: Iterable[Account], message: Message) -> None:
    """Raise :class:`~django_push.exceptions.PayloadTooLarge`, or whatever else a provider would
    refuse."""
    _sizes(accounts, message, enforce=True)


def _sizes(accounts: Iterable[Account], message: Message, *, enforce: bool) -> list[PayloadSize]:
    sizes = []
    for account in accounts:
        provider = get_provider_class(account.provider)(account)
        envelopes = [
            Envelope(message=message.in_language(tag), push_id="0" * 36, expires_at=None)
            for tag in ("", *message.languages)
        ]
        if enforce:
            for envelope in envelopes:
                provider.prepare(envelope)
        largest = max(provider.payload_size(envelope) for envelope in envelopes)
        sizes.append(
            PayloadSize(
                provider=str(provider.verbose_name), size=largest, limit=provider.payload_limit
            )
        )
    return sizes


def accounts_of(application: Application, credentials: Iterable[Credential]) -> list[Account]:
    """One account per provider in use, without secrets: enough to make a payload."""
    redirect = push_settings.REDIRECT_TO
    if redirect:
        return [Account(provider=redirect)]
    found: dict[str, Account] = {}
    for row in credentials:
        found.setdefault(
            row.provider,
            Account(
                provider=row.provider,
                name=row.name,
                environment=row.environment,
                topic=row.topic,
                public=row.public,
            ),
        )
    if not found:
        raise NoCredentials(
            _("%(name)s has no credential to send through. Add one under Push › Credentials.")
            % {"name": application.name}
        )
    return list(found.values())
