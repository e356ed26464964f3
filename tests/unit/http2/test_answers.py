"""What the codec makes of answers."""

import pytest
from hyperframe import frame as frames

from django_push.http2 import Answer

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
