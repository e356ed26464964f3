"""Saved audiences: their keys, what uses them, and what they must not be."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from django_push import submission
from django_push.audience import Audience, Definition
from django_push.exceptions import InvalidPush
from django_push.models import Application, Notification, PushHistory, Segment
from django_push.models.segment import check_definition, check_segment_key

pytestmark = pytest.mark.django_db
Status = Notification.Status


@pytest.fixture
def segment(application):
    return Segment.objects.create(
        application=application, key="regulars", name="Regulars", audience={"channels": ["news"]}
    )


def message(application, audience, status=Status.DRAFT):
    return Notification.objects.create(
        application=application, audience=audience, status=status, content={"title": "Hi"}
    )


def test_a_key_is_taken_once_in_an_application(application, segment):
    other = Application.objects.register(None, "Store")
    Segment.objects.create(application=other, key="regulars", name="Theirs", audience={})
    with pytest.raises(IntegrityError), transaction.atomic():
        Segment.objects.create(application=application, key="regulars", name="Again", audience={})


@pytest.mark.parametrize("key", ["", "Regulars", "-a", "a b", "ä", "a" * 65, "a\n", "a/b"])
def test_keys_are_such_as_stand_in_addresses(key):
    with pytest.raises(ValidationError):
        check_segment_key(key)


def test_those_named_are_found_in_their_own_application_only(application, segment):
    other = Application.objects.register(None, "Store")
    Segment.objects.create(application=other, key="theirs", name="Theirs", audience={})
    named = Audience.from_json({"segments": ["regulars", "regulars"]})
    assert Segment.objects.resolve(application, named).definitions == {
        "regulars": Definition("Regulars", Audience(channels=("news",)))
    }
    with pytest.raises(InvalidPush, match="no segment “theirs”") as caught:
        Segment.objects.resolve(application, Audience(segments=("regulars", "theirs")))
    assert (caught.value.code, caught.value.field) == ("unknown_segment", "audience.segments")


def test_naming_none_asks_nothing(application, django_assert_num_queries):
    with django_assert_num_queries(0):
        everyone = Audience(everyone=True)
        assert Segment.objects.resolve(application, everyone) is everyone


def test_it_is_used_by_what_is_still_to_be_sent(application, segment):
    named = {"segments": ["others", "regulars"]}
    excluded = {"everyone": True, "exclude": {"segments": ["regulars"]}}
    wanted = [
        message(application, named, status)
        for status in (
            Status.DRAFT,
            Status.REQUESTED,
            Status.SCHEDULED,
            Status.REPEATING,
            Status.PAUSED,
        )
    ]
    wanted.append(message(application, excluded))
    message(application, named, Status.SENT)
    message(application, {"segments": ["others"], "exclude": {"channels": ["a"]}})
    message(application, {"channels": ["regulars"]})
    message(Application.objects.register(None, "Store"), named)
    assert segment.used_by() == wanted[::-1]


def test_counting_is_no_change_of_it(segment):
    before = segment.updated_at
    segment.counted(7)
    segment.refresh_from_db()
    assert (segment.devices, segment.updated_at) == (7, before)
    assert segment.counted_at is not None


def test_a_definition_is_an_audience():
    assert check_definition({"channels": ["a", "a"]}) == {"channels": ["a"]}
    with pytest.raises(InvalidPush) as caught:
        check_definition({"channel": ["a"]})
    assert caught.value.code == "unknown_operator"


def test_a_lookup_whose_value_its_field_cannot_have_is_no_definition(settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "AUDIENCE_LOOKUPS": ["user__pk"]}
    assert check_definition({"lookups": {"user__pk": 7}})
    with pytest.raises(InvalidPush) as caught:
        check_definition({"lookups": {"user__pk": "seven"}})
    assert caught.value.field == "audience.lookups"


@pytest.mark.parametrize("audience", [{}, {"everyone": True, "exclude": {"segments": ["odd"]}}])
def test_a_push_to_a_segment_that_cannot_be_planned_is_refused(settings, application, audience):
    """Saved when the lookup meant something else: planning would fail, after it was accepted."""
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "AUDIENCE_LOOKUPS": ["user__pk"]}
    lookups = {"lookups": {"user__pk": "seven"}}
    Segment.objects.create(application=application, key="odd", name="Odd", audience=lookups)
    with pytest.raises(InvalidPush):
        submission.push(application, audience=audience or {"segments": ["odd"]}, title="Hi")
    assert not PushHistory.objects.exists()
