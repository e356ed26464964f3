"""What a provider is: one file that knows one vendor.

A provider turns an :class:`~django_push.messages.Envelope` into a payload once
(:meth:`Provider.prepare`), opens a :class:`Channel` that lives as long as the worker process, and
translates the vendor's answers into :class:`~django_push.messages.Result` by one table. It knows
no models and no database; the pipeline pulls, the provider never asks for more than it can send.

Who writes one: a vendor over HTTP/2 starts from :mod:`django_push.providers.http2`, a vendor with
a library of its own from :class:`BlockingProvider`.
"""

from __future__ import annotations

import logging
import re
import selectors
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from ..conf import push_settings
from ..exceptions import InvalidCredential, PayloadTooLarge
from ..messages import Account, Device, Envelope, Result, Status

__all__ = [
    "BlockingProvider",
    "Channel",
    "CredentialFile",
    "Field",
    "Outcome",
    "Preview",
    "Probe",
    "Provider",
    "get_provider_class",
    "known_providers",
]

logger = logging.getLogger("django_push.delivery")

PreparedT = TypeVar("PreparedT")


@dataclass(slots=True)
class Outcome:
    """What has come back since the last look, in the caller's own keys."""

    sent: list[int] = field(default_factory=list)
    """Keys that the provider accepted: the common case, kept apart since it must cost little."""
    results: list[tuple[int, Result]] = field(default_factory=list)
    """All others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialFile:
    """What a provider read from an uploaded file."""

    kind: str
    """For people: "token key (.p8)", "push certificate", "service account"."""
    secret: str = field(repr=False)
    public: Mapping[str, Any] = field(default_factory=dict)
    topic: str = ""
    environment: str = ""
    """Empty when the file does not say."""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that staff type beside the file: key id, team id, topic.

    ``label`` and ``help`` are marked with ``gettext_noop`` and translated where they are shown.
    """

    name: str
    """Where it is kept: ``topic`` in ``Account.topic``, everything else in ``Account.public``."""
    label: str
    help: str = ""
    pattern: str = ""
    """Regular expression for the whole value; empty: anything goes."""
    required: bool = True

    def value_in(self, account: Account) -> str:
        """What the account holds; empty when it holds nothing."""
        return account.topic if self.name == "topic" else str(account.public.get(self.name) or "")

    def check(self, value: str) -> None:
        """Raises :class:`~django_push.exceptions.InvalidCredential` that names the field."""
        if not value and self.required:
            raise InvalidCredential(
                f"{self.label} is missing. {self.help}".strip(), code="missing", field=self.name
            )
        if value and self.pattern and not re.fullmatch(self.pattern, value):
            raise InvalidCredential(
                f"“{value}” can not be right for {self.label}. {self.help}".strip(),
                code="malformed",
                field=self.name,
            )


class Preview(NamedTuple):
    """What one device's hand-over looks like on the wire, without secrets."""

    headers: Mapping[str, str]
    payload: Mapping[str, Any]
    """The body, as decoded JSON."""


@dataclass(frozen=True, slots=True)
class Probe(Generic[PreparedT]):
    """A question that tells whether a vendor takes the account, and reaches nobody."""

    prepared: PreparedT
    device: Device
    refusals: frozenset[str] = frozenset()
    """Reasons that speak against the account, beside those of ``Status.UNAUTHORIZED``."""


class Channel(Generic[PreparedT]):
    """One account's way out, kept open by a worker process. Never blocks; not thread-safe.

    The owner loops: :meth:`room`, :meth:`send` at most so many, wait on the selector, give events
    to :meth:`handle`, :meth:`take`. Every key given to ``send`` comes back from ``take`` exactly
    once, whatever happens to the connection.
    """

    in_flight: int = 0
    """Devices sent and not yet answered."""
    error: str = ""
    """Why nothing can be sent now, for people; empty when all is well."""
    retry_at: float = 0.0
    """``time.monotonic()`` of the next attempt to connect while :attr:`error` is set."""
    refused: str = ""
    """Why the vendor refused the credential itself, for people; empty when it did not. While it
    is set :meth:`room` is 0: more devices would only be refused too."""

    def room(self) -> int:
        """How many more devices it takes right now."""
        raise NotImplementedError

    def send(self, prepared: PreparedT, devices: Sequence[tuple[int, str, int]]) -> None:
        """Hand over at most :meth:`room` devices of one prepared message.

        The pipeline gives plain tuples in the order of :class:`Device`: naming them would cost
        0.2 of the 5 µs that a device may take. Unpack them, do not use the names.
        """
        raise NotImplementedError

    def handle(self, key: selectors.SelectorKey, mask: int) -> None:
        """An event of the shared selector for one of this channel's sockets."""

    def take(self) -> Outcome:
        """What has come back since the last call; also runs timers. Cheap when idle."""
        raise NotImplementedError

    def deadline(self) -> float | None:
        """``time.monotonic()`` at which :meth:`take` must be called though no event came."""
        return None

    def close(self, timeout: float = 0.0) -> None:
        """Wait up to ``timeout`` seconds for answers, then let go; a last ``take`` has the rest."""


