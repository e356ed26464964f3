"""A registration that says what is known costs one statement, and nothing else is taken for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from django_push.models import ApiKey, Application, Installation, Owner

from .conftest import TOKEN, User, basic, bearer, refused

REGISTER = "/push/hall/register-device"
WHOLE = {
    "platform": "ios",
    "deviceId": TOKEN,
    "channels": ["sport", "news"],
    "locale": "de-AT",
    "timeZone": "Europe/Vienna",
    "appIdentifier": "com.example.hall",
    "appVersion": "4.2",
    "environment": "sandbox",
    "installationId": "6F9619FF-8B86",
    "deviceProfile": "tv",
    "attributes": {"vip": True, "n": [1, 2.5, None]},
    "userId": "ana",
}


@pytest.fixture(autouse=True)
def clock_is_read(application, steady_clock):
    """The database's clock is asked now and then; not in the statements that are counted."""
    Installation.objects.register(application, device_type="ios", address="ff")


def send(client, body, **more):
    """The answer, and the statements that it took."""
    with CaptureQueriesContext(connection) as queries:
        response = client.post(REGISTER, body, format="json", **more)
    return response, [query["sql"] for query in queries]


def row() -> Installation:
    return Installation.objects.exclude(address="ff").get()


def state() -> dict:
    found = Installation.objects.exclude(address="ff").values().get()
    return {**found, "channels": row().channels}


@pytest.mark.parametrize(
    "body", [WHOLE, {"platform": "ios", "deviceId": TOKEN}, {**WHOLE, "channels": []}]
)
def test_a_repeat_costs_one_statement(phone, body):
    assert send(phone, body)[0].status_code == 204
    before = state()
    response, statements = send(phone, body)
    assert (response.status_code, response.content) == (204, b"")
    assert [sql.split()[0] for sql in statements] == ["SELECT"]
    assert state() == before


def test_kinveys_clients_and_keys_as_passwords_too(phone, client_key):
    body = {"platform": "IOS", "deviceId": TOKEN.upper(), "framework": "x", "service": "x"}
    send(phone, body)
    assert len(send(basic("hall", client_key), body)[1]) == 1


def test_an_iphone_with_a_token_of_firebase(phone):
    body = {"platform": "ios", "deviceId": "fcm:Token_of-an-iphone", "service": "firebase"}
    send(phone, body)
    assert (row().provider, row().device_type) == ("fcm", "ios")
    assert len(send(phone, body)[1]) == 1
    found = phone.post("/push/hall/find-device", body, format="json")
    assert found.json()["id"] == row().public_id
    assert phone.post("/push/hall/unregister-device", body, format="json").status_code == 204
    assert not row().is_active


def test_a_server_that_repeats_itself_too(server):
    ana = User.objects.create_user("ana")
    body = {"platform": "ios", "deviceId": TOKEN, "userId": str(ana.pk)}
    send(server, body)
    assert len(send(server, body)[1]) == 1
    assert row().user == ana


@pytest.mark.parametrize(
    "change",
    [
        {"channels": ["news"]},
        {"channels": []},
        {"channels": ["news", "sport", "x"]},
        {"locale": "de"},
        {"locale": ""},
        {"timeZone": "Europe/Paris"},
        {"appIdentifier": "com.example.other"},
        {"appVersion": "4.3"},
        {"environment": "production"},
        {"installationId": "another"},
        {"deviceProfile": ""},
        {"attributes": {"vip": 1}},
        {"attributes": {}},
        {"userId": "ben"},
        {"userId": "Ana"},
        {"platform": "macos"},
    ],
)
def test_whatever_is_other_is_written(phone, change):
    send(phone, WHOLE)
    before = state()
    assert send(phone, {**WHOLE, **change})[0].status_code == 204
    after = state()
    assert {name for name in after if after[name] != before[name]} - {"updated_at", "bound_at"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"locale": 7}, "wrong_type"),
        ({"locale": None}, "wrong_type"),
        ({"attributes": None}, "wrong_type"),
        ({"channels": "news"}, "wrong_type"),
        ({"channels": [1]}, "wrong_type"),
        ({"userId": True}, "wrong_type"),
        ({"chanels": []}, "unknown_field"),
        ({"platform": "symbian"}, "unknown_platform"),
        ({"deviceId": "no hex"}, "invalid_token"),
        ({"environment": "staging"}, "wrong_value"),
    ],
)
def test_what_makes_no_sense_is_refused_as_ever(phone, change, code):
    send(phone, {**WHOLE, "locale": "7"})
    refused(send(phone, {**WHOLE, "locale": "7", **change})[0], 400, code)


def test_a_number_as_user_is_the_same_user(phone):
    send(phone, {**WHOLE, "userId": "17"})
    before = state()
    assert send(phone, {**WHOLE, "userId": 17})[0].status_code == 204
    assert state() == before


