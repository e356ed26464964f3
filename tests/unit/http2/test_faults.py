"""A peer that breaks the protocol gets GOAWAY with the right code, and cannot make us hoard."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_push.http2.frames import error_name

from .peer import Pair, raw

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONT = range(10)
PROTOCOL, FLOW, SIZE, COMPRESSION, CALM = 1, 3, 6, 9, 11


def setting(name: int, value: int) -> bytes:
    return struct.pack(">HI", name, value)


WRONG = {
    "frame too large": (raw(DATA, 1, b"x" * 16_385), SIZE),
    "frame far too large": (b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", SIZE),
    "DATA on stream 0": (raw(DATA, 0, b"x"), PROTOCOL),
    "DATA on an idle stream": (raw(DATA, 99, b"x"), PROTOCOL),
    "DATA on a stream of the server": (raw(DATA, 2, b"x"), PROTOCOL),
    "HEADERS on stream 0": (raw(HEADERS, 0, b"\x88", 5), PROTOCOL),
    "HEADERS on an idle stream": (raw(HEADERS, 99, b"\x88", 5), PROTOCOL),
    "HEADERS padded away": (raw(HEADERS, 1, b"\x02\x88", 0xD), PROTOCOL),
    "HEADERS padded without length": (raw(HEADERS, 1, b"", 0xD), SIZE),
    "HEADERS without its priority": (raw(HEADERS, 1, b"\x00\x00", 0x25), SIZE),
    "DATA padded away": (raw(DATA, 1, b"\x01", 8), PROTOCOL),
    "PRIORITY on stream 0": (raw(PRIORITY, 0, b"\x00" * 5), PROTOCOL),
    "PRIORITY of 4 bytes": (raw(PRIORITY, 1, b"\x00" * 4), SIZE),
    "RST_STREAM on stream 0": (raw(RST, 0, b"\x00" * 4), PROTOCOL),
    "RST_STREAM on an idle stream": (raw(RST, 99, b"\x00" * 4), PROTOCOL),
    "RST_STREAM of 5 bytes": (raw(RST, 1, b"\x00" * 5), SIZE),
    "SETTINGS on a stream": (raw(SETTINGS, 1, b""), PROTOCOL),
    "SETTINGS of 5 bytes": (raw(SETTINGS, 0, b"\x00" * 5), SIZE),
    "SETTINGS ACK with a payload": (raw(SETTINGS, 0, setting(3, 1), 1), SIZE),
    "ENABLE_PUSH by a server": (raw(SETTINGS, 0, setting(2, 1)), PROTOCOL),
    "INITIAL_WINDOW_SIZE too large": (raw(SETTINGS, 0, setting(4, 2**31)), FLOW),
    "MAX_FRAME_SIZE too small": (raw(SETTINGS, 0, setting(5, 16_383)), PROTOCOL),
    "MAX_FRAME_SIZE too large": (raw(SETTINGS, 0, setting(5, 2**24)), PROTOCOL),
    "PUSH_PROMISE": (raw(PUSH, 1, b"\x00\x00\x00\x02\x82", 4), PROTOCOL),
    "PING on a stream": (raw(PING, 1, b"\x00" * 8), PROTOCOL),
    "PING of 7 bytes": (raw(PING, 0, b"\x00" * 7), SIZE),
    "GOAWAY on a stream": (raw(GOAWAY, 1, b"\x00" * 8), PROTOCOL),
    "GOAWAY of 7 bytes": (raw(GOAWAY, 0, b"\x00" * 7), SIZE),
    "WINDOW_UPDATE of 3 bytes": (raw(WINDOW, 0, b"\x00" * 3), SIZE),
    "WINDOW_UPDATE of 0": (raw(WINDOW, 0, b"\x00" * 4), PROTOCOL),
    "WINDOW_UPDATE on an idle stream": (raw(WINDOW, 99, b"\x00\x00\x00\x01"), PROTOCOL),
    "window too large": (raw(WINDOW, 0, b"\x7f\xff\xff\xff"), FLOW),
    "CONTINUATION without HEADERS": (raw(CONT, 1, b"\x88", 4), PROTOCOL),
    "CONTINUATION of another stream": (
        raw(HEADERS, 1, b"\x88", 1) + raw(CONT, 3, b"", 4),
        PROTOCOL,
    ),
    "PING inside a header block": (raw(HEADERS, 1, b"\x88", 1) + raw(PING, 0, b"x" * 8), PROTOCOL),
    "answer inside a header block": (
        raw(HEADERS, 1, b"\x88", 1) + raw(HEADERS, 3, b"\x88", 5),
        PROTOCOL,
    ),
    "unknown frame inside a header block": (
        raw(HEADERS, 1, b"\x88", 1) + raw(0x55, 0, b""),
        PROTOCOL,
    ),
    "index beyond the table": (raw(HEADERS, 1, b"\xff\xff\x01", 5), COMPRESSION),
    "index 0": (raw(HEADERS, 1, b"\x80", 5), COMPRESSION),
    "literal cut short": (raw(HEADERS, 1, b"\x00\x05ab", 5), COMPRESSION),
    "table size update at the end": (raw(HEADERS, 1, b"\x89\x20", 5), COMPRESSION),
    "broken Huffman code": (raw(HEADERS, 1, b"\x00\x81\xff\x01x", 5), COMPRESSION),
}


@pytest.mark.parametrize("confirmed", [True, False], ids=["confirmed", "unconfirmed"])
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_ends_the_connection(name, confirmed):
    wrong, code = WRONG[name]
    pair = Pair(confirm=confirmed)
    pair.send(1, 2, 3)
    pair.peer.answer(5)
    pair.talk()
    pair.peer.send(wrong)
    assert pair.error_code() == code, pair.codec.error
    assert error_name(code) in pair.codec.error
    assert pair.codec.room() == 0

    pair.codec.feed(raw(HEADERS, 1, b"\x88", 5))
    pair.codec.lose_all("gone")
    outcome = pair.codec.take()
    assert outcome.ok == [3]
    assert sorted(lost.key for lost in outcome.lost) == [1, 2]
    assert all(lost.sent for lost in outcome.lost)


@pytest.mark.parametrize(
    "first",
    [
        raw(PING, 0, b"x" * 8),
        raw(SETTINGS, 0, b"", 1),
        raw(GOAWAY, 0, b"\x00" * 8),
        b"HTTP/1.1 400",
    ],
)
def test_the_peer_begins_with_settings(first):
    pair = Pair(greet=False)
    pair.talk()
    pair.peer.send(first)
    pair.talk()
    assert pair.codec.error


def test_window_faults_of_a_stream_cost_that_stream():
    pair = Pair()
    pair.peer.settings(initial_window=0)
    pair.talk()
    pair.send(0, body=b"x" * 65_535)  # will empty the window of the connection
    (first,) = pair.send(1)
    second, third = pair.send(2, 3)
    pair.peer.send(raw(WINDOW, first, b"\x00" * 4))
    pair.peer.settings(initial_window=65_535)
    pair.peer.send(raw(WINDOW, second, b"\x7f\xff\xff\xff"))
    pair.peer.answer(third)
    pair.talk()
    outcome = pair.codec.take()
    assert outcome.ok == [3]
    assert sorted(lost.key for lost in outcome.lost) == [1, 2]
    assert pair.peer.seen[first].reset == PROTOCOL
    assert pair.peer.seen[second].reset == FLOW
    assert not pair.codec.error


def test_a_window_pushed_over_the_top_by_settings_is_an_error():
    pair = Pair()
    pair.peer.settings(initial_window=0)
    pair.talk()
    (number,) = pair.send(1, body=b"x" * 10)
    pair.peer.settings(initial_window=0)
    pair.codec._sending.uploads[number].window = 2**31 - 5
    pair.peer.settings(initial_window=10)
    assert pair.error_code() == FLOW


# -- what a hostile peer can make us keep or do


def test_an_endless_header_block_is_cut_off():
    pair = Pair()
    pair.send(1)
    pair.peer.send(raw(HEADERS, 1, b"\x00" * 16_000, 0))
    for _ in range(5):
        pair.peer.send(raw(CONT, 1, b"\x00" * 16_000))
    assert pair.error_code() == CALM


def test_a_flood_of_empty_continuations_is_cut_off():
    pair = Pair()
    pair.send(1)
    pair.peer.send(raw(HEADERS, 1, b"\x88", 0), raw(CONT, 1, b"") * 100)
    assert pair.error_code() == CALM


def test_a_header_bomb_is_cut_off():
    """A field of 4 KB in the table, called a thousand times with a byte each."""
    pair = Pair(confirm=False)
    pair.send(1)
    block = b"\x88\x40\x01a\x7f\x81\x1e" + b"x" * 3_968 + b"\xbe" * 1_000
    pair.peer.send(raw(HEADERS, 1, block, 5))
    assert pair.error_code() == COMPRESSION


@pytest.mark.parametrize(
    "noise",
    [
        raw(PING, 0, b"x" * 8),
        raw(SETTINGS, 0, b""),
        raw(WINDOW, 0, b"\x00\x00\x00\x01"),
        raw(0x99, 0, b"x"),
        raw(DATA, 1, b""),
        raw(RST, 1, b"\x00\x00\x00\x08"),
        raw(PRIORITY, 1, b"\x00" * 5),
    ],
    ids=["PING", "SETTINGS", "WINDOW_UPDATE", "unknown", "empty DATA", "RST_STREAM", "PRIORITY"],
)
def test_a_flood_is_cut_off(noise):
    pair = Pair()
    pair.send(1)
    pair.peer.headers(1, (":status", "500"))
    pair.talk()
    pair.codec.feed(noise * 5_000)
    pair.codec.calm()
    pair.codec.feed(noise * 9_999)
    assert not pair.codec.error
    pair.codec.feed(noise * 2)
    assert "ENHANCE_YOUR_CALM" in pair.codec.error
    assert len(pair.codec.data_to_send()) < 400_000


def test_more_data_than_the_window_of_the_connection_is_an_error():
    pair = Pair(max_body=2**26)
    pair.send(1)
    pair.peer.headers(1, (":status", "500"))
    pair.talk()
    pair.codec._receiver._consumed = 2**24 - 10
    pair.peer.data(1, b"x" * 11)
    assert pair.error_code() == FLOW


@given(st.binary(max_size=200))
def test_garbage_never_raises_and_never_loses_a_key(garbage):
    pair = Pair()
    pair.send(1, 2, 3)
    pair.codec.feed(garbage)
    pair.codec.lose_all("gone")
    _each_key_once(pair)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10),
            st.integers(0, 255),
            st.sampled_from([0, 1, 3, 5, 7]),
            st.binary(max_size=30),
        ),
        max_size=30,
    ),
    st.booleans(),
)
def test_garbage_in_frames_never_raises_and_never_loses_a_key(garbage, confirm):
    pair = Pair(confirm=confirm)
    pair.send(1, 2, 3)
    for kind, flags, number, payload in garbage:
        pair.codec.feed(raw(kind, number, payload, flags))
    pair.codec.lose_all("gone")
    _each_key_once(pair)


@given(st.binary(max_size=60), st.booleans())
def test_a_garbage_header_block_never_raises(block, confirm):
    pair = Pair(confirm=confirm)
    pair.send(1, 2, 3)
    pair.codec.feed(raw(HEADERS, 1, block, 5))
    pair.codec.lose_all("gone")
    _each_key_once(pair)


def _each_key_once(pair: Pair) -> None:
    outcome = pair.codec.take()
    refused = [request[0] for _, request in pair.codec.take_refused()]
    reported = outcome.ok + [each.key for each in (*outcome.answers, *outcome.lost)] + refused
    assert sorted(reported) == [1, 2, 3]
    assert pair.codec.in_flight == 0
