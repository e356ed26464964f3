"""What the codec writes, as a server reads it."""

import pytest
from hyperframe import frame as frames
from hypothesis import given
from hypothesis import strategies as st

from django_push.http2 import Codec, Template, literal
from django_push.http2.frames import LARGEST_ID

from .peer import TEMPLATE, Pair, request


def test_a_request_arrives_as_it_was_meant():
    pair = Pair()
    (number,) = pair.send(7, body=b'{"aps": {}}')

    seen = pair.peer.seen[number]
    assert seen.ended
    assert seen.body == b'{"aps": {}}'
    assert list(seen.headers.items()) == [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "push.test"),
        (":path", "/3/device/7"),
        ("authorization", "bearer secret"),
        ("topic", "com.example.app"),
        ("apns-id", "id-7"),
    ]


def test_the_settings_announced_are_those_the_fast_path_needs():
    pair = Pair(greet=False, max_body=1_000)
    pair.talk()
    settings, update = pair.peer.log
    assert settings.settings == {1: 0, 2: 0, 4: 1_001}
    assert update.window_increment == 2**24 - 65_535


def test_a_constant_path_comes_from_the_template():
    template = Template([*TEMPLATE_PSEUDO, (":path", "/v1/projects/x/messages:send")])
    pair = Pair()
    pair.codec.request(template, (1, b"", b"", b"{}"))
    pair.codec.request(template, (2, b"", b"", b"{}"))
    pair.talk()
    assert [seen.headers[":path"] for seen in pair.peer.seen.values()] == [
        "/v1/projects/x/messages:send"
    ] * 2


TEMPLATE_PSEUDO = [(":method", "POST"), (":scheme", "https"), (":authority", "push.test")]


def test_without_a_body_the_header_block_ends_the_stream():
    pair = Pair()
    (number,) = pair.send(1, body=b"")
    assert pair.peer.seen[number].ended
    assert not pair.peer.said(frames.DataFrame)


def test_a_huge_token_goes_into_continuation_frames():
    pair = Pair()
    path = "/3/device/" + "f" * 50_000
    pair.codec.request(TEMPLATE, (1, literal(":path", path), b"", b"{}"))
    pair.codec.request(TEMPLATE, (2, literal(":path", path + "2"), b"", b""))
    pair.talk()
    assert [seen.headers[":path"] for seen in pair.peer.seen.values()] == [path, path + "2"]
    assert all(seen.ended for seen in pair.peer.seen.values())


def test_a_large_body_is_cut_into_frames():
    pair = Pair()
    (number,) = pair.send(1, body=b"x" * 40_000)
    assert pair.peer.seen[number].body == b"x" * 40_000
    assert [len(frame.data) for frame in pair.peer.said(frames.DataFrame)] == [
        16_384,
        16_384,
        7_232,
    ]


def test_one_stream_until_the_settings_come():
    pair = Pair(greet=False)
    assert pair.codec.room() == 1
    pair.send(1)
    assert pair.codec.room() == 0
    pair.peer.settings(streams=10)
    pair.talk()
    assert pair.codec.room() == 9


def test_settings_without_a_limit_leave_our_own():
    pair = Pair(greet=False)
    pair.peer.settings()
    pair.talk()
    assert pair.codec.room() == 1_000


def test_more_than_there_is_room_for_is_refused_and_nothing_is_sent():
    pair = Pair(greet=False)
    pair.talk()
    with pytest.raises(ValueError, match="room for 1"):
        pair.codec.request_many(TEMPLATE, [request(1), request(2)])
    assert pair.codec.data_to_send() == b""
    assert pair.codec.in_flight == 0


def test_the_limit_may_fall_below_what_is_open_and_rise_again():
    pair = Pair()
    streams = pair.send(*range(20))
    pair.peer.settings(streams=1)
    pair.talk()
    assert pair.codec.room() == 0
    for number in streams:
        pair.peer.answer(number)
    pair.talk()
    assert pair.codec.room() == 1
    pair.peer.settings(streams=0)
    pair.talk()
    assert pair.codec.room() == 0
    pair.peer.settings(streams=500)
    pair.talk()
    assert pair.codec.room() == 500


def test_stream_ids_run_out():
    pair = Pair(first_stream_id=LARGEST_ID - 4)
    assert pair.codec.room() == 3
    streams = pair.send(1, 2, 3)
    assert streams[-1] == LARGEST_ID
    assert pair.codec.draining
    assert pair.codec.room() == 0
    for number in streams:
        pair.peer.answer(number)
    pair.talk()
    assert pair.codec.take().ok == [1, 2, 3]


