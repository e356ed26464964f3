"""What every vendor over HTTP/2 shares: the channel, and how it proves who it is.

A vendor's file gives an address (:attr:`Http2Provider.origin`, :meth:`Http2Provider.pseudo`),
a payload (:meth:`Http2Provider.prepare`), requests, and a translation of answers
(:meth:`Http2Provider.read`). The channel does the rest.
"""

from __future__ import annotations

import selectors
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

import orjson
from django.core.exceptions import ImproperlyConfigured

from ..conf import push_settings
from ..exceptions import InvalidCredential, InvalidRegistration
from ..http2 import Answer, Client, Lost, Request, Template
from ..messages import Device, Result, Status
from .base import Channel, Outcome, Provider

__all__ = [
    "Authorization",
    "Headers",
    "Http2Channel",
    "Http2Provider",
    "OwnedClient",
    "Prepared",
    "RefusedChannel",
    "by_status",
    "decoded",
    "open_client",
    "retry_after",
    "server_context",
]

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message as bytes. A vendor may add fields."""

    headers: Headers
    """Request headers that all devices share, without ``authorization``."""
    body: bytes


PreparedT = TypeVar("PreparedT", bound=Prepared)


class Authorization:
    """How a channel proves who it is. This one has nothing to say (client certificates)."""

    value: str = ""
    """Of the ``authorization`` header; empty for none. May change at any :meth:`take`."""
    error: str = ""
    refused: str = ""
    retry_at: float = 0.0
    """As in :class:`~django_push.providers.base.Channel`."""

    def ready(self) -> bool:
        """Whether requests may leave; asked by who has something to send."""
        return True

    def take(self) -> None:
        """Run timers, look for answers."""

    def deadline(self) -> float | None:
        """``time.monotonic()`` of the next timer."""
        return None

    def renew(self) -> None:
        """The vendor says that :attr:`value` has expired. Nothing is in flight with it."""

    def close(self) -> None:
        """Let go of sockets."""


class Http2Provider(Provider[PreparedT]):
    """Base of vendors that take one POST per device over HTTP/2."""

    expired: ClassVar[frozenset[str]] = frozenset()
    """Reasons that say "the authorization has expired": renewed once, then it is refused."""

    @property
    def origin(self) -> str:
        """``https://host[:port]`` of the vendor."""
        raise NotImplementedError

    def pseudo(self, authority: str) -> list[tuple[str, str]]:
        """Pseudo-headers that all requests share; ``:path`` only when it is constant."""
        return [(":method", "POST"), (":scheme", "https"), (":authority", authority)]

    def context(self) -> ssl.SSLContext:
        """TLS of the connections."""
        return server_context(push_settings.CA_FILE)

    def authorization(self, selector: selectors.BaseSelector, owner: object) -> Authorization:
        """How a new channel proves who it is. ``owner`` belongs on a client of its own."""
        return Authorization()

    def requests(
        self, prepared: PreparedT, devices: Sequence[tuple[int, str, int]]
    ) -> list[Request]:
        """One request per device; called in the hot loop.

        Raises ``ValueError`` when any address would damage a request.
        """
        raise NotImplementedError

    def read(self, answer: Answer) -> Result:
        """Translate an answer that is not a plain 200."""
        raise NotImplementedError

    def refusal(self, error: str) -> str:
        """Why the account is refused, if a connection that failed with ``error`` says so."""
        return ""

    def open(self, selector: selectors.BaseSelector) -> Channel[PreparedT]:
        """A channel; an account that can not be used gives one that says so in ``refused``."""
        try:
            self.validate_account(self.account)
            return Http2Channel(self, selector)
        except InvalidCredential as error:
            return RefusedChannel(error.message)


class OwnedClient(Client):
    """A client whose events find their channel: ``selector_key.data.client.owner``."""

    owner: object


