"""A peer that speaks in frames, true and false ones, in any order and cut anywhere."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from .hostile import (
    CONT,
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    PUSH,
    RST,
    SETTINGS,
    WINDOW,
    Ordeal,
    raw,
)

OPENED = st.one_of(st.integers(0, 3), st.integers(0, 15)).map(lambda place: 2 * place + 3)
NUMBERS = st.one_of(st.integers(0, 20), st.sampled_from([100, 65_535, 2**31 - 1, 2**32 - 1]))
UINT32 = NUMBERS.map(lambda number: struct.pack(">I", number))
BLOCKS = st.one_of(
    st.sampled_from(
        [
            b"\x88",
            b"\x88\x40\x01a\x01b",  # a field into the table
            b"\x88\xbe",  # and out of it
            b"\x20\x88",  # the table is emptied
            b"\x3f\xe1\x1f\x88",  # and made large
            b"\x08\x03410\x10\x07apns-id\x02id",
            b"\x8d",
            b"\x08\x03103",
            b"\x0f\x0d\x010",  # no status: trailers, or a malformed answer
            b"",
        ]
    ),
    st.binary(max_size=12),
)
SETTING = st.builds(lambda name, value: struct.pack(">HI", name, value), st.integers(0, 8), NUMBERS)
PAYLOADS = {
    DATA: st.binary(max_size=80),
    HEADERS: BLOCKS,
    PRIORITY: st.just(b"\x00" * 5),
    RST: st.sampled_from([b"\0\0\0\x07", b"\0\0\0\x07", b"\0\0\0\x08", b"\xff\0\0\0"]),
    SETTINGS: st.lists(SETTING, max_size=3).map(b"".join),
    PUSH: st.just(b"\x00\x00\x00\x02\x82"),
    PING: st.just(b"\x00" * 7 + b"\x01"),
    GOAWAY: st.builds(
        lambda last, code, text: struct.pack(">I", last) + code + text,
        st.one_of(OPENED, OPENED, NUMBERS),
        UINT32,
        st.binary(max_size=20),
    ),
    WINDOW: UINT32,
    CONT: BLOCKS,
    0x77: st.binary(max_size=10),
}
FLAGS = {
    DATA: st.sampled_from([0, 1, 1, 8, 9]),
    HEADERS: st.sampled_from([4, 5, 5, 5, 0, 1, 0x0D, 0x25]),
    CONT: st.sampled_from([0, 4, 4]),
    SETTINGS: st.sampled_from([0, 0, 1]),
    PING: st.sampled_from([0, 1]),
}
ON_CONNECTION = (SETTINGS, PING, GOAWAY)


RARELY = st.sampled_from([False] * 40 + [True])


@st.composite
def frame(draw):
    """Most are such that the connection goes on, so that much can happen on it."""
    kinds = (
        [HEADERS] * 5 + [DATA] * 3 + [RST] * 3 + [SETTINGS, PING, GOAWAY, WINDOW, PRIORITY, 0x77]
    )
    kind = draw(st.sampled_from(kinds))
    number = 0 if kind in ON_CONNECTION else draw(OPENED)
    flags = draw(FLAGS.get(kind, st.just(0)))
    if draw(RARELY):
        kind, number = draw(st.integers(0, 12)), draw(st.integers(0, 40))
    whole = raw(kind, number, draw(PAYLOADS.get(kind, st.binary(max_size=9))), flags)
    if kind == HEADERS and not flags & 4:  # its end follows, as a rule
        whole += raw(CONT, number, draw(BLOCKS), draw(FLAGS[CONT]))
    return whole


@st.composite
def answer(draw):
    """A whole answer that is not a plain 200."""
    number, body = draw(OPENED), draw(st.sampled_from([b"", b"{}", b"x" * 50, b"x" * 51]))
    block = draw(st.sampled_from([b"\x8d", b"\x08\x03410", b"\x8d\xbe"]))
    return raw(HEADERS, number, block, 4) + raw(DATA, number, body, 1)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hear"), frame()),
        st.tuples(st.just("hear"), st.lists(frame(), max_size=5).map(b"".join)),
        st.tuples(st.just("hear"), answer()),
        st.tuples(st.just("hear"), OPENED.map(lambda number: raw(HEADERS, number, b"\x88", 5))),
        st.tuples(st.just("hear"), OPENED.map(lambda number: raw(HEADERS, number, b"\x8d", 4))),
        st.tuples(st.just("send"), st.integers(1, 4), st.sampled_from([b"", b"{}", b"x" * 300])),
        st.tuples(st.just("lose_patience"), st.integers(0, 12)),
        st.tuples(st.just("hear"), RARELY.map(lambda now: b"\x00\x00\x01\xff?" if now else b"")),
    ),
    min_size=3,
    max_size=30,
)


def run(steps, **options):
    ordeal = Ordeal(**options)
    ordeal.send(16, b"{}")
    for name, *arguments in steps:
        getattr(ordeal, name)(*arguments)
    ordeal.end()
    return ordeal


@settings(max_examples=300, deadline=None)
@given(STEPS, st.booleans(), st.integers(1, 30))
def test_nothing_a_peer_says_breaks_the_bookkeeping(steps, confirmed, cut):
    whole = run(steps, confirmed=confirmed)
    pieces = run(steps, confirmed=confirmed, cut=cut)
    assert sorted(pieces.told) == sorted(whole.told)
    assert pieces.written == whole.written
    assert pieces.codec.error == whole.codec.error


def test_the_frames_above_are_taken_for_what_they_are():
    """Conversations that all fail at their first frame would prove nothing."""
    ordeal = run(
        [
            ("hear", raw(HEADERS, 3, b"\x88\x40\x01a\x01b", 5) + raw(HEADERS, 5, b"\x88\xbe", 5)),
            ("hear", raw(HEADERS, 7, b"\x08\x03410", 4) + raw(DATA, 7, b"{}", 1)),
            ("hear", raw(RST, 9, struct.pack(">I", 7))),
            ("hear", raw(GOAWAY, 0, struct.pack(">II", 29, 0))),
            ("hear", raw(HEADERS, 11, b"\x08\x03103", 4) + raw(DATA, 11, b"x", 1)),
        ]
    )
    assert not ordeal.codec.error
    told = dict(ordeal.told)
    assert [told.pop(key) for key in (1, 2, 3)] == ["ok", "ok", "410 b'{}'"]
    assert [told.pop(key) for key in (4, 15, 16)] == ["refused", "refused", "refused"]
    assert told.pop(5) == "DATA before HEADERS (PROTOCOL_ERROR)"
    assert set(told.values()) == {"gone"}
