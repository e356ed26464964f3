"""Rules of repetition: what they mean, what is wrong with one, and how people read them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from django.utils import translation
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from django_push.exceptions import InvalidPush
from django_push.recurrence import Recurrence
from django_push.recurrence_words import in_words
from django_push.zones import known_zones, moment_of

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2027, 1, 4, 9, 0)
"""A Monday."""


def moments(rule: str, count: int, after: datetime | None = None, start=START, zone=BERLIN):
    after = after or moment_of(start, zone) - timedelta(seconds=1)
    return list(islice(Recurrence.parse(rule).moments(start, zone, after), count))


def berlin(*moments: str) -> list[datetime]:
    return [datetime.fromisoformat(moment).replace(tzinfo=BERLIN) for moment in moments]


def test_nine_oclock_stays_nine_oclock_when_the_clocks_change():
    found = moments("FREQ=WEEKLY", 3, datetime(2027, 3, 20, tzinfo=UTC))
    assert found == berlin("2027-03-22T09:00", "2027-03-29T09:00", "2027-04-05T09:00")
    assert [moment.hour for moment in found] == [8, 7, 7]


def test_a_time_that_is_skipped_comes_once_after_the_gap():
    start = datetime(2027, 3, 27, 2, 0)
    found = moments("FREQ=DAILY;BYHOUR=2;BYMINUTE=15,45", 5, start=start)
    assert found == berlin(
        "2027-03-27T02:15", "2027-03-27T02:45", "2027-03-28T03:00", "2027-03-29T02:15",
        "2027-03-29T02:45",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=DAILY;COUNT=2", ["2027-01-04T09:00", "2027-01-05T09:00"]),
        # a last day is meant as a whole
        ("FREQ=DAILY;UNTIL=20270105", ["2027-01-04T09:00", "2027-01-05T09:00"]),
        ("FREQ=DAILY;UNTIL=20270105T080000Z", ["2027-01-04T09:00", "2027-01-05T09:00"]),
        ("FREQ=DAILY;UNTIL=20270105T075959Z", ["2027-01-04T09:00"]),
        ("FREQ=DAILY;UNTIL=20270105T090000", ["2027-01-04T09:00", "2027-01-05T09:00"]),
        ("rrule:freq=monthly;byday=-1fr;count=1", ["2027-01-29T09:00"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=1", ["2028-02-29T09:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=2", ["2027-01-31T09:00", "2027-03-31T09:00"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=1", ["2027-01-29T09:00"]),
    ],
)
def test_rules_and_their_ends(rule, expected):
    assert moments(rule, 5) == berlin(*expected)


rules = st.builds(
    lambda frequency, interval, rest, count: ";".join(
        [f"FREQ={frequency}", f"INTERVAL={interval}", *rest, *count]
    ),
    st.sampled_from(["MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.sampled_from([1, 2, 3, 5, 15]),
    st.lists(
        st.sampled_from(["BYDAY=MO,WE", "BYMONTH=1,2,3,10", "BYHOUR=2,9", "BYMINUTE=0,30"]),
        unique_by=lambda part: part.split("=")[0],
    ),
    st.sampled_from([[], ["COUNT=40"], ["UNTIL=20300101T000000"]]),
)


@settings(max_examples=60, deadline=None)
@given(
    rules,
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),
    st.timedeltas(timedelta(0), timedelta(days=3)) | st.timedeltas(timedelta(0), timedelta(400)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo"]),
)
def test_it_is_what_dateutil_says_by_the_zones_clock(rule, start, later, zone):
    """Skipping what has passed and evaluating it in another age changes nothing."""
    zone, start = known_zones()[zone], start.replace(second=0, microsecond=0)
    after = moment_of(start, zone) + later
    try:
        plain = rrulestr(rule, dtstart=start)
    except ValueError:
        assume(False)
    # at most some thousand of the rule itself: those that come every minute begin near the end
    assume("MINUTELY" not in rule or later < timedelta(days=3))
    expected: list[datetime] = []
    for wall in plain.xafter(start + later - timedelta(days=2), inc=True):
        moment = moment_of(wall, zone)
        if moment > max([after, *expected]):
            expected.append(moment)
        if len(expected) == 5:
            break
    assert moments(rule, 5, after, start, zone) == expected


@settings(max_examples=40, deadline=None)
@given(rules, st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]))
def test_moments_are_in_order_and_a_minute_apart(rule, zone):
    try:
        found = moments(rule, 30, datetime(2027, 3, 27, tzinfo=UTC), zone=known_zones()[zone])
    except InvalidPush:
        assume(False)
    assert all(later - sooner >= timedelta(minutes=1) for sooner, later in pairwise(found))


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("", "“”"),
        ("every monday", "EVERY MONDAY"),
        ("BYDAY=MO", "FREQ"),
        ("FREQ=SECONDLY", "FREQ"),
        ("FREQ=DAILY;BYSECOND=1", "BYSECOND"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=99999", "INTERVAL"),
        ("FREQ=DAILY;COUNT=0", "COUNT"),
        ("FREQ=DAILY;COUNT=٣", "COUNT"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20280101", "COUNT"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL"),
        ("FREQ=DAILY;UNTIL=20270231", "UNTIL"),
        ("FREQ=DAILY;UNTIL=00010101T000000Z", "UNTIL"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR"),
        ("FREQ=DAILY;BYMINUTE=0,60", "BYMINUTE"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=-32", "BYMONTHDAY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY"),
        ("FREQ=MONTHLY;BYDAY=54MO", "BYDAY"),
        ("FREQ=WEEKLY;BYDAY=Monday", "BYDAY"),
        ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY"),
        ("FREQ=YEARLY;BYMONTH=12;BYDAY=53MO", "BYDAY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS"),
        # none of these ever comes, and finding that out took minutes
        ("FREQ=MINUTELY;BYSETPOS=2;BYMINUTE=1", "BYSETPOS"),
        ("FREQ=HOURLY;BYSETPOS=-3;BYMINUTE=0,30", "BYSETPOS"),
        ("FREQ=DAILY;BYSETPOS=5;BYHOUR=8,20;BYMINUTE=0,30", "BYSETPOS"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ"),
        ("FREQ=DAILY;DTSTART=20270101", "DTSTART"),
        ("FREQ=DAILY\nRRULE:FREQ=DAILY", "FREQ"),
        ("FREQ=DAILY;" + "BYHOUR=" + "9," * 200 + "9", "FREQ=DAILY;BYHOU…"),
    ],
)
def test_what_is_wrong_names_its_part(rule, part):
    with pytest.raises(InvalidPush) as caught:
        Recurrence.parse(rule)
    assert f": {part} " in caught.value.message
    assert (caught.value.field, caught.value.code) == ("recurrence", "wrong_rule")


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYHOUR=23;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=MINUTELY;INTERVAL=9999;BYMONTH=2;BYMONTHDAY=31",
        "FREQ=DAILY;UNTIL=20260101",
    ],
)
def test_a_rule_that_never_comes_is_known_soon(rule):
    began = time.process_time()
    assert moments(rule, 1) == []
    assert time.process_time() - began < 3


def test_a_rule_of_many_years_costs_nothing():
    began = time.process_time()
    start = datetime(2001, 1, 1)
    for minutes in range(20):
        after = datetime(2101, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        assert moments("FREQ=MINUTELY", 1, after, start)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "rule", ["FREQ=HOURLY;INTERVAL=24;BYHOUR=5", "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=5"]
)
def test_an_impossible_hour_is_refused(rule):
    with pytest.raises(InvalidPush, match="never"):
        moments(rule, 1)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=HOURLY;BYMINUTE=0,30;BYSETPOS=-2;COUNT=1", "2027-01-04T09:00"),
        ("FREQ=DAILY;BYHOUR=8,20;BYMINUTE=0,30;BYSETPOS=4;COUNT=1", "2027-01-04T20:30"),
        ("FREQ=YEARLY;BYDAY=53FR;COUNT=1", "2027-12-31T09:00"),
        ("FREQ=YEARLY;BYMONTH=12;BYDAY=5FR;COUNT=1", "2027-12-31T09:00"),
    ],
)
def test_the_last_that_can_be_chosen_comes(rule, expected):
    assert moments(rule, 2) == berlin(expected)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=WEEKLY", "every Monday at 09:00"),
        ("FREQ=WEEKLY;BYDAY=TH,MO", "every Monday and Thursday at 09:00"),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "every weekday from Monday to Friday at 09:00"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", "every 2 weeks on Monday at 09:00"),
        ("FREQ=DAILY;COUNT=10", "every day at 09:00 (10 times)"),
        ("FREQ=DAILY;BYHOUR=9,17", "every day at 09:00 and 17:00"),
        ("FREQ=DAILY;INTERVAL=3;UNTIL=20271231", "every 3 days at 09:00 until Dec. 31, 2027"),
        ("FREQ=MONTHLY", "every month on day 4 at 09:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,15", "every month on day 1 and day 15 at 09:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "every month on the last day at 09:00"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "every month on the last Friday at 09:00"),
        (
            "FREQ=MONTHLY;BYDAY=1MO,3MO",
            "every month on the first Monday and the third Monday at 09:00",
        ),
        ("FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24", "every year on day 24 in December at 09:00"),
        ("FREQ=YEARLY", "every year on day 4 in January at 09:00"),
        ("FREQ=MINUTELY;INTERVAL=15", "every 15 minutes"),
        ("FREQ=HOURLY", "every hour at minute 00"),
        ("FREQ=HOURLY;INTERVAL=2;BYMINUTE=30", "every 2 hours at minute 30"),
        (
            "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=2",
            ("every month on Monday (of these, by number: 2) at 09:00"),
        ),
    ],
)
def test_it_is_said_in_words(rule, words):
    with translation.override("en"):
        assert in_words(Recurrence.parse(rule), START, BERLIN) == words


@given(rules)
def test_every_rule_has_words(rule):
    words = in_words(Recurrence.parse(rule), START, BERLIN)
    assert words.startswith("every")
    assert "%" not in words
