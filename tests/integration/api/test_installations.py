"""Applications and devices under ``/push/api/``."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_push.models import Installation, Role

from .conftest import TOKEN, refused, rows

User = get_user_model()

ADDRESS = "/push/api/installations/"


def ids(response) -> list[str]:
    assert response.status_code == 200, response.json()
    return [row["id"] for row in response.json()["results"]]


def test_a_device_is_shown_by_its_public_id_only(server, device):
    row = device(TOKEN, channels=["sport", "news"], attributes={"vip": True})
    shown = server.get(f"{ADDRESS}{row.public_id}/").json()
    assert shown["id"] == row.public_id
    assert shown["application"] == "hall"
    assert (shown["platform"], shown["token"]) == ("ios", TOKEN)
    assert (shown["channels"], shown["attributes"]) == (["news", "sport"], {"vip": True})
    assert shown["registered_at"].endswith("Z")
    assert "pk" not in shown


def test_filters_narrow_the_list(server, device):
    long_ago = device("b1", channels=["news"])
    Installation.objects.update(registered_at=timezone.now() - timedelta(days=9))
    off = device("b2", channels=["news", "sport"])
    Installation.objects.unregister(off.application, device_type="ios", address="b2")
    android = device("tokentoken:c3", "android")
    for query, found in {
        "": [android, off, long_ago],
        "platform=android": [android],
        "channel=news": [off, long_ago],
        "channel=News": [],
        "active=true": [android, long_ago],
        "active=false": [off],
        "active=false&channel=sport": [off],
        f"registered_since={(timezone.now() - timedelta(days=1)):%Y-%m-%dT%H:%M:%SZ}": [
            android,
            off,
        ],
        "application=hall&platform=ios": [off, long_ago],
        "application=opera": [],
    }.items():
        assert ids(server.get(f"{ADDRESS}?{query}")) == [row.public_id for row in found], query


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("activ=true", "unknown_filter", "activ"),
        ("active=maybe", "wrong_value", "active"),
        ("platform=symbian", "wrong_value", "platform"),
        ("channel=%00", "null_characters_not_allowed", "channel"),
        ("registered_since=yesterday", "wrong_value", "registered_since"),
        ("registered_since=0001-01-01T00:00:00%2B23:59", "wrong_value", "registered_since"),
        ("channel=", "wrong_value", "channel"),
        ("registered_since=", "wrong_value", "registered_since"),
        ("limit=0", "wrong_value", "limit"),
        ("limit=201", "wrong_value", "limit"),
        ("limit=" + "9" * 5000, "wrong_value", "limit"),
        ("limit=-1", "wrong_value", "limit"),
        ("limit=²", "wrong_value", "limit"),
        ("cursor=x", "wrong_value", "cursor"),
        ("cursor=ü", "wrong_value", "cursor"),
        ("user=" + "u" * 192, "too_long", "user"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(server, device, query, code, field):
    device("b1")
    refused(server.get(f"{ADDRESS}?{query}"), 400, code, field)


def test_an_offset_that_no_place_has_is_only_a_time(server, device):
    row = device("b1")
    query = "registered_since=2001-01-01T00:00:00%2B22:36"
    assert ids(server.get(f"{ADDRESS}?{query}")) == [row.public_id]


def test_pages_follow_each_other_without_count_and_without_offset(server, device):
    made = [device(f"{number:04x}", channels=["all"]).public_id for number in range(25)]
    seen: list[str] = []
    address = f"{ADDRESS}?limit=10&channel=all&active=true"
    while address:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page = server.get(address)
        statements = [query["sql"].upper() for query in queries]
        assert len(statements) == 3  # the key, the page, its channels
        assert not [sql for sql in statements if "COUNT(" in sql or "OFFSET" in sql]
        seen += ids(page)
        address = page.json()["next"]
    assert seen == made[::-1]


def test_a_device_that_arrives_between_two_pages_shifts_nothing(server, device):
    made = [device(f"{number:04x}").public_id for number in range(4)]
    first = server.get(f"{ADDRESS}?limit=2")
    device("ffff")
    Installation.objects.filter(public_id=made[3]).delete()
    assert ids(first) + ids(server.get(first.json()["next"])) == made[::-1]


def test_a_cursor_tells_no_primary_key(server, device):
    Installation.objects.bulk_create(
        Installation(
            application=device("a0").application, device_type="ios", provider="apns",
            address=str(number), address_hash=str(number), pk=770_000 + number,
        )
        for number in range(3)
    )  # fmt: skip
    assert "77000" not in server.get(f"{ADDRESS}?limit=1").content.decode()


def test_other_applications_devices_do_not_exist(server, device, other):
    foreign = Installation.objects.register(other, device_type="ios", address="f0")
    device("b1")
    assert foreign.public_id not in ids(server.get(ADDRESS))
    refused(server.get(f"{ADDRESS}{foreign.public_id}/"), 404, "not_found")
    response = server.patch(f"{ADDRESS}{foreign.public_id}/", {"channels": ["x"]}, format="json")
    refused(response, 404, "not_found")
    assert foreign.channels == []


def test_a_server_registers_a_device_of_a_user(server):
    user = User.objects.create_user("ana")
    body = {"platform": "ios", "token": TOKEN, "user": user.pk, "channels": ["news"]}
    for _ in range(2):
        response = server.post(ADDRESS, body, format="json")
        assert response.status_code == 200
    shown = response.json()
    assert (shown["user"], shown["user_verified"]) == (str(user.pk), True)
    assert shown["channels"] == ["news"]
    row = Installation.objects.get()
    assert (row.user, row.public_id) == (user, shown["id"])


def test_a_server_registers_a_device_of_nobody(server):
    response = server.post(ADDRESS, {"platform": "ios", "token": TOKEN}, format="json")
    assert response.json()["user"] == ""


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"platform": "symbian", "token": TOKEN}, "unknown_platform", "platform"),
        ({"platform": "ios", "token": "two words"}, "invalid_token", "token"),
        ({"platform": "ios"}, "missing_field", "token"),
        ({"platform": "ios", "token": TOKEN, "deviceId": "x"}, "unknown_field", "deviceId"),
        (
            {"platform": "ios", "token": TOKEN, "application": "opera"},
            "unknown_application",
            "application",
        ),
    ],
)
def test_a_device_that_makes_no_sense_is_not_registered(server, other, body, code, field):
    before = rows()
    refused(server.post(ADDRESS, body, format="json"), 400, code, field)
    assert rows() == before


def test_channels_and_attributes_are_replaced(server, device):
    row = device("b1", channels=["news"], attributes={"a": 1})
    address = f"{ADDRESS}{row.public_id}"
    shown = server.patch(address, {"channels": ["sport", "sport"]}, format="json").json()
    assert (shown["channels"], shown["attributes"]) == (["sport"], {"a": 1})
    shown = server.patch(address, {"attributes": {}}, format="json").json()
    assert (shown["channels"], shown["attributes"]) == (["sport"], {})


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing_field", ""),
        ({"channels": None}, "wrong_type", "channels"),
        ({"user": "mallory"}, "unknown_field", "user"),
        ({"is_active": "no"}, "wrong_type", "is_active"),
        ({"badge": -1}, "too_small", "badge"),
        ({"channels": ["a"], "add_channels": ["b"]}, "contradiction", "channels"),
        ({"add_channels": [f"c{n}" for n in range(1000)]}, "too_many_channels", "channels"),
    ],
)
def test_nothing_else_is_changed(server, device, body, code, field):
    row = device("b1", channels=["news"])
    response = server.patch(f"{ADDRESS}{row.public_id}/", body, format="json")
    refused(response, 400, code, field)
    row.refresh_from_db()
    assert (row.channels, row.user_key) == (["news"], "")


def test_a_device_that_kept_the_id_of_another_system_is_found(server, phone, device):
    row = device("b1", public_id="Kx3_9-bQ0z")
    assert server.get(f"{ADDRESS}{row.public_id}/").json()["id"] == "Kx3_9-bQ0z"
    assert phone.get(f"/push/hall/devices/{row.public_id}").json()["id"] == "Kx3_9-bQ0z"


def test_channels_are_added_and_removed(server, device):
    address = f"{ADDRESS}{device('b1', channels=['a', 'b']).public_id}"
    body = {"add_channels": ["c", "b"], "remove_channels": ["a", "x"]}
    assert server.patch(address, body, format="json").json()["channels"] == ["b", "c"]


def test_a_server_switches_a_device_off_and_on(server, device):
    row = device("b1")
    address = f"{ADDRESS}{row.public_id}"
    shown = server.patch(address, {"is_active": False, "badge": 3}, format="json").json()
    assert (shown["is_active"], shown["inactive_reason"]) == (False, "staff")
    device("b1")
    row.refresh_from_db()
    assert (row.is_active, row.badge) == (False, 3), "its app's next start must not undo it"
    shown = server.patch(address, {"is_active": True}, format="json").json()
    assert (shown["is_active"], shown["inactive_reason"]) == (True, "")


def test_a_client_key_looks_at_nothing(phone, device):
    row = device("b1")
    for address in (ADDRESS, f"{ADDRESS}{row.public_id}/", "/push/api/applications/hall/"):
        refused(phone.get(address), 403, "client_key")
    body = {"platform": "ios", "token": TOKEN}
    refused(phone.post(ADDRESS, body, format="json"), 403, "client_key")
    assert Installation.objects.count() == 1


class TestApplications:
    def test_a_key_sees_its_own(self, server, other):
        found = server.get("/push/api/applications/").json()["results"]
        assert [row["key"] for row in found] == ["hall"]
        assert server.get("/push/api/applications/hall").json()["name"] == "Concert Hall"
        refused(server.get("/push/api/applications/opera/"), 404, "not_found")

    def test_what_loopback_keeps_in_push_settings_is_not_shown(self, server, application):
        application.push_settings = {"gcm": {"serverApiKey": "very-secret"}}
        application.save()
        assert b"very-secret" not in server.get("/push/api/applications/hall/").content

    def test_staff_see_those_they_work_with(self, staff, application, other):
        client = staff("view_application", application=application)
        found = client.get("/push/api/applications/").json()["results"]
        assert [row["key"] for row in found] == ["hall"]


class TestStaff:
    def test_a_token_is_cut(self, staff, device):
        device(TOKEN)
        found = staff("view_installation").get(ADDRESS).json()["results"]
        assert found[0]["token"] == TOKEN[:8] + "…"

    def test_without_the_permission_there_is_nothing_to_see(self, staff, device):
        device("b1")
        refused(staff("view_notification").get(ADDRESS), 403, "permission_missing")

    def test_users_who_are_not_staff_have_no_business_here(self, client, device):
        device("b1")
        client.force_login(User.objects.create_user("ana"))
        refused(client.get(ADDRESS), 403, "not_staff")

    def test_rows_of_other_applications_do_not_exist(self, staff, device, application, other):
        mine, foreign = (
            device("b1"),
            Installation.objects.register(other, device_type="ios", address="f0"),
        )
        client = staff("view_installation", application=application)
        assert ids(client.get(ADDRESS)) == [mine.public_id]
        refused(client.get(f"{ADDRESS}{foreign.public_id}/"), 404, "not_found")

    def test_who_only_looks_changes_nothing(self, staff, device, application):
        row = device("b1")
        client = staff("change_installation", application=application, role=Role.VIEWER)
        response = client.patch(f"{ADDRESS}{row.public_id}/", {"channels": ["x"]}, format="json")
        refused(response, 403, "role_too_low")
        assert row.channels == []

    def test_with_several_applications_one_must_be_named(self, staff, application, other):
        client = staff("add_installation")
        body = {"platform": "ios", "token": TOKEN}
        refused(client.post(ADDRESS, body, format="json"), 400, "missing_field", "application")
        response = client.post(ADDRESS, {**body, "application": "opera"}, format="json")
        assert response.json()["application"] == "opera"
