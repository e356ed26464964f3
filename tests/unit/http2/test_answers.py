"""What the codec makes of answers."""

import contextlib

import hpack
import pytest
from hyperframe import frame as frames
from hypothesis import given
from hypothesis import strategies as st

from django_push.http2 import Answer, Lost
from django_push.http2.blocks import BlockReader

from .peer import Pair, raw

CONFIRMED = pytest.mark.parametrize("confirm", [True, False])


@CONFIRMED
def test_a_plain_200_is_a_key(confirm):
    pair = Pair(confirm=confirm)
    for number in pair.send(1, 2, 3):
        pair.peer.answer(number, apns_id="x")
    pair.talk()
    outcome = pair.codec.take()
    assert (outcome.ok, outcome.answers, outcome.lost) == ([1, 2, 3], [], [])
    assert not pair.codec.take()


@CONFIRMED
def test_the_body_of_a_200_is_ignored(confirm):
    pair = Pair(confirm=confirm)
    for number in pair.send(1, 2):
        pair.peer.answer(number, body=b'{"name": "projects/x"}', content_type="application/json")
    pair.talk()
    assert pair.codec.take().ok == [1, 2]


def test_a_200_counts_when_it_is_complete():
    pair = Pair()
    number, other = pair.send(1, 2)
    for each in (number, other):
        pair.peer.headers(each, (":status", "200"))
    pair.peer.data(number, b"half")
    pair.talk()
    assert not pair.codec.take()
    assert pair.codec.in_flight == 2
    pair.peer.data(number, b"", end=True)
    pair.peer.data(other, b"body", end=True)
    pair.talk()
    assert pair.codec.take().ok == [1, 2]


@CONFIRMED
def test_any_other_status_is_an_answer(confirm):
    pair = Pair(confirm=confirm)
    pair.peer.answer(pair.send(1)[0], 200)
    pair.peer.answer(pair.send(2)[0], 410, b'{"reason": "Unregistered"}', apns_id="id-2")
    pair.peer.answer(pair.send(3)[0], 204)
    pair.talk()
    assert pair.codec.take().answers == [
        Answer(2, 410, {"apns-id": "id-2"}, b'{"reason": "Unregistered"}'),
        Answer(3, 204, {}, b""),
    ]


def test_200s_are_kept_whole_when_asked_for():
    pair = Pair(keep_ok=True)
    pair.peer.answer(pair.send(1)[0], 200, b"token", content_type="text/plain")
    pair.peer.answer(pair.send(2)[0], 200)
    pair.talk()
    outcome = pair.codec.take()
    assert outcome.ok == []
    assert outcome.answers == [
        Answer(1, 200, {"content-type": "text/plain"}, b"token"),
        Answer(2, 200, {}, b""),
    ]


def test_a_repeated_field_is_joined_and_odd_bytes_survive():
    pair = Pair()
    (number,) = pair.send(1)
    block = pair.peer.block((":status", "500"), ("via", "a"), ("via", "b")) + b"\x00\x01x\x01\xff"
    pair.peer.send(frames.HeadersFrame(number, block, flags=["END_HEADERS", "END_STREAM"]))
    pair.talk()
    (answer,) = pair.codec.take().answers
    assert answer.headers == {"via": "a, b", "x": "\xff"}


def test_padding_priority_and_continuation_are_taken_off():
    pair = Pair()
    (number,) = pair.send(1)
    block = pair.peer.block((":status", "410"), ("apns-id", "id-1"))
    flags = ["PADDED", "PRIORITY"]
    pair.peer.send(
        frames.HeadersFrame(number, block[:3], flags=flags, pad_length=9, depends_on=0),
        frames.ContinuationFrame(number, block[3:4]),
        frames.ContinuationFrame(number, block[4:], flags=["END_HEADERS"]),
    )
    pair.peer.data(number, b"bo", padding=20)
    pair.peer.data(number, b"", padding=1)
    pair.peer.data(number, b"dy", end=True, padding=255)
    pair.talk()
    assert pair.codec.take().answers == [Answer(1, 410, {"apns-id": "id-1"}, b"body")]


@CONFIRMED
def test_a_plain_200_may_be_wrapped_as_well(confirm):
    pair = Pair(confirm=confirm)
    pair.peer.answer(pair.send(1)[0])
    first, second, third = pair.send(2, 3, 4)
    block = pair.peer.block((":status", "200"))
    pair.peer.send(
        frames.HeadersFrame(
            first, block, flags=["END_HEADERS", "END_STREAM", "PADDED"], pad_length=3
        ),
        frames.HeadersFrame(second, b"", flags=["END_STREAM"]),
        frames.ContinuationFrame(second, block, flags=["END_HEADERS"]),
    )
    pair.peer.headers(third, (":status", "200"))
    pair.peer.send(frames.DataFrame(third, b"x", flags=["END_STREAM", "PADDED"], pad_length=5))
    pair.talk()
    assert pair.codec.take().ok == [1, 2, 3, 4]
    assert not pair.codec.error


@CONFIRMED
def test_informational_answers_and_trailers_are_passed_over(confirm):
    pair = Pair(confirm=confirm)
    pair.peer.answer(pair.send(1)[0])
    good, bad = pair.send(2, 3)
    for number, status in ((good, "200"), (bad, "503")):
        pair.peer.headers(number, (":status", "100"))
        pair.peer.headers(number, (":status", "103"), ("link", "x"))
        pair.peer.headers(number, (":status", status), ("retry-after", "60"))
        pair.peer.data(number, b"body")
        pair.peer.headers(number, ("grpc-status", "0"), end=True)
    (other,) = pair.send(4)
    pair.peer.headers(other, (":status", "200"))
    pair.peer.headers(other, ("grpc-status", "0"), end=True)
    pair.talk()
    outcome = pair.codec.take()
    assert outcome.ok == [1, 2, 4]
    assert outcome.answers == [Answer(3, 503, {"retry-after": "60"}, b"body")]