class Http2Channel(Channel[PreparedT]):
    """Several connections to one vendor, with one account."""

    def __init__(
        self, provider: Http2Provider[PreparedT], selector: selectors.BaseSelector
    ) -> None:
        self._provider = provider
        self._auth = provider.authorization(selector, self)
        self._client = open_client(provider.origin, provider.context(), selector, self)
        self._pseudo = provider.pseudo(provider.origin.partition("://")[2])
        self._templates: dict[Headers, Template] = {}
        self._signed_with = ""
        self._unusable: list[tuple[int, Result]] = []
        self._draining = False
        self._renewed = False
        self._closed = False

    def room(self) -> int:
        if self._closed or self._draining or not self._auth.ready():
            return 0
        return self._client.room()

    def send(self, prepared: PreparedT, devices: Sequence[tuple[int, str, int]]) -> None:
        try:
            requests = self._provider.requests(prepared, devices)
        except (ValueError, IndexError):
            requests = self._provider.requests(prepared, self._usable(devices))
        if requests:
            self._client.send(self._template(prepared.headers), requests)
        self.in_flight = self._client.in_flight + len(self._unusable)

    def handle(self, key: selectors.SelectorKey, mask: int) -> None:
        key.data.client.handle(key, mask)

    def take(self) -> Outcome:
        self._auth.take()
        got = self._client.take()
        outcome = Outcome(got.ok, self._unusable)
        self._unusable = []
        if got.ok:
            self._renewed = False
        for answer in got.answers:
            outcome.results.append((answer.key, self._judge(answer)))
        for lost in got.lost:
            outcome.results.append((lost.key, _lost(lost)))
        self._look()
        return outcome

    def deadline(self) -> float | None:
        if self._unusable:
            return 0.0
        moments = [self._client.deadline(), self._auth.deadline()]
        return min((moment for moment in moments if moment is not None), default=None)

    def close(self, timeout: float = 0.0) -> None:
        self._closed = True
        self._auth.close()
        self._client.close(timeout)

    def _look(self) -> None:
        """Bring state up to date after answers."""
        client, auth = self._client, self._auth
        if self._draining and not client.in_flight:
            auth.renew()
            self._draining, self._renewed = False, True
        self.in_flight = client.in_flight
        self.refused = auth.refused or self._provider.refusal(client.error)
        self.error = auth.error or client.error
        self.retry_at = auth.retry_at if auth.error else client.retry_at

    def _judge(self, answer: Answer) -> Result:
        result = self._provider.read(answer)
        if result.reason not in self._provider.expired:
            return result
        if self._renewed:
            return Result(Status.UNAUTHORIZED, result.reason, result.detail)
        # Requests under way bear the old value too: let them end, renew, and go on.
        self._draining = True
        return Result(Status.DEFERRED, result.reason, result.detail, retry_after=0.0)

    def _template(self, headers: Headers) -> Template:
        if self._auth.value != self._signed_with or len(self._templates) > 64:
            self._templates.clear()
            self._signed_with = self._auth.value
        template = self._templates.get(headers)
        if template is None:
            proof = (("authorization", self._signed_with),) if self._signed_with else ()
            template = self._templates[headers] = Template(self._pseudo, proof + headers)
        return template

    def _usable(self, devices: Sequence[tuple[int, str, int]]) -> list[Device]:
        usable = []
        for device in map(Device._make, devices):
            try:
                self._provider.check_address(device.address)
            except InvalidRegistration as error:
                result = Result(Status.SUSPECT, "MalformedAddress", error.message)
                self._unusable.append((device.key, result))
            else:
                usable.append(device)
        return usable


class RefusedChannel(Channel[PreparedT], Generic[PreparedT]):
    """The channel of an account that can not be used at all."""

    def __init__(self, reason: str) -> None:
        self.refused = self.error = reason
        self.retry_at = time.monotonic() + 3600

    def room(self) -> int:
        return 0

    def send(self, prepared: PreparedT, devices: Sequence[tuple[int, str, int]]) -> None:
        raise RuntimeError("This channel has no room: look at room() before send().")

    def take(self) -> Outcome:
        return Outcome()


def open_client(
    origin: str,
    context: ssl.SSLContext,
    selector: selectors.BaseSelector,
    owner: object,
    **options: Any,
) -> OwnedClient:
    """A client for a channel; ``options`` go to :class:`~django_push.http2.Client`.

    Raises ``ImproperlyConfigured`` for an ``origin`` that is none.
    """
    options = {
        "connections": push_settings.CONNECTIONS,
        "request_timeout": push_settings.REQUEST_TIMEOUT,
        **options,
    }
    try:
        client = OwnedClient(origin, context=context, selector=selector, **options)
    except ValueError as error:
        raise ImproperlyConfigured(f"An address in DJANGO_PUSH can not be used: {error}.") from None
    client.owner = owner
    return client


@lru_cache(maxsize=4)
def server_context(ca_file: str | None) -> ssl.SSLContext:
    """Trusts the system's CAs, or those in ``ca_file``. Shared, since reading CAs takes 10 ms and
    more: do not change it."""
    return new_context(ca_file)


def new_context(ca_file: str | None) -> ssl.SSLContext:
    """A context of one's own, to load a client certificate into."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ImproperlyConfigured(
            f"DJANGO_PUSH['CA_FILE'] ({ca_file}) can not be read: {error}. Name a file with "
            "certificates in PEM form, or None for the system's."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    return context


def by_status(status: int) -> Status:
    """For answers without a known reason: a proxy's, or a new one of the vendor's."""
    return Status.DEFERRED if status >= 500 or status == 429 else Status.FAILED


def decoded(body: bytes) -> dict[str, Any]:
    """A JSON object; empty when the body is none, as a proxy's page."""
    try:
        said = orjson.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of ``retry-after``, which may be a number or a date (RFC 9110, 10.2.3)."""
    given = headers.get("retry-after", "").strip()
    if not given:
        return None
    if given.isascii() and given.isdecimal():
        return float(given)
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        return None
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0) if moment.tzinfo else None


def _lost(lost: Lost) -> Result:
    status = Status.UNKNOWN if lost.sent else Status.DEFERRED
    return Result(status, "ConnectionLost", lost.reason)
