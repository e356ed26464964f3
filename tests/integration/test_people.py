"""One person's data: all of it is handed out, and none of it is left."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from django_push.audience import Audience
from django_push.exceptions import InvalidRegistration
from django_push.hygiene import chunks
from django_push.models import (
    AccessRestriction,
    Application,
    ApplicationAccess,
    DeliveryFailure,
    IdempotencyKey,
    Installation,
    Notification,
    Owner,
    Purpose,
    PurposeChoice,
    PushHistory,
    QuietHours,
    Segment,
    Subscription,
)
from django_push.people import ERASED, erase_user, export_user, held
from django_push.people.person import STAFF
from django_push.submission import submit
from django_push.testing import deliver_pushes

OURS = apps.get_app_config("django_push")
KEY = "ana-4711-äöü"
"""With letters that JSON may write in two ways."""


@pytest.fixture(autouse=True)
def at_home(settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "REDIRECT_TO": "locmem"}


@pytest.fixture
def opera(db) -> Application:
    return Application.objects.register(None, "Opera", key="opera")


@pytest.fixture
def register(application):
    def register(address: str, key: str = KEY, where: Application | None = None, **details):
        return Installation.objects.register(
            where or application,
            device_type="ios",
            address=address,
            owner=Owner(user_key=key, proved=details.pop("proved", True)),
            **details,
        )

    return register


@pytest.fixture
def send(application):
    def send(audience, key: str = "", deliver: bool = True, **options) -> PushHistory:
        message = Notification(
            application=application,
            name="for the team",
            content={"title": "Dear Ana"},
            audience=audience,
            **options,
        )
        if not deliver:
            return submit(message, idempotency_key=key)
        with deliver_pushes():
            return submit(message, idempotency_key=key)

    return send


def everything() -> str:
    """All rows of all our tables, and the admin's log, as text."""
    found = [list(model._default_manager.values()) for model in OURS.get_models()]
    found.append(list(LogEntry.objects.values("object_id", "object_repr", "change_message")))
    return json.dumps(found, default=str, ensure_ascii=False)


def full_house(application, register, send):
    """Ana in every table; what is returned are the texts that must not be found afterwards."""
    phone = register("fail" + "a1" * 20, channels=["news"], attributes={"name": "Ana K."})
    tablet = register("b2" * 20, proved=False)
    register("c3" * 20, key="bob", channels=["news"])
    offers = Purpose.objects.create(application=application, key="offers", name="Offers")
    PurposeChoice.objects.create(purpose=offers, user_key=KEY, wanted=False)
    PurposeChoice.objects.create(purpose=offers, installation=phone, wanted=True)
    QuietHours.objects.create(application=application, user_key=KEY, span=1)
    QuietHours.objects.create(application=application, installation=phone, span=1)
    send({"users": [KEY]}, key="once")
    send({"installations": [phone.public_id]})
    send({"users": [KEY, "bob"]})
    Segment.objects.create(
        application=application,
        key="friends",
        name="Friends",
        audience={"users": ["bob", KEY], "installations": [tablet.public_id]},
    )
    LogEntry.objects.create(
        user=get_user_model()._default_manager.create_user("staff"),
        content_type=ContentType.objects.get_for_model(Installation),
        object_id=str(phone.pk),
        object_repr=str(phone),
        action_flag=CHANGE,
    )
    texts = [KEY, phone.address, phone.public_id, tablet.address, tablet.public_id]
    Installation.objects.filter(pk=phone.pk).update(installation_id="0f8fad5b-d9cb-469f-a165")
    send({"where": {"installationId": "0f8fad5b-d9cb-469f-a165"}})
    LogEntry.objects.create(
        user=get_user_model()._default_manager.get(username="staff"),
        content_type=ContentType.objects.get_for_model(PushHistory),
        object_id=str(PushHistory.objects.order_by("pk").first().pk),
        object_repr="Dear Ana, in the log",
        action_flag=CHANGE,
    )
    return [*texts, str(phone), "Ana K.", "0f8fad5b-d9cb-469f-a165", "Ana, in the log"]


def test_nothing_is_left(application, register, send):
    secrets = full_house(application, register, send)
    before = everything()
    assert all(text in before for text in secrets)
    expected = held(KEY)
    done = erase_user(KEY)
    after = everything()
    assert [text for text in secrets if text in after] == []
    assert done.deleted["Installation"] == expected.deleted["Installation"] == 2
    assert done.deleted["Subscription"] == 1
    assert done.deleted["PurposeChoice"] == 2
    assert done.deleted["QuietHours"] == 2
    assert done.rewritten == expected.rewritten
    assert done.rewritten["PushHistory"] == 4
    assert not erase_user(KEY)  # nothing more to find


