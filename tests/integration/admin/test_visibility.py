"""Staff of one application find nothing of another, whatever address they try."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model
from django.urls import reverse

from django_push.models import Application, Installation, Notification, PushHistory, Role

OURS = [model for model in admin.site._registry if model._meta.app_label == "django_push"]
MARK = "HALLMARK"


def addresses(model: type[Model], row: Model) -> list[str]:
    """Every address of a model's admin, with ``row`` where it takes one."""
    found = []
    for pattern in admin.site._registry[model].urls:
        if pattern.name is None:
            continue  # Django's redirect of old addresses
        takes = pattern.pattern.converters
        arguments = [row.pk] if takes else []
        found.append(reverse(f"admin:{pattern.name}", args=arguments))
    return found


def snapshot(rows: dict[type, Any]) -> dict[str, Any]:
    """All columns of all rows, as they are now."""
    return {
        model._meta.label: model._default_manager.filter(pk=row.pk).values().get()
        for model, row in rows.items()
    }


@pytest.fixture
def stranger(staff, as_user, store, hall):
    """Somebody who may do everything in the store, and has no business in the hall."""
    return as_user(staff("stranger", there=(store, Role.MANAGER)))


def test_every_model_with_rows_has_an_admin_and_is_walked(hall):
    assert set(OURS) == set(hall)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_no_address_shows_a_row_of_another_application(model, stranger, hall):
    before = snapshot(hall)
    for address in addresses(model, hall[model]):
        for answer in (
            stranger.get(address),
            stranger.post(address, {"post": "yes", "confirmed": "1", "_save": "1"}),
        ):
            assert answer.status_code in {200, 302, 400, 403, 404}, address
            assert MARK.encode() not in _body(answer), address
    assert snapshot(hall) == before


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_the_same_addresses_show_it_to_those_who_work_with_it(model, root, hall):
    shown = [MARK.encode() in _body(root.get(url)) for url in addresses(model, hall[model])]
    assert any(shown)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_no_search_filter_or_sorting_reaches_another_application(model, stranger, hall):
    page = reverse(f"admin:django_push_{model._meta.model_name}_changelist")
    application, history = hall[Application], hall[PushHistory]
    for query in (
        {"q": MARK[1:-1]},
        {"q": hall[Installation].public_id},
        {"of": application.pk},
        {"application": application.pk},
        {"application__id__exact": application.pk},
        {"history": history.pk},
        {"push": history.pk},
        {"reason": "HALLMARKReason"},
        {"_facets": "True"},
        {"o": "-1"},
    ):
        answer = stranger.get(page, query, follow=True)
        body = _body(answer).replace(b"HALLMARKReason", b"")  # an echo of the question
        assert MARK.encode() not in body, query


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_no_action_touches_another_application(model, stranger, root, hall):
    page = reverse(f"admin:django_push_{model._meta.model_name}_changelist")
    offered = admin.site._registry[model].actions or ()
    before = snapshot(hall)
    for action in (*offered, "delete_selected"):
        data = {"action": action, ACTION_CHECKBOX_NAME: [hall[model].pk], "post": "yes"}
        answer = stranger.post(page, data, follow=True)
        assert MARK.encode() not in _body(answer), action
    assert snapshot(hall) == before


def test_autocomplete_gives_no_row_of_another_application(stranger, hall):
    address = reverse("admin:autocomplete")
    for source in OURS:
        for field in source._meta.fields:
            if field.is_relation:
                query = {
                    "app_label": "django_push",
                    "model_name": source._meta.model_name,
                    "field_name": field.name,
                    "term": MARK,
                }
                assert MARK.encode() not in _body(stranger.get(address, query))


def test_no_choice_offers_another_application(stranger, hall):
    for model in (Notification, Application, *OURS):
        answer = stranger.get(reverse(f"admin:django_push_{model._meta.model_name}_changelist"))
        assert MARK.encode() not in _body(answer)
    body = _body(stranger.get(reverse("admin:django_push_credential_add")))
    assert b"Store" in body
    assert MARK.encode() not in body


