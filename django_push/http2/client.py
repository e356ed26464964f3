"""The client: requests go in, outcomes come out, connections are its own affair."""

import random
import selectors
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .connection import Connection, Limits
from .fields import Template
from .outcome import Lost, Outcome, Request
from .streams import Entry
from .transport import Origin

MOST_STRIKES = 20
"""How often a request may be refused while others are answered."""

HARD_STRIKE = 4
"""What a refusal counts when nothing has been decided since the one before."""

LONGEST_PAUSE = 60.0
"""Seconds between attempts to connect, at most."""


class _Resent(tuple[int, bytes, bytes, bytes]):
    """A request that remembers how often it was refused."""

    strikes = 0


class _Queued(NamedTuple):
    """A request that waits to be sent again."""

    expires: float
    template: Template
    request: _Resent


class Client:
    """Sends requests to one origin over HTTP/2 and reports what becomes of each, exactly once.

    Nothing blocks but the look-up of the name (and `poll` and `close`, as long as they are told).
    Not thread-safe; not to be shared across a fork.

    `origin`: `https://host[:port]`. `context`: how to verify the server and which certificate to
    show; ALPN is set to `h2` on it; default: `ssl.create_default_context()`. `selector`: one that
    the caller runs (see `handle`); default: the client's own, run by `poll`. `connections`: how
    many at most; opened as `room()` asks for them, not counting those that only wait for their
    last answers. Times in seconds: `request_timeout` from sending to the complete answer;
    `connect_timeout` for TCP, TLS and the peer's SETTINGS together, and for the answer to a PING;
    `idle_ping` of silence before a PING. `max_body`: bytes kept of an answer. `keep_ok`: a
    200 is an `Answer` with its body too, for who asks for a document. `clock`: monotonic seconds.

    Raises ValueError for an origin that is none and for limits that make no sense.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each thing that can be set
        self,
        origin: str,
        *,
        context: ssl.SSLContext | None = None,
        selector: selectors.BaseSelector | None = None,
        connections: int = 1,
        request_timeout: float = 30.0,
        connect_timeout: float = 10.0,
        idle_ping: float = 3600.0,
        max_body: int = 65_536,
        keep_ok: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.error = ""
        """Why there is no connection now; empty when there is one or none was tried yet."""
        self.retry_at = 0.0
        """Clock time before which no connection is attempted."""
        if connections < 1:
            raise ValueError("connections must be 1 or more")
        self._origin = Origin.parse(origin)
        self._context = context or ssl.create_default_context()
        self._context.set_alpn_protocols(["h2"])
        self._own_selector = selector is None
        self._selector = selector or selectors.DefaultSelector()
        self._most_connections = connections
        self._limits = Limits(
            request_timeout=request_timeout,
            connect_timeout=connect_timeout,
            idle_ping=idle_ping,
            max_body=max_body,
            keep_ok=keep_ok,
        )
        self._clock = clock
        self._connections: list[Connection] = []
        self._again: deque[_Queued] = deque()
        self._hold_until = 0.0  # refused streams are not repeated at once
        self._outcome = Outcome()
        self._sent = self._reported = 0
        self._decided = 0  # outcomes when something was last refused
        self._failures = 0
        self._next_tick = 0.0
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Requests sent and not yet reported by `take` or `poll`."""
        return self._sent - self._reported

    def room(self) -> int:
        """How many requests `send` takes now. Asking when all is full opens a connection.

        0 while nothing is up, while backing off (`error`, `retry_at`), and after `close`.
        """
        if self._closed:
            return 0
        now = self._clock()
        for connection in tuple(self._connections):
            connection.check(now)
            self._settle(connection, now)
        room = sum(connection.room() for connection in self._connections) - len(self._again)
        if room <= 0:
            self._connect(now)
        return max(0, room)

    def send(self, template: Template, requests: Sequence[Request]) -> None:
        """Send requests, at most `room()` of them; more is a ValueError and nothing is sent."""
        now = self._clock()
        room = 0 if self._closed else sum(connection.room() for connection in self._connections)
        if len(requests) > room - len(self._again):
            raise ValueError(f"{len(requests)} requests are more than room() allows")
        self._sent += len(requests)
        while requests:
            connection = max(self._connections, key=Connection.room, default=None)
            share = connection.room() if connection else 0
            if connection is None or not share:  # it broke while we wrote to it
                for request in requests:
                    self._again.append(self._queued(template, _Resent(request), now))
                return
            connection.send(template, requests[:share], now)
            self._settle(connection, now)
            requests = requests[share:]
        # A caller who fills all there is has more; one who waits in between would never see the
        # room at 0. A single request (all that APNs allows at first) shows no such hunger.
        if room > 1 and not any(connection.room() for connection in self._connections):
            self._connect(now)

    def poll(self, timeout: float = 0.0) -> Outcome:
        """Wait for news for at most `timeout` seconds and report it; only with its own selector."""
        if not self._own_selector:
            raise RuntimeError("the selector is shared: its owner calls handle() and take()")
        self._wait(timeout)
        return self.take()

    def handle(self, key: selectors.SelectorKey, mask: int) -> None:
        """An event of a shared selector whose `key.data.client` is this client."""
        connection: Connection = key.data
        now = self._clock()
        connection.on_event(now)
        self._settle(connection, now)

    def take(self) -> Outcome:
        """What has been decided since the last call. Runs the timers."""
        self._run(self._clock())
        outcome, self._outcome = self._outcome, Outcome()
        self._reported += len(outcome)
        return outcome

    def deadline(self) -> float | None:
        """Clock time when `take` should be called though no event came; None: it need not be."""
        if not self._connections and not self._again:
            return None
        if self._again and self._hold_until > self._clock():
            return min(self._next_tick, self._hold_until)
        return self._next_tick

    def close(self, timeout: float = 0.0) -> None:
        """Wait for answers for at most `timeout` seconds, say GOAWAY and hang up.

        What is still in flight then is in the outcome of a last `take`. Calling it twice is fine.
        """
        if self._closed:
            return
        end = self._clock() + timeout
        while self.in_flight > len(self._outcome) and self._clock() < end:
            self._wait(end - self._clock())
            self._run(self._clock())
        self._closed = True
        for connection in tuple(self._connections):
            connection.leave(f"{self._origin}: closed by us")
            self._settle(connection, self._clock())
        self._expire(None)
        if self._own_selector:
            self._selector.close()

    def _wait(self, timeout: float) -> None:
        due = self.deadline()
        if self._outcome:
            timeout = 0.0
        elif due is not None:
            timeout = min(timeout, due - self._clock())
        for key, mask in self._selector.select(max(0.0, timeout)):
            if getattr(key.data, "client", None) is self:
                self.handle(key, mask)

    def _run(self, now: float) -> None:
        """Timers, and what waits to be sent again."""
        if now >= self._next_tick:
            self._next_tick = now + self._limits.tick
            for connection in tuple(self._connections):
                connection.on_time(now)
                self._settle(connection, now)
            self._expire(now)
        if self._again and now >= self._hold_until:
            self._send_again(now)

    # -- connections

    def _connect(self, now: float) -> None:
        """Open one more connection if that is allowed and none is just coming up."""
        serving = [each for each in self._connections if not each.codec.draining]
        if now < self.retry_at or any(not (each.up and each.codec.ready) for each in serving):
            return
        # Those that drain do not count, unless a strange peer makes us collect them.
        most = self._most_connections
        if len(serving) >= most or len(self._connections) >= 4 * most:
            return
        connection = Connection(self, self._origin, self._context, self._selector, self._limits)
        self._connections.append(connection)
        connection.open(now)
        self._settle(connection, now)

    def _settle(self, connection: Connection, now: float) -> None:
        """Take over what a connection has decided, and what became of it."""
        codec = connection.codec
        outcome, refused = codec.take(), codec.take_refused()
        self._outcome.extend(outcome)
        connection.adapt(len(outcome), len(refused))
        if refused:
            self._refused(connection, refused, now)
        if codec.answered:
            self._failures = 0
        if connection.closed and connection in self._connections:
            self._connections.remove(connection)
            self._gone(connection, now)
        elif connection.up and self.error:
            self.error = ""

    def _gone(self, connection: Connection, now: float) -> None:
        if not any(each.up for each in self._connections):
            self.error = connection.reason
        if connection.codec.answered:
            return
        # It never answered anything: wait, longer each time, and not all clients in step.
        longest = min(LONGEST_PAUSE, 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        self.retry_at = now + random.uniform(longest / 2, longest)  # noqa: S311 - not a secret

    # -- requests that the peer certainly did not process

    def _refused(self, connection: Connection, refused: list[Entry], now: float) -> None:
        decided = self._reported + len(self._outcome)
        strike = 1 if decided > self._decided else HARD_STRIKE
        self._decided = decided
        if connection.codec.draining and connection.codec.answered:
            strike = 0  # GOAWAY of a peer who gets on with the work: no sign against the request
        # To the head of the queue, the oldest first: nothing is overtaken for ever.
        for template, request in reversed(refused):
            again = _Resent(request)
            again.strikes = getattr(request, "strikes", 0) + strike
            if self._closed or again.strikes > MOST_STRIKES:
                reason = connection.reason or f"{self._origin}: refused by the peer again and again"
                self._outcome.lost.append(Lost(again[0], False, reason))
                continue
            self._again.appendleft(self._queued(template, again, now))
            if strike == HARD_STRIKE:
                self._hold_until = now + 0.05 * 2 ** (again.strikes // HARD_STRIKE)

    def _queued(self, template: Template, again: _Resent, now: float) -> _Queued:
        return _Queued(now + self._limits.request_timeout, template, again)

    def _send_again(self, now: float) -> None:
        """Hand queued requests to connections, runs of one template at a time."""
        while self._again:
            connection = max(self._connections, key=Connection.room, default=None)
            room = connection.room() if connection else 0
            if connection is None or not room:
                self._connect(now)
                return
            template = self._again[0].template
            run: list[Request] = []
            while self._again and len(run) < room and self._again[0].template is template:
                run.append(self._again.popleft().request)
            connection.send(template, run, now)
            self._settle(connection, now)

    def _expire(self, now: float | None) -> None:
        """Report queued requests that waited too long, or all of them."""
        if not self._again:
            return
        reason = self.error or f"{self._origin}: the server takes no more requests"
        waiting, self._again = self._again, deque()
        for each in waiting:
            if now is None or each.expires <= now:
                lost = Lost(each.request[0], False, f"not sent again: {reason}")
                self._outcome.lost.append(lost)
            else:
                self._again.append(each)
