"""Pushes to segments: whom they reach, and what a push keeps of them."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from django_push.audience import Audience
from django_push.exceptions import InvalidPush
from django_push.models import Application, Installation, Notification, Owner, PushHistory, Segment
from django_push.models.segment import check_definition
from django_push.submission import compose, count, push, submit_many
from django_push.testing import deliver_pushes, outbox

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_home(settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem"}
    outbox.clear()


@pytest.fixture
def segment(application):
    def make(key: str, **audience) -> Segment:
        return Segment.objects.create(
            application=application, key=key, name=key.title(), audience=audience
        )

    return make


@pytest.fixture
def devices(device):
    """Ten: the even ones in a channel, with a badge of their number, each of another plan."""
    for number in range(10):
        found = device(
            f"{number}" * 20,
            "ios" if number < 5 else "android",
            channels=["even"] if number % 2 == 0 else [],
            attributes={"plan": "pro" if number in {3, 4, 5} else "free"},
        )
        Installation.objects.filter(pk=found.pk).update(badge=number)


def reached(application, audience) -> set[int]:
    """Who gets a push; and the count says the same."""
    expected = count(application, audience).devices
    outbox.clear()
    with deliver_pushes():
        push(application, audience=audience, title="Hi")
    found = [int(sent.token[0]) for sent in outbox]
    assert len(found) == len(set(found)) == expected
    return set(found)


def test_one_segment_reaches_those_it_names(application, devices, segment):
    segment("even", channels=["even"])
    assert reached(application, {"segments": ["even"]}) == {0, 2, 4, 6, 8}


def test_several_are_any_of_them_and_other_keys_narrow(application, devices, segment):
    segment("even", channels=["even"])
    segment("pro", where={"plan": "pro"})
    segment("high", where={"badge": {"$gte": 8}, "channels": "even"})
    assert reached(application, {"segments": ["pro", "high"]}) == {3, 4, 5, 8}
    assert reached(application, {"segments": ["even", "pro"]}) == {0, 2, 3, 4, 5, 6, 8}
    both = {"segments": ["even", "pro"], "device_types": ["ios"], "where": {"badge": {"$gt": 0}}}
    assert reached(application, both) == {2, 3, 4}


def test_one_that_is_everyone_is_everyone_beside_another_too(application, devices, segment):
    segment("all", everyone=True)
    segment("pro", where={"plan": "pro"})
    assert reached(application, {"segments": ["pro", "all"]}) == set(range(10))
    assert reached(application, {"segments": ["all"], "channels": ["even"]}) == {0, 2, 4, 6, 8}


def test_those_of_a_segment_are_left_out(application, devices, segment):
    segment("even", channels=["even"])
    segment("pro", where={"plan": "pro"})
    segment("all", everyone=True)
    without = {"everyone": True, "exclude": {"segments": ["even", "pro"]}}
    assert reached(application, without) == {1, 7, 9}
    assert reached(application, {"segments": ["pro"], "exclude": {"segments": ["even"]}}) == {3, 5}
    nobody = {"channels": ["even"], "exclude": {"segments": ["all"]}}
    assert count(application, nobody).devices == 0


def test_a_push_keeps_those_that_it_leaves_out_too(application, devices, segment):
    segment("pro", where={"plan": "pro"})
    audience = {"everyone": True, "exclude": {"segments": ["pro"]}}
    content = push(application, audience=audience, title="Hi").content
    assert set(content["segments"]) == {"pro"}
    assert Audience.from_content(content).in_words() == "everyone; but not: segment “Pro”"


def test_an_unknown_one_is_refused_and_nothing_is_written(application, devices):
    for call in (push, lambda app, **said: submit_many([compose(app, **said)])):
        with pytest.raises(InvalidPush) as caught:
            call(application, audience={"segments": ["gone"]}, title="Hi")
        assert caught.value.code == "unknown_segment"
    with pytest.raises(InvalidPush, match="no segment “gone”"):
        push(
            application, audience={"everyone": True, "exclude": {"segments": ["gone"]}}, title="Hi"
        )
    assert Notification.objects.count() == 0


def test_those_of_another_application_do_not_exist(application, devices, segment):
    other = Application.objects.register(None, "Store")
    Segment.objects.create(application=other, key="theirs", name="T", audience={"everyone": True})
    with pytest.raises(InvalidPush, match="no segment “theirs”"):
        push(application, audience={"segments": ["theirs"]}, title="Hi")


@pytest.mark.parametrize("change", ["edit", "delete"])
def test_a_scheduled_push_keeps_what_was_confirmed(application, devices, segment, change):
    pro = segment("pro", where={"plan": "pro"})
    later = timezone.now() + timedelta(hours=1)
    history = push(application, audience={"segments": ["pro"]}, title="Hi", send_at=later)
    assert history.content["segments"] == {
        "pro": {"name": "Pro", "audience": {"where": {"plan": "pro"}}}
    }
    if change == "edit":
        Segment.objects.filter(pk=pro.pk).update(audience={"everyone": True})
    else:
        pro.delete()
    past = timezone.now() - timedelta(minutes=1)
    PushHistory.objects.filter(pk=history.pk).update(due_at=past, plan_after=past)
    with deliver_pushes():
        pass
    assert {int(sent.token[0]) for sent in outbox} == {3, 4, 5}


def test_who_is_in_it_is_looked_up_at_the_moment(application, devices, segment):
    segment("pro", where={"plan": "pro"})
    later = timezone.now() + timedelta(hours=1)
    history = push(application, audience={"segments": ["pro"]}, title="Hi", send_at=later)
    Installation.objects.filter(badge=9).update(attributes={"plan": "pro"})
    past = timezone.now() - timedelta(minutes=1)
    PushHistory.objects.filter(pk=history.pk).update(due_at=past, plan_after=past)
    with deliver_pushes():
        pass
    assert {int(sent.token[0]) for sent in outbox} == {3, 4, 5, 9}


def test_a_push_without_segments_carries_nothing_of_them(application, devices):
    assert "segments" not in push(application, audience={"everyone": True}, title="Hi").content


def test_a_device_that_changed_hands_falls_out_of_a_segment_of_people(application, segment, device):
    owner = Owner(user_key="7", proved=True)
    phone = device("a" * 20, owner=owner)
    segment("staff", users=["7"])
    history = push(application, audience={"segments": ["staff"]}, title="Hi")
    Installation.objects.filter(pk=phone.pk).update(bound_at=timezone.now() + timedelta(hours=1))
    with deliver_pushes():
        pass
    assert len(outbox) == 0
    history.refresh_from_db()
    assert history.devices == 0 or history.skipped


def test_a_broken_definition_names_its_segment(application, segment):
    segment("old", chanels=["a"])
    with pytest.raises(InvalidPush, match="Segment “Old” cannot be used"):
        push(application, audience={"segments": ["old"]}, title="Hi")


def test_segments_are_named_in_words(application, segment):
    segment("pro", where={"plan": "pro"})
    history = push(application, audience={"segments": ["pro"]}, title="Hi")
    assert Audience.from_content(history.content).in_words() == "segment “Pro”"
    assert Audience.from_json({"segments": ["pro"]}).in_words() == "segment “pro”"


def test_too_many_are_refused(application):
    with pytest.raises(InvalidPush) as caught:
        push(application, audience={"segments": [f"s{n}" for n in range(21)]}, title="Hi")
    assert caught.value.code == "too_many_items"


@pytest.fixture
def usual_sqlite(db):
    """Most builds of SQLite take 32,766 parameters in a statement; some 250,000."""
    if connection.vendor != "sqlite":
        yield
        return
    limit = sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER
    before = connection.connection.setlimit(limit, 32_766)
    yield
    connection.connection.setlimit(limit, before)


def many(name: str) -> dict[str, list[str]]:
    return {name: [f"{name}-{number}" for number in range(10_000)]}


@pytest.mark.parametrize(
    ("each", "number"), [(many("users"), 4), ({"where": {"plan": {"$in": many("x")["x"]}}}, 4)]
)
def test_segments_that_name_too_many_together_are_refused_by_name(
    application, devices, segment, usual_sqlite, each, number
):
    keys = [segment(f"s{place}", **each).key for place in range(number)]
    for audience in ({"segments": keys}, {"everyone": True, "exclude": {"segments": keys}}):
        for ask in (count, lambda *asked: push(asked[0], audience=asked[1], title="Hi")):
            with pytest.raises(InvalidPush, match="channel") as caught:
                ask(application, audience)
            assert (caught.value.code, caught.value.field) == ("too_many_items", "audience")
    assert reached(application, {"everyone": True, "exclude": {"segments": keys[:1]}})


def test_lists_of_one_audience_that_are_too_long_together_are_refused(application, usual_sqlite):
    audience = {
        **many("users"),
        **many("channels"),
        "exclude": {**many("users"), **many("channels")},
    }
    with pytest.raises(InvalidPush):
        count(application, audience)
    with pytest.raises(InvalidPush):
        check_definition(audience)
    assert count(application, {**many("users"), **many("channels")}).devices == 0
