"""The HTTP/1.1 engine."""

from __future__ import annotations

import pytest

from django_push.simulator.engines import EngineError
from django_push.simulator.engines.http1 import Http1Engine
from django_push.simulator.wire import Answer

REQUEST = b"POST /token HTTP/1.1\r\nHost: localhost:1\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nHello"


def test_a_request_is_read_in_pieces_of_any_size() -> None:
    for size in range(1, len(REQUEST) + 1):
        engine = Http1Engine()
        arrivals = [
            arrival
            for start in range(0, len(REQUEST), size)
            for arrival in engine.receive(REQUEST[start : start + size])
        ]
        assert arrivals == [
            (
                1,
                (
                    (b":method", b"POST"),
                    (b":path", b"/token"),
                    (b":authority", b"localhost:1"),
                    (b"content-length", b"5"),
                    (b"x-a", b"b"),
                ),
                b"Hello",
            )
        ]


def test_requests_in_a_row_are_answered_in_their_order() -> None:
    engine = Http1Engine()
    assert [stream for stream, _, _ in engine.receive(REQUEST * 2)] == [1, 2]

    engine.respond(2, Answer(404, ((b"x-n", b"2"),)))
    assert engine.take() == b""
    engine.respond(1, Answer(200, (), b"one"))

    assert engine.take() == (
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none"
        b"HTTP/1.1 404 Not Found\r\nx-n: 2\r\ncontent-length: 0\r\n\r\n"
    )


def test_a_client_that_waits_is_told_to_go_on() -> None:
    engine = Http1Engine()
    head, _, body = REQUEST.replace(b"X-A:  b", b"Expect: 100-continue").rpartition(b"\r\n\r\n")

    assert engine.receive(head + b"\r\n\r\n") == []
    assert engine.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert len(engine.receive(body)) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"Hello\r\n\r\n",
        b"GET / SPDY/3\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"x" * 40_000,
    ],
)
def test_what_it_can_not_read_ends_the_connection(data: bytes) -> None:
    with pytest.raises(EngineError):
        Http1Engine().receive(data)


def test_one_request_can_not_be_reset() -> None:
    with pytest.raises(EngineError):
        Http1Engine().reset(1, 2)
