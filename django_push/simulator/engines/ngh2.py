"""HTTP/2 by `ngh2`: alpha software, so nothing outside this file knows it.

nghttp2 answers some faults itself, before any code of ours sees them: an upper-case header name
gets RST_STREAM(PROTOCOL_ERROR), streams above the limit and garbage get GOAWAY.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import ngh2

from ..wire import Answer
from . import APNS_SETTINGS, MAX_BODY, Arrival, EngineError

_UNLIMITED = (2**40, 2**20)
_CONFIGURATION = ngh2.Configuration(
    # nghttp2 ends a connection after 1,000 client resets. A client whose requests time out while
    # the simulator stalls resets thousands, and must meet a stall, not a GOAWAY.
    stream_reset_rate_limit=_UNLIMITED,
    glitch_rate_limit=_UNLIMITED,
)
_LIMIT = ngh2.Setting.MAX_CONCURRENT_STREAMS
_STATUS = {code: (b":status", b"%d" % code) for code in range(100, 600)}
_PROTOCOL_ERROR = 1


class Ngh2Engine:
    """Server side of one HTTP/2 connection."""

    name = "ngh2"

    def __init__(self) -> None:
        self._faults = 0
        self._ended = False
        self._connection = ngh2.Connection(ngh2.Role.SERVER, _CONFIGURATION)
        self._open: dict[int, tuple[Any, list[bytes]]] = {}

    def start(self, limit: int) -> None:
        self._connection.initiate_connection({**APNS_SETTINGS, int(_LIMIT): limit})

    def receive(self, data: bytes) -> list[Arrival]:
        try:
            self._connection.receive_data(data)
        except ngh2.NGH2Error as error:
            self._faults += 1
            raise EngineError(str(error)) from error
        return self._sift()

    @property
    def faults(self) -> int:
        # A refused stream is told as closed only after the refusal was written, and nothing
        # else happens between two receives.
        self._sift()
        return self._faults

    def _sift(self) -> list[Arrival]:
        arrivals: list[Arrival] = []
        events: list[Any] = self._connection.events()
        for event in events:
            kind = type(event)
            if kind is ngh2.RequestReceived:
                if event.end_stream:
                    arrivals.append((event.stream_id, event.headers, b""))
                else:
                    self._open[event.stream_id] = (event.headers, [])
            elif kind is ngh2.DataReceived:
                self._data(event.stream_id, event.data, event.end_stream, arrivals)
            elif kind is ngh2.TrailersReceived:
                self._data(event.stream_id, b"", True, arrivals)
            elif kind is ngh2.StreamClosed:
                self._closed(event)
            elif kind is ngh2.ConnectionClosed:
                self._ended = True
        return arrivals

    def _data(self, stream: int, data: bytes, ended: bool, arrivals: list[Arrival]) -> None:
        headers, parts = self._open[stream]
        if ended:
            del self._open[stream]
            body = b"".join((*parts, data)) if parts else data
            arrivals.append((stream, headers, body))
        elif sum(map(len, parts)) <= MAX_BODY:
            parts.append(data)

    def _closed(self, event: Any) -> None:
        self._open.pop(event.stream_id, None)
        if event.local_error is not None or event.error_code == _PROTOCOL_ERROR:
            self._faults += 1

    def respond(self, stream: int, answer: Answer) -> bool:
        body = answer.body
        headers = (_STATUS[answer.status], *answer.headers)
        try:
            self._connection.send_response(stream, headers, end_stream=not body)
            if body:
                self._connection.send_data(stream, body, end_stream=True)
        except ngh2.NGH2Error:
            return False
        return True

    def reset(self, stream: int, code: int) -> None:
        with suppress(ngh2.NGH2Error):  # the client was quicker to end the stream
            self._connection.reset_stream(stream, code)

    def limit(self, streams: int) -> None:
        try:
            self._connection.update_settings({_LIMIT: streams})
        except ngh2.NGH2Error as error:
            raise EngineError(str(error)) from error

    def goaway(self, last_stream: int, debug: bytes) -> None:
        try:
            self._connection.send_goaway(0, last_stream_id=last_stream, debug_data=debug)
        except ngh2.NGH2Error as error:
            raise EngineError(str(error)) from error

    def take(self) -> bytes:
        try:
            return bytes(self._connection.data_to_send())
        except ngh2.NGH2Error as error:
            raise EngineError(str(error)) from error

    def is_over(self) -> bool:
        connection = self._connection
        return self._ended or not (connection.want_read or connection.want_write)
