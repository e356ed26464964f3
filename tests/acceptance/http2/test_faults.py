"""The client against peers that fail: slow, dead, silent, rude."""

import selectors
import socket
import ssl
import threading
import time

import pytest
from hyperframe import frame as frames

from django_push.http2 import Client, Connection, Lost, Outcome

from .servers import (
    TEMPLATE,
    Ngh2Server,
    RawServer,
    Served,
    Tls,
    connected,
    drive,
    keys,
    request,
)


def poll_until(client, condition, seconds=10.0):
    """Poll until the condition holds; returns what was reported meanwhile."""
    everything, end = Outcome(), time.monotonic() + seconds
    while not condition(client):
        assert time.monotonic() < end, (client.error, client.in_flight)
        everything.extend(client.poll(0.02))
    return everything


def has_room(client):
    return client.room() > 0


def has_error(client):
    return not client.room() and client.error


# -- connections that do not come about


def trouble(client, words):
    """The client says what is wrong, backs off, and takes nothing."""
    poll_until(client, has_error)
    assert words in client.error, client.error
    assert client.room() == 0
    assert client.retry_at > time.monotonic()
    with pytest.raises(ValueError, match="room"):
        client.send(TEMPLATE, [request(1)])
    assert client.in_flight == 0


def test_nobody_listens(tls):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with connected(f"https://127.0.0.1:{port}", tls) as client:
        trouble(client, f"127.0.0.1:{port}: no connection: Connection refused")


def test_the_name_is_unknown(tls):
    with connected("https://nowhere.invalid", tls) as client:
        trouble(client, "nowhere.invalid:443: the name cannot be resolved")


def test_the_certificate_is_not_trusted(tls):
    with Ngh2Server(tls, Served) as server:
        client = Client(server.origin)
        trouble(client, f"localhost:{server.port}: TLS certificate not accepted: self-signed")
        client.close()


def test_the_certificate_is_for_another_name(tmp_path):
    other = Tls(tmp_path, "push.example")
    with Ngh2Server(other, Served) as server, connected(server.origin, other) as client:
        trouble(client, "TLS certificate not accepted: Hostname mismatch")


def test_the_server_speaks_http_1_only(tls):
    with (
        Ngh2Server(tls, Served, context=tls.server("http/1.1")) as server,
        connected(server.origin, tls) as client,
    ):
        trouble(client, f"localhost:{server.port}: the server does not offer HTTP/2 (ALPN h2)")