class TestKeys:
    def test_only_a_key_of_the_application_passes(self, phone, application, foreign_key, other):
        send(phone, WHOLE)
        Installation.objects.register(other, device_type="ios", address=TOKEN)
        refused(send(bearer(foreign_key), WHOLE)[0], 403, "wrong_application")
        refused(send(bearer("guess"), WHOLE)[0], 401, "not_authenticated")
        key, value = ApiKey.objects.issue(application, ApiKey.Kind.CLIENT)
        assert send(bearer(value), WHOLE)[0].status_code == 204
        key.revoke()
        refused(send(bearer(value), WHOLE)[0], 401, "not_authenticated")

    def test_a_key_with_another_applications_name_is_refused(self, phone, client_key, other):
        send(phone, WHOLE)
        refused(send(basic("opera", client_key), WHOLE)[0], 403, "wrong_application")

    def test_a_device_of_another_application_is_not_it(self, phone, db):
        elsewhere = Application.objects.register(None, "Theatre")
        Installation.objects.register(elsewhere, device_type="ios", address=TOKEN)
        assert send(phone, {"platform": "ios", "deviceId": TOKEN})[0].status_code == 204
        assert Installation.objects.filter(application__key="hall", address=TOKEN).exists()

    def test_an_old_encryption_key_still_finds_it(self, phone, settings, client_key):
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "a new one"
        send(phone, WHOLE)
        assert len(send(phone, WHOLE)[1]) == 1

    def test_of_two_keys_with_one_value_the_first_counts_as_ever(
        self, phone, settings, application, other, client_key
    ):
        send(phone, WHOLE)
        value = ApiKey.objects.issue(other, ApiKey.Kind.CLIENT)[1]
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "a new one"
        ApiKey.objects.issue(application, ApiKey.Kind.CLIENT, value=client_key)
        assert len(send(phone, WHOLE)[1]) == 1
        ApiKey.objects.issue(application, ApiKey.Kind.CLIENT, value=value)
        refused(send(bearer(value), WHOLE)[0], 403, "wrong_application")

    @pytest.mark.parametrize("name", ["hall%20", "HALL", "h%C3%A4ll", "hall%00", "%20hall"])
    def test_almost_the_applications_name_is_another(self, phone, client_key, name):
        send(phone, WHOLE)
        path = f"/push/{name}/register-device"
        refused(phone.post(path, WHOLE, format="json"), 403, "wrong_application")

    def test_an_application_may_have_any_name(self, db):
        hall = Application.objects.register(None, "Hall", key="große Halle")
        phone = bearer(ApiKey.objects.issue(hall, ApiKey.Kind.CLIENT)[1])
        for _time in range(2):
            answer = phone.post("/push/große Halle/register-device", WHOLE, format="json")
            assert answer.status_code == 204
        assert row().application == hall

    def test_no_limit_for_servers(self, server, settings):
        settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "THROTTLE_REGISTER": "1/min"}
        assert [send(server, WHOLE)[0].status_code for _ in range(3)] == [204, 204, 204]
        assert len(send(server, WHOLE)[1]) == 1

    def test_a_server_must_say_whose_it_is(self, server, phone):
        send(phone, WHOLE)
        body = {name: value for name, value in WHOLE.items() if name != "userId"}
        refused(send(server, body)[0], 400, "missing_field", "userId")


class TestWhoseItIs:
    def test_a_claim_does_not_prove_and_a_proof_is_noticed(self, phone, server):
        send(phone, WHOLE)
        assert not row().user_verified
        send(server, WHOLE)
        assert row().user_verified
        assert len(send(phone, WHOLE)[1]) == 1
        assert row().user_verified
        send(phone, {**WHOLE, "userId": "mallory"})
        assert (row().user_key, row().user_verified) == ("mallory", False)

    def test_one_proved_to_another_is_handed_over(self, server):
        send(server, WHOLE)
        bound = row().bound_at
        send(server, {**WHOLE, "userId": "ben"})
        assert (row().user_key, row().user_verified) == ("ben", True)
        assert row().bound_at > bound


def test_one_that_was_off_is_switched_on(phone):
    send(phone, WHOLE)
    Installation.objects.update(is_active=False, inactive_reason=Installation.Reason.DEAD)
    send(phone, WHOLE)
    assert row().is_active


@pytest.mark.parametrize("reason", ["staff", "opted_out"])
def test_one_that_stays_off_stays_off(phone, reason):
    send(phone, WHOLE)
    Installation.objects.update(is_active=False, inactive_reason=reason)
    assert len(send(phone, WHOLE)[1]) == 1
    assert not row().is_active


def test_it_is_seen_hourly(phone):
    send(phone, WHOLE)
    Installation.objects.update(last_seen_at=timezone.now() - timedelta(minutes=59))
    assert len(send(phone, WHOLE)[1]) == 1
    Installation.objects.update(last_seen_at=timezone.now() - timedelta(minutes=61))
    send(phone, WHOLE)
    assert timezone.now() - row().last_seen_at < timedelta(minutes=5)


def test_repeats_count_in_the_limit_and_once_each(phone, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "THROTTLE_REGISTER": "3/min"}
    assert [send(phone, WHOLE)[0].status_code for _ in range(4)] == [204, 204, 204, 429]


def test_a_large_body_is_not_read(phone):
    send(phone, WHOLE)
    body = {**WHOLE, "attributes": {"a": "x" * 70_000}}
    refused(send(phone, body)[0], 413, "body_too_large")


def test_who_asks_for_the_device_gets_it(phone):
    send(phone, WHOLE)
    response, _statements = send(phone, WHOLE, HTTP_PREFER="return=representation")
    assert response.json()["id"] == row().public_id


def test_a_previous_token_that_is_still_on_is_switched_off(phone, application):
    send(phone, WHOLE)
    former = Installation.objects.register(application, device_type="ios", address="aa")
    send(phone, {**WHOLE, "previousDeviceId": "aa"})
    former.refresh_from_db()
    assert not former.is_active


def test_a_user_with_a_session_needs_the_csrf_token_for_a_repeat_too(application):
    ana = User.objects.create_user("ana")
    Installation.objects.register(
        application, device_type="ios", address=TOKEN, owner=Owner(user=ana)
    )
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(ana)
    refused(send(client, {"platform": "ios", "deviceId": TOKEN})[0], 403, "not_allowed_here")
