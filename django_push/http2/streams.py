"""The open streams of one connection, and what becomes of them (RFC 9113, 5.1 and 8.1)."""

import json
from itertools import chain

from .blocks import Fields
from .fields import Template
from .flow import Sending
from .frames import CANCEL, PROTOCOL_ERROR, StreamFault, error_name, rst_stream
from .outcome import Answer, Lost, Outcome, Request

Entry = tuple[Template, Request]


class Reply:
    """An answer on its way that is not a plain 200, or not known to be one yet."""

    __slots__ = ("body", "entry", "headers", "keep_ok", "received", "status")

    def __init__(self, entry: Entry, status: int = 0, keep_ok: bool = False) -> None:
        self.keep_ok = keep_ok
        self.entry = entry
        self.status = status  # 0: only 1xx so far
        self.headers: dict[str, str] = {}
        self.body = b""
        self.received = 0  # with padding, as flow control counts

    def read(self, stream_id: int, fields: Fields, ends: bool) -> None:
        """A header block: 1xx, the final one, or trailers, which nobody here asks for."""
        if self.status:
            if not ends:
                raise StreamFault(stream_id, PROTOCOL_ERROR, "trailers that do not end the stream")
            return
        status = _status(stream_id, fields)
        if status >= 200:
            self.status = status
            self.headers = _headers(fields[1:])
        elif ends:
            raise StreamFault(stream_id, PROTOCOL_ERROR, f"{status} ends the stream")

    def add(self, stream_id: int, part: bytes, size: int, max_body: int) -> None:
        """A piece of the body, which took `size` bytes of window."""
        if not self.status:
            raise StreamFault(stream_id, PROTOCOL_ERROR, "DATA before HEADERS")
        self.received += size
        if self.status != 200 or self.keep_ok:
            self.body += part[: max_body - len(self.body)]


def _status(stream_id: int, fields: Fields) -> int:
    name, value = fields[0] if fields else (b"", b"")
    if name != b":status" or len(value) != 3 or not value.isdigit() or value < b"100":
        raise StreamFault(stream_id, PROTOCOL_ERROR, "an answer without :status")
    return int(value)


def _headers(fields: Fields) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def goaway_reason(code: int, debug: bytes) -> str:
    """A GOAWAY in words; APNs puts JSON with a `reason` into the debug data."""
    text = debug[:1_000].decode("utf-8", "replace")
    try:
        reason = json.loads(text)["reason"]
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = text
    words = "".join(letter for letter in str(reason)[:100] if letter.isprintable())
    return f"GOAWAY {error_name(code)}" + (f": {words}" if words else "")


class Streams:
    """Each open stream is in exactly one of three tables; leaving it is its outcome.

    `out` takes the frames that follow from an outcome.
    """

    def __init__(
        self, sending: Sending, out: list[bytes], next_id: int, keep_ok: bool = False
    ) -> None:
        self.keep_ok = keep_ok
        """Whether a 200 is reported with its body."""
        self.next_id = next_id
        """The id of the next stream."""
        self.waiting: dict[int, Entry] = {}
        """Nothing final of the answer has come. Ids ascend."""
        self.accepted: dict[int, Entry] = {}
        """200 has come, its body not completely."""
        self.replies: dict[int, Reply] = {}
        """Anything else has come, not completely."""
        self.refused: list[Entry] = []
        """Requests that the peer certainly did not process."""
        self.outcome = Outcome()
        self._sending = sending
        self._out = out

    def __len__(self) -> int:
        return len(self.waiting) + len(self.accepted) + len(self.replies)

    def __contains__(self, number: int) -> bool:
        return number in self.waiting or number in self.accepted or number in self.replies

    def numbers(self) -> list[int]:
        """The ids of all open streams."""
        return list(chain(self.waiting, self.accepted, self.replies))

    def reply(self, number: int) -> Reply | None:
        """The stream's reply, its stream moved to `replies`; None when it is not open."""
        known = self.replies.get(number)
        if known is None:
            if number in self.waiting:
                known = Reply(self.waiting.pop(number), 0, self.keep_ok)
            elif number in self.accepted:
                known = Reply(self.accepted.pop(number), 200)
            else:
                return None
            self.replies[number] = known
        return known

    def accept(self, number: int) -> None:
        """A plain 200 whose body is complete, or was of no interest."""
        _, request = self.accepted.pop(number)
        self.outcome.ok.append(request[0])
        self.stop_upload(number)

    def finish(self, number: int, cut: bool = False) -> None:
        """The reply is complete, or longer than wanted and `cut`."""
        reply = self.replies.pop(number)
        key = reply.entry[1][0]
        if reply.status == 200 and not self.keep_ok:
            self.outcome.ok.append(key)
        else:
            self.outcome.answers.append(Answer(key, reply.status, reply.headers, reply.body))
        if not self.stop_upload(number) and cut:
            self._out.append(rst_stream(number, CANCEL))

    def stop_upload(self, number: int) -> bool:
        """The answer came before the body was sent: nobody wants its rest (RFC 9113, 8.1)."""
        unfinished = self._sending.drop(number)
        if unfinished:
            self._out.append(rst_stream(number, CANCEL))
        return unfinished

    def lose(self, number: int, reason: str) -> None:
        """The outcome of the stream is unknown, if it is open."""
        entry = self._close(number)
        if entry is not None:
            self.outcome.lost.append(Lost(entry[1][0], True, reason))

    def refuse(self, number: int) -> None:
        """The peer certainly did not process the open stream."""
        entry = self._close(number)
        if entry is not None:
            self.refused.append(entry)

    def _close(self, number: int) -> Entry | None:
        self._sending.drop(number)
        reply = self.replies.pop(number, None)
        if reply is not None:
            return reply.entry
        return self.waiting.pop(number, None) or self.accepted.pop(number, None)
