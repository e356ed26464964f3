"""Quiet hours on real clocks: over midnight, where clocks change, at both ends of the world."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_push.quiet import DAY, Hours
from django_push.zones import known_zones, wall_in

NIGHT = Hours.between(time(22), time(7))
BERLIN = ZoneInfo("Europe/Berlin")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "over"),
    [
        (utc(2027, 1, 10, 20, 59), None),
        (utc(2027, 1, 10, 21, 0), utc(2027, 1, 11, 6, 0)),
        (utc(2027, 1, 11, 5, 59, 59), utc(2027, 1, 11, 6, 0)),
        (utc(2027, 1, 11, 6, 0), None),
        (utc(2027, 1, 11, 12, 0), None),
    ],
)
def test_a_night_in_berlin(moment, over):
    assert NIGHT.over(moment, BERLIN) == over


def test_the_same_moment_is_night_in_one_place_and_day_in_another():
    moment = utc(2027, 6, 1, 10, 30)
    assert NIGHT.over(moment, ZoneInfo("Pacific/Kiritimati")) == utc(2027, 6, 1, 17, 0)  # UTC+14
    assert NIGHT.over(moment, ZoneInfo("Etc/GMT+12")) == utc(2027, 6, 1, 19, 0)  # UTC-12
    assert NIGHT.over(moment, BERLIN) is None


def test_an_end_that_the_clocks_skip_is_the_moment_of_the_jump():
    early = Hours.between(time(22), time(2, 30))
    assert early.over(utc(2027, 3, 28, 0, 30), BERLIN) == utc(2027, 3, 28, 1, 0)


def test_an_end_that_comes_twice():
    early = Hours.between(time(22), time(2, 30))  # 31 October: 02:00 to 03:00 comes twice
    first, second = utc(2027, 10, 31, 0, 30), utc(2027, 10, 31, 1, 30)
    assert early.over(utc(2027, 10, 31, 0, 15), BERLIN) == first
    assert early.over(first, BERLIN) is None
    assert early.over(utc(2027, 10, 31, 1, 15), BERLIN) == second
    assert early.over(second, BERLIN) is None


def test_hours_of_no_length_hold_never():
    none = Hours.between(time(22), time(22))
    assert none.is_none
    assert not any(none.hold_at(minute) for minute in range(DAY))


def test_devices_wake_up_by_the_quarter():
    odd = Hours.between(time(22), time(6, 52))
    assert odd.wakes_at(utc(2027, 1, 11, 3, 0), BERLIN) == utc(2027, 1, 11, 6, 0)
    assert odd.wakes_at(utc(2027, 1, 11, 6, 0), BERLIN) is None


def test_who_is_awake_for_minutes_only_is_not_put_off_into_the_next_quiet_hours():
    busy = Hours.between(time(6, 58), time(6, 52))  # six minutes a day
    assert busy.wakes_at(utc(2027, 1, 11, 3, 0), BERLIN) == utc(2027, 1, 11, 5, 52)


def test_words_and_one_number():
    assert NIGHT.in_words() == ("22:00", "07:00")
    assert Hours.unpack(NIGHT.span) == NIGHT
    assert Hours.unpack(Hours(0, 0).span) == Hours(0, 0)


MINUTES = st.integers(0, DAY - 1)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))


@given(
    starts=MINUTES,
    ends=MINUTES,
    zone=st.sampled_from(sorted(known_zones())),
    moment=MOMENTS,
)
def test_who_is_put_off_may_be_disturbed_then(starts, ends, zone, moment):
    """Not before, within a day and a bit, and at the end of the hours the clock shows it."""
    hours, clock = Hours(starts, ends), known_zones()[zone]
    wall = wall_in(moment, clock)
    over = hours.over(moment, clock)
    if over is None:
        assert not hours.hold_at(wall.hour * 60 + wall.minute)
        assert hours.wakes_at(moment, clock) is None
        return
    assert moment < over <= moment + timedelta(hours=25, minutes=1)
    shown = wall_in(over, clock)
    at = shown.hour * 60 + shown.minute
    # Where clocks change, the end may lie in a gap: then it is what they show after it.
    assert at == ends or 0 < (at - ends) % DAY <= 120
    wakes = hours.wakes_at(moment, clock)
    assert over <= wakes < over + timedelta(minutes=15)
