"""The HTTP/2 engines, fed by a client without any network: both must do the same."""

from __future__ import annotations

from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes, Settings

from django_push.simulator.engines import MAX_BODY, Arrival, Engine, EngineError, http2_engine
from django_push.simulator.wire import Answer

HEADERS = (
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", b"/3/device/ab"),
    (b":authority", b"localhost"),
)


class Pair:
    """A client and the engine under test, with their bytes carried between them."""

    def __init__(self, engine: Engine, **settings: int) -> None:
        self.engine = engine
        config = H2Configuration(header_encoding=None, validate_outbound_headers=False)
        self.client = H2Connection(config)
        values = {SettingCodes[name.upper()]: value for name, value in settings.items()}
        self.client.local_settings = Settings(client=True, initial_values=values)
        self.client.initiate_connection()
        self.events: list[Any] = []
        engine.start(100)
        self.carry()

    def carry(self) -> list[Arrival]:
        """Bring all bytes across, both ways, until there are none."""
        arrivals: list[Arrival] = []
        there, back = self.client.data_to_send(), self.engine.take()
        while there or back:
            self.events += self.client.receive_data(back)
            arrivals += self.engine.receive(there)
            there, back = self.client.data_to_send(), self.engine.take()
        return arrivals

    def seen(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture(params=["ngh2", "h2"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return http2_engine(request.param)()


def test_a_request_without_a_body(engine: Engine) -> None:
    pair = Pair(engine)
    pair.client.send_headers(1, HEADERS, end_stream=True)

    assert pair.carry() == [(1, HEADERS, b"")]


def test_a_body_in_several_frames_is_put_together(engine: Engine) -> None:
    pair = Pair(engine)
    pair.client.send_headers(1, HEADERS)
    for part in (b"Hel", b"", b"lo"):
        pair.client.send_data(1, part)
        assert pair.carry() == []
    pair.client.end_stream(1)

    assert pair.carry() == [(1, HEADERS, b"Hello")]


def test_trailers_end_a_request_too(engine: Engine) -> None:
    pair = Pair(engine)
    pair.client.send_headers(1, HEADERS)
    pair.client.send_data(1, b"Hello")
    pair.client.send_headers(1, ((b"x-checksum", b"1"),), end_stream=True)

    assert pair.carry() == [(1, HEADERS, b"Hello")]


def test_requests_arrive_byte_by_byte(engine: Engine) -> None:
    pair = Pair(engine)
    pair.client.send_headers(1, HEADERS)
    pair.client.send_data(1, b"Hello", end_stream=True)
    data = pair.client.data_to_send()

    arrivals = [one for at in range(len(data)) for one in engine.receive(data[at : at + 1])]

    assert arrivals == [(1, HEADERS, b"Hello")]


def test_many_requests_in_one_piece(engine: Engine) -> None:
    pair = Pair(engine)
    for stream in range(1, 200, 2):
        pair.client.send_headers(stream, HEADERS)
        pair.client.send_data(stream, b"%d" % stream, end_stream=True)

    arrivals = pair.carry()

    assert [(stream, body) for stream, _, body in arrivals] == [
        (stream, b"%d" % stream) for stream in range(1, 200, 2)
    ]


def test_an_endless_body_is_not_kept(engine: Engine) -> None:
    pair = Pair(engine)
    pair.client.send_headers(1, HEADERS)
    for _ in range(40):
        pair.client.send_data(1, b"x" * 16_000)
        pair.carry()
    pair.client.end_stream(1)

    ((_, _, body),) = pair.carry()

    assert MAX_BODY < len(body) <= MAX_BODY + 3 * 16_384


def test_answers_with_and_without_a_body(engine: Engine) -> None:
    pair = Pair(engine)
    for stream in (1, 3):
        pair.client.send_headers(stream, HEADERS, end_stream=True)
    pair.carry()

    assert engine.respond(1, Answer(200, ((b"apns-id", b"x"),)))
    assert engine.respond(3, Answer(410, (), b"gone"))
    pair.carry()

    responses = {event.stream_id: event.headers for event in pair.seen(ResponseReceived)}
    assert responses == {
        1: [(b":status", b"200"), (b"apns-id", b"x")],
        3: [(b":status", b"410")],
    }
    assert [event.data for event in pair.seen(DataReceived)] == [b"gone"]
    assert {event.stream_id for event in pair.seen(StreamEnded)} == {1, 3}


def test_a_body_waits_for_the_clients_window(engine: Engine) -> None:
    pair = Pair(engine, initial_window_size=0)
    pair.client.send_headers(1, HEADERS, end_stream=True)
    pair.carry()
    engine.respond(1, Answer(410, (), b"gone"))
    pair.carry()
    assert pair.seen(ResponseReceived)
    assert not pair.seen(DataReceived)

    pair.client.increment_flow_control_window(100, 1)
    pair.carry()

    assert [event.data for event in pair.seen(DataReceived)] == [b"gone"]


def test_a_stream_that_the_client_gave_up_gets_no_answer(engine: Engine) -> None:
    pair = Pair(engine)
    for stream in (1, 3, 5):
        pair.client.send_headers(stream, HEADERS, end_stream=stream == 1)
    assert len(pair.carry()) == 1
    for stream in (1, 3):
        pair.client.reset_stream(stream, 8)
    pair.carry()

    assert engine.respond(1, Answer(200, ())) is False
    assert engine.respond(3, Answer(200, ())) is False
    engine.reset(1, 2)
    pair.client.end_stream(5)
    assert [stream for stream, _, _ in pair.carry()] == [5]
    assert engine.faults == 0


def test_a_body_that_waits_goes_with_its_stream(engine: Engine) -> None:
    pair = Pair(engine, initial_window_size=0)
    pair.client.send_headers(1, HEADERS, end_stream=True)
    pair.carry()
    engine.respond(1, Answer(410, (), b"gone"))
    pair.carry()
    pair.client.reset_stream(1, 8)
    pair.carry()
    pair.client.send_headers(3, HEADERS, end_stream=True)

    assert [stream for stream, _, _ in pair.carry()] == [3]
    assert not pair.seen(DataReceived)


def test_a_stream_can_be_reset_with_any_code(engine: Engine) -> None:
    pair = Pair(engine)
    pair.client.send_headers(1, HEADERS, end_stream=True)
    pair.carry()

    engine.reset(1, 7)
    pair.carry()

    assert [event.error_code for event in pair.seen(StreamReset)] == [7]


def test_limits_are_announced(engine: Engine) -> None:
    pair = Pair(engine)
    engine.limit(500)
    pair.carry()

    settings = [
        event.changed_settings[SettingCodes.MAX_CONCURRENT_STREAMS].new_value
        for event in pair.seen(RemoteSettingsChanged)
        if SettingCodes.MAX_CONCURRENT_STREAMS in event.changed_settings
    ]
    assert settings == [100, 500]


def test_goaway_says_where_and_why(engine: Engine) -> None:
    pair = Pair(engine)
    pair.client.send_headers(1, HEADERS, end_stream=True)
    pair.carry()

    engine.goaway(1, b'{"reason":"Shutdown"}')
    pair.carry()

    (event,) = pair.seen(ConnectionTerminated)
    assert (event.error_code, event.last_stream_id) == (0, 1)
    assert event.additional_data == b'{"reason":"Shutdown"}'
    assert engine.respond(1, Answer(200, ()))
    assert engine.take()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x05\x04\x00\x00\x00\x00\x00Hello",
    ],
)
def test_garbage_ends_the_connection(engine: Engine, data: bytes) -> None:
    engine.start(1)
    try:
        engine.receive(data)
        engine.take()
        ended = engine.is_over()
    except EngineError:
        ended = True

    assert ended


def test_an_upper_case_header_never_arrives(engine: Engine) -> None:
    pair = Pair(engine)
    pair.client.config.normalize_outbound_headers = False
    pair.client.send_headers(1, (*HEADERS, (b"Apns-Topic", b"x")), end_stream=True)

    try:
        arrivals = pair.carry()
    except EngineError:
        arrivals = []

    assert arrivals == []
    assert engine.faults == 1