def test_the_server_speaks_no_tls(tls):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            connection.recv(1_000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with connected(f"https://127.0.0.1:{listener.getsockname()[1]}", tls) as client:
            trouble(client, "TLS handshake failed: ")
        thread.join()


def test_a_dead_host_never_blocks(tls):
    """TCP is accepted by the kernel, and nobody ever answers."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        connected(
            f"https://127.0.0.1:{listener.getsockname()[1]}", tls, connect_timeout=0.4
        ) as client,
    ):
        begin = time.monotonic()
        while not client.error:
            before = time.monotonic()
            client.room()
            client.take()
            assert time.monotonic() - before < 0.2
            time.sleep(0.01)
        assert 0.4 <= time.monotonic() - begin < 3
        assert client.error.endswith("no connection within 0.4 s")


def test_a_server_without_settings_is_given_up(tls):
    def script(raw, number):
        while raw.socket.recv(10_000):
            pass

    with (
        RawServer(tls, script) as server,
        connected(server.origin, tls, connect_timeout=0.4) as client,
    ):
        poll_until(client, has_room)
        client.send(TEMPLATE, [request(1)])
        outcome = poll_until(client, has_error)
        assert "no SETTINGS of the peer in time" in client.error
        assert [(lost.key, lost.sent) for lost in outcome.lost] == [(1, True)]


def test_attempts_become_rare_and_an_answer_forgives(tls):
    failing = True

    def script(raw, number):
        if failing:
            return
        raw.greet(streams=10)
        while True:
            raw.answer(raw.wait_for(frames.HeadersFrame).stream_id)

    now = 1_000.0
    with RawServer(tls, script) as server:
        client = Client(server.origin, context=tls.client(), clock=lambda: now)
        pauses = []
        for _ in range(8):
            while client.retry_at <= now:
                client.room()
                client.poll(0.01)
            assert client.error.endswith("connection closed by the peer")
            pauses.append(client.retry_at - now)
            now = client.retry_at
        for number, pause in enumerate(pauses):
            longest = min(60.0, 2.0**number)
            assert longest / 2 <= pause <= longest
        failing = False
        poll_until(client, has_room)
        assert client.error == ""
        client.send(TEMPLATE, [request(1)])
        assert poll_until(client, lambda c: not c.in_flight).ok == [1]
        client.close()


# -- connections that end


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
        server.done.wait(10)

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        poll_until(client, lambda c: c.room() > 50)
        client.send(TEMPLATE, [request(key) for key in range(5)])
        assert gone.wait(10)
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
        server.done.wait(10)

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        assert drive(client, [request(1)]).ok == [1]
        closed.wait(10)
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
            assert second_is_busy.wait(10)
        else:
            second_is_busy.set()
        for stream in streams:
            raw.answer(stream, b"\x88" if number else b"\x8d")
        server.done.wait(10)

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
        connected(server.origin, tls, idle_ping=0.2, connect_timeout=0.3) as client,
    ):
        poll_until(client, has_room)
        poll_until(client, has_error)
        assert client.error == f"localhost:{server.port}: no answer to PING within 0.3 s"


def test_a_connection_that_went_silent_is_probed_and_replaced(tls):
    """After a timeout with not a byte since the request, a PING decides."""

    def script(raw, number):
        raw.greet(streams=10)
        if number == 0:
            server.done.wait(10)
        while True:
            raw.answer(raw.wait_for(frames.DataFrame, "END_STREAM").stream_id)

    with (
        RawServer(tls, script) as server,
        connected(server.origin, tls, request_timeout=0.3, connect_timeout=0.4) as client,
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
            full.wait(10)
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


# -- the shape of the interface


def test_a_shared_selector_serves_two_clients(tls):
    def script(raw, number):
        raw.greet(streams=10)
        while True:
            raw.answer(raw.wait_for(frames.DataFrame, "END_STREAM").stream_id)

    selector = selectors.DefaultSelector()
    with RawServer(tls, script) as server:
        clients = [Client(server.origin, context=tls.client(), selector=selector) for _ in "ab"]
        done = {client: [] for client in clients}
        end = time.monotonic() + 10
        while min(map(len, done.values())) < 50:
            assert time.monotonic() < end
            for client in clients:
                first = len(done[client]) + client.in_flight
                room = min(client.room(), 50 - first)
                client.send(TEMPLATE, [request(first + i) for i in range(room)])
            for key, mask in selector.select(0.05):
                assert isinstance(key.data, Connection)
                key.data.client.handle(key, mask)
            for client in clients:
                done[client] += client.take().ok
        assert all(sorted(each) == list(range(50)) for each in done.values())
        with pytest.raises(RuntimeError, match="handle"):
            clients[0].poll()
        for client in clients:
            client.close()
        assert not selector.get_map()
        selector.close()


def test_deadline_is_none_without_connections_and_near_with_them(tls):
    def script(raw, number):
        raw.greet(streams=10)
        server.done.wait(10)

    with RawServer(tls, script) as server:
        client = Client(server.origin, context=tls.client())
        assert client.deadline() is None
        poll_until(client, has_room)
        assert client.deadline() - time.monotonic() <= 1.0
        client.close()
        assert client.deadline() is None


def test_close_waits_for_answers_and_reports_the_rest(tls):
    goodbyes = []

    def script(raw, number):
        raw.greet(streams=10)
        streams = [raw.wait_for(frames.DataFrame, "END_STREAM").stream_id for _ in range(3)]
        time.sleep(0.1)
        raw.answer(streams[0])
        raw.answer(streams[2])
        goodbyes.append(raw.wait_for(frames.GoAwayFrame).error_code)

    with RawServer(tls, script) as server:
        client = Client(server.origin, context=tls.client())
        poll_until(client, lambda c: c.room() > 2)
        client.send(TEMPLATE, [request(key) for key in range(3)])
        begin = time.monotonic()
        client.close(0.5)
        assert 0.4 < time.monotonic() - begin < 2
        outcome = client.take()
        client.close()
        assert client.room() == 0
        assert client.in_flight == 0
        with pytest.raises(ValueError, match="room"):
            client.send(TEMPLATE, [request(4)])
    assert outcome.ok == [0, 2]
    assert outcome.lost == [Lost(1, True, f"localhost:{server.port}: closed by us")]
    assert goodbyes == [0]


def test_a_client_certificate_is_shown_when_asked_for(tls):
    context = tls.server()
    context.load_verify_locations(tls.file)
    context.verify_mode = ssl.CERT_REQUIRED

    def script(raw, number):
        raw.greet(streams=10)
        raw.answer(raw.wait_for(frames.DataFrame, "END_STREAM").stream_id)
        server.done.wait(10)

    with RawServer(tls, script, context=context) as server:
        ours = tls.client()
        ours.load_cert_chain(tls.file)
        client = Client(server.origin, context=ours)
        assert drive(client, [request(1)]).ok == [1]
        client.close()
        with connected(server.origin, tls) as without:
            poll_until(without, has_error)
            assert "certificate required" in without.error, without.error


@pytest.mark.parametrize(
    "origin",
    ["http://localhost", "localhost:443", "https://", "https://a/b", "https://u@a", "https://a?b"],
)
def test_an_origin_is_https_host_and_port(origin):
    with pytest.raises(ValueError, match="origin"):
        Client(origin)


@pytest.mark.parametrize(
    "option",
    [
        {"connections": 0},
        {"request_timeout": 0},
        {"connect_timeout": -1},
        {"idle_ping": 0},
        {"max_body": -1},
        {"max_body": 2**31},
    ],
)
def test_limits_that_make_no_sense_are_refused(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        Client("https://localhost", **option)
