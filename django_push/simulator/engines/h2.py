"""HTTP/2 by `h2`, for machines where `ngh2` has no wheel."""

from __future__ import annotations

from contextlib import suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import FlowControlError, ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from ..wire import Answer, Header
from . import APNS_SETTINGS, MAX_BODY, Arrival, EngineError

_LIMIT = 3
_CONFIGURATION = H2Configuration(client_side=False, header_encoding=None)


class H2Engine:
    """Server side of one HTTP/2 connection."""

    name = "h2"

    def __init__(self) -> None:
        self.faults = 0
        self._connection = H2Connection(_CONFIGURATION)
        self._open: dict[int, tuple[tuple[Header, ...], list[bytes]]] = {}
        self._blocked: dict[int, bytes] = {}
        self._goaway = b""

    def start(self, limit: int) -> None:
        connection = self._connection
        connection.local_settings = Settings(
            client=False, initial_values={SettingCodes(k): v for k, v in APNS_SETTINGS.items()}
        )
        connection.initiate_connection()
        # In a frame of its own, because h2 enforces initial values before the client has seen
        # them, and later ones only once they are acknowledged.
        connection.update_settings({_LIMIT: limit})

    def receive(self, data: bytes) -> list[Arrival]:
        try:
            events = self._connection.receive_data(data)
        except ProtocolError as error:
            self.faults += 1
            raise EngineError(str(error)) from error
        arrivals: list[Arrival] = []
        for event in events:
            if isinstance(event, RequestReceived):
                self._open[event.stream_id] = (_fields(event), [])
            elif isinstance(event, DataReceived):
                self._data(event)
            elif isinstance(event, StreamEnded):
                headers, parts = self._open.pop(event.stream_id)
                arrivals.append((event.stream_id, headers, b"".join(parts)))
            elif isinstance(event, StreamReset):
                self._open.pop(event.stream_id, None)
                self._blocked.pop(event.stream_id, None)
                self.faults += not event.remote_reset
            elif isinstance(event, ConnectionTerminated):
                raise EngineError("The peer closed the HTTP/2 connection.")
        self._unblock()
        return arrivals

    def _data(self, event: DataReceived) -> None:
        _, parts = self._open[event.stream_id]
        if sum(map(len, parts)) <= MAX_BODY:
            parts.append(event.data or b"")
        length = event.flow_controlled_length
        self._connection.acknowledge_received_data(length, event.stream_id)

    def respond(self, stream: int, answer: Answer) -> bool:
        headers = ((b":status", b"%d" % answer.status), *answer.headers)
        try:
            self._connection.send_headers(stream, headers, end_stream=not answer.body)
        except ProtocolError:
            return False
        if answer.body:
            self._blocked[stream] = answer.body
            self._unblock()
        return True

    def _unblock(self) -> None:
        """Send the bodies that the client's flow-control windows have room for."""
        for stream, body in list(self._blocked.items()):
            try:
                self._connection.send_data(stream, body, end_stream=True)
            except FlowControlError:
                continue
            except ProtocolError:
                pass  # the client has reset the stream: nobody waits for this body
            del self._blocked[stream]

    def reset(self, stream: int, code: int) -> None:
        with suppress(ProtocolError):  # the client was quicker to end the stream
            self._connection.reset_stream(stream, code)

    def limit(self, streams: int) -> None:
        try:
            self._connection.update_settings({_LIMIT: streams})
        except ProtocolError as error:
            raise EngineError(str(error)) from error

    def goaway(self, last_stream: int, debug: bytes) -> None:
        # Written past h2, which answers nothing any more once it has sent a GOAWAY itself.
        frame = GoAwayFrame(0, last_stream_id=last_stream, additional_data=debug)
        self._goaway = frame.serialize()

    def take(self) -> bytes:
        goaway, self._goaway = self._goaway, b""
        return (self._connection.data_to_send() or b"") + goaway

    def is_over(self) -> bool:
        return False  # h2 says so by an exception


def _fields(event: RequestReceived) -> tuple[Header, ...]:
    return tuple((bytes(name), bytes(value)) for name, value in event.headers or ())
