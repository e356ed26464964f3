"""A message says what it was given, and bad input is named."""

from __future__ import annotations

import pytest

from django_push.exceptions import InvalidPush
from django_push.messages import Message
from django_push.templates import render


def test_content_comes_back():
    content = {
        "title": "Hi",
        "badge": 0,
        "priority": "normal",
        "data": {"a": 1},
        "texts": {"de": {"title": "Hallo"}},
    }
    assert Message.from_content(content).to_content() == content


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        ({"titel": "Hi"}, "unknown_field", "titel"),
        ({"title": 3}, "wrong_type", "title"),
        ({"badge": "1"}, "wrong_type", "badge"),
        ({"badge": True}, "wrong_type", "badge"),
        ({"badge": -1}, "invalid_push", "badge"),
        ({"badge": 1, "badge_increment": 1}, "invalid_push", "badge"),
        ({"data": []}, "wrong_type", "data"),
        ({"priority": "urgent"}, "invalid_push", "priority"),
        ({"push_type": "loud"}, "invalid_push", "push_type"),
        ({"collapse_id": "é" * 33}, "invalid_push", "collapse_id"),
        ({"texts": {"deutsch!": {}}}, "invalid_push", "texts"),
        ({"texts": {"de": {"sound": "x"}}}, "invalid_push", "texts"),
        ({"texts": {"de": {"title": 1}}}, "wrong_type", "title"),
        ({"overrides": {"apns": 1}}, "invalid_push", "overrides"),
        ({"title": "a\x00b"}, "invalid_push", "title"),
    ],
)
def test_bad_input_is_named(content, code, field):
    with pytest.raises(InvalidPush) as caught:
        Message.from_content(content)
    assert (caught.value.code, caught.value.field) == (code, field)


@pytest.mark.parametrize(
    ("locale", "tag"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("de_AT", "de"),
        ("DE", "de"),
        ("den", ""),
        ("zh-Hant-TW", "zh-Hant"),
        ("zh-Hans", "zh"),
        ("fr", ""),
        ("", ""),
    ],
)
def test_the_longest_language_that_fits(locale, tag):
    message = Message.from_content({"texts": {"zh": {}, "zh-Hant": {}, "de": {"title": "x"}}})
    assert message.language_for(locale) == tag


def test_a_language_without_a_text_keeps_the_messages_own():
    message = Message.from_content(
        {"title": "Hi", "body": "there", "texts": {"de": {"title": "x"}}}
    )
    german = message.in_language("de")
    assert (german.title, german.body, german.texts) == ("x", "there", {})


def test_fields_are_filled_in():
    assert render('Hi {{ name|default:"you" }} {{team}}', {"team": "A"}) == "Hi you A"
    with pytest.raises(InvalidPush, match="name"):
        render("Hi {{ name }}", {})
    assert render("{% if %} {{ 1 }} {{ a b }}", {}) == "{% if %} {{ 1 }} {{ a b }}"
