"""Reading what the peer sends: one fast loop, and one method for each type of frame (RFC 9113, 6).

A plain 200 is recognised by its first byte once the peer has confirmed that its header blocks hang
on nothing before them (`blocks`). Everything else goes through `_frame`.
"""

from collections.abc import Callable

from . import frames
from .blocks import PLAIN_200, PLAIN_200_BYTE, BlockReader, Fields, OpenBlock
from .fields import Encoder
from .flow import Sending
from .frames import LARGEST_FRAME, LARGEST_ID, Fault, StreamFault
from .streams import Streams, goaway_reason

CONNECTION_WINDOW = 2**24
"""What the peer may send on a connection before we have read it, in bytes."""

MOST_NOISE = 10_000
"""Frames that answer nothing, between two plain answers or two calls of `calm`."""

MOST_STREAMS = 1_000
"""Streams we open at once on a connection however many the peer allows."""

_ANSWER = frames.HEADERS << 8 | frames.END_HEADERS
_WHOLE_ANSWER = _ANSWER | frames.END_STREAM
_LAST_DATA = frames.DATA << 8 | frames.END_STREAM

# Type and flags of the frames that `read` may deal with itself: headers of plain answers, and the
# end of their bodies.
_FAST: tuple[tuple[int, ...], int] = ((_WHOLE_ANSWER, _ANSWER), _LAST_DATA)
_CAREFUL: tuple[tuple[int, ...], int] = ((), -1)


