"""Applications, keys, devices, the home page; and no page of ours has anything inline."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from django_push.models import (
    ApiKey,
    Application,
    ApplicationAccess,
    Credential,
    Installation,
    Notification,
    Owner,
    PushHistory,
    Role,
)
from django_push.submission import push

from .conftest import EDITOR, fill

HOME = "admin:app_list"


def changelist(client, model, **query):
    return client.get(reverse(f"admin:django_push_{model}_changelist"), query)


# ----- API keys -----


def test_a_key_is_shown_once(root, application):
    data = {"application": application.pk, "kind": "server", "name": "Shop"}
    answer = root.post(reverse("admin:django_push_apikey_add"), data)
    value = re.search(r'id="id_value"[^>]*value="([^"]+)"', answer.content.decode())
    key = ApiKey.objects.find(value[1])
    assert (key.name, key.kind) == ("Shop", "server")
    assert "no-store" in answer["Cache-Control"]
    page = root.get(reverse("admin:django_push_apikey_change", args=[key.pk])).content.decode()
    for secret in (value[1], key.sealed, key.digest):
        assert secret not in page
    assert value[1] not in changelist(root, "apikey").content.decode()
    assert value[1] not in "".join(entry.change_message for entry in LogEntry.objects.all())
    assert not root.cookies.get("messages")


def test_a_key_that_apps_already_carry_can_be_entered(root, application):
    data = {
        "application": application.pk,
        "kind": "client",
        "name": "Old",
        "given": "carried-by-older-apps",
    }
    root.post(reverse("admin:django_push_apikey_add"), data)
    assert ApiKey.objects.find("carried-by-older-apps").name == "Old"
    again = root.post(reverse("admin:django_push_apikey_add"), data)
    assert b"This key is already in use." in again.content
    short = root.post(reverse("admin:django_push_apikey_add"), {**data, "given": "k" * 19})
    assert b"at least 20 characters" in short.content
    assert ApiKey.objects.count() == 1


def test_keys_are_revoked_and_not_edited(root, application):
    key, value = ApiKey.objects.issue(application, "client", name="Old")
    page = reverse("admin:django_push_apikey_change", args=[key.pk])
    assert root.post(page, {"name": "Other"}).status_code == 403
    data = {"action": "revoke", "_selected_action": [key.pk]}
    answer = root.post(reverse("admin:django_push_apikey_changelist"), data, follow=True)
    assert b"1 key was revoked." in answer.content
    assert ApiKey.objects.find(value) is None
    assert LogEntry.objects.get().get_change_message() == "Revoked."


# ----- applications -----


def test_the_first_application_is_made_in_the_admin(root):
    data = {
        "name": "Concert Hall",
        "key": "hall",
        "time_zone": "UTC",
        "push_settings": "{}",
        "purposes-TOTAL_FORMS": "0",
        "purposes-INITIAL_FORMS": "0",
        "access-TOTAL_FORMS": "0",
        "access-INITIAL_FORMS": "0",
    }
    assert root.post(reverse("admin:django_push_application_add"), data).status_code == 302
    assert Application.objects.get().key == "hall"


def test_who_makes_an_application_manages_it(staff, as_user, store):
    user = staff("maker", there=(store, Role.MANAGER))
    data = {
        "name": "New",
        "key": "new",
        "time_zone": "UTC",
        "push_settings": "{}",
        "purposes-TOTAL_FORMS": "0",
        "purposes-INITIAL_FORMS": "0",
    }
    data |= {"access-TOTAL_FORMS": "0", "access-INITIAL_FORMS": "0"}
    as_user(user).post(reverse("admin:django_push_application_add"), data)
    assert ApplicationAccess.objects.get(user=user, application__key="new").role == Role.MANAGER


def test_applications_are_not_deleted_here(root, hall):
    application = hall[Application]
    page = reverse("admin:django_push_application_delete", args=[application.pk])
    assert root.post(page, {"post": "yes"}).status_code == 403


def test_a_manager_hands_out_access(staff, as_user, application):
    manager = staff("manager", here=(application, Role.MANAGER))
    tom = staff("tom", *EDITOR)
    page = reverse("admin:django_push_application_change", args=[application.pk])
    data = {
        "name": "Concert Hall",
        "time_zone": "UTC",
        "push_settings": "{}",
        "purposes-TOTAL_FORMS": "0",
        "purposes-INITIAL_FORMS": "0",
        "access-TOTAL_FORMS": "1",
        "access-INITIAL_FORMS": "0",
        "access-0-application": application.pk,
        "access-0-user": tom.pk,
        "access-0-role": Role.EDITOR,
    }
    client = as_user(manager)
    row = ApplicationAccess.objects.get()
    mine = {"access-0-id": row.pk, "access-0-user": manager.pk, "access-0-role": Role.MANAGER}
    new = {"access-1-application": application.pk, "access-1-user": tom.pk, "access-1-role": 20}
    counts = {"access-TOTAL_FORMS": "2", "access-INITIAL_FORMS": "1"}
    assert client.post(page, {**data, **mine, **new, **counts}).status_code == 302
    assert ApplicationAccess.objects.get(user=tom).role == Role.EDITOR


def test_who_gives_the_first_access_keeps_their_own(staff, as_user, application):
    maker, tom = staff("maker"), staff("tom")
    data = {
        "name": "Concert Hall",
        "time_zone": "UTC",
        "push_settings": "{}",
        "purposes-TOTAL_FORMS": "0",
        "purposes-INITIAL_FORMS": "0",
        "access-TOTAL_FORMS": "1",
        "access-INITIAL_FORMS": "0",
        "access-0-application": application.pk,
        "access-0-user": tom.pk,
        "access-0-role": Role.EDITOR,
    }
    page = reverse("admin:django_push_application_change", args=[application.pk])
    as_user(maker).post(page, data)
    roles = dict(ApplicationAccess.objects.values_list("user__username", "role"))
    assert roles == {"tom": Role.EDITOR, "maker": Role.MANAGER}


# ----- devices -----


@pytest.mark.parametrize("term", ["ana", "token-of-ana", "token-of", "{id}", "client-id"])
def test_devices_are_found_by_user_token_and_id(root, device, term):
    found = device(
        "token-of-ana", owner=Owner(user_key="ana", proved=True), installation_id="client-id"
    )
    device("another", owner=Owner(user_key="Ana", proved=True))
    answer = changelist(root, "installation", q=term.format(id=found.public_id))
    assert [row.pk for row in answer.context["cl"].result_list] == [found.pk]


def test_tokens_are_shown_cut(root, device):
    row = device("0123456789abcdef" * 4)
    page = reverse("admin:django_push_installation_change", args=[row.pk])
    for answer in (changelist(root, "installation"), root.get(page)):
        assert b"01234567\xe2\x80\xa6" in answer.content
        assert row.address[:10].encode() not in answer.content


def test_devices_are_switched_off_and_on(root, device):
    row = device("a" * 64)
    page = reverse("admin:django_push_installation_changelist")
    root.post(page, {"action": "switch_off", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert (row.is_active, row.inactive_reason) == (False, Installation.Reason.STAFF)
    root.post(page, {"action": "switch_on", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert (row.is_active, row.inactive_reason) == (True, "")
    messages = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert messages == ["Switched off.", "Switched on."]


def test_the_list_of_devices_counts_no_further_than_it_shows(
    root, application, django_assert_max_num_queries
):
    Installation.objects.bulk_create(
        [
            Installation(
                application=application,
                device_type="ios",
                provider="apns",
                address=f"{number:064x}",
                address_hash=f"{number:064x}",
            )
            for number in range(1200)
        ]
    )
    with django_assert_max_num_queries(14) as queries:
        answer = changelist(root, "installation")
    assert str(answer.context["cl"].result_count) == "50+"
    assert b"Older devices" in answer.content
    assert not [query for query in queries if "COUNT(" in query["sql"]]


# ----- home -----


def test_home_leads_through_three_steps(root, application, device):
    page = root.get(reverse(HOME, args=["django_push"])).content.decode()
    assert "Three steps to the first push" in page
    assert "key hall" in page
    device("a" * 64)
    page = root.get(reverse(HOME, args=["django_push"])).content.decode()
    assert "Three steps to the first push" not in page  # everything is redirected: no credential


def test_home_says_that_nothing_leaves_the_house(root, application):
    page = root.get(reverse(HOME, args=["django_push"])).content.decode()
    assert "No device gets anything." in page


def test_home_names_credentials_in_trouble(root, hall):
    Credential.objects.update(check_result="refused")
    page = root.get(reverse(HOME, args=["django_push"])).content.decode()
    assert "Credential “HALLMARK credential”: Refused." in page
    assert "1 device depends on it." in page


def test_home_does_not_call_a_scheduled_push_paused(root, application, device):
    device("a" * 64)
    later = timezone.now() + timedelta(days=2)
    push(application, audience={"everyone": True}, title="New season", send_at=later)
    page = root.get(reverse(HOME, args=["django_push"])).content.decode()
    assert "New season" in page
    assert "paused" not in page


def test_home_shows_only_what_permissions_allow(staff, as_user, hall):
    client = as_user(staff("limited", "view_pushhistory"))
    page = client.get(reverse(HOME, args=["django_push"])).content.decode()
    assert "Recent pushes" in page
    assert "Drafts" not in page
    assert "Compose push" not in page
    assert "<h2>Devices</h2>" not in page


# ----- every page -----


def pages(hall):
    return [
        reverse(HOME, args=["django_push"]),
        reverse("admin:django_push_notification_add"),
        reverse("admin:django_push_notification_change", args=[hall[Notification].pk]),
        reverse("admin:django_push_notification_send", args=[hall[Notification].pk]),
        reverse("admin:django_push_notification_changelist"),
        reverse("admin:django_push_pushhistory_changelist"),
        reverse("admin:django_push_pushhistory_change", args=[hall[PushHistory].pk]),
        reverse("admin:django_push_pushhistory_stop", args=[hall[PushHistory].pk]),
        reverse("admin:django_push_credential_add"),
        reverse("admin:django_push_credential_change", args=[hall[Credential].pk]),
        reverse("admin:django_push_installation_change", args=[hall[Installation].pk]),
        reverse("admin:django_push_apikey_add"),
    ]


def test_no_page_has_inline_script_style_or_handler(root, hall):
    for page in pages(hall):
        body = root.get(page).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", body), page
        assert not re.search(r"<style", body), page
        assert not re.search(r'<[^>]+\s(style|on[a-z]+)="', body), page
        assert "javascript:" not in body


def test_texts_of_others_are_escaped_everywhere(root, application):
    rows = fill(application, "<b>x</b>")
    for page in pages(rows):
        assert b"<b>x</b>" not in root.get(page).content, page


def test_every_page_speaks_the_readers_language(root, hall):
    for page in pages(hall):
        body = root.get(page, headers={"accept-language": "de"}).content.decode()
        assert '<html lang="de"' in body


def test_the_last_access_does_not_go_by_a_managers_hand(staff, root, as_user, application, store):
    manager = staff("manager", here=(application, Role.MANAGER))
    row = ApplicationAccess.objects.get()
    data = {
        "name": "Concert Hall",
        "time_zone": "UTC",
        "push_settings": "{}",
        "purposes-TOTAL_FORMS": "0",
        "purposes-INITIAL_FORMS": "0",
        "access-TOTAL_FORMS": "1",
        "access-INITIAL_FORMS": "1",
        "access-0-id": row.pk,
        "access-0-application": application.pk,
        "access-0-user": manager.pk,
        "access-0-role": Role.MANAGER,
        "access-0-DELETE": "on",
    }
    page = reverse("admin:django_push_application_change", args=[application.pk])
    client = as_user(manager)
    assert client.post(page, data).status_code == 302
    kept = ApplicationAccess.objects.get()
    assert (kept.user, kept.application, kept.role) == (manager, application, Role.MANAGER)
    assert "Store" not in changelist(client, "application").content.decode()
    assert root.post(page, {**data, "access-0-id": kept.pk}).status_code == 302
    assert not ApplicationAccess.objects.exists()


def test_a_token_cannot_be_guessed_letter_by_letter(root, device):
    row = device("0123456789abcdef" * 4)
    found = {
        length: bool(
            changelist(root, "installation", q=row.address[:length]).context["cl"].queryset
        )
        for length in (8, 9, 63, 64)
    }
    assert found == {8: True, 9: False, 63: False, 64: True}


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        ("installation", "address__startswith"),
        ("installation", "user__password__startswith"),
        ("apikey", "digest__startswith"),
        ("credential", "sealed__startswith"),
    ],
)
def test_an_address_asks_only_what_the_page_filters_by(staff, as_user, hall, model, lookup):
    answer = changelist(as_user(staff("viewer")), model, **{lookup: "0"})
    assert (answer.status_code, answer.headers.get("Location")) == (400, None)


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("apikey", {"kind__exact": "client"}),
        ("installation", {"is_active__exact": "1", "platform": "ios"}),
        ("pushhistory", {"state__exact": "done", "created_at__year": "2026"}),
        ("credential", {"environment__exact": "sandbox", "is_active__exact": "0"}),
        ("deliveryfailure", {"push": "1", "reason": "x"}),
    ],
)
def test_the_filters_of_the_pages_still_work(staff, as_user, hall, model, query):
    assert changelist(as_user(staff("viewer")), model, **query).status_code == 200


@pytest.mark.parametrize("number", ["²", "9" * 30, "9" * 5000])
def test_what_is_no_id_is_no_error(root, hall, store, number):
    for model, name in (("notification", "of"), ("deliveryfailure", "push")):
        assert changelist(root, model, **{name: number}).status_code == 200
    channels = reverse("admin:django_push_notification_channels")
    assert root.get(channels, {"application": number}).json() == {"channels": []}
    check = reverse("admin:django_push_notification_check")
    assert root.post(check, {"draft": number}).status_code == 200


def test_a_claimed_user_id_is_no_name_for_a_test_device(root, application, device):
    device("a" * 64, owner=Owner(user_key="claims-to-be-root"))
    device("b" * 64, owner=Owner(user_key="is-ana", proved=True))
    page = root.get(reverse("admin:django_push_notification_add")).content.decode()
    assert "· is-ana" in page
    assert "aaaaaaaa…" in page
    assert "claims-to-be-root" not in page


def test_copying_needs_the_role_in_the_pushs_own_application(staff, as_user, application, store):
    history = fill(application, "HALLMARK")[PushHistory]
    roles = {"here": (application, Role.VIEWER), "there": (store, Role.EDITOR)}
    client = as_user(staff("writer", *EDITOR, **roles))
    before = Notification.objects.count()
    copy = reverse("admin:django_push_pushhistory_copy", args=[history.pk])
    assert client.post(copy).status_code == 403
    report = client.get(reverse("admin:django_push_pushhistory_change", args=[history.pk]))
    assert copy not in report.content.decode()
    assert Notification.objects.count() == before
    ApplicationAccess.objects.filter(application=application).update(role=Role.EDITOR)
    assert client.post(copy).status_code == 302
    assert Notification.objects.count() == before + 1
