"""The page of one user's data in the console."""

from __future__ import annotations

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from django_push.models import Application, Installation, Owner, Role

PAGE = "/admin/django_push/installation/person/"


@pytest.fixture
def ana(device, store):
    row = device("a1" * 20, owner=Owner(user_key="ana", proved=True), channels=["news"])
    Installation.objects.register(
        store, device_type="ios", address="b2", owner=Owner(user_key="ana", proved=True)
    )
    return row


@pytest.fixture
def manager(staff, as_user, application):
    return as_user(staff("manager", here=(application, Role.MANAGER)))


def test_it_says_what_there_is_and_what_would_become_of_it(manager, ana):
    page = manager.get(PAGE, {"user": "ana"}).content.decode()
    assert "Devices</th><td>1</td><td>deleted" in page
    assert "Concert Hall" in page
    assert "Store" not in page
    assert ana.address not in page


def test_nothing_is_erased_without_the_id(manager, ana):
    for said in ({}, {"confirm": ""}, {"confirm": "Ana"}):
        answer = manager.post(PAGE, {"user": "ana", "erase": "1", **said})
        assert answer.status_code == 400
        assert "Nothing was erased" in answer.content.decode()
    manager.get(PAGE, {"user": "ana", "confirm": "ana", "erase": "1"})
    assert Installation.objects.count() == 2


def test_it_erases_in_the_managed_applications_and_writes_it_into_the_log(manager, ana, store):
    answer = manager.post(PAGE, {"user": "ana", "erase": "1", "confirm": "ana"}, follow=True)
    assert "The user was erased, with 1 device." in answer.content.decode()
    assert Installation.objects.get().application == store
    entry = LogEntry.objects.get()
    assert (entry.get_edited_object(), entry.change_message) == (
        ana.application,
        "Erased a user.",
    )
    assert "ana" not in f"{entry.object_repr}{entry.change_message}"


def test_the_copy_is_a_file_that_nobody_keeps(manager, ana):
    answer = manager.post(PAGE, {"user": "ana", "copy": "1"})
    assert answer["Content-Disposition"] == 'attachment; filename="user-ana.json"'
    assert "no-store" in answer["Cache-Control"]
    assert [row["address"] for row in answer.json()["devices"]] == [ana.address]
    assert LogEntry.objects.get().change_message == "Handed out a user's data."


def test_whole_tokens_are_for_those_who_manage_credentials(staff, as_user, application, ana):
    client = as_user(staff("looks", "view_installation", here=(application, Role.MANAGER)))
    assert "cut to 8 characters" in client.get(PAGE, {"user": "ana"}).content.decode()
    answer = client.post(PAGE, {"user": "ana", "copy": "1"})
    assert answer.json()["devices"][0]["address"] == "a1a1a1a1…"
    assert ana.address not in answer.content.decode()


def test_a_name_of_a_file_that_is_none(manager, device):
    device("c3", owner=Owner(user_key='../a"\r\nX: y', proved=True))
    answer = manager.post(PAGE, {"user": '../a"\r\nX: y', "copy": "1"})
    assert answer["Content-Disposition"] == 'attachment; filename="user-.._a___X__y.json"'


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.SENDER])
def test_who_does_not_manage_has_no_business_here(staff, as_user, application, ana, role):
    client = as_user(staff("other", here=(application, role)))
    assert client.get(PAGE, {"user": "ana"}).status_code == 403
    data = {"user": "ana", "erase": "1", "confirm": "ana"}
    assert client.post(PAGE, data).status_code == 403
    assert client.post(PAGE, {"user": "ana", "copy": "1"}).status_code == 403
    assert Installation.objects.count() == 2


def test_who_may_not_delete_devices_may_not_erase(staff, as_user, application, ana):
    user = staff("looks", "view_installation", here=(application, Role.MANAGER))
    client = as_user(user)
    assert "Erase this user" not in client.get(PAGE, {"user": "ana"}).content.decode()
    data = {"user": "ana", "erase": "1", "confirm": "ana"}
    assert client.post(PAGE, data).status_code == 403
    assert Installation.objects.count() == 2


@pytest.mark.parametrize("wrong", ["x" * 192, "a\x00b"])
def test_what_is_no_id_is_said(manager, ana, wrong):
    answer = manager.post(PAGE, {"user": wrong, "erase": "1", "confirm": wrong})
    assert answer.status_code == 400
    assert "1 to 191 characters" in answer.content.decode()


def test_the_action_leads_from_a_device_to_its_user(manager, ana, device):
    nobody = device("c3")
    bob = device("d4", owner=Owner(user_key="bob", proved=True))

    def act(*rows: Installation):
        listed = reverse("admin:django_push_installation_changelist")
        chosen = {ACTION_CHECKBOX_NAME: [row.pk for row in rows]}
        return manager.post(listed, {"action": "data_of_user", **chosen}, follow=True)

    assert act(ana).request["QUERY_STRING"] == "user=ana"
    assert "Nobody is signed in" in act(nobody).content.decode()
    assert "Choose devices of one user" in act(ana, bob).content.decode()


def test_nothing_is_said_of_a_user_whom_nobody_knows(manager, ana):
    page = manager.get(PAGE, {"user": "carl"}).content.decode()
    assert "Nothing is stored of “carl”." in page
    assert "Erase this user" not in page


def test_a_superuser_manages_all(root, ana):
    root.post(PAGE, {"user": "ana", "erase": "1", "confirm": "ana"})
    assert not Installation.objects.exists()
    assert LogEntry.objects.count() == Application.objects.count() == 2
