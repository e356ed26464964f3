"""Exclusions and lookups: who is left out, and what may be asked about users."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User

from django_push import submission
from django_push.admin.preflight import look
from django_push.audience import Audience, compile_audience
from django_push.counting import count
from django_push.exceptions import InvalidPush
from django_push.models import Installation, Owner, PushHistory, Segment

LOOKUPS = [
    *("user__is_staff", "user__groups__name", "user__email__endswith", "user__pk"),
    *("user__last_login__isnull", "user__date_joined__gt"),
]


@pytest.fixture
def allowed(settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "AUDIENCE_LOOKUPS": LOOKUPS}


@pytest.fixture
def people(device, allowed):
    """ana: staff, in both groups, two phones, one of them only claimed; bob; nobody."""
    ana = User.objects.create_user("ana", "ana@example.com", is_staff=True)
    bob = User.objects.create_user("bob", "bob@example.org")
    for name in ("VIP", "Press"):
        group = Group.objects.create(name=name)
        ana.groups.add(group)
    bob.groups.add(group)
    device("a1", owner=Owner(ana), channels=["news", "sport"])
    device("a2", owner=Owner(user_key=str(ana.pk)), channels=["news"])
    device("b1", owner=Owner(bob), locale="de")
    device("n1")
    return ana, bob


def found(application, audience) -> str:
    rows = compile_audience(
        Audience.from_json(audience), Installation.objects.all(), application_id=application.pk
    )
    return " ".join(rows.order_by("address").values_list("address", flat=True))


@pytest.mark.parametrize(
    ("lookups", "devices"),
    [
        ({"user__is_staff": True}, "a1"),
        ({"user__is_staff": False}, "b1"),
        ({"user__groups__name": "Press"}, "a1 b1"),
        ({"user__groups__name": ["Press", "VIP"]}, "a1 b1"),
        ({"user__groups__name": "VIP", "user__email__endswith": ".com"}, "a1"),
        ({"user__email__endswith": "%' OR 1=1 --"}, ""),
    ],
)
def test_lookups_find_proved_devices_once(application, people, lookups, devices):
    assert found(application, {"lookups": lookups}) == devices


@pytest.mark.parametrize(
    ("exclude", "devices"),
    [
        ({"channels": ["sport"]}, "a2 b1 n1"),
        ({"channels": ["sport", "news"]}, "b1 n1"),
        ({"where": {"localeIdentifier": "de"}}, "a1 a2 n1"),
        ({"where": {"channels": "news"}}, "b1 n1"),
        ({"channels": ["sport"], "where": {"localeIdentifier": "de"}}, "a2 n1"),
    ],
)
def test_any_of_an_exclusion_leaves_out(application, people, exclude, devices):
    audience = {"everyone": True, "exclude": exclude}
    assert found(application, audience) == devices
    assert Audience.from_json(audience).to_json() == audience
    assert "but not" in Audience.from_json(audience).in_words()


def test_who_merely_claims_to_be_an_excluded_user_is_left_out_too(application, people):
    ana, _bob = people
    exclude = {"users": [str(ana.pk)]}
    assert found(application, {"everyone": True, "exclude": exclude}) == "b1 n1"


def test_a_segment_may_be_left_out(application, people):
    Segment.objects.create(
        application=application,
        key="germans",
        name="Germans",
        audience={"where": {"localeIdentifier": "de"}},
    )
    audience = Audience.from_json({"everyone": True, "exclude": {"segments": ["germans"]}})
    with_names = Segment.objects.resolve(application, audience)
    rows = compile_audience(with_names, Installation.objects.all(), application_id=application.pk)
    assert sorted(rows.values_list("address", flat=True)) == ["a1", "a2", "n1"]
    assert with_names.in_words() == "everyone; but not: segment “Germans”"
    assert not with_names.names_people


@pytest.mark.parametrize(
    ("audience", "names"),
    [
        ({"where": {"badge": 1}}, False),
        ({"where": {"$or": [{"badge": 1}, {"$nor": [{"userId": "7"}]}]}}, True),
        ({"lookups": {"user__is_staff": True}}, True),
        ({"everyone": True, "exclude": {"users": ["7"]}}, False),
    ],
)
def test_it_is_known_whether_certain_people_are_meant(allowed, audience, names):
    assert Audience.from_json(audience).names_people is names


def test_an_exclusion_by_device(application, people):
    out = Installation.objects.get(address="n1").public_id
    audience = {"device_types": ["ios"], "exclude": {"installations": [out]}}
    assert found(application, audience) == "a1 a2 b1"


@pytest.mark.parametrize(
    ("audience", "code", "field"),
    [
        ({"exclude": {"channels": ["a"]}}, "empty_audience", "audience"),
        ({"everyone": True, "exclude": {}}, "empty_audience", "audience.exclude"),
        ({"everyone": True, "exclude": []}, "wrong_type", "audience.exclude"),
        ({"everyone": True, "exclude": {"everyone": True}}, "unknown_operator", "audience.exclude"),
        (
            {"everyone": True, "exclude": {"channels": []}},
            "empty_audience",
            "audience.exclude.channels",
        ),
        (
            {"everyone": True, "exclude": {"where": {"badge": {"$no": 1}}}},
            "unknown_operator",
            "audience.exclude.where.badge.$no",
        ),
        ({"everyone": True, "where": {"badge": 1}}, "contradiction", "audience"),
        ({"everyone": True, "lookups": {"user__is_staff": True}}, "contradiction", "audience"),
        (
            {"lookups": {"user__password": "x"}},
            "lookup_not_allowed",
            "audience.lookups.user__password",
        ),
        (
            {"lookups": {"user__is_staff__in": [True]}},
            "lookup_not_allowed",
            "audience.lookups.user__is_staff__in",
        ),
        ({"lookups": {}}, "wrong_type", "audience.lookups"),
        ({"lookups": {"user__is_staff": None}}, "wrong_type", "audience.lookups"),
        ({"lookups": {"user__is_staff": {"a": 1}}}, "wrong_type", "audience.lookups"),
    ],
)
def test_what_cannot_be_meant_is_refused(allowed, audience, code, field):
    with pytest.raises(InvalidPush) as caught:
        Audience.from_json(audience)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_the_refusal_lists_what_is_allowed(allowed):
    with pytest.raises(InvalidPush, match="user__is_staff, user__groups__name"):
        Audience.from_json({"lookups": {"user__password": "x"}})


def test_nothing_is_allowed_by_default():
    with pytest.raises(InvalidPush, match="AUDIENCE_LOOKUPS"):
        Audience.from_json({"lookups": {"user__is_staff": True}})


@pytest.mark.parametrize(
    "lookups",
    [
        {"user__pk": "seven"},
        {"user__is_staff": "perhaps"},
        {"user__last_login__isnull": "x"},
        {"user__last_login__isnull": 1},
        {"user__date_joined__gt": ["2027-01-01T00:00:00Z"]},
        {"user__pk": [2**63]},
        {"user__pk": [1, -1e30]},
        {"user__pk": float("nan")},
    ],
)
def test_a_value_of_another_type_is_told_before_anything_is_written(application, people, lookups):
    with pytest.raises(InvalidPush) as caught:
        submission.push(application, audience={"lookups": lookups}, title="Hi")
    assert caught.value.field == "audience.lookups"
    with pytest.raises(InvalidPush):
        count(application, {"lookups": lookups})
    assert not PushHistory.objects.exists()


def test_an_accepted_push_goes_out_although_its_lookup_is_no_longer_allowed(settings, allowed):
    audience = {"lookups": {"user__is_staff": True}}
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "AUDIENCE_LOOKUPS": []}
    assert Audience.from_json(audience, frozen=True).to_json() == audience


@pytest.mark.parametrize(
    ("audience", "anchor"),
    [
        ({"where": {"badge": {"$no": 1}}}, "id_audience_kind_0"),
        ({"lookups": {"user__password": "x"}}, "id_audience_kind_0"),
        ({"channels": []}, "id_channels"),
    ],
)
def test_the_console_leads_to_the_field(application, allowed, audience, anchor):
    message = submission.compose(application, audience=audience, title="Hi")
    message.save()
    assert anchor in [item.anchor for item in look(message).items if item.tone == "bad"]