# -- flow control (the peer asserts that no window is exceeded)


def test_a_body_waits_for_the_window_of_the_connection():
    pair = Pair()
    (number,) = pair.send(1, body=b"x" * 70_000)
    assert len(pair.peer.seen[number].body) == 65_535
    assert pair.codec.room() == 0
    pair.peer.update_window(0, 10_000)
    pair.peer.update_window(number, 10_000)
    pair.talk()
    assert pair.peer.seen[number].ended
    assert pair.codec.room() > 0


def test_room_is_what_the_window_has_for_bodies_of_the_same_size():
    pair = Pair()
    pair.send(1, body=b"x" * 30_000)
    assert pair.codec.room() == 1
    pair.peer.update_window(0, 60_000)
    pair.talk()
    assert pair.codec.room() == 3


def test_a_window_smaller_than_a_body_is_used_all_the_same():
    pair = Pair()
    pair.send(1, body=b"x" * 65_000)
    (number,) = pair.send(2, body=b"y" * 1_000)
    assert len(pair.peer.seen[number].body) == 535


def test_a_stream_window_of_zero_holds_one_stream_and_not_the_others():
    pair = Pair()
    pair.peer.settings(initial_window=0)
    pair.talk()
    first, second = pair.send(1, 2)
    pair.peer.update_window(second, 2)
    pair.talk()
    assert not pair.peer.seen[first].body
    assert pair.peer.seen[second].ended
    pair.peer.settings(initial_window=1)
    pair.talk()
    assert pair.peer.seen[first].body == b"{"
    pair.peer.update_window(first, 1)
    pair.talk()
    assert pair.peer.seen[first].ended


def test_a_window_may_become_negative():
    pair = Pair()
    pair.peer.settings(initial_window=10)
    pair.talk()
    (number,) = pair.send(1, body=b"x" * 25)
    pair.peer.settings(initial_window=5)
    pair.peer.update_window(number, 4)
    pair.talk()
    assert len(pair.peer.seen[number].body) == 10
    pair.peer.update_window(number, 4)
    pair.talk()
    assert len(pair.peer.seen[number].body) == 13
    pair.peer.settings(initial_window=100)
    pair.talk()
    assert pair.peer.seen[number].ended


@given(
    st.lists(st.integers(0, 3_000), min_size=1, max_size=8),
    st.integers(0, 2_000),
    st.lists(st.integers(1, 2_000), max_size=20),
)
def test_bodies_arrive_whole_whatever_the_windows(sizes, initial, updates):
    pair = Pair()
    pair.peer.settings(initial_window=initial)
    pair.talk()
    streams = [pair.send(key, body=b"x" * size)[0] for key, size in enumerate(sizes)]
    for turn, increment in enumerate(updates):
        pair.peer.update_window(streams[turn % len(streams)], increment)
        pair.talk()
    for number in streams:
        pair.peer.update_window(number, 3_000)
    pair.talk()
    assert [len(pair.peer.seen[number].body) for number in streams] == sizes
    assert all(pair.peer.seen[number].ended for number in streams)


# -- header table


@pytest.mark.parametrize("size", [0, 1, 50, 100, 4_096, 100_000])
def test_any_table_size_of_the_peer_will_do(size):
    pair = Pair()
    pair.send(1)
    pair.peer.settings(table=size)
    pair.talk()
    pair.send(2, 3)
    pair.peer.settings(table=4_096)
    pair.talk()
    pair.send(4, 5)
    assert [seen.key for seen in pair.peer.seen.values()] == [1, 2, 3, 4, 5]
    assert {seen.headers["authorization"] for seen in pair.peer.seen.values()} == {"bearer secret"}


def test_a_rotated_token_is_another_template_on_the_same_connection():
    pair = Pair()
    newer = Template(TEMPLATE_PSEUDO, [("authorization", "bearer newer"), ("topic", "x")])
    for key, template in enumerate([TEMPLATE, newer, newer, TEMPLATE]):
        pair.send(key, template=template)
    assert [seen.headers["authorization"] for seen in pair.peer.seen.values()] == [
        "bearer secret",
        "bearer newer",
        "bearer newer",
        "bearer secret",
    ]


def test_every_byte_is_handed_out_once():
    codec = Codec()
    assert codec.data_to_send().startswith(b"PRI * HTTP/2.0")
    assert codec.data_to_send() == b""
