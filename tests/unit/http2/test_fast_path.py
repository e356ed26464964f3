"""The fast path is not taken too early, and any cut of the bytes gives the same."""

import contextlib

import hpack
import pytest
from hyperframe import frame as frames
from hypothesis import given
from hypothesis import strategies as st

from django_push.http2 import Answer, Lost
from django_push.http2.blocks import is_inert

from .peer import Pair, raw


def test_without_confirmation_the_table_is_kept_and_200_may_have_any_form():
    pair = Pair(confirm=False)
    for key in range(20):
        (number,) = pair.send(key)
        pair.peer.answer(number, 200 if key % 3 else 410, apns_id="same", server=f"s{key % 4}")
    pair.talk()
    outcome = pair.codec.take()
    assert len(outcome.ok) == 13
    assert {answer.headers["server"] for answer in outcome.answers} == {"s0", "s1", "s2", "s3"}


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"\x61\x02xy",  # server, with incremental indexing
        b"\x0f\x0d\x010",  # content-length, without indexing, a long index
        b"\x5c\x010\x0d\x01y",  # then a field that comes after it
        b"\x10\x07apns-id\x02id",  # never indexed
        b"\x00\x7f\x01" + b"a" * 128 + b"\x01x",  # a long name
        b"\x16\x02xy\xc0\x40\x01a\x01b",
    ],
)
def test_without_confirmation_a_200_is_a_200_whatever_follows(rest):
    pair = Pair(confirm=False)
    first, second, third = pair.send(1, 2, 3)
    end = ["END_HEADERS", "END_STREAM"]
    # Three entries for the table, so that indices are seen to be kept right.
    block = b"\x88\x40\x01x\x011\x40\x01y\x012\x40\x01z\x013"
    pair.peer.send(frames.HeadersFrame(first, block, flags=end))
    pair.peer.send(frames.HeadersFrame(second, b"\x88" + rest, flags=end))
    newer = sum(rest.count(start) for start in (b"\x61\x02xy", b"\x40\x01a", b"\x5c\x01"))
    oldest = bytes((0x80 | 62 + 2 + newer,))
    pair.peer.send(frames.HeadersFrame(third, b"\x8d" + oldest, flags=end))
    pair.talk()
    outcome = pair.codec.take()
    assert not pair.codec.error
    assert outcome.ok == [1, 2]
    assert outcome.answers == [Answer(3, 404, {"x": "1"}, b"")]


@given(st.binary(max_size=40))
def test_a_block_that_is_passed_over_would_have_changed_nothing(block):
    decoder = hpack.Decoder()
    decoder.decode(b"\x40\x01x\x011")
    before = list(decoder.header_table.dynamic_entries), decoder.header_table_size
    if is_inert(block):
        with contextlib.suppress(hpack.HPACKError):
            decoder.decode(block, raw=True)
        assert (list(decoder.header_table.dynamic_entries), decoder.header_table_size) == before


def test_an_answer_after_reset_by_us_keeps_the_unconfirmed_table_right():
    pair = Pair(confirm=False)
    first, second = pair.send(1, 2)
    pair.codec.cancel_before(first + 1, "late")
    pair.peer.answer(first, 410, apns_id="x" * 30)
    pair.peer.answer(second, 410, apns_id="x" * 30)
    pair.talk()
    outcome = pair.codec.take()
    assert outcome.lost == [Lost(1, True, "late")]
    assert outcome.answers == [Answer(2, 410, {"apns-id": "x" * 30}, b"")]


def test_a_table_emptied_before_the_acknowledgement_may_grow_again():
    """0x20 confirms nothing until the peer has acknowledged our SETTINGS."""
    pair = Pair(greet=False)
    pair.peer.send(frames.SettingsFrame(0, settings={3: 10}))
    pair.peer._unacknowledged.append({3: 10})
    pair.codec.feed(bytes(pair.peer.out))
    pair.peer.out.clear()
    number, other = pair.send(1, 2)
    # Emptied; then grown to 4,096 again, and a field put into the table.
    grown = b"\x20\x3f\xe1\x1f\x88\x40\x01a\x01b"
    pair.peer.send(
        frames.HeadersFrame(number, b"\x20\x88", flags=["END_HEADERS", "END_STREAM"]),
        frames.HeadersFrame(other, grown, flags=["END_HEADERS", "END_STREAM"]),
    )
    pair.peer.acknowledge()
    pair.talk()
    assert not pair.codec.error
    assert pair.codec.take().ok == [1, 2]
    (number,) = pair.send(3)
    pair.peer.send(frames.HeadersFrame(number, b"\x88\xbe", flags=["END_HEADERS", "END_STREAM"]))
    (number,) = pair.send(4)
    pair.peer.send(frames.HeadersFrame(number, b"\x8d\xbe", flags=["END_HEADERS", "END_STREAM"]))
    pair.talk()
    outcome = pair.codec.take()
    assert outcome.ok == [3]
    assert outcome.answers == [Answer(4, 404, {"a": "b"}, b"")]


def test_after_confirmation_a_growing_table_is_an_error():
    pair = Pair()
    pair.peer.answer(pair.send(1)[0])
    pair.talk()
    assert pair.codec._receiver._reader.stateless
    (number,) = pair.send(2)
    block = b"\x3f\xe1\x1f\x88"
    pair.peer.send(frames.HeadersFrame(number, block, flags=["END_HEADERS", "END_STREAM"]))
    assert pair.error_code() == 9


# -- any chunking of the bytes


@given(st.data())
def test_bytes_may_be_cut_anywhere(data):
    confirm = data.draw(st.booleans())
    whole, cut = _conversation(confirm), _conversation(confirm)
    stream = bytes(whole.peer.out)
    assert stream == bytes(cut.peer.out)
    whole.codec.feed(stream)
    position = 0
    while position < len(stream):
        size = data.draw(st.integers(1, 40))
        cut.codec.feed(stream[position : position + size])
        position += size
    assert cut.codec.take() == whole.codec.take()
    assert cut.codec.data_to_send() == whole.codec.data_to_send()
    assert not cut.codec.error


def _conversation(confirm: bool) -> Pair:
    """Eight requests sent, and all that a server may say in answer waiting in `peer.out`."""
    pair = Pair(confirm=confirm, max_body=50)
    streams = pair.send(*range(8))
    peer = pair.peer
    peer.answer(streams[0], apns_id="a")
    peer.answer(streams[1], 410, b'{"reason": "Unregistered"}', apns_id="b")
    peer.answer(streams[2], body=b"ignored")
    peer.send(frames.PingFrame(0, b"12345678"), raw(0x77, 0, b"?"))
    peer.headers(streams[3], (":status", "103"))
    block = peer.block((":status", "200"), ("server", "x"))
    peer.send(
        frames.HeadersFrame(streams[3], block[:1], flags=["END_STREAM"]),
        frames.ContinuationFrame(streams[3], block[1:], flags=["END_HEADERS"]),
    )
    peer.reset(streams[4], 7)
    peer.headers(streams[5], (":status", "500"))
    peer.data(streams[5], b"x" * 60, padding=7)
    peer.goaway(streams[6], 0, b'{"reason": "Shutdown"}')
    peer.answer(streams[6])
    return pair
