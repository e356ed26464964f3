"""Wall clocks: every rule of zones.py against zoneinfo itself, on any zone and day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_push.zones import (
    known_zones,
    moment_of,
    offset_name,
    wall_in,
    zone_named,
    zones_of,
)

walls = st.datetimes(datetime(2024, 1, 1), datetime(2037, 12, 31), timezones=st.none()).map(
    lambda wall: wall.replace(second=0, microsecond=0)
)
names = st.sampled_from(sorted(known_zones()))


def shown(moment: datetime, zone) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


@given(walls, names)
def test_its_clock_shows_the_time_and_never_did_before(wall, name):
    """The moment is the first at which a clock of the zone shows ``wall`` or has jumped over it."""
    zone = known_zones()[name]
    moment = moment_of(wall, zone)
    assert shown(moment, zone) >= wall
    for minutes in (1, 29, 31, 59, 61, 119, 24 * 60):
        assert shown(moment - timedelta(minutes=minutes), zone) < wall


@given(walls, names)
def test_a_time_that_the_zone_has_is_kept_exactly(wall, name):
    zone = known_zones()[name]
    exists = shown(wall.replace(tzinfo=zone).astimezone(UTC), zone) == wall
    assert (shown(moment_of(wall, zone), zone) == wall) is exists


@given(walls, names, st.timedeltas(timedelta(0), timedelta(hours=4)))
def test_a_later_time_never_comes_earlier(wall, name, by):
    zone = known_zones()[name]
    assert moment_of(wall + by, zone) >= moment_of(wall, zone)


@given(walls, names)
def test_every_name_is_in_one_zone_and_the_rest_in_the_own(wall, own):
    zones = zones_of(wall, zone_named(own))
    listed = [name for zone in zones for name in zone.names]
    assert sorted(listed) == sorted(known_zones())
    assert [zone.due for zone in zones] == sorted({zone.due for zone in zones})
    (rest,) = [zone for zone in zones if zone.is_rest]
    assert rest.due == moment_of(wall, zone_named(own))
    assert zones[-1].due - zones[0].due <= timedelta(hours=27)
    for zone in zones:
        assert all(moment_of(wall, known_zones()[name]) == zone.due for name in zone.names)


@pytest.mark.parametrize(
    ("name", "wall", "moment"),
    [
        # Berlin: 02:00 to 03:00 is missing in spring, comes twice in autumn
        ("Europe/Berlin", "2027-03-28T01:59", "2027-03-28T00:59"),
        ("Europe/Berlin", "2027-03-28T02:00", "2027-03-28T01:00"),
        ("Europe/Berlin", "2027-03-28T02:30", "2027-03-28T01:00"),
        ("Europe/Berlin", "2027-03-28T03:00", "2027-03-28T01:00"),
        ("Europe/Berlin", "2027-10-31T02:30", "2027-10-31T00:30"),
        ("Europe/Berlin", "2027-10-31T03:00", "2027-10-31T02:00"),
        # half an hour of summer time, and a day that Samoa skipped
        ("Australia/Lord_Howe", "2027-10-03T02:15", "2027-10-02T15:30"),
        ("Pacific/Apia", "2011-12-30T09:00", "2011-12-30T10:00"),
        ("Asia/Kathmandu", "2027-01-01T09:00", "2027-01-01T03:15"),
        ("Pacific/Kiritimati", "2027-01-01T09:00", "2026-12-31T19:00"),
        ("Etc/GMT+12", "2027-01-01T09:00", "2027-01-01T21:00"),
        ("GMT+05:30", "2027-01-01T09:00", "2027-01-01T03:30"),
    ],
)
def test_days_that_are_special(name, wall, moment):
    expected = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert moment_of(datetime.fromisoformat(wall), zone_named(name)) == expected


@pytest.mark.parametrize(
    "name",
    ["", "Berlin", "europe/berlin", "America", "../etc/zones", "localtime", "GMT+1", "\0"],
)
def test_a_name_that_means_nothing_is_no_error(name):
    assert name not in known_zones()
    assert zone_named(name) is UTC


def test_an_offset_is_named_as_people_write_it():
    wall = datetime(2027, 1, 1, 9)
    assert offset_name(wall, moment_of(wall, ZoneInfo("Asia/Kathmandu"))) == "UTC+05:45"
    assert offset_name(wall, moment_of(wall, timezone(timedelta(hours=-9.5)))) == "UTC-09:30"
    assert offset_name(wall, wall.replace(tzinfo=UTC)) == "UTC+00:00"


def test_what_a_clock_shows():
    assert wall_in(
        datetime(2027, 10, 31, 1, 30, tzinfo=UTC), ZoneInfo("Europe/Berlin")
    ) == datetime(2027, 10, 31, 2, 30)
