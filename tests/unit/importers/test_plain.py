"""One form for what MongoDB, PostgreSQL and Parse write in several."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from bson import Decimal128, Int64, ObjectId, json_util
from bson.json_util import JSONMode, JSONOptions

from django_push.importers.plain import Unreadable, moment, plain, point, pointer

DATE = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
EARLIEST = "0001-01-01T00:00:00+05:00"
"""In UTC it is before all dates."""
PARSE_DATE = {"__type": "Date", "iso": "2026-03-01T12:30:15.250Z"}


@pytest.mark.parametrize("mode", [JSONMode.LEGACY, JSONMode.RELAXED, JSONMode.CANONICAL])
def test_extended_json_of_every_mode(mode):
    key = ObjectId("65f0c0ffee65f0c0ffee65f0")
    document = {
        "when": DATE,
        "key": key,
        "long": Int64(2**40),
        "small": 3,
        "half": 0.5,
        "price": Decimal128("1.5"),
        "inner": [{"when": DATE}],
    }
    text = json_util.dumps(document, json_options=JSONOptions(json_mode=mode, tz_aware=True))
    assert plain(json.loads(text)) == {
        "when": PARSE_DATE,
        "key": str(key),
        "long": 2**40,
        "small": 3,
        "half": 0.5,
        "price": 1.5,
        "inner": [{"when": PARSE_DATE}],
    }


class TestMoment:
    @pytest.mark.parametrize(
        "written",
        [
            DATE,
            DATE.astimezone(timezone(timedelta(hours=8))),
            "2026-03-01T12:30:15.250Z",
            "2026-03-01 12:30:15.25+00",
            "2026-03-01T13:30:15.250+01:00",
            "2026-03-01T12:30:15.250",
            1772368215250,
            "1772368215250",
            {"$date": "2026-03-01T12:30:15.250Z"},
            {"$date": 1772368215250},
            {"$date": {"$numberLong": "1772368215250"}},
            PARSE_DATE,
        ],
    )
    def test_every_way_to_write_it(self, written):
        assert moment(written) == DATE

    @pytest.mark.parametrize("written", [None, "", {}, {"other": 1}])
    def test_nothing(self, written):
        assert moment(written) is None

    @pytest.mark.parametrize(
        "written", ["yesterday", "2026-13-01T00:00:00Z", 10**30, True, [1], EARLIEST]
    )
    def test_what_is_no_date_is_told(self, written):
        with pytest.raises(Unreadable, match="no date"):
            moment(written)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ({"__type": "Pointer", "className": "_User", "objectId": "abc"}, "abc"),
        ("_User$abc", "abc"),
        ({"$ref": "_User", "$id": "abc"}, "abc"),
        (
            {"$ref": "_User", "$id": {"$oid": "65f0c0ffee65f0c0ffee65f0"}},
            "65f0c0ffee65f0c0ffee65f0",
        ),
        ("abc", "abc"),
        (17, "17"),
        (None, ""),
        (True, ""),
        ([], ""),
        ({}, ""),
    ],
)
def test_a_pointer(written, key):
    assert pointer(written) == key


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ({"__type": "GeoPoint", "latitude": 52.5, "longitude": 13.4}, (52.5, 13.4)),
        ([13.4, 52.5], (52.5, 13.4)),
        ("(13.4,52.5)", (52.5, 13.4)),
        ([{"$numberDouble": "13.4"}, 52.5], (52.5, 13.4)),
        ([13.4], None),
        ("Berlin", None),
        ([13.4, 152.5], None),
        ([float("nan"), float("nan")], None),
        (None, None),
    ],
)
def test_a_place(written, place):
    assert point(written) == place


class TestWhatCannotBeKept:
    def test_nesting(self):
        deep: list = []
        for _level in range(5000):
            deep = [deep]
        with pytest.raises(Unreadable, match="nested deeper than 32"):
            plain(deep)

    @pytest.mark.parametrize("value", ["a\0b", {"a\0": 1}, [["\0"]], {"$oid": "\0"}])
    def test_a_nul_character(self, value):
        with pytest.raises(Unreadable, match="NUL"):
            plain(value)

    def test_a_number_that_is_none(self):
        with pytest.raises(Unreadable, match="no number"):
            plain({"$numberLong": "many"})
        assert plain(float("inf")) is None