class Receiver:
    """The reading half of a connection. It writes to `streams`, `sending`, `encoder` and `out`."""

    def __init__(
        self,
        streams: Streams,
        sending: Sending,
        encoder: Encoder,
        out: list[bytes],
        max_body: int,
    ) -> None:
        self.ready = False
        self.limit = 1
        """Streams the peer allows, at most `MOST_STREAMS`; one until its SETTINGS come."""
        self.goaway = ""
        self.answered = False
        self.ping: bytes | None = None
        """The PING of ours that has no answer yet."""
        self.noise = 0
        self._streams = streams
        self._sending = sending
        self._encoder = encoder
        self._out = out
        self._max_body = max_body
        self._reader = BlockReader()
        self._block: OpenBlock | None = None
        self._quick = _CAREFUL
        self._unread = b""
        self._consumed = 0

    def read(self, data: bytes) -> None:
        """Read the bytes of whole frames and keep the rest; raises Fault."""
        data = self._unread + data if self._unread else data
        unpack = frames.SPLIT_HEADER.unpack_from
        streams, uploads = self._streams, self._sending.uploads
        waiting, accepted, ok = streams.waiting, streams.accepted, streams.outcome.ok
        (answers, last_data), position, end = self._quick, 0, len(data)
        while position + frames.HEADER_SIZE <= end:
            high, length, kind, stream_id = unpack(data, position)
            start = position + frames.HEADER_SIZE
            stop = start + length
            if stop > end or length > LARGEST_FRAME or high:
                _check_size(high << 16 | length)
                break
            position = stop
            if kind in answers and length and data[start] == PLAIN_200 and stream_id in waiting:
                if kind == _WHOLE_ANSWER and not uploads:
                    ok.append(waiting.pop(stream_id)[1][0])
                else:
                    self._on_plain(stream_id, kind == _WHOLE_ANSWER)
            elif kind == last_data and stream_id in accepted:
                self._on_data(frames.END_STREAM, stream_id, data[start:stop])
            else:
                self._frame(kind >> 8, kind & 0xFF, stream_id & LARGEST_ID, data[start:stop])
                answers, last_data = self._quick
        self._unread = data[position:]
        if ok:
            self.answered = True
            self.noise = 0

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        self._check_order(kind, flags, stream_id)
        if kind not in (frames.HEADERS, frames.DATA) or not payload:
            self.noise += 1
            if self.noise > MOST_NOISE:
                raise Fault(frames.ENHANCE_YOUR_CALM, "a flood of frames that answer nothing")
        read = _READERS.get(kind)
        if read is None:
            return  # unknown types are ignored (RFC 9113, 5.5)
        try:
            read(self, flags, stream_id, payload)
        except StreamFault as fault:
            self._out.append(frames.rst_stream(fault.stream_id, fault.code))
            self._streams.lose(fault.stream_id, f"{fault} ({frames.error_name(fault.code)})")

    def _check_order(self, kind: int, flags: int, stream_id: int) -> None:
        """What may come when, and on which stream (RFC 9113, 3.4, 5.1 and 6)."""
        block = self._block
        if block and (kind, stream_id) != (frames.CONTINUATION, block.stream_id):
            raise Fault(frames.PROTOCOL_ERROR, "a header block was interrupted")
        if not self.ready and (kind != frames.SETTINGS or flags & frames.ACK):
            raise Fault(frames.PROTOCOL_ERROR, "the peer does not begin with SETTINGS")
        if kind in _ON_CONNECTION and stream_id:
            raise Fault(frames.PROTOCOL_ERROR, f"frame type {kind} on a stream")
        if kind in _ON_STREAM and not stream_id:
            raise Fault(frames.PROTOCOL_ERROR, f"frame type {kind} on stream 0")
        if kind in _ON_OPENED and stream_id and not self._was_opened(stream_id):
            raise Fault(frames.PROTOCOL_ERROR, f"stream {stream_id} was never opened")

    def _was_opened(self, stream_id: int) -> bool:
        return stream_id & 1 == 1 and stream_id < self._streams.next_id

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        part = frames.unpad(flags, payload)
        if flags & frames.HAS_PRIORITY:
            if len(part) < 5:
                raise Fault(frames.FRAME_SIZE_ERROR, "HEADERS without its priority fields")
            part = part[5:]
        if flags & frames.END_HEADERS:
            self._on_block(flags, stream_id, part)
        else:
            self._block = OpenBlock(stream_id, flags, part)
            self._set_pace()

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._block
        if block is None:
            raise Fault(frames.PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        block.add(payload)
        if flags & frames.END_HEADERS:
            self._block = None
            self._set_pace()
            self._on_block(block.flags, stream_id, block.whole())

    def _set_pace(self) -> None:
        """Plain answers are taken fast outside of blocks, once blocks are stateless."""
        fast = self._reader.stateless and self._block is None and not self._streams.keep_ok
        self._quick = _FAST if fast else _CAREFUL

    def _on_block(self, flags: int, stream_id: int, block: bytes) -> None:
        ends = bool(flags & frames.END_STREAM)
        streams = self._streams
        if stream_id not in streams:
            self._reader.pass_over(block)  # reset by us, or answered already
        elif block[:1] == PLAIN_200_BYTE and stream_id in streams.waiting and not streams.keep_ok:
            self._reader.pass_over(block)
            self._on_plain(stream_id, ends)
        else:
            self._on_reply(stream_id, self._reader.decode(block), ends)
        self._set_pace()

    def _on_reply(self, stream_id: int, fields: Fields, ends: bool) -> None:
        reply = self._streams.reply(stream_id)
        assert reply is not None
        self.answered = True
        reply.read(stream_id, fields, ends)
        if ends:
            self._streams.finish(stream_id)

    def _on_plain(self, stream_id: int, ends: bool) -> None:
        streams = self._streams
        streams.accepted[stream_id] = streams.waiting.pop(stream_id)
        self.answered = True
        if ends:
            streams.accept(stream_id)

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._consume(len(payload))
        if flags == frames.END_STREAM and stream_id in self._streams.accepted:
            self._streams.accept(stream_id)
            return
        part = frames.unpad(flags, payload)
        reply = self._streams.reply(stream_id)
        if reply is None:
            return  # reset by us, or answered already: "closed" in RFC 9113, 5.1
        reply.add(stream_id, part, len(payload), self._max_body)
        if flags & frames.END_STREAM:
            self._streams.finish(stream_id)
        elif reply.received > self._max_body:
            self._streams.finish(stream_id, cut=True)

    def _consume(self, size: int) -> None:
        """Account for DATA, whatever stream it was for (RFC 9113, 6.9)."""
        self._consumed += size
        if self._consumed > CONNECTION_WINDOW:
            raise Fault(frames.FLOW_CONTROL_ERROR, "more data than the connection's window")
        if self._consumed > CONNECTION_WINDOW // 2:
            self._out.append(frames.window_update(0, self._consumed))
            self._consumed = 0

    def _on_rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        code = frames.read_uint32(payload, "RST_STREAM")
        # A closed stream: NO_ERROR after a complete answer (RFC 9113, 8.1), or it crossed ours.
        if code == frames.REFUSED_STREAM and stream_id in self._streams.waiting:
            self._streams.refuse(stream_id)
        else:
            self._streams.lose(stream_id, f"stream reset by the peer: {frames.error_name(code)}")

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if flags & frames.ACK:
            if payload:
                raise Fault(frames.FRAME_SIZE_ERROR, "SETTINGS ACK with a payload")
            self._reader.acknowledge()
            self._set_pace()
            return
        pairs = frames.read_settings(payload)
        # Acknowledged first: what follows may already use the new values.
        self._out.append(frames.frame(frames.SETTINGS, frames.ACK, 0))
        if not self.ready:
            self.ready, self.limit = True, MOST_STREAMS
        for name, value in pairs:
            if name == frames.MAX_CONCURRENT_STREAMS:
                self.limit = min(value, MOST_STREAMS)
            elif name == frames.HEADER_TABLE_SIZE:
                self._encoder.resize(value)
            elif name == frames.INITIAL_WINDOW_SIZE:
                self._out += self._sending.resize(value)

    def _on_push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        raise Fault(frames.PROTOCOL_ERROR, "PUSH_PROMISE, which we have disabled")

    def _on_priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != 5:
            raise Fault(frames.FRAME_SIZE_ERROR, f"PRIORITY of {len(payload)} bytes")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != 8:
            raise Fault(frames.FRAME_SIZE_ERROR, f"PING of {len(payload)} bytes")
        if not flags & frames.ACK:
            self._out.append(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif payload == self.ping:
            self.ping = None

    def _on_goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        last_id, code, debug = frames.read_goaway(payload)
        self.goaway = goaway_reason(code, debug)
        for number in [number for number in self._streams.waiting if number > last_id]:
            self._streams.refuse(number)

    def _on_window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        increment = frames.read_uint32(payload, "WINDOW_UPDATE") & LARGEST_ID
        if not stream_id:
            if not increment:
                raise Fault(frames.PROTOCOL_ERROR, "WINDOW_UPDATE of 0")
            self._out += self._sending.grow(increment)
        elif not increment and stream_id in self._streams:
            raise StreamFault(stream_id, frames.PROTOCOL_ERROR, "WINDOW_UPDATE of 0")
        elif stream_id in self._sending.uploads:
            self._out += self._sending.grow_stream(stream_id, increment)


def _check_size(size: int) -> None:
    if size > LARGEST_FRAME:
        raise Fault(frames.FRAME_SIZE_ERROR, f"a frame of {size} bytes")


_READERS: dict[int, Callable[[Receiver, int, int, bytes], None]] = {
    frames.DATA: Receiver._on_data,
    frames.HEADERS: Receiver._on_headers,
    frames.PRIORITY: Receiver._on_priority,
    frames.RST_STREAM: Receiver._on_rst_stream,
    frames.SETTINGS: Receiver._on_settings,
    frames.PUSH_PROMISE: Receiver._on_push_promise,
    frames.PING: Receiver._on_ping,
    frames.GOAWAY: Receiver._on_goaway,
    frames.WINDOW_UPDATE: Receiver._on_window_update,
    frames.CONTINUATION: Receiver._on_continuation,
}
_ON_CONNECTION = frozenset((frames.SETTINGS, frames.PING, frames.GOAWAY))
_ON_STREAM = frozenset(
    (frames.DATA, frames.HEADERS, frames.PRIORITY, frames.RST_STREAM, frames.CONTINUATION)
)
_ON_OPENED = frozenset((frames.DATA, frames.HEADERS, frames.RST_STREAM, frames.WINDOW_UPDATE))
