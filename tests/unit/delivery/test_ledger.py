"""The ledger's bytes say what they were given, whatever the ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_push.delivery.ledger import (
    ELSEWHERE,
    FINAL,
    Mark,
    count,
    open_positions,
    pack_ids,
    skipped_reasons,
    unpack_ids,
)

ids = st.sets(st.integers(1, 2**62), min_size=1, max_size=300).map(sorted)
marks = st.lists(st.sampled_from(list(Mark)), min_size=1, max_size=300).map(bytearray)


@given(ids)
def test_ids_come_back(given):
    assert list(unpack_ids(pack_ids(given), given[0], len(given))) == given


@given(st.integers(1, 2**62), st.integers(1, 5000))
def test_a_batch_without_gaps_stores_nothing(first, size):
    packed = pack_ids(range(first, first + size))
    assert packed == b""
    assert unpack_ids(packed, first, size) == range(first, first + size)


def test_a_device_costs_four_bytes_while_the_span_is_small():
    assert len(pack_ids([1, 3, 2**32])) == 12
    assert len(pack_ids([1, 3, 2**32 + 1])) == 24


def test_bytes_that_do_not_fit_the_size_are_refused():
    with pytest.raises(ValueError, match="cannot hold"):
        unpack_ids(b"\x00" * 9, 1, 2)


@given(marks)
def test_every_device_is_in_exactly_one_count(outcomes):
    totals = count(outcomes)
    waiting = len(open_positions(outcomes))
    assert totals["devices"] == totals["successes"] + totals["failures"] + waiting
    elsewhere = sum(outcomes.count(mark) for mark in ELSEWHERE)
    assert totals["devices"] + totals["skipped"] + elsewhere == len(outcomes)
    assert sum(skipped_reasons(outcomes).values()) == totals["skipped"]


def test_who_moved_is_in_no_count_of_the_old_batch():
    totals = count(bytearray([Mark.SENT, Mark.MOVED, Mark.PROBED]))
    assert totals == {"devices": 1, "successes": 1, "failures": 0, "skipped": 0, "suspects": 1}


@given(marks)
def test_open_is_what_is_not_final(outcomes):
    assert open_positions(outcomes) == [i for i, mark in enumerate(outcomes) if mark not in FINAL]
