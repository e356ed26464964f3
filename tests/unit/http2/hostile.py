"""What must hold whatever a peer says: for property tests here, and for tests/fuzz."""

import re
import struct

import hpack

from django_push.http2 import Codec, Request, Template
from django_push.http2.decoder import Decoder
from django_push.http2.frames import Fault

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONT = range(10)
MAX_BODY = 50
TEMPLATE = Template([(":method", "POST")], [("authorization", "bearer secret")])
OVERLONG = re.compile(rb"[\x80-\xff]{5}", re.DOTALL)
"""An integer of more bytes than we read: RFC 7541, 5.1 has us refuse it, `hpack` does not."""


def raw(kind: int, number: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """A frame, however wrong."""
    head = struct.pack(">I", len(payload))[1:] + bytes((kind, flags))
    return head + struct.pack(">I", number) + payload


class Ordeal:
    """A codec and a peer that says what it likes; each step checks that all is in order.

    `cut`: the peer's bytes come in pieces of this size. `confirmed`: the peer has confirmed the
    empty header table before.
    """

    def __init__(self, *, cut: int = 1 << 20, confirmed: bool = False) -> None:
        self.codec = Codec(max_body=MAX_BODY)
        self.told: list[tuple[int, str]] = []
        """Keys, and as what they were reported."""
        self.written = b""
        self._cut = cut
        self._sent = 0
        self._heard = self._own = 0
        self._begun: set[int] = set()
        self.send(1, b"")
        self.hear(raw(SETTINGS, 0, struct.pack(">HI", 3, 100)) + raw(SETTINGS, 0, flags=1))
        if confirmed:
            self.hear(raw(HEADERS, 1, b"\x20\x88", 5))

    def send(self, count: int, body: bytes) -> None:
        """Send as many requests as there is room for, `count` at most."""
        count = min(count, self.codec.room())
        requests: list[Request] = [(self._sent + i, b"\x84", b"", body) for i in range(count)]
        self.codec.request_many(TEMPLATE, requests)
        self._sent += count
        self._own += count * (len(body) + 200)
        self._check()

    def hear(self, data: bytes) -> None:
        """The peer says `data`."""
        for start in range(0, len(data), self._cut):
            self._begun = self._being_answered()
            self.codec.feed(data[start : start + self._cut])
            self._heard += len(data[start : start + self._cut])
            self._check()

    def lose_patience(self, below: int) -> None:
        """Requests on streams below the id took too long."""
        self._own += 13 * self.codec.cancel_before(below, "late")
        self._check()

    def end(self) -> None:
        """The connection is gone."""
        self.codec.lose_all("gone")
        self._check()
        assert not self.codec.in_flight
        assert len(self.told) == self._sent

    def _being_answered(self) -> set[int]:
        """Keys of which a part of the answer has come."""
        streams = self.codec._streams
        entries = [reply.entry for reply in streams.replies.values() if reply.status]
        return {request[0] for _, request in [*entries, *streams.accepted.values()]}

    def _check(self) -> None:
        codec = self.codec
        outcome, refused = codec.take(), codec.take_refused()
        self.told += [(key, "ok") for key in outcome.ok]
        self.told += [(each.key, f"{each.status} {each.body!r}") for each in outcome.answers]
        self.told += [(each.key, each.reason) for each in outcome.lost]
        self.told += [(request[0], "refused") for _, request in refused]
        assert self._begun.isdisjoint(request[0] for _, request in refused), "answered, repeated"
        keys = [key for key, _ in self.told]
        assert len(keys) == len(set(keys)), "a key was reported twice"
        assert len(keys) + codec.in_flight == self._sent
        assert all(len(each.body) <= MAX_BODY for each in outcome.answers)
        assert 0 <= codec.room() <= 1_000
        assert not (codec.error and codec.room())
        self.written += codec.data_to_send()
        self._check_memory()

    def _check_memory(self) -> None:
        """Neither kept nor said more than what we send and the peer said would account for."""
        receiver = self.codec._receiver
        assert len(receiver._unread) < 9 + 16_384
        assert len(self.written) <= self._own + 2 * self._heard + 1_000
        if receiver._block:
            assert len(receiver._block.whole()) <= 65_536 + 16_384
        decoder = receiver._reader._decoder
        assert decoder._used <= decoder.table_size <= decoder.largest_table
        bodies = [len(reply.body) for reply in self.codec._streams.replies.values()]
        assert max(bodies, default=0) <= MAX_BODY


def same_meaning(decoder: Decoder, reference: hpack.Decoder, block: bytes) -> bool:
    """Both decoders make the same of the block; false when it is malformed, for both."""
    try:
        expected = list(reference.decode(block, raw=True))
    except (hpack.HPACKError, IndexError, ValueError):
        expected = None
    refusable = (Fault,) if expected is None or OVERLONG.search(block) else ()
    try:
        found = decoder.decode(block)
    except refusable:
        return False
    assert found == expected
    assert list(decoder._dynamic) == list(reference.header_table.dynamic_entries)
    assert decoder.table_size == reference.header_table_size
    return True
