"""An audience is read whole or refused by name."""

from __future__ import annotations

import pytest

from django_push.audience import MAX_ITEMS, Audience
from django_push.exceptions import InvalidPush


@pytest.mark.parametrize(
    "value",
    [
        {"everyone": True},
        {"everyone": True, "device_types": ["ios"]},
        {"channels": ["a", "b"], "users": ["1"]},
        {"installations": ["f" * 24]},
    ],
)
def test_it_comes_back(value):
    assert Audience.from_json(value).to_json() == value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({}, "empty_audience"),
        ({"everyone": False}, "empty_audience"),
        ({"channels": []}, "empty_audience"),
        ({"channel": ["a"]}, "unknown_operator"),
        ({"$where": "1=1"}, "unknown_operator"),
        ({"everyone": 1}, "wrong_type"),
        ({"channels": "news"}, "wrong_type"),
        ({"channels": [None]}, "wrong_type"),
        ({"channels": [True]}, "wrong_type"),
        ({"channels": ["a" * 192]}, "wrong_type"),
        ({"users": ["a\x00"]}, "wrong_type"),
        ({"everyone": True, "channels": ["a"]}, "contradiction"),
        ({"users": ["a"] * (MAX_ITEMS + 1)}, "too_many_items"),
        ([], "wrong_type"),
        ("everyone", "wrong_type"),
    ],
)
def test_what_cannot_be_meant_is_refused(value, code):
    with pytest.raises(InvalidPush) as caught:
        Audience.from_json(value)
    assert caught.value.code == code


def test_numbers_are_ids_and_doubles_count_once():
    assert Audience.from_json({"users": [7, "7", 8]}).users == ("7", "8")
