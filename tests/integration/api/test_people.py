"""A user's data under ``/push/api/users/…/data/``."""

from __future__ import annotations

import pytest

from django_push.models import Installation, Owner, Role

from .conftest import TOKEN, refused

ADDRESS = "/push/api/users/ana/data/"


@pytest.fixture
def ana(device):
    return device(TOKEN, owner=Owner(user_key="ana", proved=True), channels=["news"])


@pytest.fixture
def elsewhere(other):
    return Installation.objects.register(
        other, device_type="ios", address=TOKEN, owner=Owner(user_key="ana", proved=True)
    )


def test_a_server_key_reads_and_erases_in_its_own_application(server, ana, elsewhere):
    found = server.get(ADDRESS).json()
    assert [row["address"] for row in found["devices"]] == [TOKEN]
    assert found["devices"][0]["channels"] == ["news"]
    assert server.delete(ADDRESS).json() == {"devices": 1, "rows": 2, "rewritten": 0}
    assert list(Installation.objects.all()) == [elsewhere]
    assert server.delete(ADDRESS).json() == {"devices": 0, "rows": 0, "rewritten": 0}
    assert server.get(ADDRESS).json()["devices"] == []


def test_ids_with_odd_letters_are_found(server, device):
    device(TOKEN, owner=Owner(user_key="a b@c.de:%7", proved=True))
    address = "/push/api/users/a%20b%40c.de%3A%257/data"
    assert len(server.get(address).json()["devices"]) == 1


def test_a_client_key_may_neither(phone, ana):
    refused(phone.get(ADDRESS), 403, "client_key")
    refused(phone.delete(ADDRESS), 403, "client_key")
    assert Installation.objects.count() == 1


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.SENDER])
def test_staff_must_manage_the_application(staff, ana, application, role):
    caller = staff("view_installation", "delete_installation", application=application, role=role)
    refused(caller.delete(f"{ADDRESS}?application=hall"), 403, "role_too_low")
    assert caller.delete(ADDRESS).json()["devices"] == 0
    assert caller.get(ADDRESS).json()["devices"] == []
    assert Installation.objects.count() == 1


def test_staff_who_manage_it_need_the_permission_too(staff, ana, application):
    looks = staff("view_installation", application=application)
    found = looks.get(f"{ADDRESS}?application=hall")
    assert found.json()["devices"][0]["address"] == f"{TOKEN[:8]}…"
    assert TOKEN not in found.content.decode()
    refused(looks.delete(ADDRESS), 403, "permission_missing")
    assert staff("delete_installation", application=application).delete(ADDRESS).json()["devices"]


def test_an_application_of_others_does_not_exist(server, ana, elsewhere):
    refused(server.delete(f"{ADDRESS}?application=opera"), 400, "unknown_application")
    assert Installation.objects.count() == 2
