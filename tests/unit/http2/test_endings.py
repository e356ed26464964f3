"""How requests end without an answer: GOAWAY, resets, silence, a lost connection."""

import pytest
from hyperframe import frame as frames

from django_push.http2 import Lost

from .peer import Pair


def keys(refused):
    return [request[0] for _, request in refused]


# -- GOAWAY


def test_goaway_refuses_the_streams_above_and_lets_the_others_finish():
    pair = Pair()
    streams = pair.send(*range(6))
    pair.peer.goaway(streams[2], 0, b'{"reason": "Shutdown", "timestamp": 1}')
    pair.talk()
    assert keys(pair.codec.take_refused()) == [3, 4, 5]
    assert pair.codec.goaway == "GOAWAY NO_ERROR: Shutdown"
    assert pair.codec.draining
    assert pair.codec.room() == 0
    assert pair.codec.in_flight == 3

    for number in streams[:3]:
        pair.peer.answer(number)
    pair.talk()
    assert pair.codec.take().ok == [0, 1, 2]
    assert pair.codec.in_flight == 0


def test_a_notice_of_shutdown_comes_before_the_real_goaway():
    pair = Pair()
    streams = pair.send(*range(4))
    pair.peer.goaway(2**31 - 1)
    pair.talk()
    assert pair.codec.draining
    assert not pair.codec.take_refused()
    pair.peer.goaway(streams[1])
    pair.talk()
    assert keys(pair.codec.take_refused()) == [2, 3]
    pair.peer.goaway(streams[3])
    pair.talk()
    assert not pair.codec.take_refused()
    assert pair.codec.in_flight == 2


def test_goaway_refuses_bodies_that_wait_for_a_window():
    pair = Pair()
    pair.peer.settings(initial_window=0)
    pair.talk()
    pair.send(1, 2)
    pair.peer.goaway(0)
    pair.talk()
    assert keys(pair.codec.take_refused()) == [1, 2]
    pair.peer.settings(initial_window=100)
    pair.talk()
    assert not pair.peer.said(frames.DataFrame)


def test_a_stream_that_was_being_answered_is_never_refused():
    pair = Pair()
    pair.peer.answer(pair.send(0)[0])
    first, second = pair.send(1, 2)
    pair.peer.headers(first, (":status", "200"))
    pair.peer.headers(second, (":status", "500"))
    pair.peer.goaway(0)
    pair.talk()
    assert not pair.codec.take_refused()
    assert pair.codec.in_flight == 2


@pytest.mark.parametrize(
    ("debug", "words"),
    [
        (b"", "GOAWAY ENHANCE_YOUR_CALM"),
        (b"too_many_pings", "GOAWAY ENHANCE_YOUR_CALM: too_many_pings"),
        (b'{"reason": "BadDeviceToken"}', "GOAWAY ENHANCE_YOUR_CALM: BadDeviceToken"),
        (b'{"other": 1}', 'GOAWAY ENHANCE_YOUR_CALM: {"other": 1}'),
        (b"[1]", "GOAWAY ENHANCE_YOUR_CALM: [1]"),
        (b"a\x00\r\nb\xff", "GOAWAY ENHANCE_YOUR_CALM: ab\ufffd"),
        (b"[" * 16_000, "GOAWAY ENHANCE_YOUR_CALM: " + "[" * 100),
    ],
)
def test_the_reason_of_a_goaway_in_words(debug, words):
    pair = Pair()
    pair.peer.goaway(0, 11, debug)
    pair.talk()
    assert pair.codec.goaway == words


def test_a_goaway_with_an_unknown_code_shows_its_number():
    pair = Pair()
    pair.peer.goaway(0, 0xABCD)
    pair.talk()
    assert pair.codec.goaway == "GOAWAY 0xabcd"


# -- resets by the peer


def test_a_refused_stream_may_be_sent_again():
    pair = Pair()
    first, second = pair.send(1, 2)
    pair.peer.reset(first, 7)
    pair.peer.answer(second)
    pair.talk()
    assert keys(pair.codec.take_refused()) == [1]
    assert pair.codec.take().ok == [2]


