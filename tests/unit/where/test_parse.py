"""A where is read whole, or refused with the name of what is wrong."""

from __future__ import annotations

import pytest

from django_push.audience import Audience
from django_push.exceptions import InvalidPush
from django_push.where.limits import MAX_DEPTH, MAX_PATTERNS, MAX_TESTS, MAX_TEXT, MAX_VALUES

POINT = {"__type": "GeoPoint", "latitude": 47.4, "longitude": 8.5}
TEAM = {"__type": "Pointer", "className": "Team", "objectId": "t1"}


def refusal(where: object) -> tuple[str, str]:
    with pytest.raises(InvalidPush) as caught:
        Audience.from_json({"where": where})
    return caught.value.code, caught.value.field.removeprefix("audience.where")


def nested(depth: int) -> dict:
    where: dict = {"badge": 1}
    for _level in range(depth - 1):
        where = {"$or": [where]}
    return where


@pytest.mark.parametrize(
    "where",
    [
        {"deviceType": "ios"},
        {"prefs.lang": {"$in": ["de", None, 3, True]}},
        {"$and": [{"$or": [{"badge": 1}]}, {"$nor": [{"badge": {"$not": {"$gt": 5}}}]}]},
        {"location": {"$nearSphere": POINT, "$maxDistanceInMiles": 5}},
        {"createdAt": {"$gt": "2026-01-12T08:00:00+01:00"}},
        {"user": {"__type": "Pointer", "className": "_User", "objectId": "7"}},
        {"timeZone": {"$regex": "^Europe/", "$options": "i"}},
        {"x": {"$exists": True}},
        nested(MAX_DEPTH),
    ],
)
def test_it_comes_back(where):
    audience = Audience.from_json({"where": where})
    assert audience.to_json() == {"where": where}
    assert Audience.from_json(audience.to_json()) == audience
    assert audience.in_words()


