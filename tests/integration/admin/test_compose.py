"""The composer: drafts are kept whatever is missing, and nothing in it sends by accident."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from django_push.models import Notification, Owner, PushHistory
from django_push.providers import locmem
from django_push.worker import Worker

from .conftest import EDITOR, SENDER

ADD = "admin:django_push_notification_add"
BASE = {"title": "Half price", "body": "Until midnight", "audience_kind": "everyone"}


@pytest.fixture
def data(application):
    return {**BASE, "application": application.pk, "when": "now"}


def post(client, data, button="_save"):
    return client.post(reverse(ADD), {**data, button: "1"})


def test_a_draft_is_saved_and_nothing_is_sent(root, data):
    answer = post(root, data)
    draft = Notification.objects.get()
    assert answer.url == reverse("admin:django_push_notification_change", args=[draft.pk])
    assert draft.content == {"title": "Half price", "body": "Until midnight"}
    assert draft.audience == {"everyone": True}
    assert (draft.status, draft.source) == (Notification.Status.DRAFT, "console")
    assert draft.created_by.get_username() == "root"
    assert PushHistory.objects.count() == 0


def test_who_may_only_add_is_not_sent_to_a_page_that_is_closed_to_him(staff, as_user, data):
    client = as_user(staff("ada", "view_application", "add_notification"))
    for button in ("_save", "_review"):
        answer = post(client, data, button)
        assert client.get(answer.url, follow=True).status_code == 200, button
    assert Notification.objects.count() == 2


def test_every_field_comes_back_as_it_was_written(root, data):
    more = {
        "subtitle": "Tonight",
        "link": "https://hall.example/1",
        "image": "https://hall.example/1.jpg",
        "mutable_content": "on",
        "sound": "default",
        "badge_change": "add",
        "badge_number": "2",
        "category": "RESERVE",
        "thread_id": "offers",
        "android_channel_id": "offers",
        "data": '{"order": 4711}',
        "overrides": '{"apns": {"aps": {"x": 1}}}',
        "priority": "normal",
        "interruption_level": "passive",
        "collapse_id": "sunday",
        "device_types": ["ios"],
        "give_up": "3600",
        "lang-TOTAL_FORMS": "2",
        "lang-INITIAL_FORMS": "0",
        "lang-0-tag": "de",
        "lang-0-title": "Halber Preis",
        "lang-0-body": "Bis Mitternacht",
        "lang-1-tag": "",
    }
    post(root, {**data, **more})
    draft = Notification.objects.get()
    before = Notification.objects.values().get()
    assert draft.content["badge_increment"] == 2
    assert draft.content["data"] == {"order": 4711}
    assert draft.texts == {"de": {"title": "Halber Preis", "body": "Bis Mitternacht"}}
    assert draft.time_to_live == 3600
    page = reverse("admin:django_push_notification_change", args=[draft.pk])
    form = root.get(page).context["form"]
    again = {name: form.initial.get(name) for name in form.fields}
    again |= {name: json.dumps(again[name]) for name in ("data", "overrides")}
    again |= {name: more[name] for name in more if name.startswith("lang-")}
    root.post(
        page, {name: value for name, value in again.items() if value not in (None, "", False)}
    )
    after = Notification.objects.values().get()
    assert {**before, "updated_at": None} == {**after, "updated_at": None}


@pytest.mark.parametrize(
    ("kind", "field", "typed", "audience"),
    [
        ("channels", "channels", "matinee, opera", {"channels": ["matinee", "opera"]}),
        ("users", "users", "7\n8\n", {"users": ["7", "8"]}),
        ("installations", "installations", "a1;b2", {"installations": ["a1", "b2"]}),
        ("channels", "channels", "", {}),
        ("", "channels", "forgotten", {}),
    ],
)
def test_the_audience_is_read_as_people_type_it(root, data, kind, field, typed, audience):
    post(root, {**data, "audience_kind": kind, field: typed})
    assert Notification.objects.get().audience == audience


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("data", "[1]", "object"),
        ("data", "{", "This is not JSON: unexpected end"),
        ("overrides", '{"apns": 1}', "must be an object"),
        ("collapse_id", "x" * 65, "at most 64 bytes"),
        ("badge_change", "set", "Give the number"),
        ("when", "later", "Choose the day"),
    ],
)
def test_what_cannot_be_kept_is_refused_beside_its_field(root, data, field, value, says):
    answer = post(root, {**data, field: value})
    assert answer.status_code == 200
    assert says in answer.content.decode().replace("&quot;", '"')
    assert b"Half price" in answer.content  # what was typed is not lost
    assert Notification.objects.count() == 0


def test_a_language_without_its_name_is_refused(root, data):
    row = {"lang-TOTAL_FORMS": "1", "lang-INITIAL_FORMS": "0", "lang-0-title": "Halb"}
    answer = post(root, {**data, **row})
    assert b"Say which language this is." in answer.content


def test_review_saves_first_and_tells_what_is_missing(root, application):
    answer = post(root, {"application": application.pk, "name": "Unfinished"}, "_review")
    draft = Notification.objects.get()
    assert answer.url.endswith(f"/{draft.pk}/change/?check=1")
    page = root.get(answer.url)
    assert b"Write a title or a text." in page.content
    assert b"Choose whom it is for." in page.content
    assert b"nothing was sent" in page.content


def test_review_of_a_finished_message_goes_to_the_confirm_page(root, data, device):
    device("a" * 64)
    answer = post(root, data, "_review")
    draft = Notification.objects.get()
    assert answer.url == reverse("admin:django_push_notification_send", args=[draft.pk])


def test_a_message_that_went_out_is_a_record(root, hall):
    sent = hall[PushHistory].notification
    page = reverse("admin:django_push_notification_change", args=[sent.pk])
    body = root.get(page).content
    assert b"_review" not in body
    assert root.post(page, {**BASE, "application": sent.application_id}).status_code == 403
    assert root.post(page.replace("change", "delete"), {"post": "yes"}).status_code == 403


def test_who_may_only_compose_asks_for_sending(staff, as_user, root, data, device):
    device("a" * 64)
    editor = as_user(staff("tom", *EDITOR))
    page = editor.get(reverse(ADD)).content
    assert b"Ask for sending" in page
    assert b"Review and send" not in page
    post(editor, data, "_ask")
    draft = Notification.objects.get()
    assert draft.status == Notification.Status.REQUESTED
    home = root.get(reverse("admin:app_list", args=["django_push"])).content.decode()
    assert "tom asks" in home
    assert reverse("admin:django_push_notification_send", args=[draft.pk]) in home
    send = reverse("admin:django_push_notification_send", args=[draft.pk])
    assert editor.post(send, {"key": "k", "shown": "1"}).status_code == 403
    assert PushHistory.objects.count() == 0


# ----- what the script asks -----


def check(client, data):
    return client.post(reverse("admin:django_push_notification_check"), data).json()


def test_the_live_count_is_exact_and_split(root, data, device):
    for number in range(3):
        device(f"{number}" * 64)
    device("d" * 64, "android")
    off = device("e" * 64)
    off.is_active = False
    off.save()
    answer = check(root, data)
    assert answer["devices"] == "4 devices"
    assert answer["per_type"] == {"ios": "3", "android": "1"}
    assert "1 more matches but is switched off." in answer["count"]
    assert "Fits everywhere" in answer["checks"]
    assert answer["ready"]
    assert Notification.objects.count() == 0


def test_the_live_check_names_what_is_wrong(root, data):
    answer = check(root, {**data, "data": "{"})
    assert "This is not JSON: unexpected end" in answer["checks"]
    assert not answer["ready"]
    assert check(root, data)["checks"].count("Nobody would get it.") == 1


def test_a_device_that_is_not_there_is_told_at_its_field(root, data):
    chosen = {**data, "audience_kind": "installations", "installations": "mistyped"}
    answer = root.post(reverse("admin:django_push_notification_check"), chosen).json()
    assert 'href="#id_installations"' in answer["checks"]
    assert "no devices of this application, such as mistyped" in answer["checks"]
    assert not answer["ready"]
    assert post(root, chosen, "_review").status_code == 302  # the draft is kept as it is
    draft = Notification.objects.get()
    for name in ("change", "send"):
        page = root.get(reverse(f"admin:django_push_notification_{name}", args=[draft.pk]))
        assert page.status_code == 200
    assert "such as mistyped" in page.content.decode()
    assert "Yes, send" not in page.content.decode()


def test_channels_are_suggested_by_their_beginning(root, application, device):
    device("a" * 64, channels=["opera", "matinee", "matinee-late"])
    address = reverse("admin:django_push_notification_channels")
    answer = root.get(address, {"application": application.pk, "q": "mat"})
    assert answer.json() == {"channels": ["matinee", "matinee-late"]}


# ----- a test to one device -----


def send_test(client, data, device):
    address = reverse("admin:django_push_notification_test")
    return client.post(address, {**data, "test_device": device.public_id})


def result(client, answer):
    worker = Worker()
    worker.drain(10)
    worker.close()
    return client.get(answer.json()["result"]).json()


@pytest.mark.django_db(transaction=True)
def test_a_test_goes_to_one_device_and_answers_in_words(root, data, device):
    one, _other = device("a" * 64), device("b" * 64)
    locmem.outbox.clear()
    answer = send_test(root, data, one)
    waiting = root.get(answer.json()["result"]).json()
    assert (waiting["over"], waiting["text"]) == (False, "On its way…")
    found = result(root, answer)
    assert found["over"]
    assert found["tone"] == "ok"
    assert "accepted it after" in found["text"]
    assert [delivery.token for delivery in locmem.outbox] == [one.address]


@pytest.mark.django_db(transaction=True)
def test_a_refused_test_says_why_and_what_to_do(root, data, device):
    found = result(root, send_test(root, data, device("gone" + "0" * 60)))
    assert found["tone"] == "bad"
    assert "The app was removed (Unregistered)" in found["text"]


def test_an_editor_may_test_on_own_devices_only(staff, as_user, data, device):
    tom = staff("tom", *EDITOR, "view_installation")
    own, other = device("a" * 64, owner=Owner(user=tom)), device("b" * 64)
    client = as_user(tom)
    assert send_test(client, data, other).status_code == 400
    assert send_test(client, data, own).status_code == 200
    assert PushHistory.objects.get().content["audience"] == {"installations": [own.public_id]}


def test_an_editor_without_a_device_is_told_so(staff, as_user, application, device):
    device("a" * 64)
    page = as_user(staff("tom", *EDITOR)).get(reverse(ADD)).content
    assert b"A test goes to a device of your own: none is known." in page
    assert b"data-send-test" not in page


def test_a_sender_who_may_not_see_devices_cannot_choose_one(staff, as_user, data, device):
    other = device("b" * 64)
    blind = [name for name in SENDER if name != "view_installation"]
    assert send_test(as_user(staff("sara", *blind)), data, other).status_code == 400
    assert send_test(as_user(staff("sina", *SENDER)), data, other).status_code == 200


def test_tests_are_no_messages_of_their_own(root, data, device):
    send_test(root, data, device("a" * 64))
    page = root.get(reverse("admin:django_push_notification_changelist")).content
    assert b"0 messages" in page
    history = PushHistory.objects.get()
    assert history.source == "test"
    assert str(history).startswith("Test: ")


@pytest.mark.parametrize("field", ["data", "overrides"])
@pytest.mark.parametrize(
    "typed",
    [
        '{"a": NaN}',
        '{"a": 1e999}',
        r'{"a": "\ud800"}',
        r'{"a": "\u0000"}',
        '{"a": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"a": ' + "[" * 40 + "]" * 40 + "}",
    ],
    ids=["nan", "infinite", "surrogate", "nul", "deep", "nested"],
)
def test_json_that_cannot_be_kept_is_told_at_its_field(root, data, field, typed):
    check = reverse("admin:django_push_notification_check")
    assert root.post(check, {**data, field: typed}).status_code == 200
    answer = post(root, {**data, field: typed})
    assert answer.status_code == 200
    assert field in answer.context["form"].errors
    assert Notification.objects.count() == 0


def test_push_settings_are_as_strict(root, application):
    page = reverse("admin:django_push_application_change", args=[application.pk])
    data = {"name": "Hall", "time_zone": "UTC", "push_settings": '{"a": NaN}'}
    answer = root.post(page, {**data, "access-TOTAL_FORMS": "0", "access-INITIAL_FORMS": "0"})
    assert "push_settings" in answer.context["adminform"].form.errors
