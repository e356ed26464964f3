"""A user's devices over HTTP."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from django_push.models import Installation, Owner, Role

from .conftest import bearer, refused

pytestmark = pytest.mark.django_db

PATH = "/push/api/users/{}/devices"


@pytest.fixture
def eva(application, device, other):
    """A user with two devices here and one elsewhere; a third here only claims to be hers."""
    user = get_user_model().objects.create_user("eva")
    for address in ("a1", "a2"):
        device(address * 8, owner=Owner(user=user))
    device("c1" * 8, owner=Owner(user_key=str(user.pk)))
    device("d1" * 8, owner=Owner(user_key=f"{user.pk}0", proved=True))
    Installation.objects.register(
        other, device_type="ios", address="e1" * 8, owner=Owner(user=user)
    )
    return user


def tokens(response) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["token"][:2] for row in response.json()["results"]]


def test_who_is_signed_in_sees_the_own_ones_that_are_proved(eva):
    client = APIClient()
    client.force_login(eva)
    answer = client.get(PATH.format("me"))
    assert tokens(answer) == ["e1", "a2", "a1"]
    assert {row["application"] for row in answer.json()["results"]} == {"hall", "opera"}
    assert all(row["token"].endswith("…") for row in answer.json()["results"])
    assert tokens(client.get(PATH.format("me"), {"application": "opera"})) == ["e1"]
    assert tokens(client.get(PATH.format("me"), {"active": "false"})) == []
    refused(client.get(PATH.format("me"), {"activ": "false"}), 400, "unknown_filter")
    refused(client.get(PATH.format(eva.pk)), 403, "not_staff")
    refused(APIClient().get(PATH.format("me")), 401, "not_authenticated")


def test_a_server_key_sees_those_of_its_application(server, foreign_key, phone, eva):
    assert tokens(server.get(PATH.format(eva.pk) + "/")) == ["c1", "a2", "a1"]
    assert tokens(bearer(foreign_key).get(PATH.format(eva.pk))) == ["e1"]
    assert tokens(server.get(PATH.format("nobody"))) == []
    assert tokens(server.get(PATH.format("me"))) == []
    refused(phone.get(PATH.format(eva.pk)), 403, "client_key")


def test_staff_see_those_of_the_applications_they_work_with(staff, application, eva):
    viewer = staff("view_installation", application=application, role=Role.VIEWER)
    assert tokens(viewer.get(PATH.format(eva.pk))) == ["c1", "a2", "a1"]
    assert tokens(viewer.get(PATH.format("me"))) == []
    assert tokens(viewer.get(PATH.format(eva.pk), {"application": "opera"})) == []
    refused(staff().get(PATH.format(eva.pk)), 403, "permission_missing")


def test_pages_of_it(server, device):
    for number in range(5):
        device(f"{number:064x}", owner=Owner(user_key="42", proved=True))
    first = server.get(PATH.format(42), {"limit": 2}).json()
    assert len(first["results"]) == 2
    rest = server.get(first["next"]).json()
    assert len(rest["results"]) == 2
    assert rest["next"]
