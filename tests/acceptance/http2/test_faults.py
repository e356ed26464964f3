"""The client against peers that fail: dead, silent, rude."""

import threading
import time

from hyperframe import frame as frames

from .servers import (
    TEMPLATE,
    RawServer,
    connected,
    drive,
    has_error,
    has_room,
    keys,
    poll_until,
    request,
)


def test_a_reset_leaves_requests_unknown_and_the_next_ones_go_elsewhere(tls):
    def script(raw, number):
        raw.greet(streams=10)
        if number == 0:
            raw.wait_for(frames.DataFrame)
            raw.reset()
        while True:
            raw.answer(raw.wait_for(frames.DataFrame, "END_STREAM").stream_id)

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        outcome = drive(client, [request(key) for key in range(30)])
        assert server.count == 2
    assert outcome.lost
    assert all(lost.sent for lost in outcome.lost)
    assert all("connection " in lost.reason for lost in outcome.lost)
    assert len(outcome.lost) + len(outcome.ok) == 30


def test_answers_that_lie_in_the_socket_are_read_though_writing_fails(tls):
    gone = threading.Event()

    def script(raw, number):
        raw.greet(streams=100)
        if number == 0:
            for _ in range(5):
                raw.answer(raw.wait_for(frames.DataFrame, "END_STREAM").stream_id)
            raw.socket.close()
            gone.set()
        server.done.wait(60)

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        poll_until(client, lambda c: c.room() > 50)
        client.send(TEMPLATE, [request(key) for key in range(5)])
        assert gone.wait(60)
        for key in range(5, 8):  # the first is taken by the kernel, and brings back a reset
            if client.room():
                client.send(TEMPLATE, [request(key)])
            time.sleep(0.1)
        sent = client.in_flight
        outcome = poll_until(client, lambda c: not c.in_flight)
    assert sorted(outcome.ok) == [0, 1, 2, 3, 4]
    assert sorted(lost.key for lost in outcome.lost) == list(range(5, sent))
    assert all(lost.sent for lost in outcome.lost)


def test_an_idle_connection_closed_by_the_peer_costs_nothing(tls):
    """The caller does not poll while idle; the first request must not go into a dead socket."""
    closed = threading.Event()

    def script(raw, number):
        raw.greet(streams=10)
        raw.answer(raw.wait_for(frames.DataFrame, "END_STREAM").stream_id)
        if number == 0:
            raw.send(frames.GoAwayFrame(0, last_stream_id=1))
            raw.socket.close()
            closed.set()
        server.done.wait(60)

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        assert drive(client, [request(1)]).ok == [1]
        closed.wait(60)
        time.sleep(0.05)
        assert drive(client, [request(2)]).ok == [2]


def test_goaway_tells_why_there_is_no_connection(tls):
    def script(raw, number):
        raw.greet(streams=10)
        debug = b'{"reason": "TooManyProviderTokenUpdates"}'
        raw.send(frames.GoAwayFrame(0, error_code=11, additional_data=debug))

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        poll_until(client, lambda c: c.room() == 0 and c.error)
        assert client.error == (
            f"localhost:{server.port}: GOAWAY ENHANCE_YOUR_CALM: TooManyProviderTokenUpdates"
        )
        assert client.retry_at > time.monotonic()


def test_streams_below_goaway_are_waited_for_while_others_go_elsewhere(tls):
    """Written by hand: the first connection answers its two streams after the second is busy."""
    second_is_busy = threading.Event()

    def script(raw, number):
        raw.greet(streams=4)
        streams = [raw.wait_for(frames.DataFrame, "END_STREAM").stream_id for _ in range(2)]
        if number == 0:
            raw.send(frames.GoAwayFrame(0, last_stream_id=streams[1]))
            assert second_is_busy.wait(60)
        else:
            second_is_busy.set()
        for stream in streams:
            raw.answer(stream, b"\x88" if number else b"\x8d")
        server.done.wait(60)

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        poll_until(client, lambda c: c.room() > 1)
        client.send(TEMPLATE, [request(key) for key in range(4)])
        outcome = poll_until(client, lambda c: not c.in_flight)
        assert server.count == 2
    assert sorted(outcome.ok) == [2, 3]
    assert sorted((answer.key, answer.status) for answer in outcome.answers) == [(0, 404), (1, 404)]


