"""A server's side of a connection, by hand: it checks what it gets and says what it is told to.

Frames are built and read by `hyperframe`, header blocks by `hpack`: nothing of our own is used.
"""

from dataclasses import dataclass, field

import hpack
from hyperframe import frame as frames

from django_push.http2 import Codec, Request, Template, literal

TEMPLATE = Template(
    [(":method", "POST"), (":scheme", "https"), (":authority", "push.test")],
    [("authorization", "bearer secret"), ("topic", "com.example.app")],
)


def request(key: int, body: bytes = b"{}") -> Request:
    return key, literal(":path", f"/3/device/{key}"), literal("apns-id", f"id-{key}"), body


def raw(kind: int, number: int, payload: bytes, flags: int = 0) -> bytes:
    """A frame as bytes, for what `hyperframe` would not build."""
    return (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + number.to_bytes(4, "big") + payload
    )


@dataclass
class Seen:
    """A request as the server sees it."""

    headers: dict[str, str]
    body: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def key(self) -> int:
        return int(self.headers[":path"].rsplit("/", 1)[1])


@dataclass
class Peer:
    """Reads what a codec writes and raises AssertionError where a server would complain."""

    confirm: bool = True
    """Announce that the dynamic table is empty, in the first header block after SETTINGS ACK."""
    seen: dict[int, Seen] = field(default_factory=dict)
    """Requests by stream id."""
    log: list[frames.Frame] = field(default_factory=list)
    window: int = 65_535
    """What the client may still send on the connection."""

    def __post_init__(self) -> None:
        self.out = bytearray()
        self.open: set[int] = set()
        self.windows: dict[int, int] = {}
        self._in = bytearray()
        self._greeted = False
        self._owed = b""  # acknowledgement of the client's SETTINGS: never before our own
        self._decoder = hpack.Decoder()
        self._encoder = hpack.Encoder()
        self._unacknowledged: list[dict[int, int]] = []
        self._settings = {1: 4096, 3: 2**31, 4: 65_535}

    # -- what comes in

    def receive(self, data: bytes) -> None:
        self._in += data
        if not self._greeted:
            assert self._in.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            del self._in[:24]
            self._greeted = True
        while len(self._in) >= 9:
            frame, length = frames.Frame.parse_frame_header(memoryview(bytes(self._in[:9])))
            if len(self._in) < 9 + length:
                break
            assert length <= 16_384
            frame.parse_body(memoryview(bytes(self._in[9 : 9 + length])))
            del self._in[: 9 + length]
            self.log.append(frame)
            read = getattr(self, f"_on_{type(frame).__name__}", None)
            if read:
                read(frame)

    def _on_SettingsFrame(self, frame: frames.SettingsFrame) -> None:
        if "ACK" not in frame.flags:
            self._owed = frames.SettingsFrame(0, flags=["ACK"]).serialize()
            if self.out:
                self.acknowledge()
            if self.confirm:
                self._encoder.header_table_size = frame.settings.get(1, 4096)
            return
        change = self._unacknowledged.pop(0)
        if 4 in change:
            for number in self.windows:
                self.windows[number] += change[4] - self._settings[4]
        if 1 in change:
            self._decoder.max_allowed_table_size = change[1]
        self._settings |= change

    def _on_HeadersFrame(self, frame: frames.HeadersFrame) -> None:
        assert "PRIORITY" not in frame.flags
        assert frame.stream_id % 2
        assert frame.stream_id > max(self.seen, default=0)
        assert len(self.open) < self._settings[3], "too many streams"
        self._block = (frame.stream_id, frame.data, "END_STREAM" in frame.flags)
        if "END_HEADERS" in frame.flags:
            self._on_block()

    def _on_ContinuationFrame(self, frame: frames.ContinuationFrame) -> None:
        number, data, ended = self._block
        assert frame.stream_id == number
        self._block = (number, data + frame.data, ended)
        if "END_HEADERS" in frame.flags:
            self._on_block()

    def _on_block(self) -> None:
        number, data, ended = self._block
        fields = list(self._decoder.decode(data))
        names = [name for name, _ in fields]
        assert names == sorted(names, key=lambda name: not name.startswith(":"))
        self.seen[number] = Seen(dict(fields), ended=ended)
        self.windows[number] = self._settings[4]
        self.open.add(number)

    def _on_DataFrame(self, frame: frames.DataFrame) -> None:
        size = frame.flow_controlled_length
        self.window -= size
        self.windows[frame.stream_id] -= size
        assert size == 0 or (self.window >= 0 and self.windows[frame.stream_id] >= 0), "window"
        seen = self.seen[frame.stream_id]
        assert not seen.ended
        assert seen.reset is None
        seen.body += frame.data
        seen.ended = "END_STREAM" in frame.flags

    def _on_RstStreamFrame(self, frame: frames.RstStreamFrame) -> None:
        self.seen[frame.stream_id].reset = frame.error_code
        self.open.discard(frame.stream_id)

    # -- what goes out

    def send(self, *some: frames.Frame | bytes) -> None:
        for each in some:
            self.out += each if isinstance(each, bytes) else each.serialize()

    def settings(self, **values: int) -> None:
        names = {"table": 1, "streams": 3, "initial_window": 4, "frame_size": 5}
        numbers = {names[name]: value for name, value in values.items()}
        self._unacknowledged.append(numbers)
        self.send(frames.SettingsFrame(0, settings=numbers))
        self.acknowledge()

    def acknowledge(self) -> None:
        self.send(self._owed)
        self._owed = b""

    def update_window(self, number: int, increment: int) -> None:
        self.send(frames.WindowUpdateFrame(number, window_increment=increment))
        if number:
            self.windows[number] += increment
        else:
            self.window += increment

    def block(self, *fields: tuple[str, str]) -> bytes:
        return self._encoder.encode(fields, huffman=True)

    def headers(self, number: int, *fields: tuple[str, str], end: bool = False) -> None:
        flags = ["END_HEADERS"] + (["END_STREAM"] if end else [])
        self.send(frames.HeadersFrame(number, self.block(*fields), flags=flags))
        if end:
            self.open.discard(number)

    def data(self, number: int, data: bytes, *, end: bool = False, padding: int = 0) -> None:
        flags = (["END_STREAM"] if end else []) + (["PADDED"] if padding else [])
        self.send(frames.DataFrame(number, data, flags=flags, pad_length=padding))
        if end:
            self.open.discard(number)

    def answer(self, number: int, status: int = 200, body: bytes = b"", **extra: str) -> None:
        fields = [(name.replace("_", "-"), value) for name, value in extra.items()]
        self.headers(number, (":status", str(status)), *fields, end=not body)
        if body:
            self.data(number, body, end=True)

    def reset(self, number: int, code: int) -> None:
        self.send(frames.RstStreamFrame(number, error_code=code))
        self.open.discard(number)

    def goaway(self, last: int, code: int = 0, debug: bytes = b"") -> None:
        self.send(
            frames.GoAwayFrame(0, last_stream_id=last, error_code=code, additional_data=debug)
        )

    def said(self, kind: type[frames.Frame]) -> list[frames.Frame]:
        """Frames of this type that the client sent."""
        return [frame for frame in self.log if isinstance(frame, kind)]


class Pair:
    """A codec and its peer, joined by hand."""

    def __init__(self, *, confirm: bool = True, greet: bool = True, **codec: int) -> None:
        self.codec = Codec(**codec)
        self.peer = Peer(confirm=confirm)
        if greet:
            self.peer.settings(streams=100)
            self.talk()

    def talk(self) -> None:
        """Carry bytes both ways until both are silent."""
        while (data := self.codec.data_to_send()) or self.peer.out:
            self.peer.receive(data)
            answer = bytes(self.peer.out)
            self.peer.out.clear()
            self.codec.feed(answer)

    def send(self, *keys: int, body: bytes = b"{}", template: Template = TEMPLATE) -> list[int]:
        """Send requests; returns their stream ids."""
        first = self.codec.next_id
        self.codec.request_many(template, [request(key, body) for key in keys])
        self.talk()
        return list(range(first, self.codec.next_id, 2))

    def error_code(self) -> int | None:
        """The code of the GOAWAY that the codec sent."""
        self.talk()
        said = self.peer.said(frames.GoAwayFrame)
        return said[-1].error_code if said else None
