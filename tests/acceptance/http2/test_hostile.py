"""The client against peers that mean harm, or that are merely strange, over TLS."""

import random

import psutil
import pytest
from hyperframe import frame as frames

from django_push.http2 import Template

from .servers import (
    BODY,
    TEMPLATE,
    RawServer,
    connected,
    drive,
    has_room,
    keys,
    poll_until,
    request,
)

END = ["END_HEADERS", "END_STREAM"]


def answer_all(raw):
    while True:
        raw.answer(raw.wait_for(frames.DataFrame, "END_STREAM").stream_id)


def test_garbage_in_the_middle_costs_the_connection_only(tls):
    def script(raw, number):
        raw.greet(streams=10)
        if number == 0:
            raw.answer(raw.wait_for(frames.DataFrame, "END_STREAM").stream_id)
            raw.wait_for(frames.DataFrame, "END_STREAM")
            raw.socket.sendall(random.Random(1).randbytes(50_000))
            raw.wait_for(frames.GoAwayFrame)
        answer_all(raw)

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        outcome = drive(client, [request(key) for key in range(40)])
        assert server.count == 2
    assert not outcome.answers
    assert 1 <= len(outcome.lost) <= 10
    assert all(lost.sent for lost in outcome.lost)


def test_answers_that_come_byte_by_byte_are_read(tls):
    """Each byte in a TLS record of its own, the header block in CONTINUATION frames of one byte."""

    def script(raw, number):
        raw.greet(streams=10)
        streams = [raw.wait_for(frames.DataFrame, "END_STREAM").stream_id for _ in range(2)]
        for stream in streams:
            block = b"\x08\x03410\x00\x02id\x01x"
            said = [frames.HeadersFrame(stream, block[:1])]
            said += [frames.ContinuationFrame(stream, bytes((each,))) for each in block[1:-1]]
            said.append(frames.ContinuationFrame(stream, block[-1:], flags=["END_HEADERS"]))
            said.append(frames.DataFrame(stream, b"{}", flags=["PADDED"], pad_length=9))
            said.append(frames.DataFrame(stream, b"!", flags=["END_STREAM"]))
            for each in b"".join(frame.serialize() for frame in said):
                raw.socket.sendall(bytes((each,)))
        server.done.wait(10)

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        outcome = drive(client, [request(key) for key in range(2)])
    assert {(each.status, each.headers["id"], each.body) for each in outcome.answers} == {
        (410, "x", b"{}!")
    }
    assert len(outcome.answers) == 2


