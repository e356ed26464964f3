"""One HTTP/2 connection of a client that pushes, as a state machine without a socket (RFC 9113).

It is small behind `request_many`, `feed`, `take`, `room` and `data_to_send`, so that another
engine can take its place.
"""

from collections.abc import Sequence

from . import frames
from .fields import Encoder, Prefix, Template
from .flow import Sending
from .frames import LARGEST_FRAME, LARGEST_ID, Fault
from .outcome import Outcome, Request
from .receiver import CONNECTION_WINDOW, Receiver
from .streams import Entry, Streams

_BEGIN = frames.HEADERS << 8 | frames.END_HEADERS
_LAST_DATA = frames.DATA << 8 | frames.END_STREAM


class Codec:
    """Turns requests into bytes and bytes into outcomes.

    `data_to_send()` has something after the constructor, `request_many`, `feed`, `ping`,
    `cancel_before`, `goodbye` and `fail`. No clock and no socket: the caller says when time is up.

    `max_body`: bytes kept of an answer's body. `keep_ok`: of a 200's too, see
    `Client`. `first_stream_id`: odd.
    """

    def __init__(
        self, *, max_body: int = 65_536, first_stream_id: int = 1, keep_ok: bool = False
    ) -> None:
        self.error = ""
        """How the peer broke the protocol, in words: write what is to be sent, then close."""
        # A stream's window holds the largest body and the byte that proves it too large, so
        # that streams need no WINDOW_UPDATE.
        ours = {
            frames.HEADER_TABLE_SIZE: 0,
            frames.ENABLE_PUSH: 0,
            frames.INITIAL_WINDOW_SIZE: max_body + 1,
        }
        more = frames.window_update(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW)
        self._out = [frames.PREFACE, frames.settings(ours), more]
        self._encoder = Encoder()
        self._sending = Sending()
        self._streams = Streams(self._sending, self._out, first_stream_id, keep_ok)
        self._receiver = Receiver(self._streams, self._sending, self._encoder, self._out, max_body)
        self._typical_body = 1
        self._leaving = False
        self._pings = 0

    @property
    def ready(self) -> bool:
        """The peer's SETTINGS have come. Until then there is room for one request."""
        return self._receiver.ready

    @property
    def answered(self) -> bool:
        """The peer has begun to answer something."""
        return self._receiver.answered

    @property
    def goaway(self) -> str:
        """Why the peer said GOAWAY, in words; empty when it did not."""
        return self._receiver.goaway

    @property
    def draining(self) -> bool:
        """No new streams: one side said GOAWAY, or the stream ids are used up."""
        return bool(self._leaving or self._receiver.goaway or self.next_id > LARGEST_ID)

    @property
    def pinging(self) -> bool:
        """A PING of ours has no answer yet."""
        return self._receiver.ping is not None

    @property
    def next_id(self) -> int:
        """The id of the next stream."""
        return self._streams.next_id

    @property
    def in_flight(self) -> int:
        """Requests without an outcome."""
        return len(self._streams)

    def room(self) -> int:
        """How many requests may be sent now: streams, and window for bodies like the last one."""
        window = self._sending.window
        if window <= 0 or self.error or self.draining:
            return 0
        streams = self._receiver.limit - len(self._streams)
        ids = (LARGEST_ID - self.next_id) // 2 + 1
        return max(0, min(streams, ids, window // self._typical_body or 1))

    def request(self, template: Template, request: Request) -> None:
        """Send one request; see `request_many`."""
        self.request_many(template, (request,))

    def request_many(self, template: Template, requests: Sequence[Request]) -> None:
        """Send requests, at most `room()` of them; more is a ValueError and nothing is sent."""
        if len(requests) > self.room():
            raise ValueError(f"{len(requests)} requests, but there is room for {self.room()}")
        while requests:
            prefix, lasting = self._encoder.prefix(template)
            run = requests if lasting else requests[:1]
            self._write(prefix, template, run)
            requests = requests[len(run) :]

    def _write(self, prefix: Prefix, template: Template, requests: Sequence[Request]) -> None:
        before, after = prefix
        constant = len(before) + len(after)
        header = frames.SHORT_HEADER.pack
        out, sending, waiting = self._out, self._sending, self._streams.waiting
        largest = min(sending.initial, LARGEST_FRAME)
        stream_id, size = self.next_id, 1
        for request in requests:
            _, path, extra, body = request
            length = constant + len(path) + len(extra)
            size = len(body)
            waiting[stream_id] = (template, request)
            if 0 < size <= largest and size <= sending.window and length <= LARGEST_FRAME:
                sending.window -= size
                out += (
                    header(length, _BEGIN, stream_id),
                    before,
                    path,
                    after,
                    extra,
                    header(size, _LAST_DATA, stream_id),
                    body,
                )
            else:
                self._write_unusual(stream_id, before + path + after + extra, body)
            stream_id += 2
        self._streams.next_id = stream_id
        self._typical_body = size or 1

    def _write_unusual(self, stream_id: int, block: bytes, body: bytes) -> None:
        """A request without a body, with huge header fields, or one that the windows split."""
        flags = 0 if body else frames.END_STREAM
        kind = frames.HEADERS
        for start in range(0, len(block), LARGEST_FRAME):
            piece = block[start : start + LARGEST_FRAME]
            last = frames.END_HEADERS if start + LARGEST_FRAME >= len(block) else 0
            self._out.append(frames.frame(kind, flags | last, stream_id, piece))
            kind, flags = frames.CONTINUATION, 0
        if body:
            self._out += self._sending.start(stream_id, body)

    def feed(self, data: bytes) -> None:
        """Read bytes of the peer, cut anywhere. After an `error` nothing more is read."""
        if self.error:
            return
        try:
            self._receiver.read(data)
        except Fault as fault:
            self.fail(fault.code, str(fault))

    def data_to_send(self) -> bytes:
        """The bytes to be written next, in order; each byte is handed out once."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def take(self) -> Outcome:
        """What was decided since the last call."""
        outcome, self._streams.outcome = self._streams.outcome, Outcome()
        return outcome

    def take_refused(self) -> list[Entry]:
        """Requests that the peer certainly did not process, to be sent again elsewhere."""
        refused, self._streams.refused = self._streams.refused, []
        return refused

    def ping(self) -> None:
        """Send a PING; `pinging` is true until its answer has come (RFC 9113, 6.7)."""
        self._pings += 1
        payload = self._pings.to_bytes(8, "big")
        self._receiver.ping = payload
        self._out.append(frames.frame(frames.PING, 0, 0, payload))

    def calm(self) -> None:
        """Time has passed: a peer may be noisy again, within its limit."""
        self._receiver.noise = 0

    def cancel_before(self, stream_id: int, reason: str) -> int:
        """Reset all open streams below `stream_id`, their outcome unknown; returns how many."""
        late = [number for number in self._streams.numbers() if number < stream_id]
        for number in late:
            self._out.append(frames.rst_stream(number, frames.CANCEL))
            self._streams.lose(number, reason)
        return len(late)

    def lose_all(self, reason: str, unwritten_from: int = LARGEST_ID + 1) -> None:
        """The connection is gone: streams from `unwritten_from` on never reached the wire."""
        for number in self._streams.numbers():
            if number >= unwritten_from and number in self._streams.waiting:
                self._streams.refuse(number)
            else:
                self._streams.lose(number, reason)

    def goodbye(self) -> None:
        """Say GOAWAY: no new streams, and the connection will be closed (RFC 9113, 6.8)."""
        self._leaving = True
        self._out.append(frames.goaway(frames.NO_ERROR))

    def fail(self, code: int, text: str) -> None:
        """End the connection with an error."""
        self.error = f"{text} ({frames.error_name(code)})"
        self._out.append(frames.goaway(code, text))