def test_others_keep_theirs(application, register, send):
    full_house(application, register, send)
    erase_user(KEY)
    bob = Installation.objects.get()
    assert (bob.user_key, bob.channels) == ("bob", ["news"])
    assert Segment.objects.get().audience == {"users": ["bob", ERASED], "installations": [ERASED]}
    shared = PushHistory.objects.order_by("pk")[2]
    assert shared.content["audience"] == {"users": [ERASED, "bob"]}
    assert shared.content["message"]["title"] == "Dear Ana"  # it was said to Bob, too


def test_what_was_said_to_nobody_else_is_blank(application, register, send):
    full_house(application, register, send)
    erase_user(KEY)
    alone = PushHistory.objects.order_by("pk").first()
    assert (alone.title, alone.message.title) == (ERASED, ERASED)
    assert alone.notification.name == ""
    assert alone.notification.content == {"title": ERASED}
    assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize(
    ("audience", "alone"),
    [
        ({"where": {"user": KEY}}, True),
        ({"where": {"userId": {"$in": [KEY]}, "badge": 3}}, True),
        ({"where": {"user": {"__type": "Pointer", "className": "_User", "objectId": KEY}}}, True),
        ({"users": [KEY], "channels": ["news"]}, True),
        ({"where": {"user": {"$in": [KEY, "bob"]}}}, False),
        ({"where": {"user": {"$ne": KEY}}}, False),
        ({"where": {"$or": [{"user": KEY}, {"badge": 3}]}}, False),
        ({"everyone": True, "exclude": {"users": [KEY]}}, False),
    ],
)
def test_words_for_one_person_in_whatever_way_the_audience_says_so(application, audience, alone):
    draft = Notification.objects.create(
        application=application, content={"title": "Dear Ana"}, audience=audience
    )
    assert erase_user(KEY).rewritten["Notification"] == 1
    draft.refresh_from_db()
    assert draft.content == {"title": ERASED if alone else "Dear Ana"}
    assert KEY not in json.dumps(draft.audience, ensure_ascii=False)
    Audience.from_json(draft.audience)  # and can still be read


@pytest.mark.parametrize(("others", "alone"), [([], True), (["bob"], False)])
def test_the_copies_of_segments_that_a_push_keeps_name_nobody(
    application, register, send, others, alone
):
    register("a1" * 20)
    audience = {"users": [KEY, *others]}
    Segment.objects.create(application=application, key="vip", name="VIP", audience=audience)
    push = send({"segments": ["vip"]})
    waits = send({"everyone": True, "exclude": {"segments": ["vip"]}})
    erase_user(KEY)
    assert KEY not in everything()
    push.refresh_from_db()
    assert push.title == (ERASED if alone else "for the team")
    assert Audience.from_content(push.content).in_words() == "segment “VIP”"
    waits.refresh_from_db()
    assert waits.message.title == "Dear Ana"


def test_a_report_still_adds_up(application, register, send):
    full_house(application, register, send)
    erase_user(KEY)
    for failure in DeliveryFailure.objects.all():
        assert (failure.installation_id, failure.detail) == (None, "")
    first = PushHistory.objects.order_by("pk").first()
    assert first.failures == first.delivery_failures.count() == 1


def test_only_the_chosen_applications(application, opera, register):
    register("a1")
    register("b2", where=opera)
    erase_user(KEY, [opera])
    assert [row.application for row in Installation.objects.all()] == [application]
    assert [device["application"] for device in export_user(KEY)["devices"]] == ["hall"]


def test_a_user_of_this_project(application, send):
    user = get_user_model()._default_manager.create_user("ana")
    Installation.objects.register(
        application, device_type="ios", address="a1", owner=Owner(user=user)
    )
    send({"users": [str(user.pk), "bob"]})
    assert len(export_user(user)["devices"]) == 1
    assert held(str(user.pk)).deleted["Installation"] == 1
    erase_user(user)
    assert not Installation.objects.exists()
    assert PushHistory.objects.get().content["audience"] == {"users": [ERASED, "bob"]}


def test_a_binding_without_its_text_is_found_too(application, register):
    """Rows that others wrote: the foreign key alone."""
    user = get_user_model()._default_manager.create_user("ana")
    row = register("a1", key="other")
    Installation.objects.filter(pk=row.pk).update(user=user)
    erase_user(user)
    assert not Installation.objects.exists()


def test_short_ids_are_replaced_where_users_stand_only(application, register):
    audience = {
        "users": [42, "42", "421"],
        "channels": ["42"],
        "where": {
            "$or": [{"attributes.level": "42"}, {"user": {"$in": ["42", "7"]}}, {"badge": 42}],
            "user": {"__type": "Pointer", "className": "_User", "objectId": "42"},
        },
        "lookups": {"user__pk": 42, "user__id__in": ["42"]},
    }
    row = Segment.objects.create(application=application, key="s", name="s", audience=audience)
    erase_user("42")
    row.refresh_from_db()
    assert row.audience == {
        "users": [0, ERASED, "421"],
        "channels": ["42"],
        "where": {
            "$or": [{"attributes.level": "42"}, {"user": {"$in": [ERASED, "7"]}}, {"badge": 42}],
            "user": {"__type": "Pointer", "className": "_User", "objectId": ERASED},
        },
        "lookups": {"user__pk": 0, "user__id__in": ["0"]},
    }