def test_unknown_frames_settings_and_priority_are_passed_over():
    pair = Pair()
    (number,) = pair.send(1)
    pair.peer.send(
        raw(0x20, 0, b"what?"),
        raw(0xEE, number, b"", flags=0xFF),
        frames.SettingsFrame(0, settings={0x99: 7, 0xABC: 2**32 - 1}),
        frames.PriorityFrame(number, depends_on=0, stream_weight=3),
        frames.PriorityFrame(number + 100, depends_on=0, stream_weight=3),
        frames.AltSvcFrame(0, origin=b"x", field=b"h3"),
    )
    pair.peer._unacknowledged.append({})
    pair.peer.answer(number)
    pair.talk()
    assert pair.codec.take().ok == [1]


def test_a_long_body_is_cut_and_its_stream_reset():
    pair = Pair(max_body=10)
    (number,) = pair.send(1)
    pair.peer.headers(number, (":status", "500"))
    pair.peer.data(number, b"0123456")
    pair.peer.data(number, b"789xx")
    pair.peer.data(number, b"too late", end=True)
    pair.talk()
    assert pair.codec.take().answers == [Answer(1, 500, {}, b"0123456789")]
    assert pair.peer.seen[number].reset == 8
    assert pair.codec.room() == 100
    assert not pair.codec.error


def test_a_200_with_an_endless_body_is_still_a_200():
    pair = Pair(max_body=10)
    (number,) = pair.send(1)
    pair.peer.headers(number, (":status", "200"))
    pair.peer.data(number, b"x" * 11)
    pair.talk()
    assert pair.codec.take().ok == [1]
    assert pair.peer.seen[number].reset == 8


def test_a_body_as_long_as_allowed_is_whole():
    pair = Pair(max_body=10)
    (number,) = pair.send(1)
    pair.peer.answer(number, 500, b"0123456789")
    pair.talk()
    assert pair.codec.take().answers == [Answer(1, 500, {}, b"0123456789")]
    assert pair.peer.seen[number].reset is None


def test_an_answer_before_the_body_was_sent_ends_the_sending():
    pair = Pair()
    pair.peer.answer(pair.send(0)[0])
    pair.peer.settings(initial_window=0)
    pair.talk()
    first, second, third = pair.send(1, 2, 3)
    pair.peer.answer(first)
    pair.peer.answer(second, 413, b"too large")
    pair.peer.answer(third, 200, b"fine")
    pair.talk()
    outcome = pair.codec.take()
    assert outcome.ok == [0, 1, 3]
    assert outcome.answers == [Answer(2, 413, {}, b"too large")]
    assert [pair.peer.seen[number].reset for number in (first, second, third)] == [8, 8, 8]
    pair.peer.settings(initial_window=1_000)
    pair.talk()
    assert not pair.peer.seen[first].body


def test_no_error_after_a_complete_answer_is_nothing():
    pair = Pair()
    (number,) = pair.send(1)
    pair.peer.answer(number, 413, b"x")
    pair.peer.reset(number, 0)
    pair.talk()
    outcome = pair.codec.take()
    assert len(outcome.answers) == 1
    assert not outcome.lost


def test_the_window_of_the_connection_is_refilled():
    pair = Pair()
    pair.peer.answer(pair.send(0)[0])
    before = len(pair.peer.said(frames.WindowUpdateFrame))
    for key in range(1, 260):
        (number,) = pair.send(key)
        pair.peer.headers(number, (":status", "200"))
        for _ in range(4):
            pair.peer.data(number, b"x" * 15_000)
        pair.peer.data(number, b"x" * 4_000, end=True)
    pair.talk()
    assert len(pair.codec.take().ok) == 260
    updates = pair.peer.said(frames.WindowUpdateFrame)[before:]
    assert [update.stream_id for update in updates] == [0]
    assert updates[0].window_increment > 2**23


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ((), True),
        ((("status", "200"),), True),
        (((":status", "20"),), True),
        (((":status", "2x0"),), True),
        (((":status", "099"),), True),
        (((":status", "100"),), True),
        ((("server", "x"), (":status", "200")), False),
    ],
)
def test_a_malformed_answer_costs_its_stream_only(fields, end):
    pair = Pair()
    number, other = pair.send(1, 2)
    pair.peer.headers(number, *fields, end=end)
    pair.peer.answer(other)
    pair.talk()
    outcome = pair.codec.take()
    assert outcome.ok == [2]
    assert [(lost.key, lost.sent) for lost in outcome.lost] == [(1, True)]
    assert pair.peer.seen[number].reset == 1


def test_data_before_headers_and_a_second_header_block_cost_the_stream():
    pair = Pair()
    first, second, third = pair.send(1, 2, 3)
    pair.peer.data(first, b"x")
    pair.peer.headers(second, (":status", "500"))
    pair.peer.headers(second, (":status", "500"))
    pair.peer.answer(third)
    pair.talk()
    outcome = pair.codec.take()
    assert outcome.ok == [3]
    assert sorted(lost.key for lost in outcome.lost) == [1, 2]


# -- the fast path must not be taken too early


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
    reader, decoder = BlockReader(), hpack.Decoder()
    decoder.decode(b"\x40\x01x\x011")
    before = list(decoder.header_table.dynamic_entries), decoder.header_table_size
    if reader.may_skip(block):
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