class Provider(Generic[PreparedT]):
    """One vendor, with one account."""

    name: ClassVar[str]
    verbose_name: ClassVar[str]
    """As staff read it: "Apple", "Google"."""
    network: ClassVar[str]
    """Whose addresses it takes: equals ``Installation.provider``. ``"*"``: everybody's."""
    payload_limit: ClassVar[int | None] = None
    """Bytes; ``None``: none known."""
    needs_account: ClassVar[bool] = True
    file_help: ClassVar[str] = ""
    """Which files staff may upload, for the form."""
    fields: ClassVar[Sequence[Field]] = ()
    """What staff type beside the file."""
    about_device: ClassVar[frozenset[str]] = frozenset()
    """Reasons to try a device later that say nothing of the others."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def prepare(self, envelope: Envelope) -> PreparedT:
        """Serialise the message once for many devices.

        Raises :class:`~django_push.exceptions.PayloadTooLarge` and
        :class:`~django_push.exceptions.InvalidPush` for what this vendor would refuse.
        """
        raise NotImplementedError

    def payload_size(self, envelope: Envelope) -> int:
        """Bytes of the payload, without a limit being applied."""
        raise NotImplementedError

    def open(self, selector: selectors.BaseSelector) -> Channel[PreparedT]:
        """A channel whose sockets are registered with ``selector``.

        An account that can not be used does not raise: its channel says so in
        :attr:`Channel.refused`. Wrong settings raise ``ImproperlyConfigured``.
        """
        raise NotImplementedError

    @classmethod
    def read_file(cls, name: str, content: bytes, password: str = "") -> CredentialFile:
        """Read an uploaded credential file.

        Raises :class:`~django_push.exceptions.InvalidCredential` that says in plain words what is
        wrong with it.
        """
        raise NotImplementedError

    @classmethod
    def check_address(cls, address: str) -> str:
        """The address as it is stored.

        Raises :class:`~django_push.exceptions.InvalidRegistration` when no device of this network
        can have such an address.
        """
        return address

    @classmethod
    def validate_account(cls, account: Account) -> None:
        """Check that everything needed is there, without asking the vendor.

        Raises :class:`~django_push.exceptions.InvalidCredential` with ``field`` set to the name
        of the :class:`Field` that is wrong, or empty when it is the file.
        """
        for spec in cls.fields:
            spec.check(spec.value_in(account))

    def preview(self, prepared: PreparedT, device: Device) -> Preview:
        """What :meth:`Channel.send` would hand over for one device.

        For people, and for the providers to which everything can be redirected. Secrets
        (``authorization``) are left out.
        """
        raise NotImplementedError

    def probe(self) -> Probe[PreparedT] | None:
        """What :func:`django_push.providers.checking.check` asks; ``None``: nobody can be asked."""
        return None

    def _check_size(self, size: int) -> None:
        if self.payload_limit is not None and size > self.payload_limit:
            raise PayloadTooLarge(self.verbose_name, size, self.payload_limit)


class BlockingProvider(Provider[PreparedT]):
    """A provider that hands over one device at a time and waits: vendors' libraries, files."""

    batch: ClassVar[int] = 100
    """Devices taken before the pipeline gets a chance to write its checkpoint."""

    def deliver(self, prepared: PreparedT, device: Device) -> Result:
        """Hand over to one device. Must not raise for anything the vendor may answer."""
        raise NotImplementedError

    def open(self, selector: selectors.BaseSelector) -> Channel[PreparedT]:
        return BlockingChannel(self)


class BlockingChannel(Channel[PreparedT]):
    """Does its work in :meth:`take`, so that the pipeline sees the same life everywhere."""

    def __init__(self, provider: BlockingProvider[PreparedT]) -> None:
        self._provider = provider
        self._waiting: list[tuple[PreparedT, Sequence[tuple[int, str, int]]]] = []

    def room(self) -> int:
        return max(self._provider.batch - self.in_flight, 0)

    def send(self, prepared: PreparedT, devices: Sequence[tuple[int, str, int]]) -> None:
        self._waiting.append((prepared, devices))
        self.in_flight += len(devices)

    def take(self) -> Outcome:
        waiting, self._waiting, self.in_flight = self._waiting, [], 0
        outcome = Outcome()
        for prepared, devices in waiting:
            for device in map(Device._make, devices):
                result = self._deliver(prepared, device)
                if result.status is Status.SENT:
                    outcome.sent.append(device.key)
                else:
                    outcome.results.append((device.key, result))
        return outcome

    def _deliver(self, prepared: PreparedT, device: Device) -> Result:
        try:
            return self._provider.deliver(prepared, device)
        except Exception as error:
            # A bug in a vendor's library must not cost the other devices their outcome.
            logger.exception("Provider %s raised", self._provider.name)
            return Result(Status.UNKNOWN, type(error).__name__)

    def deadline(self) -> float | None:
        return 0.0 if self._waiting else None


def known_providers() -> Mapping[str, type[Provider[Any]]]:
    """Providers of ``DJANGO_PUSH["PROVIDERS"]`` that can be imported, by name."""
    return _importable(tuple(push_settings.PROVIDERS.items()))


@cache
def _importable(paths: tuple[tuple[str, str], ...]) -> dict[str, type[Provider[Any]]]:
    """Remembered: every registration asks, and to miss a module takes milliseconds each time."""
    found = {}
    for name, path in paths:
        try:
            found[name] = import_string(path)
        except ModuleNotFoundError:
            continue  # an extra that is not installed: the provider is simply not offered
    return found


def get_provider_class(name: str) -> type[Provider[Any]]:
    """The class behind a provider's name."""
    try:
        path = push_settings.PROVIDERS[name]
    except KeyError:
        raise ImproperlyConfigured(
            f"DJANGO_PUSH['PROVIDERS'] has no {name!r}; it has: "
            f"{', '.join(sorted(push_settings.PROVIDERS))}."
        ) from None
    return import_string(path)  # type: ignore[no-any-return]