def test_a_push_that_waits_goes_on_without_them(application, register, send, moving_clock):
    register("a1")
    bob = register("b2", key="bob")
    waiting = send(
        {"users": [KEY, "bob"]},
        deliver=False,
        send_at=timezone.now() + timedelta(hours=1),
    )
    running = send({"everyone": True}, deliver=False)
    erase_user(KEY)
    moving_clock.forward(hours=2)
    with deliver_pushes():
        pass
    for history in (waiting, running):
        history.refresh_from_db()
        assert (history.successes, history.failures) == (1, 0), history.detail
    assert Installation.objects.get() == bob


def test_a_device_that_is_in_a_batch_already_counts_as_gone(application, register, send):
    register("a1")
    register("b2", key="bob")
    history = send({"users": [KEY, "bob"]}, deliver=False)  # small: planned in submit
    erase_user(KEY)
    with deliver_pushes():
        pass
    history.refresh_from_db()
    assert (history.successes, history.skipped) == (1, {"gone": 1})


def test_many_devices_go_by_chunks(application, register, monkeypatch):
    from django_push.people import erasing

    monkeypatch.setattr(erasing, "CHUNK", 2)
    monkeypatch.setattr(chunks, "CHUNK", 2)
    for number in range(5):
        register(f"a{number}", channels=["x", "y", "z"])
    assert erase_user(KEY).deleted == {"Installation": 5, "Subscription": 15}
    assert not Subscription.objects.exists()


def test_what_staff_did_is_kept_unless_asked(application, register, send):
    boss = get_user_model()._default_manager.create_user("boss")
    ApplicationAccess.objects.create(application=application, user=boss)
    Application.objects.update(owner=boss)
    register("a1")
    history = send({"everyone": True})
    PushHistory.objects.update(sent_by="boss")
    kept = erase_user(boss).kept
    assert kept["ApplicationAccess.user"] == kept["PushHistory.sent_by"] == 1
    assert set(kept) == set(STAFF)
    assert erase_user(boss, staff=True).deleted["PushHistory.sent_by"] == 1
    history.refresh_from_db()
    application.refresh_from_db()
    assert (history.sent_by, application.owner) == (ERASED, None)
    assert not ApplicationAccess.objects.exists()
    assert AccessRestriction.objects.exists()  # and did not open everything to all staff


@pytest.mark.parametrize("wrong", ["", "x" * 192, "a\x00b"])
def test_what_is_no_id(db, wrong):
    for verb in (held, erase_user, export_user):
        with pytest.raises(InvalidRegistration):
            verb(wrong)


def test_the_export_says_it_all_and_nothing_of_others(application, register, send):
    secrets = full_house(application, register, send)
    found = json.loads(json.dumps(export_user(KEY), cls=DjangoJSONEncoder))
    text = json.dumps(found, ensure_ascii=False)
    assert [each for each in secrets[:5] if each not in text] == []
    assert "bob" not in text
    phone = found["devices"][0]
    assert (phone["application"], phone["channels"]) == ("hall", ["news"])
    assert phone["purposechoice"][0]["wanted"] is True
    assert {push["outcome"] for push in phone["pushes"]} == {"failed"}
    assert len(phone["pushes"]) == 4
    assert found["purposechoice"][0]["wanted"] is False
    assert [each["kind"] for each in found["messages"]].count("pushhistory") == 4


def test_the_commands(application, register, send, capsys, tmp_path, monkeypatch):
    register("a1")
    call_command("push_export_user", KEY, "--application=hall")
    assert json.loads(capsys.readouterr().out)["devices"][0]["address"] == "a1"
    file = tmp_path / "ana.json"
    call_command("push_export_user", KEY, f"--output={file}")
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("push_export_user", KEY, f"--output={file}")
    call_command("push_erase_user", KEY, "--dry-run")
    assert "To be deleted: 1 Installation" in capsys.readouterr().out
    monkeypatch.setattr("builtins.input", lambda: "yes")
    with pytest.raises(CommandError, match="Nothing was erased"):
        call_command("push_erase_user", KEY)
    assert Installation.objects.exists()
    monkeypatch.setattr("builtins.input", lambda: KEY)
    call_command("push_erase_user", KEY)
    assert "Erased: 1 Installation" in capsys.readouterr().out
    assert not Installation.objects.exists()
    call_command("push_erase_user", KEY, "--no-input")
    with pytest.raises(CommandError):
        call_command("push_erase_user", "", "--no-input")
    with pytest.raises(CommandError):
        call_command("push_export_user", "")
