"""Preferences over HTTP: whose they are, who may change them, and what is refused."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from django_push.models import (
    Application,
    Installation,
    Owner,
    Purpose,
    PurposeChoice,
    QuietHours,
    Role,
)

from .conftest import TOKEN, bearer, refused

pytestmark = pytest.mark.django_db

MINE = "/push/hall/preferences"


@pytest.fixture(autouse=True)
def purposes(application, other) -> list[Purpose]:
    return [
        Purpose.objects.create(application=application, key="codes", transactional=True),
        Purpose.objects.create(application=application, key="offers", name="Offers"),
        Purpose.objects.create(application=other, key="arias", name="Arias"),
    ]


@pytest.fixture
def iphone(device) -> Installation:
    return device(TOKEN)


def stance(response, key: str = "offers") -> tuple[bool | None, bool]:
    """What was chosen, and whether its pushes come."""
    assert response.status_code == 200, response.content
    found = {row["key"]: row for row in response.json()["purposes"]}
    assert set(found) == {"codes", "offers"}
    return found[key]["chosen"], found[key]["gets"]


def post(client: APIClient, path: str = MINE, **body):
    return client.post(path, body, format="json")


def test_a_phone_opts_out_with_its_token(phone, iphone):
    assert stance(post(phone, deviceId=TOKEN)) == (None, True)
    assert stance(post(phone, deviceId=TOKEN, purposes={"offers": False})) == (False, False)
    assert stance(post(phone, deviceId=TOKEN.upper())) == (False, False)
    assert stance(post(phone, installation=iphone.public_id)) == (False, False)
    assert stance(post(phone, deviceId=TOKEN, purposes={"offers": None})) == (None, True)


def test_a_firebase_installation_id_is_found_without_its_mark(phone, device):
    device("cOnTeNt-Fid_01", "android", address_kind="fid")
    assert stance(post(phone, deviceId="cOnTeNt-Fid_01")) == (None, True)


def test_a_phone_sees_no_other_device(phone, iphone, other):
    theirs = Installation.objects.register(other, device_type="ios", address="f" * 64)
    refused(post(phone, deviceId="f" * 64), 404, "unknown_device")
    refused(post(phone, installation=theirs.public_id), 404, "unknown_device")
    refused(post(phone), 400, "missing_field", "deviceId")
    refused(post(phone, userId="ana", purposes={"offers": False}), 400, "other_user", "userId")
    refused(post(phone, "/push/opera/preferences", deviceId="f" * 64), 403, "wrong_application")
    assert not PurposeChoice.objects.exists()


@pytest.mark.parametrize(
    ("wishes", "code"),
    [
        ({"ofers": False}, "unknown_purpose"),
        ({"arias": False}, "unknown_purpose"),
        ({"codes": False}, "transactional"),
        ({"offers": "no"}, "wrong_type"),
        ({"offers": 0}, "wrong_type"),
        ([], "wrong_type"),
        (None, "wrong_type"),
        ({"offers": False, "nul\x00": True}, "nul_character"),
    ],
)
def test_what_is_refused_changes_nothing(phone, iphone, wishes, code):
    refused(post(phone, deviceId=TOKEN, purposes=wishes), 400, code)
    assert not PurposeChoice.objects.exists()


def test_nobody_gets_in_without_credentials(iphone):
    refused(post(APIClient(), deviceId=TOKEN), 401, "not_authenticated")


def test_who_is_signed_in_has_own_preferences_on_all_devices(application, device):
    eva = get_user_model().objects.create_user("eva")
    mine, theirs = device("a" * 64, owner=Owner(user=eva)), device("b" * 64)
    claimed = device("c" * 64, owner=Owner(user_key=str(eva.pk)))
    client = APIClient()
    client.force_login(eva)
    assert stance(post(client, purposes={"offers": False})) == (False, False)
    assert stance(post(client, deviceId="a" * 64)) == (None, False)
    assert stance(post(client, installation=mine.public_id)) == (None, False)
    refused(post(client, deviceId="b" * 64), 404, "unknown_device")
    refused(post(client, installation=theirs.public_id), 404, "unknown_device")
    refused(post(client, installation=claimed.public_id), 404, "unknown_device")
    choice = PurposeChoice.objects.get()
    assert (choice.user_key, choice.installation) == (str(eva.pk), None)
    path = "/push/api/users/me/preferences"
    assert stance(client.get(path, {"application": "hall"})) == (False, False)
    refused(client.get(path), 400, "missing_field", "application")
    wishes = {"purposes": {"offers": True}}
    assert stance(client.patch(f"{path}?application=hall", wishes, format="json")) == (True, True)
    refused(client.get(f"/push/api/users/{eva.pk}/preferences"), 403, "not_staff")


def test_a_server_key_speaks_for_users_and_devices(server, iphone):
    assert stance(post(server, userId=42, purposes={"offers": False})) == (False, False)
    path = "/push/api/users/42/preferences"
    assert stance(server.get(path)) == (False, False)
    back = server.patch(path, {"purposes": {"offers": None}}, format="json")
    assert stance(back) == (None, True)
    path = f"/push/api/installations/{iphone.public_id}/preferences/"
    answer = server.patch(path, {"purposes": {"offers": False}}, format="json")
    assert stance(answer) == (False, False)
    assert stance(server.get(path)) == (False, False)
    refused(post(server, userId="42", deviceId=TOKEN), 400, "contradiction")
    # "me" is nobody's name for a key: it has no user
    assert stance(server.get("/push/api/users/me/preferences")) == (None, True)


def test_management_is_for_server_keys_and_staff_with_a_role(
    phone, foreign_key, iphone, staff, application
):
    paths = [
        f"/push/api/installations/{iphone.public_id}/preferences",
        "/push/api/users/42/preferences",
    ]
    viewer = staff("view_installation", application=application, role=Role.VIEWER)
    editor = staff(
        *("view_installation", "change_installation"), application=application, role=Role.EDITOR
    )
    wishes = {"purposes": {"offers": False}}
    for path in paths:
        refused(phone.get(path), 403, "client_key")
        assert viewer.get(path).status_code == 200
        refused(viewer.patch(path, wishes, format="json"), 403, "permission_missing")
        assert editor.patch(path, wishes, format="json").status_code == 200
    refused(bearer(foreign_key).get(paths[0]), 404, "not_found")
    assert {row["key"] for row in bearer(foreign_key).get(paths[1]).json()["purposes"]} == {"arias"}


def test_a_push_names_its_purpose(server, iphone, phone):
    post(phone, deviceId=TOKEN, purposes={"offers": False})
    body = {"title": "Hi", "audience": {"everyone": True}, "purpose": "offers"}
    counted = post(server, "/push/api/audience/count", **{**body, "title": ""})
    refused(counted, 400, "unknown_field")
    counted = post(
        server, "/push/api/audience/count", audience={"everyone": True}, purpose="offers"
    )
    assert (counted.json()["devices"], counted.json()["opted_out"]) == (0, 1)
    counted = post(
        server,
        "/push/api/audience/count",
        audience={"everyone": True},
        purpose="offers",
        transactional=True,
    )
    assert (counted.json()["devices"], counted.json()["opted_out"]) == (1, 0)
    sent = post(server, "/push/api/notifications", **body)
    assert sent.status_code == 201
    shown = server.get(f"/push/api/notifications/{sent.json()['notification']}").json()
    assert (shown["purpose"], shown["transactional"]) == ("offers", False)
    unknown = post(server, "/push/api/notifications", **{**body, "purpose": "ofers"})
    refused(unknown, 400, "unknown_purpose", "purpose")
    wrong = post(server, "/push/api/notifications", **{**body, "transactional": "yes"})
    refused(wrong, 400, "wrong_type", "transactional")


def test_many_pushes_of_one_purpose_read_it_once(server, device, django_assert_max_num_queries):
    for number in range(20):
        device(f"{number:064x}", owner=Owner(user_key=str(number), proved=True))
    pushes = [
        {"title": "Hi", "audience": {"users": [str(number)]}, "purpose": "offers"}
        for number in range(20)
    ]
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        assert post(server, "/push/api/notifications/batch", pushes=pushes).status_code == 201
    read = [query for query in queries if 'FROM "django_push_purpose"' in query["sql"]]
    assert len(read) <= 1


def test_an_application_of_nobody(server_key, application):
    Application.objects.filter(pk=application.pk).update(key="moved")
    refused(post(bearer(server_key), userId="1"), 403, "wrong_application")


def hours(response) -> tuple:
    """The own quiet hours, and those in force."""
    assert response.status_code == 200, response.content
    found = response.json()
    return found["quiet_hours"], found["quiet_hours_in_force"]


def test_quiet_hours_of_a_phone(phone, server, iphone, application):
    night, short = {"from": "22:00", "until": "07:00"}, {"from": "23:30", "until": "05:15"}
    none = {"from": "00:00", "until": "00:00"}
    assert hours(post(phone, deviceId=TOKEN)) == (None, None)
    assert hours(post(phone, deviceId=TOKEN, quiet_hours=night)) == (night, night)
    application.refresh_from_db()
    assert application.own_quiet_hours
    Application.objects.filter(pk=application.pk).update(quiet_from="21:00", quiet_until="06:30")
    default = {"from": "21:00", "until": "06:30"}
    assert hours(post(phone, deviceId=TOKEN, quiet_hours=none)) == (none, None)
    assert hours(post(phone, deviceId=TOKEN, quiet_hours=None)) == (None, default)
    Installation.objects.filter(pk=iphone.pk).update(user_key="42", user_verified=True)
    assert hours(post(server, userId=42, quiet_hours=short)) == (short, short)
    assert hours(post(phone, deviceId=TOKEN)) == (None, short)
    assert hours(server.get("/push/api/users/43/preferences")) == (None, default)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"from": "22:00"}, "quiet_hours.until"),
        ({"from": "22:00", "until": "24:00"}, "quiet_hours.until"),
        ({"from": "7:00", "until": "08:00"}, "quiet_hours.from"),
        ({"from": 22, "until": 7}, "quiet_hours.from"),
        ({"from": "٢٢:00", "until": "07:00"}, "quiet_hours.from"),
        ({"from": "22:00", "until": "07:00", "zone": "UTC"}, "quiet_hours.zone"),
        ("22:00-07:00", "quiet_hours"),
        ([], "quiet_hours"),
    ],
)
def test_quiet_hours_that_make_no_sense_change_nothing(phone, iphone, value, field):
    wishes = {"purposes": {"offers": False}, "quiet_hours": value}
    answer = post(phone, deviceId=TOKEN, **wishes)
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert not PurposeChoice.objects.exists()
    assert not QuietHours.objects.exists()


def test_who_claims_to_be_somebody_does_not_learn_what_they_chose(phone, server, application):
    night = {"from": "22:00", "until": "07:00"}
    post(server, userId="7", purposes={"offers": False}, quiet_hours=night)
    phone.post(
        "/push/hall/register-device",
        {"platform": "ios", "deviceId": TOKEN, "userId": "7"},
        format="json",
    )
    told = post(phone, deviceId=TOKEN)
    assert stance(told) == (None, True)
    assert told.json()["quiet_hours_in_force"] is None
    assert stance(post(server, deviceId=TOKEN)) == (None, False)

    Installation.objects.update(user_verified=True)
    told = post(phone, deviceId=TOKEN)
    assert stance(told) == (None, False)
    assert told.json()["quiet_hours_in_force"] == night


def test_an_application_that_trusts_its_clients_tells_them(phone, server, device, application):
    device(TOKEN, owner=Owner(user_key="7"))
    post(server, userId="7", purposes={"offers": False})
    Application.objects.update(trust_client_user_ids=True)
    assert stance(post(phone, deviceId=TOKEN)) == (None, False)


def test_what_cannot_be_kept_of_one_keeps_nothing_of_the_other(phone, iphone):
    night = {"from": "22:00", "until": "07:00"}
    answer = post(phone, deviceId=TOKEN, purposes={"ofers": False}, quiet_hours=night)
    refused(answer, 400, "unknown_purpose", "purposes.ofers")
    assert not QuietHours.objects.exists()


def test_a_server_declares_purposes_and_reads_them(server, foreign_key, phone, staff, application):
    path = "/push/api/purposes"
    made = post(server, path, key="news", name="News", default_on=False)
    assert made.json() == {
        "application": "hall",
        "key": "news",
        "name": "News",
        "transactional": False,
        "default_on": False,
    }
    changed = post(server, path, key="news", name="What is new")
    assert (changed.json()["name"], changed.json()["default_on"]) == ("What is new", False)
    keys = {row["key"] for row in server.get(path).json()["results"]}
    assert keys == {"codes", "offers", "news"}
    assert [row["key"] for row in bearer(foreign_key).get(path).json()["results"]] == ["arias"]
    refused(phone.get(path), 403, "client_key")
    viewer = staff("view_application", application=application, role=Role.VIEWER)
    assert len(viewer.get(path).json()["results"]) == 3
    refused(post(viewer, path, key="x", name="X"), 403, "permission_missing")


@pytest.mark.parametrize("key", ["", "Offers", "an offer", "x" * 65, 7, None, "x\n"])
def test_a_key_that_is_none(server, key):
    before = Purpose.objects.count()
    answer = post(server, "/push/api/purposes", key=key, name="Offers")
    assert (answer.status_code, answer.json()["field"]) == (400, "key")
    assert Purpose.objects.count() == before
