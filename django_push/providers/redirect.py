"""What ``console``, ``file`` and ``locmem`` share: they take everybody's pushes.

``DJANGO_PUSH["REDIRECT_TO"]`` sends everything to one of them, as Django's ``EMAIL_BACKEND`` does
for mail. They show a push as the device's own network would get it: the payload and the headers
come from the provider that bears the network's name, and its limits hold, so that what is refused
here would be refused there. For a network without a provider they show the message itself.

The pipeline says which devices it redirects by ``account.public["network"]`` and
``account.public["device_type"]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import orjson

from ..conf import push_settings
from ..messages import Account, Device, Envelope, Result, Status
from .base import BlockingProvider, Preview, Provider, get_provider_class
from .payload import dumps

__all__ = ["Delivery", "RedirectProvider"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One hand-over."""

    provider: str
    """The device's own network: ``apns``, ``fcm``; empty when nobody said."""
    device_type: str
    token: str
    headers: dict[str, str]
    payload: dict[str, Any]
    """Final JSON, decoded."""
    time: datetime
    """UTC."""
    outcome: Status

    def as_json(self) -> dict[str, Any]:
        """Plain values, in the order in which people want to read them."""
        return {
            "provider": self.provider,
            "device_type": self.device_type,
            "token": self.token,
            "headers": self.headers,
            "payload": self.payload,
            "time": self.time.isoformat(timespec="milliseconds"),
            "outcome": self.outcome.value,
        }


class RedirectProvider(BlockingProvider[Any]):
    """Base of those that take everybody's pushes: a subclass says where a :class:`Delivery` goes.

    Tokens that begin with ``fail`` are rejected, those that begin with ``gone`` are unregistered.
    """

    network = "*"
    needs_account = False
    fates: ClassVar[dict[str, Result]] = {
        "fail": Result(Status.REJECTED, "Rejected", "Tokens beginning with “fail” are rejected."),
        "gone": Result(Status.UNREGISTERED, "Unregistered", "Tokens beginning with “gone” are."),
    }
    _sent = Result(Status.SENT)

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._network = str(account.public.get("network", ""))
        self._device_type = str(account.public.get("device_type", ""))
        self._original = _provider_of(self._network, account)

    def prepare(self, envelope: Envelope) -> Any:
        return self._original.prepare(envelope)

    def payload_size(self, envelope: Envelope) -> int:
        return self._original.payload_size(envelope)

    def preview(self, prepared: Any, device: Device) -> Preview:
        return self._original.preview(prepared, device)

    def deliver(self, prepared: Any, device: Device) -> Result:
        headers, payload = self.preview(prepared, device)
        result = self.fates.get(device.address[:4], self._sent)
        delivery = Delivery(
            provider=self._network,
            device_type=self._device_type,
            token=device.address,
            headers=dict(headers),
            payload=dict(payload),
            time=datetime.now(UTC),
            outcome=result.status,
        )
        try:
            self.write(delivery)
        except OSError as error:
            return Result(Status.DEFERRED, type(error).__name__, str(error))
        return result

    def write(self, delivery: Delivery) -> None:
        """Put it where it belongs. An ``OSError`` defers the device."""
        raise NotImplementedError


class _PlainProvider(Provider[dict[str, Any]]):
    """Stands in for a network without a provider: shows the message as it is."""

    name = verbose_name = "message"
    network = "*"

    def prepare(self, envelope: Envelope) -> dict[str, Any]:
        content = {
            **envelope.message.to_content(),
            "push_id": envelope.push_id,
            "expires_at": envelope.expires_at,
        }
        plain: dict[str, Any] = orjson.loads(dumps(content))
        return plain

    def payload_size(self, envelope: Envelope) -> int:
        return len(dumps(self.prepare(envelope)))

    def preview(self, prepared: dict[str, Any], device: Device) -> Preview:
        return Preview({}, prepared)


def _provider_of(network: str, account: Account) -> Provider[Any]:
    cls: type[Provider[Any]] = _PlainProvider
    if network in push_settings.PROVIDERS:
        found = get_provider_class(network)
        if not issubclass(found, RedirectProvider):
            cls = found
    stand_in = Account(
        provider=network,
        environment=account.environment,
        topic=account.topic,
        public=account.public,
    )
    return cls(stand_in)
