"""The readable form of a segment: what it writes it reads, and what it cannot show it says."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_push.admin.rules.clauses import as_list
from django_push.admin.rules.rules import (
    ALL,
    ANY,
    Group,
    Row,
    Rules,
    WrongRules,
    from_where,
    to_where,
)
from django_push.admin.rules.vocabulary import FIELDS
from django_push.admin.words import PLATFORMS

WORDS = st.text(min_size=1, max_size=40).filter(lambda s: s == s.strip() and s.isprintable())
AWKWARD = st.sampled_from([r"\E", r"\Q", r"a\E\\E\Qb", "^x$", "$in", "true", "5", '"', "%_"])
TEXTS = WORDS | AWKWARD
LISTED = st.lists(TEXTS.filter(lambda s: "," not in s), min_size=1, max_size=5, unique=True)
NUMBERS = st.integers(-(10**15) + 1, 10**15 - 1) | st.floats(
    allow_nan=False, allow_infinity=False, width=32
).filter(lambda n: n != int(n))
NAMES = st.sampled_from(["plan", "level", "address.city", "a-b_c"])
DAYS = st.dates(min_value=date(1970, 1, 1), max_value=date(8999, 12, 31))


def values(comparison, field):
    if comparison.takes == "":
        return st.just("")
    if comparison.takes == "days":
        return st.integers(1, 36_500).map(str)
    if comparison.takes == "date":
        return DAYS.map(lambda day: day.isoformat())
    if comparison.takes == "choice":
        known = list(PLATFORMS)
        return st.sets(st.sampled_from(known), min_size=1).map(
            lambda chosen: as_list(name for name in known if name in chosen)
        )
    if field.kind.name == "number":
        return NUMBERS.map(str)
    return LISTED.map(as_list) if comparison.hint else TEXTS


@st.composite
def rows(draw):
    field = draw(st.sampled_from(list(FIELDS.values())))
    comparison = draw(st.sampled_from(field.kind.comparisons))
    attribute = draw(NAMES) if field.named else ""
    return Row(field.name, comparison.name, draw(values(comparison, field)), attribute)


def many(low):
    return st.lists(rows(), min_size=low, max_size=4).map(tuple)


MATCH = st.sampled_from([ALL, ANY])
GROUPS = st.builds(Group, match=MATCH, rows=many(1))
RULES = st.builds(
    Rules, match=MATCH, rows=many(0), groups=st.lists(GROUPS, max_size=3).map(tuple)
).filter(lambda rules: rules.rows or rules.groups)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RULES)
def test_what_the_form_writes_it_shows_again_row_by_row(rules):
    where = to_where(rules)
    assert from_where(json.loads(json.dumps(where))) == rules


def test_a_plain_form_is_written_as_people_write_it():
    rules = Rules(
        rows=(
            Row("device_type", "one_of", "ios"),
            Row("channels", "any_of", "news, sport"),
            Row("last_seen_at", "within", "30"),
            Row("attribute_number", "from", "5", "level"),
        )
    )
    assert to_where(rules) == {
        "device_type": {"$in": ["ios"]},
        "channels": {"$in": ["news", "sport"]},
        "last_seen_at": {"$gte": {"$relativeTime": "30 days ago"}},
        "attributes.level": {"$gte": 5},
    }


def test_any_and_groups_are_or_and_and():
    pro = Row("attribute_text", "is", "pro", "plan")
    rules = Rules(ANY, (pro,), (Group(ALL, (pro, Row("badge", "above", "0"))),))
    assert to_where(rules) == {
        "$or": [
            {"attributes.plan": "pro"},
            {"$and": [{"attributes.plan": "pro"}, {"badge": {"$gt": 0}}]},
        ]
    }


@pytest.mark.parametrize(
    ("where", "rows_"),
    [
        ({"deviceType": "ios"}, (Row("device_type", "one_of", "ios"),)),
        ({"deviceType": {"$eq": "ios"}}, (Row("device_type", "one_of", "ios"),)),
        ({"badge": {"$gte": 1, "$lt": 5}}, (Row("badge", "from", "1"), Row("badge", "below", "5"))),
        ({"$and": [{"appVersion": "3"}]}, (Row("app_version", "is", "3"),)),
        (
            {"$and": [{"appVersion": "3", "badge": 1}]},
            (Row("app_version", "is", "3"), Row("badge", "equals", "1")),
        ),
        ({"attributes.beta": True}, (Row("attribute_flag", "yes", "", "beta"),)),
        ({"locale": {"$regex": "^\\Qde\\E"}}, (Row("locale", "begins", "de"),)),
    ],
)
def test_what_others_wrote_is_shown(where, rows_):
    assert from_where(where) == Rules(ALL, rows_)


@pytest.mark.parametrize(
    "where",
    [
        {},
        [],
        None,
        {"$nor": [{"badge": 1}]},
        {"$or": []},
        {"$or": [{"badge": {"$gte": 1, "$lt": 5}}]},
        {"$and": [{"$or": [{"$and": [{"badge": 1}]}]}]},
        {"$or": "x"},
        {"$or": [1]},
        {"badge": {"$not": {"$gt": 3}}},
        {"badge": True},
        {"badge": "1"},
        {"app_version": 3},
        {"app_version": {"$in": ["3,0"]}},
        {"app_version": {"$in": []}},
        {"app_version": " 3"},
        {"app_version": "a\nb"},
        {"app_version": ""},
        {"locale": {"$regex": "^de"}},
        {"locale": {"$regex": "^\\Qde\\E", "$options": "i"}},
        {"locale": {"$regex": "^\\Qa\\Eb\\E"}},
        {"device_type": {"$in": ["ios", "symbian"]}},
        {"device_type": {"$ne": "ios"}},
        {"position": {"$nearSphere": {"__type": "GeoPoint", "latitude": 1, "longitude": 2}}},
        {"attributes": {"plan": "pro"}},
        {"attributes.": "pro"},
        {"attributes.plan": None},
        {"attributes.plan": {"name": "x"}},
        {"last_seen_at": {"$gte": {"__type": "Date", "iso": "2026-01-01T08:00:00.000Z"}}},
        {"last_seen_at": {"$gte": {"__type": "Date", "iso": "2026-13-01T00:00:00.000Z"}}},
        {"last_seen_at": {"$gte": {"$relativeTime": "3 weeks ago"}}},
        {"secret": 1},
    ],
)
def test_what_no_form_shows_stays_json(where):
    assert from_where(where) is None


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (Row("password", "is", "x"), "what the condition is about"),
        (Row("badge", "begins", "1"), "how to compare"),
        (Row("badge", "above", "many"), "“many” is no number"),
        (Row("badge", "above", "nan"), "no number"),
        (Row("badge", "above", "1e999"), "no number"),
        (Row("locale", "is", "  "), "Give a value"),
        (Row("locale", "is", "x" * 192), "At most 191"),
        (Row("channels", "any_of", " , ,"), "one or more values"),
        (Row("channels", "any_of", ",".join(map(str, range(201)))), "At most 200"),
        (Row("device_type", "one_of", ""), "one or more values"),
        (Row("device_type", "one_of", "symbian"), "one or more values"),
        (Row("last_seen_at", "within", "0"), "whole number of days"),
        (Row("last_seen_at", "within", "1.5"), "whole number of days"),
        (Row("last_seen_at", "since", "12.1.2027"), "such as 2027-01-12"),
        (Row("last_seen_at", "since", "0001-01-01"), "of this age"),
        (Row("attribute_text", "is", "pro", ""), "name of the attribute"),
        (Row("attribute_text", "is", "pro", "$where"), "name of the attribute"),
        (Row("attribute_text", "is", "pro", "a..b"), "name of the attribute"),
        (Row("attribute_text", "is", "pro", "größe"), "name of the attribute"),
    ],
)
def test_a_row_that_cannot_be_meant_says_why_and_where(row, why):
    fine = Row("badge", "equals", "1")
    with pytest.raises(WrongRules, match=why) as caught:
        to_where(Rules(rows=(fine, row), groups=(Group(ANY, (fine, fine, row)),)))
    assert set(caught.value.found) == {(0, 1), (1, 2)}


def test_blank_rows_and_the_groups_that_have_no_others_are_passed_over():
    blank, fine, wrong = Row(), Row("badge", "equals", "1"), Row("badge", "equals", "x")
    rules = Rules(ANY, (blank, fine), (Group(ALL, (blank,)), Group(ANY, (fine, blank))))
    assert to_where(rules) == {"$or": [{"badge": 1}, {"$or": [{"badge": 1}]}]}
    assert len(rules) == 2
    assert not Rules(rows=(blank,))
    with pytest.raises(WrongRules) as caught:
        to_where(Rules(rows=(blank, wrong)))
    assert set(caught.value.found) == {(0, 1)}
