"""Drafts save themselves, once each, and never over what somebody else has written."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from django_push.models import Notification, PushHistory, Role

from .conftest import EDITOR

AUTOSAVE = "admin:django_push_notification_autosave"


@pytest.fixture
def data(application) -> dict[str, Any]:
    return {"title": "Half price", "application": application.pk, "when": "now"}


def save(client, data, status: int = 200) -> dict[str, Any]:
    answer = client.post(reverse(AUTOSAVE), data)
    assert answer.status_code == status, answer.content
    found: dict[str, Any] = answer.json()
    assert found["saved"] is (status == 200 and "draft" in found)
    return found


def again(found, posted, **changes):
    return {**posted, "draft": found["draft"], "edition": found["edition"], **changes}


def test_what_is_written_becomes_one_draft(root, data):
    first = save(root, data)
    second = save(root, again(first, data, title="Half price today"))
    third = save(root, again(second, data, title="Half price today", body="Until midnight"))
    draft = Notification.objects.get()
    assert {first["draft"], second["draft"], third["draft"]} == {draft.pk}
    assert draft.content == {"title": "Half price today", "body": "Until midnight"}
    assert (draft.status, draft.source) == (Notification.Status.DRAFT, "console")
    assert draft.created_by.get_username() == "root"
    assert root.get(third["page"]).status_code == 200
    assert third["text"].startswith("Draft saved")
    assert LogEntry.objects.count() == 1, "a line for each pause in typing is no log"
    assert PushHistory.objects.count() == 0


def test_an_empty_page_is_no_draft(root, data):
    found = save(root, {**data, "title": ""})
    assert (found["saved"], found["text"]) == (False, "")
    assert not Notification.objects.exists()


def test_what_cannot_be_kept_is_told_and_changes_nothing(root, data):
    first = save(root, data)
    found = save(root, again(first, data, title="New", data="{broken"))
    assert not found["saved"]
    assert "Before it goes" in found["text"]
    assert Notification.objects.get().content == {"title": "Half price"}
    assert save(root, again(first, data, title="New"))["saved"], "and then it goes on"


def test_two_people_do_not_overwrite_each_other_unseen(root, data):
    first = save(root, data)
    theirs = save(root, again(first, data, title="Theirs"))
    found = save(root, again(first, data, title="Mine"), status=409)
    assert "Somebody else saved" in found["text"]
    assert Notification.objects.get().content == {"title": "Theirs"}
    assert save(root, again(theirs, data, title="Theirs, too"))["saved"]


@pytest.mark.parametrize(
    "status", [Notification.Status.REQUESTED, Notification.Status.SENT], ids=str
)
def test_nothing_saves_itself_that_others_have_seen(root, data, status):
    first = save(root, data)
    Notification.objects.update(status=status)
    save(root, again(first, data, title="Changed"), status=409)
    assert Notification.objects.get().content == {"title": "Half price"}


def test_a_deleted_draft_does_not_come_back(root, data):
    first = save(root, data)
    Notification.objects.all().delete()
    save(root, again(first, data), status=409)
    assert not Notification.objects.exists()


@pytest.mark.parametrize("draft", ["x", "-1", "9" * 40, "１"])
def test_a_draft_that_cannot_be(root, data, draft):
    save(root, {**data, "draft": draft, "edition": ""}, status=409)
    assert not Notification.objects.exists()


def test_only_who_may_compose_there(staff, as_user, root, data, application, store):
    first = save(root, data)
    there = as_user(staff("there", *EDITOR, there=(store, Role.MANAGER)))
    save(there, again(first, data, title="Mine now"), status=409)
    assert not save(there, data)["saved"], "another application is no choice"
    looks = as_user(staff("looks", "view_notification", here=(application, Role.VIEWER)))
    save(looks, data, status=403)
    save(looks, again(first, data), status=409)
    assert root.get(reverse(AUTOSAVE)).status_code == 403
    assert Notification.objects.get().content == {"title": "Half price"}


def test_who_may_add_but_not_change_keeps_the_page(staff, as_user, data):
    """After the first saving the page is that of the draft, and the button would be refused."""
    adds = as_user(staff("adds", "view_application", "add_notification"))
    page = adds.get(reverse("admin:django_push_notification_add")).content.decode()
    assert "data-autosave" not in page.replace("autosave.js", "")
    save(adds, data, status=403)
    assert not Notification.objects.exists()


def test_the_page_says_whether_it_saves_itself(root, data):
    add = reverse("admin:django_push_notification_add")
    assert "Saves itself as a draft" in root.get(add).content.decode()
    first = save(root, data)
    page = root.get(first["page"]).content.decode()
    assert first["edition"] in page
    assert "Draft saved" in page
    Notification.objects.update(status=Notification.Status.REQUESTED)
    assert "data-autosave" not in root.get(first["page"]).content.decode().replace(
        "autosave.js", ""
    )
