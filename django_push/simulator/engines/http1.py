"""HTTP/1.1, as much of it as Google's endpoints and the control port need (RFC 9112).

Requests have a Content-Length or no body, are answered in order, and keep the connection open.
"""

from __future__ import annotations

from http import HTTPStatus

from ..wire import Answer, Header
from . import MAX_BODY, Arrival, EngineError

_MAX_HEAD = 32_768


class Http1Engine:
    """Server side of one HTTP/1.1 connection. Streams are numbered 1, 2, 3… in order."""

    name = "http/1.1"

    def __init__(self) -> None:
        self.faults = 0
        self._incoming = b""
        self._outgoing: list[bytes] = []
        self._arrived = 0
        self._answered = 0
        self._ready: dict[int, bytes] = {}

    def start(self, limit: int) -> None:
        """HTTP/1.1 has no opening."""

    def receive(self, data: bytes) -> list[Arrival]:
        self._incoming += data
        arrivals: list[Arrival] = []
        while (arrival := self._next()) is not None:
            arrivals.append(arrival)
        return arrivals

    def _next(self) -> Arrival | None:
        head, separator, rest = self._incoming.partition(b"\r\n\r\n")
        if not separator:
            if len(head) > _MAX_HEAD:
                raise EngineError("The request's head is too long.")
            return None
        headers = _parse_head(head)
        length = _body_length(headers)
        if len(rest) < length:
            self._continue(headers, rest)
            return None
        self._incoming = rest[length:]
        self._arrived += 1
        return self._arrived, headers, rest[:length]

    def _continue(self, headers: tuple[Header, ...], rest: bytes) -> None:
        if not rest and (b"expect", b"100-continue") in headers:
            self._outgoing.append(b"HTTP/1.1 100 Continue\r\n\r\n")

    def respond(self, stream: int, answer: Answer) -> bool:
        self._ready[stream] = _serialise(answer)
        while (response := self._ready.pop(self._answered + 1, None)) is not None:
            self._answered += 1
            self._outgoing.append(response)
        return True

    def reset(self, stream: int, code: int) -> None:
        raise EngineError("HTTP/1.1 can not reset one request without closing the connection.")

    def limit(self, streams: int) -> None:
        """HTTP/1.1 has one request at a time in any case."""

    def goaway(self, last_stream: int, debug: bytes) -> None:
        """HTTP/1.1 has no GOAWAY; the connection is closed after the answers."""

    def take(self) -> bytes:
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def is_over(self) -> bool:
        return False


def _parse_head(head: bytes) -> tuple[Header, ...]:
    first, *lines = head.split(b"\r\n")
    parts = first.split(b" ")
    if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
        raise EngineError("This is not an HTTP/1.1 request.")
    fields: list[Header] = [(b":method", parts[0]), (b":path", parts[1])]
    for line in lines:
        name, separator, value = line.partition(b":")
        if not separator:
            raise EngineError("A header line has no colon.")
        lower = name.lower()
        fields.append((b":authority" if lower == b"host" else lower, value.strip()))
    return tuple(fields)


def _body_length(headers: tuple[Header, ...]) -> int:
    fields = dict(headers)
    if b"transfer-encoding" in fields:
        raise EngineError("Chunked requests are not served: send a Content-Length.")
    value = fields.get(b"content-length", b"0")
    if not value.isdigit() or int(value) > MAX_BODY:
        raise EngineError("The Content-Length is not a number or too large.")
    return int(value)


def _serialise(answer: Answer) -> bytes:
    phrase = HTTPStatus(answer.status).phrase.encode()
    lines = [b"HTTP/1.1 %d %s" % (answer.status, phrase)]
    lines += [b"%s: %s" % pair for pair in answer.headers]
    lines += [b"content-length: %d" % len(answer.body), b"", answer.body]
    return b"\r\n".join(lines)
