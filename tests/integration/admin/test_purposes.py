"""Purposes in the console: who declares them, and what may not be deleted."""

from __future__ import annotations

import pytest
from django.urls import reverse

from django_push.models import Installation, Notification, Purpose, PurposeChoice, Role, Whose

pytestmark = pytest.mark.django_db


def page(application) -> str:
    return reverse("admin:django_push_application_change", args=[application.pk])


def form(application, *rows: dict, initial: int = 0) -> dict:
    data = {
        "name": application.name,
        "time_zone": "UTC",
        "push_settings": "{}",
        "access-TOTAL_FORMS": "0",
        "access-INITIAL_FORMS": "0",
        "purposes-TOTAL_FORMS": str(len(rows)),
        "purposes-INITIAL_FORMS": str(initial),
    }
    for number, row in enumerate(rows):
        said = {"application": application.pk, "default_on": "on", **row}
        data |= {f"purposes-{number}-{name}": value for name, value in said.items()}
    return data


def test_a_manager_declares_them(staff, as_user, application):
    manager = as_user(staff("manager", here=(application, Role.MANAGER)))
    rows = (
        {"key": "offers", "name": "Offers"},
        {"key": "codes", "name": "Codes", "transactional": "on"},
    )
    assert manager.post(page(application), form(application, *rows)).status_code == 302
    found = Purpose.objects.values_list("key", "name", "transactional", "default_on")
    assert set(found) == {("offers", "Offers", False, True), ("codes", "Codes", True, True)}


@pytest.mark.parametrize("key", ["", "Offers", "an offer", "-x", "ü", "x" * 65, "a/b"])
def test_a_key_is_a_plain_word(root, application, key):
    answer = root.post(page(application), form(application, {"key": key, "name": "Offers"}))
    assert answer.status_code == 200
    assert not Purpose.objects.exists()


def test_a_viewer_sees_them_and_changes_nothing(staff, as_user, application):
    Purpose.objects.create(application=application, key="offers", name="What is on sale")
    viewer = as_user(staff("viewer", here=(application, Role.VIEWER)))
    assert "What is on sale" in viewer.get(page(application)).content.decode()
    answer = viewer.post(page(application), form(application, {"key": "news", "name": "News"}))
    assert answer.status_code == 403
    assert Purpose.objects.count() == 1


@pytest.mark.parametrize("why", ["chosen", "named", "free"])
def test_one_that_people_rely_on_is_not_deleted(root, application, device, why):
    purpose = Purpose.objects.create(application=application, key="offers", name="Offers")
    row: Installation = device("a")
    if why == "chosen":
        whose = Whose(application=application, installation=row)
        PurposeChoice.objects.choose(whose, {"offers": False})
    if why == "named":
        Notification.objects.create(application=application, purpose="offers")
    rows = {"id": purpose.pk, "key": "offers", "name": "Offers", "DELETE": "on"}
    answer = root.post(page(application), form(application, rows, initial=1))
    if why == "free":
        assert not Purpose.objects.exists()
    else:
        assert "“Offers” stays" in answer.content.decode()
        assert Purpose.objects.exists()


def test_a_key_stays_as_apps_name_it(root, application):
    purpose = Purpose.objects.create(application=application, key="offers", name="Offers")
    rows = {"id": purpose.pk, "key": "renamed", "name": "On sale"}
    assert root.post(page(application), form(application, rows, initial=1)).status_code == 302
    purpose.refresh_from_db()
    assert (purpose.key, purpose.name) == ("offers", "On sale")
