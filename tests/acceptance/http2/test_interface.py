"""The shape of the interface: selectors, deadlines, closing, options."""

import selectors
import ssl
import time

import pytest
from hyperframe import frame as frames

from django_push.http2 import Client, Connection, Lost

from .servers import (
    TEMPLATE,
    RawServer,
    connected,
    drive,
    has_error,
    has_room,
    poll_until,
    request,
)


def test_a_shared_selector_serves_two_clients(tls):
    def script(raw, number):
        raw.greet(streams=10)
        while True:
            raw.answer(raw.wait_for(frames.DataFrame, "END_STREAM").stream_id)

    selector = selectors.DefaultSelector()
    with RawServer(tls, script) as server:
        clients = [Client(server.origin, context=tls.client(), selector=selector) for _ in "ab"]
        done = {client: [] for client in clients}
        end = time.monotonic() + 60
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
        server.done.wait(60)

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
        client.close(2.0)
        assert 1.9 < time.monotonic() - begin < 10
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
        server.done.wait(60)

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
