"""Each operator by itself, on devices that one can take in at a glance."""

from __future__ import annotations

import math

import pytest

from django_push.audience import Audience, compile_audience
from django_push.models import Installation, Owner

pytestmark = pytest.mark.django_db

PLACE = {"__type": "GeoPoint", "latitude": 47.37, "longitude": 8.54}
DATE = {"__type": "Date", "iso": "2026-03-01T00:00:00.000Z"}
LATER = {"__type": "Date", "iso": "2026-04-01T00:00:00.000Z"}
TEAM = {"__type": "Pointer", "className": "Team", "objectId": "t1"}


@pytest.fixture(autouse=True)
def devices(device):
    """a: much of everything; b: other kinds of values; c: nothing."""
    device(
        "a",
        locale="de-CH",
        time_zone="Europe/Zurich",
        app_version="1.10.0",
        badge=3,
        latitude=47.05,
        longitude=8.31,
        channels=["news", "sport"],
        owner=Owner(user_key="7", proved=True),
        attributes={
            "n": 5,
            "t": "Größe 50%",
            "l": ["x", 2, None],
            "e": [],
            "d": DATE,
            "p": TEAM,
            "z": None,
            "o": {"k": True, "7": "seven"},
        },
    )
    device(
        "b",
        locale="DE",
        app_version="1.9.0",
        channels=["news"],
        owner=Owner(user_key="7"),
        attributes={"n": "5", "t": "grösse", "l": "x", "d": LATER["iso"], "o": {"k": 1}, "p": "t1"},
    )
    device("c")


@pytest.mark.parametrize(
    ("where", "found"),
    [
        # equality, and what is absent
        ({"n": 5}, "a"),
        ({"n": 5.0}, "a"),
        ({"n": "5"}, "b"),
        ({"n": {"$ne": 5}}, "b c"),
        ({"z": None}, "a b c"),
        ({"z": {"$exists": True}}, "a"),
        ({"z": {"$ne": None}}, ""),
        ({"n": None}, "c"),
        ({"o.k": True}, "a"),
        ({"o.k": 1}, "b"),
        ({"o.7": "seven"}, "a"),
        ({"attributes.o.k": True}, "a"),
        ({"timeZone": {"$exists": False}}, "b c"),
        ({"time_zone": None}, "b c"),
        ({"locale": "de"}, ""),
        ({"locale": "DE"}, "b"),
        ({"badge": {"$eq": 3}}, "a"),
        ({"badge": "3"}, ""),
        ({"badge": 3.5}, ""),
        ({"valid": True}, "a b c"),
        ({"valid": 1}, ""),
        # lists
        ({"n": {"$in": [5, "5"]}}, "a b"),
        ({"n": {"$in": []}}, ""),
        ({"n": {"$nin": []}}, "a b c"),
        ({"n": {"$nin": [5]}}, "b c"),
        ({"n": {"$in": [None, 5]}}, "a c"),
        ({"localeIdentifier": {"$in": [None, "DE", 3]}}, "b c"),
        ({"badge": {"$in": [3, 1e308, -1e308]}}, "a"),
        ({"badge": {"$nin": [3, 1e308]}}, "b c"),
        # order
        ({"n": {"$gt": 4}}, "a"),
        ({"n": {"$gte": "5", "$lt": "6"}}, "b"),
        ({"badge": {"$gt": 2.5}}, "a"),
        ({"badge": {"$lte": 2.5}}, "b c"),
        ({"badge": {"$lt": 3}}, "b c"),
        ({"appVersion": {"$gt": "1.2"}}, "b"),
        ({"t": {"$gt": "a"}}, "b"),
        # arrays
        ({"l": "x"}, "a b"),
        ({"l": {"$gt": 1}}, "a"),
        ({"l": None}, "a c"),
        ({"l": {"$all": ["x", 2]}}, "a"),
        ({"l": {"$all": ["x"]}}, "a b"),
        ({"l": {"$all": []}}, ""),
        ({"l": {"$size": 3}}, "a"),
        ({"e": {"$size": 0}}, "a"),
        ({"l": {"$containedBy": ["x", 2, None, 9]}}, "a b c"),
        ({"l": {"$containedBy": ["x"]}}, "b c"),
        ({"channels": "sport"}, "a"),
        ({"channels": {"$ne": "sport"}}, "b c"),
        ({"channels": {"$all": ["sport", "news"]}}, "a"),
        ({"channels": {"$size": 1}}, "b"),
        ({"channels": {"$size": 0}}, "c"),
        ({"channels": {"$not": {"$size": 2}}}, "b c"),
        ({"channels": {"$containedBy": ["news"]}}, "b c"),
        ({"channels": {"$regex": "^sp"}}, "a"),
        ({"channels": {"$in": ["sport", None, 3]}}, "a"),
        ({"$or": [{"channels": "sport"}, {"locale": "DE"}]}, "a b"),
        # patterns, and what is quoted in them
        ({"t": {"$regex": r"\Q50%\E$"}}, "a"),
        ({"t": {"$regex": "^Gr"}}, "a"),
        ({"t": {"$regex": "^gr.{0}"[:3], "$options": "i"}}, "a b"),
        ({"t": {"$regex": "_"}}, ""),
        ({"t": {"$regex": "^.r[öo].*e"}}, "a b"),
        ({"localeIdentifier": {"$regex": "^de", "$options": "i"}}, "a b"),
        ({"localeIdentifier": {"$not": {"$regex": "^de"}}}, "b c"),
        ({"l": {"$regex": "x|y"}}, "a b"),
        # dates and pointers
        ({"d": DATE}, "a"),
        ({"d": {"$lt": LATER}}, "a"),
        ({"d": LATER["iso"]}, "b"),
        ({"p": TEAM}, "a"),
        ({"p": {"$ne": TEAM}}, "b c"),
        ({"d": {"$in": [DATE, LATER]}}, "a"),
        ({"d": {"$nin": [DATE, LATER]}}, "b c"),
        ({"p": {"$in": [TEAM, {**TEAM, "className": "Club"}, {**TEAM, "objectId": "9"}]}}, "a"),
        ({"p": {"$in": [{**TEAM, "className": "Club"}, {**TEAM, "objectId": "9"}]}}, ""),
        ({"o.k": {"$in": [True, 1]}}, "a b"),
        ({"o.k": {"$in": [False, 1]}}, "b"),
        ({"createdAt": {"$gt": "2020-01-01T00:00:00Z"}}, "a b c"),
        ({"createdAt": {"$lt": DATE}}, ""),
        # users
        ({"user": "7"}, "a"),
        ({"userId": 7}, "a"),
        ({"user": {"__type": "Pointer", "className": "_User", "objectId": "7"}}, "a"),
        ({"user": {"$exists": False}}, "b c"),
        # tokens
        ({"deviceToken": "a"}, "a"),
        ({"deviceToken": {"$in": ["a", "c", "x"]}}, "a c"),
        ({"deviceToken": {"$ne": "a"}}, "b c"),
        ({"deviceToken": {"$exists": True}}, "a b c"),
        # places: Lucerne is 39.7 km from Zurich
        ({"location": {"$nearSphere": PLACE}}, "a"),
        ({"location": {"$nearSphere": PLACE, "$maxDistanceInKilometers": 41}}, "a"),
        ({"location": {"$nearSphere": PLACE, "$maxDistanceInKilometers": 38}}, ""),
        ({"location": {"$nearSphere": PLACE, "$maxDistanceInMiles": 25}}, "a"),
        ({"location": {"$nearSphere": PLACE, "$maxDistance": 0.007}}, "a"),
        ({"location": {"$nearSphere": PLACE, "$maxDistanceInRadians": 0.005}}, ""),
        ({"location": {"$exists": False}}, "b c"),
        # logic
        ({"$and": [{"n": 5}, {"badge": 3}]}, "a"),
        ({"$nor": [{"n": 5}, {"n": "5"}]}, "c"),
        ({"n": 5, "badge": 4}, ""),
        ({"$or": [{"$nor": [{"n": 5}]}, {"$and": [{"n": 5}, {"channels": "sport"}]}]}, "a b c"),
    ],
)
def test_whom_it_finds(application, where, found):
    rows = compile_audience(
        Audience.from_json({"where": where}),
        Installation.objects.all(),
        application_id=application.pk,
    )
    assert " ".join(rows.order_by("address").values_list("address", flat=True)) == found