@pytest.mark.parametrize(
    ("where", "code", "field"),
    [
        # the shape
        ({}, "empty_audience", ""),
        ([], "wrong_type", ""),
        ("deviceType = 'ios'", "wrong_type", ""),
        (None, "wrong_type", ""),
        ({1: 2}, "wrong_type", ""),
        ({"$or": []}, "wrong_type", ".$or"),
        ({"$or": {"badge": 1}}, "wrong_type", ".$or"),
        ({"$or": [{"badge": 1}, {}]}, "empty_audience", ".$or.1"),
        ({"$and": [{"badge": {"$mod": [2, 0]}}]}, "unknown_operator", ".$and.0.badge.$mod"),
        ({"$where": "sleep(9)"}, "unknown_operator", ".$where"),
        ({"$not": {"badge": 1}}, "unknown_operator", ".$not"),
        ({"$expr": {"$eq": [1, 1]}}, "unknown_operator", ".$expr"),
        # fields
        ({"deviceType.x": 1}, "unknown_field", ".deviceType.x"),
        ({"attributes": 1}, "unknown_field", ".attributes"),
        ({"a b": 1}, "unknown_field", ".a b"),
        ({"größe": 1}, "unknown_field", ".größe"),
        ({'x") OR 1=1 --': 1}, "unknown_field", '.x") OR 1=1 --'),
        ({"a..b": 1}, "unknown_field", ".a..b"),
        ({".".join("abcdefghi"): 1}, "unknown_field", ".a.b.c.d.e.f.g.h.i"),
        # operators
        ({"badge": {"$gt": 1, "x": 2}}, "unknown_operator", ".badge.x"),
        ({"badge": {"$inQuery": {}}}, "unknown_operator", ".badge.$inQuery"),
        ({"badge": {"$gt": None}}, "wrong_type", ".badge.$gt"),
        ({"badge": {"$lte": True}}, "wrong_type", ".badge.$lte"),
        ({"badge": {"$in": 1}}, "wrong_type", ".badge.$in"),
        ({"badge": {"$in": "123"}}, "wrong_type", ".badge.$in"),
        ({"badge": {"$exists": 1}}, "wrong_type", ".badge.$exists"),
        ({"x": {"$size": -1}}, "wrong_type", ".x.$size"),
        ({"x": {"$size": True}}, "wrong_type", ".x.$size"),
        ({"x": {"$not": 1}}, "wrong_type", ".x.$not"),
        ({"x": {"$not": {}}}, "wrong_type", ".x.$not"),
        ({"x": {"$options": "i"}}, "unknown_operator", ".x.$options"),
        ({"x": {"$nearSphere": POINT}}, "operator_not_allowed", ".x.$nearSphere"),
        ({"location": {"$gt": 1}}, "operator_not_allowed", ".location.$gt"),
        # values
        ({"x": {}}, "wrong_type", ".x"),
        ({"x": {"a": 1}}, "wrong_type", ".x"),
        ({"x": ["a"]}, "wrong_type", ".x"),
        ({"x": {"$in": [["a"]]}}, "wrong_type", ".x.$in"),
        ({"x": {"__type": "File", "name": "a"}}, "wrong_type", ".x"),
        ({"x": "a\x00"}, "nul_character", ".x"),
        ({"x": "\ud800"}, "nul_character", ".x"),
        ({"x": 2**53 + 1}, "number_too_large", ".x"),
        ({"x": float("inf")}, "number_too_large", ".x"),
        ({"x": object()}, "wrong_type", ".x"),
        ({"createdAt": "yesterday"}, "wrong_date", ".createdAt"),
        ({"createdAt": "2026-01-12T08:00:00"}, "wrong_date", ".createdAt"),
        ({"createdAt": {"$gt": 1767225600}}, "wrong_date", ".createdAt.$gt"),
        ({"x": {"__type": "Date", "iso": "soon"}}, "wrong_date", ".x"),
        ({"x": {"__type": "Pointer", "objectId": "a"}}, "wrong_type", ".x"),
        (
            {"user": {"__type": "Pointer", "className": "Team", "objectId": "a"}},
            "wrong_type",
            ".user",
        ),
        # places
        ({"location": "Bern"}, "wrong_type", ".location"),
        ({"location": {**POINT, "latitude": 91}}, "wrong_place", ".location"),
        ({"location": {"$nearSphere": [8.5, 147]}}, "wrong_place", ".location.$nearSphere"),
        (
            {"location": {"$nearSphere": POINT, "$maxDistance": -1}},
            "wrong_type",
            ".location.$maxDistance",
        ),
        (
            {"location": {"$nearSphere": POINT, "$maxDistance": 1, "$maxDistanceInMiles": 1}},
            "contradiction",
            ".location.$maxDistanceInMiles",
        ),
        ({"location": {"$maxDistance": 1}}, "unknown_operator", ".location.$maxDistance"),
        ({"location": {"$within": [POINT]}}, "wrong_place", ".location.$within"),
        (
            {"location": {"$within": {"$box": [POINT, {**POINT, "latitude": 1}]}}},
            "wrong_place",
            ".location.$within.$box",
        ),
        ({"location": {"$geoWithin": {"$box": []}}}, "wrong_place", ".location.$geoWithin"),
        (
            {"location": {"$geoWithin": {"$polygon": [POINT, POINT]}}},
            "wrong_place",
            ".location.$geoWithin.$polygon",
        ),
        (
            {"location": {"$geoWithin": {"$polygon": [POINT] * 101}}},
            "wrong_place",
            ".location.$geoWithin.$polygon",
        ),
        # sizes
        (nested(MAX_DEPTH + 1), "too_deep", ".$or.0" * MAX_DEPTH),
        (nested(5000), "too_deep", ".$or.0" * MAX_DEPTH),
        (
            {"$or": [{"badge": 1}] * (MAX_TESTS + 1)},
            "too_many_conditions",
            f".$or.{MAX_TESTS}.badge",
        ),
        ({"x": {"$in": [1] * (MAX_VALUES + 1)}}, "too_many_items", ".x.$in"),
        (
            {"$or": [{"x": {"$regex": "a" * 200}}] * (MAX_PATTERNS // 200 + 1)},
            "too_large",
            f".$or.{MAX_PATTERNS // 200}.x.$regex",
        ),
        ({"x": {"$all": [1] * (MAX_TESTS + 1)}}, "too_many_conditions", ".x.$all"),
        (
            {"x": {"$in": [{**TEAM, "className": f"T{n}"} for n in range(MAX_TESTS + 1)]}},
            "too_many_conditions",
            ".x.$in",
        ),
        (
            {"$or": [{"location": {"$geoWithin": {"$polygon": [POINT] * 100}}}] * 11},
            "too_many_items",
            ".$or.10.location.$geoWithin",
        ),
        ({"x": "a" * (MAX_TEXT + 1)}, "too_large", ".x"),
        ({"x": {"$in": ["a" * MAX_TEXT] * 200}}, "too_large", ".x.$in"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(where, code, field):
    assert refusal(where) == (code, field)


@pytest.mark.parametrize("operator", ["$gt", "$gte", "$lt", "$lte", "$regex", "$all", "$size"])
def test_a_token_cannot_be_read_letter_by_letter(operator):
    value = {"$size": 1, "$all": ["a"]}.get(operator, "a")
    assert refusal({"deviceToken": {operator: value}})[0] == "operator_not_allowed"
    assert refusal({"deviceToken": {"$not": {operator: value}}})[0] == "operator_not_allowed"
    assert refusal({"address": {operator: value}})[0] == "operator_not_allowed"


@pytest.mark.parametrize("name", ["address_hash", "latitude", "application", "user__is_staff"])
def test_columns_are_named_in_the_table_or_not_at_all(name):
    from django_push.installation_fields import INSTALLATION_FIELDS

    place = INSTALLATION_FIELDS.find(name)
    assert place is not None
    assert place.field.column == ("latitude" if name == "latitude" else "attributes")


def test_a_refusal_names_what_there_is():
    with pytest.raises(InvalidPush, match=r"\$containedBy, \$eq, \$exists"):
        Audience.from_json({"where": {"badge": {"$near": 1}}})
    with pytest.raises(InvalidPush, match="appVersion"):
        Audience.from_json({"where": {"badge.x": 1}})


def test_the_longest_name_does_not_fill_the_screen():
    code, field = refusal({"x" * 100_000: 1})
    assert code == "unknown_field"
    assert len(field) < 100


def test_a_token_is_not_in_the_words():
    audience = Audience.from_json({"where": {"deviceToken": {"$in": ["secret-token"]}}})
    assert "secret" not in audience.in_words()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"deviceType": "ios", "badge": {"$gt": 3}}, "deviceType is “ios” and badge above 3"),
        ({"$or": [{"x": None}, {"y": {"$exists": True}}]}, "no x or any y"),
        ({"x": {"$ne": "a"}}, "x is not “a”"),
        ({"channels": "news"}, "in the channel “news”"),
        ({"x": {"$regex": "^\\Qa.b\\E"}}, "x begins with “a.b”"),
        ({"x": {"$in": list("abcdefg")}}, "x is one of “a”, “b”, “c”, “d”, “e”, 2 more"),
        ({"valid": True}, "valid is yes"),
        (
            {"location": {"$nearSphere": POINT, "$maxDistanceInKilometers": 10}},
            "within 10 km of 47.4° 8.5°",
        ),
    ],
)
def test_a_where_in_words(where, words):
    assert Audience.from_json({"where": where}).in_words() == f"with {words}"