def test_another_application_cannot_be_written_into_a_form(stranger, hall):
    application, device = hall[Application], hall[Installation]
    data = {
        "application": application.pk,
        "title": "Hi",
        "audience_kind": "everyone",
        "test_device": device.public_id,
    }
    count = Notification.objects.count()
    for name in ("add", "check", "test"):
        answer = stranger.post(reverse(f"admin:django_push_notification_{name}"), data)
        assert MARK.encode() not in _body(answer)
        assert b"1 device" not in _body(answer)
    assert Notification.objects.count() == count


def test_a_draft_of_another_application_is_not_taken_up(stranger, store, hall):
    data = {"application": store.pk, "title": "Hi", "draft": hall[Notification].pk}
    answer = stranger.post(reverse("admin:django_push_notification_check"), data)
    assert answer.status_code == 200
    assert MARK.encode() not in _body(answer)


def test_a_device_of_another_application_cannot_be_tested(stranger, store, hall):
    data = {
        "application": store.pk,
        "title": "Hi",
        "test_device": hall[Installation].public_id,
    }
    answer = stranger.post(reverse("admin:django_push_notification_test"), data)
    assert answer.status_code == 400
    assert PushHistory.objects.filter(application=store).count() == 0


def test_a_device_of_another_application_is_as_one_that_does_not_exist(stranger, store, hall):
    data = {"application": store.pk, "title": "Hi", "audience_kind": "installations"}
    address = reverse("admin:django_push_notification_check")
    told = []
    for public_id in (hall[Installation].public_id, "0" * 24):
        answer = stranger.post(address, {**data, "installations": public_id})
        assert answer.status_code == 200
        told.append(answer.json()["checks"].replace(public_id, "…"))
    assert told[0] == told[1]


def test_channels_of_another_application_are_not_suggested(stranger, store, hall):
    address = reverse("admin:django_push_notification_channels")
    for pk in (hall[Application].pk, store.pk):
        answer = stranger.get(address, {"application": pk, "q": ""})
        assert answer.json() == {"channels": []}


def test_the_home_page_counts_only_what_is_visible(stranger, root, hall):
    page = reverse("admin:app_list", args=["django_push"])
    body = _body(stranger.get(page))
    assert MARK.encode() not in body
    assert b"0 devices" in body
    assert b"1 device<" in _body(root.get(page))


def test_the_log_of_another_application_is_not_shown(stranger, root, hall):
    credential = next(row for model, row in hall.items() if model.__name__ == "Credential")
    address = reverse("admin:django_push_credential_history", args=[credential.pk])
    assert stranger.get(address).status_code == 302


def test_while_nobody_has_access_every_staff_member_sees_all(staff, as_user, hall):
    client = as_user(staff("anybody"))
    answer = client.get(reverse("admin:django_push_installation_changelist"))
    assert b"HALLMARK-user" in _body(answer)


@pytest.mark.parametrize(
    ("role", "statuses"),
    [
        (Role.VIEWER, [403, 403, 403]),
        (Role.EDITOR, [200, 403, 403]),
        (Role.SENDER, [200, 200, 403]),
        (Role.MANAGER, [200, 200, 200]),
    ],
)
def test_a_role_bounds_what_permissions_allow(staff, as_user, hall, role, statuses):
    client = as_user(staff("member", here=(hall[Application], role)))
    notification = hall[Notification]
    answers = [
        client.get(reverse("admin:django_push_notification_add")),
        client.get(reverse("admin:django_push_notification_send", args=[notification.pk])),
        client.get(reverse("admin:django_push_credential_add")),
    ]
    assert [answer.status_code for answer in answers] == statuses
    history = hall[PushHistory]
    report = client.get(reverse("admin:django_push_pushhistory_change", args=[history.pk]))
    assert report.status_code == 200


def _body(answer: Any) -> bytes:
    return b"".join(answer) if getattr(answer, "streaming", False) else answer.content