@pytest.mark.parametrize("code", [0, 1, 2, 8, 11, 0xFFFF])
def test_any_other_reset_leaves_the_outcome_unknown(code):
    pair = Pair()
    pair.peer.reset(pair.send(1)[0], code)
    pair.talk()
    assert [(lost.key, lost.sent) for lost in pair.codec.take().lost] == [(1, True)]
    assert not pair.codec.take_refused()


def test_a_refusal_after_the_answer_began_is_no_refusal():
    pair = Pair()
    pair.peer.answer(pair.send(0)[0])
    first, second = pair.send(1, 2)
    pair.peer.headers(first, (":status", "500"))
    pair.peer.headers(second, (":status", "200"))
    pair.peer.reset(first, 7)
    pair.peer.reset(second, 7)
    pair.talk()
    assert not pair.codec.take_refused()
    assert sorted(lost.key for lost in pair.codec.take().lost) == [1, 2]


def test_a_reset_stops_a_waiting_body():
    pair = Pair()
    pair.peer.settings(initial_window=0)
    pair.talk()
    (number,) = pair.send(1)
    pair.peer.reset(number, 2)
    pair.peer.settings(initial_window=100)
    pair.talk()
    assert not pair.peer.said(frames.DataFrame)


# -- our own patience


def test_late_requests_are_cancelled_and_what_comes_later_is_passed_over():
    pair = Pair()
    first, second, third = pair.send(1, 2, 3)
    pair.peer.headers(second, (":status", "500"))
    pair.talk()
    assert pair.codec.cancel_before(third, "no answer within 30 s") == 2
    pair.peer.answer(first)
    pair.peer.data(second, b"late", end=True)
    pair.peer.reset(first, 8)
    pair.peer.answer(third)
    pair.talk()
    outcome = pair.codec.take()
    assert sorted(outcome.lost) == [
        Lost(1, True, "no answer within 30 s"),
        Lost(2, True, "no answer within 30 s"),
    ]
    assert outcome.ok == [3]
    assert [pair.peer.seen[number].reset for number in (first, second, third)] == [8, 8, None]
    assert pair.codec.room() == 100


def test_a_ping_is_out_until_its_own_answer_comes():
    pair = Pair()
    pair.codec.ping()
    pair.talk()
    (ping,) = pair.peer.said(frames.PingFrame)
    pair.peer.send(frames.PingFrame(0, b"whatever", flags=["ACK"]))
    pair.talk()
    assert pair.codec.pinging
    pair.peer.send(frames.PingFrame(0, ping.opaque_data, flags=["ACK"]))
    pair.talk()
    assert not pair.codec.pinging


def test_pings_of_the_peer_are_answered():
    pair = Pair()
    pair.peer.send(frames.PingFrame(0, b"12345678"))
    pair.talk()
    (pong,) = pair.peer.said(frames.PingFrame)
    assert pong.opaque_data == b"12345678"
    assert "ACK" in pong.flags


def test_a_goodbye_is_a_goaway():
    pair = Pair()
    pair.send(1)
    pair.codec.goodbye()
    assert pair.error_code() == 0
    assert pair.codec.room() == 0


# -- a lost connection


def test_what_was_written_is_unknown_and_what_was_not_is_refused():
    pair = Pair()
    streams = pair.send(*range(4))
    pair.codec.lose_all("gone", streams[2])
    assert pair.codec.take().lost == [Lost(0, True, "gone"), Lost(1, True, "gone")]
    assert keys(pair.codec.take_refused()) == [2, 3]


def test_answers_begun_are_unknown_too():
    pair = Pair()
    pair.peer.answer(pair.send(0)[0])
    first, second = pair.send(1, 2)
    pair.peer.headers(first, (":status", "200"))
    pair.peer.headers(second, (":status", "500"))
    pair.talk()
    pair.codec.take()
    pair.codec.lose_all("gone")
    assert sorted(pair.codec.take().lost) == [Lost(1, True, "gone"), Lost(2, True, "gone")]
