"""One connection: a transport, a codec, and the times after which patience ends."""

import math
import selectors
import ssl
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from .codec import Codec
from .fields import Template
from .frames import LARGEST_WINDOW, SETTINGS_TIMEOUT
from .outcome import Request
from .receiver import MOST_STREAMS
from .transport import Address, Origin, Transport, TransportError

MOST_READS = 64
"""Reads in a row before other connections get their turn."""

FEWEST_STREAMS = 4
"""Streams that refusals leave us at least, if the peer's limit does."""

MOST_BACKLOG = 8 * 2**20
"""Bytes that wait for a peer who does not read; more, and it is given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes; see `Client`."""

    request_timeout: float
    connect_timeout: float
    idle_ping: float
    max_body: int
    keep_ok: bool = False

    def __post_init__(self) -> None:
        for name in ("request_timeout", "connect_timeout", "idle_ping"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0 seconds")
        if not 0 <= self.max_body < LARGEST_WINDOW:
            raise ValueError("max_body must be a number of bytes below 2^31-1")

    @property
    def tick(self) -> float:
        """How often `Connection.on_time` is to be called: the grain of all times."""
        shortest = min(self.request_timeout, self.connect_timeout, self.idle_ping)
        return max(0.01, min(1.0, shortest / 20))


class Connection:
    """Connects when made. Failures are told by `closed` and `reason`, not raised.

    `client` is for the owner of a shared selector: `key.data.client.handle(key, mask)`.
    """

    def __init__(
        self,
        client: object,
        origin: Origin,
        context: ssl.SSLContext,
        selector: selectors.BaseSelector,
        limits: Limits,
    ) -> None:
        self.client = client
        self.codec = Codec(max_body=limits.max_body, keep_ok=limits.keep_ok)
        self.up = False
        self.closed = False
        self.reason = ""
        """Why it is closed, in words, with host and port."""
        self._origin = origin
        self._context = context
        self._selector = selector
        self._limits = limits
        self._addresses: deque[Address] = deque()
        self._transport: Transport | None = None
        self._watched = 0
        self._backlog: deque[tuple[memoryview, int]] = deque()  # bytes, the first stream in them
        self._begun = False  # the first of the backlog is partly written, or may be
        self._flushed_id = self.codec.next_id
        self._marks: deque[tuple[float, int]] = deque()  # when streams below the id are late
        self._marked_id = self.codec.next_id
        self._give_up_at = self._settings_due = 0.0
        self._heard_at = self._pinged_at = 0.0
        self._suspect = False
        self._allowance = float(MOST_STREAMS)  # see `adapt`

    # -- coming up

    def open(self, now: float) -> None:
        """Resolve the name and begin to connect."""
        self._heard_at = now
        self._settings_due = now + self._limits.connect_timeout
        try:
            self._addresses.extend(self._origin.addresses())
        except TransportError as error:
            self.close(str(error))
        else:
            self._dial(now, f"{self._origin}: the name has no address")

    def _dial(self, now: float, reason: str) -> None:
        """Try the next address; each gets its share of the time that is left."""
        self._hang_up()
        while self._addresses:
            share = (self._settings_due - now) / len(self._addresses)
            self._give_up_at = now + max(share, 0.0)
            try:
                self._transport = Transport(self._origin, self._addresses.popleft(), self._context)
            except TransportError as error:
                reason = str(error)
            else:
                self._watch()
                return
        self.close(reason)

    def _watch(self) -> None:
        """Register for what is waited for now."""
        transport = self._transport
        assert transport is not None
        events = transport.events
        if transport.up:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._backlog else 0)
        if events == self._watched:
            return
        if self._watched:
            self._selector.modify(transport.fileno(), events, self)
        else:
            self._selector.register(transport.fileno(), events, self)
        self._watched = events

    def _hang_up(self) -> None:
        if self._transport is not None:
            if self._watched:
                self._selector.unregister(self._transport.fileno())
            self._transport.close()
        self._transport, self._watched = None, 0

    # -- events

    def on_event(self, now: float) -> None:
        """The socket can be read or written, or may have been closed."""
        if self.closed or self._transport is None:
            return
        try:
            if not self.up:
                self._transport.advance()
                self.up = self._transport.up
            if self.up:
                self._read(now)
                self._write(now)
            self._watch()
        except TransportError as error:
            if self.up:
                self.close(str(error))
            else:
                self._dial(now, str(error))
        self._retire()

    def _read(self, now: float, most: float = MOST_READS) -> None:
        assert self._transport is not None
        reads = 0
        while reads < most or self._transport.pending():
            data = self._transport.read()
            if data is None:
                break
            self._heard_at = now
            self.codec.feed(data)
            reads += 1

    def _write(self, now: float) -> None:
        try:
            self._flush()
        except TransportError:
            # What the peer said before it left can still be read, and perhaps a better reason.
            self._read(now, math.inf)
            raise

    def _flush(self) -> None:
        """Write what the codec has, as far as the socket takes it."""
        assert self._transport is not None
        data = self.codec.data_to_send()
        if data:
            self._backlog.append((memoryview(data), self._flushed_id))
            self._flushed_id = self.codec.next_id
        while self._backlog:
            view, first_id = self._backlog[0]
            self._begun = True
            written = self._transport.write(view)
            if written == len(view):
                self._backlog.popleft()
                self._begun = False
            elif written:
                self._backlog[0] = (view[written:], first_id)
            else:
                break
        if sum(len(view) for view, _ in self._backlog) > MOST_BACKLOG:
            raise TransportError(f"{self._origin}: the peer does not read")

    def _retire(self) -> None:
        """Close what is of no further use."""
        codec = self.codec
        if self.closed:
            return
        if codec.error:
            self.close(f"{self._origin}: {codec.error}")
        elif codec.draining and not codec.in_flight:
            self.close(f"{self._origin}: {codec.goaway or 'stream ids used up'}")

    def close(self, reason: str) -> None:
        """Hang up. Streams in flight are unknown, those never written are refused."""
        if self.closed:
            return
        self.closed, self.up = True, False
        if self.codec.goaway and not self.codec.error:
            reason = f"{self._origin}: {self.codec.goaway}"  # says more than how TCP ended
        self.reason = reason
        unwritten = [first_id for _, first_id in self._backlog][1 if self._begun else 0 :]
        self.codec.lose_all(reason, unwritten[0] if unwritten else self._flushed_id)
        self._backlog.clear()
        self._hang_up()

    def leave(self, reason: str) -> None:
        """Say GOAWAY as far as the socket takes it at once, and hang up."""
        if self.up:
            self.codec.goodbye()
            with suppress(TransportError):  # it has left before us
                self._flush()
        self.close(reason)

    # -- requests

    def check(self, now: float) -> None:
        """Look whether an idle peer has left, before it is trusted with a request."""
        if self.up and not self.codec.in_flight:
            self.on_event(now)

    def room(self) -> int:
        """How many requests it takes now: none while earlier ones wait for the socket."""
        if not self.up or self._backlog or (self._suspect and self.codec.pinging):
            return 0
        return max(0, min(self.codec.room(), int(self._allowance) - self.codec.in_flight))

    def adapt(self, decided: int, refused: int) -> None:
        """Open fewer streams while the peer refuses some, more again as it answers.

        APNs lets the limit fall to 1 with each rejected token and rise with the next accepted
        one: what is under way then is refused, and opening too much of it ends in GOAWAY.
        """
        if refused:
            open_then = self.codec.in_flight + decided + refused
            self._allowance = max(FEWEST_STREAMS, min(self._allowance, open_then) / 2)
        elif self._allowance < MOST_STREAMS:
            self._allowance = min(MOST_STREAMS, self._allowance + decided / 4)

    def send(self, template: Template, requests: Sequence[Request], now: float) -> None:
        """Send at most `room()` requests."""
        self.codec.request_many(template, requests)
        self._write_out(now)

    def _write_out(self, now: float) -> None:
        try:
            self._write(now)
            self._watch()
        except TransportError as error:
            self.close(str(error))

    # -- time

    def on_time(self, now: float) -> None:
        """Run what is due; to be called every `Limits.tick` seconds."""
        if not self.up:
            self._check_dialing(now)
            return
        self.codec.calm()
        if not self.codec.ready and now >= self._settings_due:
            self.codec.fail(SETTINGS_TIMEOUT, "no SETTINGS of the peer in time")
        self._check_requests(now)
        self._check_ping(now)
        if self.up:
            self._write_out(now)
        self._retire()

    def _check_dialing(self, now: float) -> None:
        if now >= self._give_up_at and not self.closed:
            seconds = self._limits.connect_timeout
            self._dial(now, f"{self._origin}: no connection within {seconds:g} s")

    def _check_requests(self, now: float) -> None:
        """One sweep for all: a mark says which streams were there at its time."""
        timeout = self._limits.request_timeout
        while self._marks and self._marks[0][0] <= now:
            due, below = self._marks.popleft()
            reason = f"{self._origin}: no answer within {timeout:g} s"
            late = self.codec.cancel_before(below, reason)
            if late and self._heard_at < due - timeout and not self.codec.pinging:
                self._suspect = True  # not a byte since: is anybody there?
                self._send_ping(now)
        if self.codec.next_id != self._marked_id:
            self._marked_id = self.codec.next_id
            self._marks.append((now + timeout, self._marked_id))

    def _check_ping(self, now: float) -> None:
        if not self.codec.pinging:
            self._suspect = False
            if now - self._heard_at >= self._limits.idle_ping:
                self._send_ping(now)
        elif now - self._pinged_at >= self._limits.connect_timeout:
            seconds = self._limits.connect_timeout
            self.close(f"{self._origin}: no answer to PING within {seconds:g} s")

    def _send_ping(self, now: float) -> None:
        self._pinged_at = now
        self.codec.ping()
