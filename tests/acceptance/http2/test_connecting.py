"""Connections that do not come about: the client says why, and waits."""

import socket
import threading
import time

import pytest
from hyperframe import frame as frames

from django_push.http2 import Client

from .servers import (
    TEMPLATE,
    Ngh2Server,
    RawServer,
    Served,
    Tls,
    connected,
    has_error,
    has_room,
    poll_until,
    request,
)


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
            f"https://127.0.0.1:{listener.getsockname()[1]}", tls, connect_timeout=2.0
        ) as client,
    ):
        begin = time.monotonic()
        while not client.error:
            before = time.monotonic()
            client.room()
            client.take()
            assert time.monotonic() - before < 1.8
            time.sleep(0.01)
        assert 2.0 <= time.monotonic() - begin < 10
        assert client.error.endswith("no connection within 2 s")


def test_a_server_without_settings_is_given_up(tls):
    def script(raw, number):
        while raw.socket.recv(10_000):
            pass

    with (
        RawServer(tls, script) as server,
        connected(server.origin, tls, connect_timeout=1.5) as client,
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