OPEN = frames.HeadersFrame(1, b"\x8e", flags=["END_HEADERS"])
LARGE_FIELD = b"\x40\x01a\x7f\x81\x1e" + b"x" * 3_968
FLOODS = {
    "PING": (OPEN, frames.PingFrame(0, b"12345678")),
    "SETTINGS": (OPEN, frames.SettingsFrame(0)),
    "empty DATA": (OPEN, frames.DataFrame(1, b"")),
    "WINDOW_UPDATE": (OPEN, frames.WindowUpdateFrame(1, window_increment=1)),
    "header block": (frames.HeadersFrame(1, b"\x8e"), frames.ContinuationFrame(1, b"\x82" * 99)),
    "large fields": (OPEN, frames.HeadersFrame(1, LARGE_FIELD + b"\xbe" * 9_000, flags=END)),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_ends_the_connection_and_fills_no_memory(tls, flood):
    first, again = FLOODS[flood]
    much = again.serialize() * 100

    def script(raw, number):
        raw.greet(streams=10)
        raw.wait_for(frames.DataFrame, "END_STREAM")
        if number:
            raw.answer(1)
            return
        raw.send(first)
        raw.socket.settimeout(0.3)
        for _ in range(20_000):  # until the client hangs up
            raw.socket.sendall(much)
        raise AssertionError("it takes everything")

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        before = psutil.Process().memory_info().rss
        outcome = drive(client, [request(1)])
        assert psutil.Process().memory_info().rss - before < 50 * 2**20
        assert drive(client, [request(2)]).ok == [2]
        assert server.count == 2
    assert [(lost.key, lost.sent) for lost in outcome.lost] == [(1, True)]
    words = ("ENHANCE_YOUR_CALM", "COMPRESSION_ERROR")
    assert any(word in outcome.lost[0].reason for word in words), outcome.lost[0].reason


def test_a_body_without_an_end_is_cut_and_the_connection_goes_on(tls):
    resets = []

    def script(raw, number):
        raw.greet(streams=10)
        first = raw.wait_for(frames.DataFrame, "END_STREAM").stream_id
        raw.send(frames.HeadersFrame(first, b"\x8e", flags=["END_HEADERS"]))
        for _ in range(64):  # 64 KiB and a byte: as far as the stream's window goes
            raw.send(frames.DataFrame(first, b"x" * 1_024))
        raw.send(frames.DataFrame(first, b"!"))
        others = [raw.wait_for(frames.DataFrame, "END_STREAM").stream_id for _ in range(4)]
        resets.append(raw.wait_for(frames.RstStreamFrame))
        for stream in others:
            raw.answer(stream)
        server.done.wait(10)

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        poll_until(client, lambda c: c.room() > 5)
        client.send(TEMPLATE, [request(key) for key in range(5)])
        outcome = poll_until(client, lambda c: not c.in_flight)
        assert server.count == 1
    assert [(each.status, len(each.body)) for each in outcome.answers] == [(500, 65_536)]
    assert len(outcome.ok) == 4
    assert [reset.error_code for reset in resets] == [8]


def test_a_window_that_never_opens_costs_the_request_its_time(tls):
    """The body of 8 bytes was sent as far as the window: whether it was processed nobody knows."""
    got = []

    def script(raw, number):
        raw.greet(streams=10, initial_window=8)
        while True:
            frame = raw.read()
            if isinstance(frame, frames.DataFrame):
                got.append(frame.data)
            if isinstance(frame, frames.PingFrame):
                raw.send(frames.PingFrame(0, frame.opaque_data, flags=["ACK"]))

    with (
        RawServer(tls, script) as server,
        connected(server.origin, tls, request_timeout=0.4) as client,
    ):
        poll_until(client, lambda c: c.room() > 3)
        client.send(TEMPLATE, [request(key) for key in range(3)])
        outcome = poll_until(client, lambda c: not c.in_flight)
    assert [(lost.key, lost.sent) for lost in outcome.lost] == [(0, True), (1, True), (2, True)]
    assert all(lost.reason.endswith("no answer within 0.4 s") for lost in outcome.lost)
    assert got == [BODY[:8]] * 3


def test_a_token_is_rotated_on_a_live_connection(tls):
    """A server that keeps a header table sees each request with the token it was sent with."""
    import hpack

    seen = {}

    def script(raw, number):
        decoder = hpack.Decoder()
        raw.greet(streams=10)
        while True:
            frame = raw.read()
            if isinstance(frame, frames.HeadersFrame):
                fields = dict(decoder.decode(frame.data))
                seen[int(fields[":path"].rsplit("/", 1)[1])] = fields["authorization"]
                raw.answer(frame.stream_id)

    pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost")]
    templates = [Template(pseudo, [("authorization", f"bearer {name}" * 50)]) for name in "abc"]
    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        for key in range(60):
            poll_until(client, has_room)
            client.send(templates[key // 7 % 3], [request(key)])
        outcome = poll_until(client, lambda c: not c.in_flight)
        assert server.count == 1
    assert seen == {key: f"bearer {'abc'[key // 7 % 3]}" * 50 for key in range(60)}
    assert set(keys(outcome)) <= set(range(60))


def test_settings_may_change_at_any_time(tls):
    """Header table, windows and limits: each request is understood, none is lost."""

    def script(raw, number):
        raw.greet(streams=10)
        for turn in range(1_000):
            answered = raw.wait_for(frames.HeadersFrame).stream_id
            table, window = (4_096, 0, 100)[turn % 3], (65_535, 5, 40)[turn % 3]
            limit = (1, 3, 0, 20)[turn % 4]
            raw.send(frames.SettingsFrame(0, settings={1: table, 3: limit, 4: window}))
            raw.answer(answered)
            if not limit:
                raw.send(frames.SettingsFrame(0, settings={3: 5}))

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        outcome = drive(client, [request(key) for key in range(300)])
        assert server.count == 1
    assert sorted(outcome.ok) == list(range(300))