def test_requests_above_goaway_with_nowhere_to_go_are_reported_as_not_sent(tls):
    def script(raw, number):
        if number == 0:
            raw.greet(streams=10)
            raw.wait_for(frames.DataFrame, "END_STREAM")
            raw.send(frames.GoAwayFrame(0, last_stream_id=0))

    with (
        RawServer(tls, script) as server,
        connected(server.origin, tls, request_timeout=0.5) as client,
    ):
        poll_until(client, has_room)
        client.send(TEMPLATE, [request(1)])
        outcome = poll_until(client, lambda c: not c.in_flight)
    assert [(lost.key, lost.sent) for lost in outcome.lost] == [(1, False)]
    assert outcome.lost[0].reason.startswith("not sent again: localhost:")


def test_a_protocol_error_is_answered_with_goaway_and_told(tls):
    said = []

    def script(raw, number):
        raw.greet(streams=10)
        raw.wait_for(frames.HeadersFrame)
        raw.send(
            frames.PushPromiseFrame(1, promised_stream_id=2, data=b"\x82", flags=["END_HEADERS"])
        )
        said.append(raw.wait_for(frames.GoAwayFrame).error_code)

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        poll_until(client, has_room)
        client.send(TEMPLATE, [request(1)])
        outcome = poll_until(client, has_error)
        assert "PUSH_PROMISE" in client.error
    assert said == [1]
    assert [(lost.key, lost.sent) for lost in outcome.lost] == [(1, True)]


# -- silence


def test_a_ping_after_idleness_is_answered_and_the_connection_stays(tls):
    pings = []

    def script(raw, number):
        raw.greet(streams=10)
        while True:
            ping = raw.wait_for(frames.PingFrame)
            pings.append(ping)
            raw.send(frames.PingFrame(0, ping.opaque_data, flags=["ACK"]))

    with RawServer(tls, script) as server, connected(server.origin, tls, idle_ping=0.2) as client:
        poll_until(client, has_room)
        poll_until(client, lambda c: len(pings) >= 3)
        assert client.room() > 0
        assert server.count == 1


def test_a_ping_without_answer_closes_the_connection(tls):
    def script(raw, number):
        raw.greet(streams=10)
        raw.wait_for(frames.PingFrame)
        raw.read()

    with (
        RawServer(tls, script) as server,
        connected(server.origin, tls, idle_ping=0.2, connect_timeout=1.5) as client,
    ):
        poll_until(client, has_room)
        poll_until(client, has_error)
        assert client.error == f"localhost:{server.port}: no answer to PING within 1.5 s"


def test_a_connection_that_went_silent_is_probed_and_replaced(tls):
    """After a timeout with not a byte since the request, a PING decides."""

    def script(raw, number):
        raw.greet(streams=10)
        if number == 0:
            server.done.wait(60)
        while True:
            raw.answer(raw.wait_for(frames.DataFrame, "END_STREAM").stream_id)

    with (
        RawServer(tls, script) as server,
        connected(server.origin, tls, request_timeout=1.0, connect_timeout=1.5) as client,
    ):
        outcome = drive(client, [request(key) for key in range(40)])
        assert server.count == 2
    # Ten streams, and perhaps another in the place of the first that timed out.
    assert 10 <= len(outcome.lost) <= 12
    assert all(lost.sent for lost in outcome.lost)


def test_a_peer_that_does_not_read_stops_the_sending(tls):
    """Requests that never left are sent again on the next connection; the others are unknown."""
    seen = []

    def script(raw, number):
        raw.greet(streams=1_000)
        if number == 0:
            raw.send(frames.WindowUpdateFrame(0, window_increment=2**30))
            raw.wait_for(frames.SettingsFrame, "ACK")
            full.wait(60)
            raw.reset()
        while True:
            stream = raw.wait_for(frames.DataFrame, "END_STREAM").stream_id
            seen.append(stream)
            raw.send(frames.WindowUpdateFrame(0, window_increment=16_384))
            raw.answer(stream)

    full = threading.Event()
    body = b"x" * 16_000
    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        poll_until(client, lambda c: c.room() > 100)
        sent = 0
        while client.room() and sent < 990:
            client.send(TEMPLATE, [request(sent + i, body) for i in range(10)])
            sent += 10
        assert sent < 990, "the socket took everything"
        full.set()
        outcome = poll_until(client, lambda c: not c.in_flight)
    assert sorted(keys(outcome)) == list(range(sent))
    assert all(lost.sent for lost in outcome.lost)
    assert len(outcome.ok) == len(seen)