@pytest.mark.parametrize("operator", ["$in", "$nin", "$containedBy"])
def test_as_many_values_of_a_kind_as_a_list_may_hold(application, operator):
    """SQLite has no more than 1,000 conditions in a row, PostgreSQL not more than its stack."""
    dates = [{**DATE, "iso": f"{1000 + number}-01-01T00:00:00Z"} for number in range(3000)]
    teams = [{**TEAM, "objectId": str(number)} for number in range(3000)]
    values = [DATE, *dates, *teams, *[True, False, None] * 1000]
    found = compile_audience(
        Audience.from_json({"where": {"d": {operator: values}}}),
        Installation.objects.all(),
        application_id=application.pk,
    )
    assert (
        sorted(found.values_list("address", flat=True))
        == {
            "$in": ["a", "c"],
            "$nin": ["b"],
            "$containedBy": ["a", "b", "c"],
        }[operator]
    )


def test_a_polygon_of_as_many_corners_as_there_may_be(application):
    def around(latitude: float, longitude: float) -> list[list[float]]:
        angles = [math.tau * number / 100 for number in range(100)]
        return [[longitude + math.cos(one), latitude + math.sin(one)] for one in angles]

    def found(corners: list[list[float]]) -> list[str]:
        where = {"$or": [{"$nor": [{"location": {"$geoWithin": {"$polygon": corners}}}]}]}
        rows = compile_audience(
            Audience.from_json({"everyone": True, "exclude": {"where": where}}),
            Installation.objects.all(),
            application_id=application.pk,
        )
        return list(rows.values_list("address", flat=True))

    assert found(around(47.05, 8.31)) == ["a"]
    assert found(around(49.05, 8.31)) == []


def test_another_applications_devices_are_never_found(application, device):
    from django_push.models import Application

    other = Application.objects.register(None, "Opera", key="opera")
    Installation.objects.register(
        other, device_type="ios", address="theirs", channels=["news"], locale="de-CH"
    )
    for where in ({"channels": "news"}, {"channels": {"$ne": "x"}}, {"$nor": [{"n": 1}]}):
        rows = compile_audience(
            Audience.from_json({"where": where}),
            Installation.objects.all(),
            application_id=application.pk,
        )
        assert not rows.filter(application=other).exists()
