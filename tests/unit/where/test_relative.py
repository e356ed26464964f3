"""Moments that move with the clock, as Parse Server writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from django_push.audience import Audience
from django_push.exceptions import InvalidPush
from django_push.where.dates import read_relative

NOW = datetime(2027, 1, 12, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "away"),
    [
        ("now", timedelta(0)),
        ("30 days ago", timedelta(days=-30)),
        ("1 day ago", timedelta(days=-1)),
        ("In 2 hours", timedelta(hours=2)),
        ("in 1 hour 30 min", timedelta(hours=1, minutes=30)),
        ("1 yr 2 wks 3 d 4 hrs 5 mins 6 secs ago", -timedelta(379 + 3, 4 * 3600 + 5 * 60 + 6)),
        ("  2  weeks  ago ", timedelta(weeks=-2)),
        ("0 seconds ago", timedelta(0)),
    ],
)
def test_it_is_counted_from_now(text, away):
    assert read_relative(text, NOW) == NOW + away


@pytest.mark.parametrize(
    "text",
    ["", "30 days", "ago", "in", "in 3 days ago", "3 fortnights ago", "days 3 ago", "-3 days ago",
     "3.5 days ago", "٣ days ago", "999999999 years ago", "3 days ago; drop", "1 day " * 40, 5,
     None, "tomorrow", "3 s ago"],
)  # fmt: skip
def test_anything_else_is_none(text):
    assert read_relative(text, NOW) is None


@pytest.mark.parametrize("field", ["lastSeenAt", "last_seen_at", "attributes.bought"])
def test_it_stands_wherever_a_date_may_and_stays_relative(field):
    where = {field: {"$gte": {"$relativeTime": "30 days ago"}}}
    audience = Audience.from_json({"where": where})
    assert audience.to_json() == {"where": where}
    assert audience.in_words()


@pytest.mark.parametrize("field", ["lastSeenAt", "bought"])
def test_one_that_cannot_be_read_is_named(field):
    with pytest.raises(InvalidPush, match="30 days ago") as caught:
        Audience.from_json({"where": {field: {"$gte": {"$relativeTime": "lately"}}}})
    assert caught.value.code == "wrong_date"
    assert caught.value.field == f"audience.where.{field}.$gte.$relativeTime"
