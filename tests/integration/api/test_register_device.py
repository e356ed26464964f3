"""Registering and unregistering, in Kinvey's shape."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from django_push.models import ApiKey, Application, Installation

from .conftest import TOKEN, basic, bearer, refused, rows

User = get_user_model()

REGISTER = "/push/hall/register-device"
UNREGISTER = "/push/hall/unregister-device"
BODY = {"platform": "ios", "deviceId": TOKEN}


def only() -> Installation:
    return Installation.objects.get()


@pytest.mark.parametrize("address", [REGISTER, REGISTER + "/"])
def test_a_client_registers_with_and_without_a_final_slash(phone, address):
    response = phone.post(address, BODY, format="json")
    assert (response.status_code, response.content) == (204, b"")
    assert (only().address, only().provider, only().is_active) == (TOKEN, "apns", True)


def test_the_same_request_twice_is_one_device(phone):
    for _ in range(2):
        assert phone.post(REGISTER, BODY, format="json").status_code == 204
    assert Installation.objects.count() == 1


@pytest.mark.parametrize("address", [UNREGISTER, UNREGISTER + "/"])
def test_unregistering_switches_the_device_off_and_is_idempotent(phone, address):
    phone.post(REGISTER, BODY, format="json")
    for _ in range(2):
        response = phone.post(address, BODY, format="json")
        assert (response.status_code, response.content) == (204, b"")
    assert not only().is_active
    phone.post(REGISTER, BODY, format="json")
    assert only().is_active


def test_unregistering_an_unknown_device_is_no_error(phone):
    assert phone.post(UNREGISTER, BODY, format="json").status_code == 204
    assert not Installation.objects.exists()


def test_an_unknown_platform_names_the_known_ones(phone):
    response = phone.post(REGISTER, {**BODY, "platform": "symbian"}, format="json")
    message = refused(response, 400, "unknown_platform", "platform")
    assert "ios" in message
    assert "android" in message


def test_the_platform_may_be_written_in_capitals(phone):
    assert phone.post(REGISTER, {**BODY, "platform": "iOS"}, format="json").status_code == 204
    assert only().device_type == "ios"


def test_a_user_id_with_a_client_key_is_only_claimed(phone):
    phone.post(REGISTER, {**BODY, "userId": "ana"}, format="json")
    assert (only().user_key, only().user_verified, only().user) == ("ana", False, None)


def test_a_user_id_with_a_server_key_is_proved(server):
    phone_of = {**BODY, "userId": "5058c666474f050906000001"}
    assert server.post(REGISTER, phone_of, format="json").status_code == 204
    assert (only().user_key, only().user_verified) == ("5058c666474f050906000001", True)
    assert only().user is None


def test_a_server_key_binds_to_the_user_of_the_project(server):
    user = User.objects.create_user("ana")
    server.post(REGISTER, {**BODY, "userId": user.pk}, format="json")
    assert (only().user, only().user_key, only().user_verified) == (user, str(user.pk), True)


def test_a_server_key_must_say_whose_device_it_is(server):
    before = rows()
    for address in (REGISTER, UNREGISTER):
        refused(server.post(address, BODY, format="json"), 400, "missing_field", "userId")
    assert rows() == before


def test_a_device_that_comes_back_under_another_proved_user_moves(server):
    server.post(REGISTER, {**BODY, "userId": "ana"}, format="json")
    bound = only().bound_at
    server.post(REGISTER, {**BODY, "userId": "ben"}, format="json")
    assert (only().user_key, only().user_verified) == ("ben", True)
    assert only().bound_at > bound


def test_a_claim_unbinds_a_proved_device_and_never_proves(server, phone):
    server.post(REGISTER, {**BODY, "userId": "ana"}, format="json")
    phone.post(REGISTER, {**BODY, "userId": "mallory"}, format="json")
    assert (only().user_key, only().user_verified) == ("mallory", False)


def test_a_client_without_a_user_leaves_the_proved_user(server, phone):
    server.post(REGISTER, {**BODY, "userId": "ana"}, format="json")
    phone.post(REGISTER, BODY, format="json")
    assert (only().user_key, only().user_verified) == ("ana", True)


def test_a_server_unregisters_only_the_device_of_the_user_it_names(server):
    server.post(REGISTER, {**BODY, "userId": "ana"}, format="json")
    server.post(UNREGISTER, {**BODY, "userId": "ben"}, format="json")
    assert only().is_active
    server.post(UNREGISTER, {**BODY, "userId": "ana"}, format="json")
    assert not only().is_active
    assert only().user_key == ""


def test_kinveys_clients_may_send_their_own_fields(phone):
    body = {**BODY, "framework": "react-native", "service": "firebase"}
    assert phone.post(REGISTER, body, format="json").status_code == 204


def test_an_unknown_field_is_refused_with_the_known_ones(phone):
    response = phone.post(REGISTER, {**BODY, "chanels": ["news"]}, format="json")
    assert "channels" in refused(response, 400, "unknown_field", "chanels")
    assert not Installation.objects.exists()


def test_everything_else_that_a_client_may_tell_is_kept(phone):
    details = {
        "channels": ["sport", "news"],
        "locale": "de-AT",
        "timeZone": "Europe/Vienna",
        "appIdentifier": "com.example.hall",
        "appVersion": "4.2",
        "environment": "sandbox",
        "installationId": "6F9619FF-8B86-D011-B42D-00CF4FC964FF",
        "deviceProfile": "tv",
        "attributes": {"vip": True},
    }
    assert phone.post(REGISTER, {**BODY, **details}, format="json").status_code == 204
    row = only()
    assert row.channels == ["news", "sport"]
    assert (row.locale, row.time_zone) == ("de-AT", "Europe/Vienna")
    assert (row.app_identifier, row.app_version) == ("com.example.hall", "4.2")
    assert (row.environment, row.device_profile) == ("sandbox", "tv")
    assert row.installation_id == "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
    assert row.attributes == {"vip": True}


def test_what_is_left_out_stays_and_an_empty_list_empties(phone):
    phone.post(REGISTER, {**BODY, "channels": ["news"], "locale": "de"}, format="json")
    phone.post(REGISTER, BODY, format="json")
    assert (only().channels, only().locale) == (["news"], "de")
    phone.post(REGISTER, {**BODY, "channels": []}, format="json")
    assert only().channels == []


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"platform": 7}, "wrong_type", "platform"),
        ({"platform": None}, "wrong_type", "platform"),
        ({"deviceId": ["a"]}, "wrong_type", "deviceId"),
        ({"deviceId": ""}, "missing_field", "deviceId"),
        ({"deviceId": "a" * 4097}, "too_long", "deviceId"),
        ({"userId": True}, "wrong_type", "userId"),
        ({"userId": "u" * 192}, "too_long", "userId"),
        ({"channels": "news"}, "wrong_type", "channels"),
        ({"channels": ["news", 1]}, "wrong_type", "channels.1"),
        ({"channels": [""]}, "missing_field", "channels.0"),
        ({"channels": ["c"] * 1001}, "too_long", "channels"),
        ({"locale": "x" * 36}, "too_long", "locale"),
        ({"environment": "staging"}, "wrong_value", "environment"),
        ({"environment": {}}, "wrong_value", "environment"),
        ({"attributes": [1]}, "wrong_type", "attributes"),
        ({"attributes": {"a": "\x00"}}, "nul_character", ""),
        ({"deviceId": "\x00"}, "nul_character", ""),
    ],
)
def test_a_body_that_makes_no_sense_registers_nothing(phone, change, code, field):
    refused(phone.post(REGISTER, {**BODY, **change}, format="json"), 400, code, field)
    assert not Installation.objects.exists()


@pytest.mark.parametrize("field", ["platform", "deviceId"])
def test_a_field_that_is_missing_is_named(phone, field):
    body = {name: value for name, value in BODY.items() if name != field}
    refused(phone.post(REGISTER, body, format="json"), 400, "missing_field", field)


@pytest.mark.parametrize("token", ["'; DROP TABLE x; --", "🎺🎺🎺", "%00", "../../x", "A" * 4096])
def test_hostile_tokens_are_only_texts(phone, token):
    response = phone.post(REGISTER, {"platform": "android", "deviceId": token}, format="json")
    if response.status_code == 204:
        assert only().address == token
    else:
        refused(response, 400, "invalid_token", "deviceId")
        assert not Installation.objects.exists()


def test_ana_and_ana_in_capitals_are_two_users_and_two_devices(server):
    for name in ("Ana", "ana"):
        body = {"platform": "android", "deviceId": f"token-of-{name}:x", "userId": name}
        assert server.post(REGISTER, body, format="json").status_code == 204
    found = server.get("/push/api/installations/", {"user": "Ana"}).json()["results"]
    assert [row["user"] for row in found] == ["Ana"]
    assert Installation.objects.count() == 2


class TestWhoMay:
    def test_nobody_is_asked_for_credentials(self, application):
        response = APIClient().post(REGISTER, BODY, format="json")
        refused(response, 401, "not_authenticated")
        assert response["WWW-Authenticate"] == 'Bearer realm="django_push"'
        assert not Installation.objects.exists()

    @pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic", "Basic !", "Bearer nothing"])
    def test_credentials_that_are_none_are_refused(self, application, header):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=header)
        response = client.post(REGISTER, BODY, format="json")
        assert response.status_code == 401
        assert set(response.json()) == {"code", "message", "field"}
        assert not Installation.objects.exists()

    def test_a_key_works_as_the_password_of_its_application(self, application, client_key):
        response = basic("hall", client_key).post(REGISTER, BODY, format="json")
        assert response.status_code == 204

    def test_a_key_of_another_application_is_forbidden(self, application, foreign_key):
        body = {**BODY, "userId": "ana"}
        for client in (
            bearer(foreign_key),
            basic("hall", foreign_key),
            basic("opera", foreign_key),
        ):
            for address in (REGISTER, UNREGISTER):
                refused(client.post(address, body, format="json"), 403, "wrong_application")
        assert not Installation.objects.exists()

    def test_an_application_that_does_not_exist_looks_like_another_ones(self, phone):
        refused(
            phone.post("/push/none/register-device", BODY, format="json"), 403, "wrong_application"
        )

    def test_a_revoked_key_is_no_key(self, application):
        key, value = ApiKey.objects.issue(application, ApiKey.Kind.CLIENT)
        key.revoke()
        refused(bearer(value).post(REGISTER, BODY, format="json"), 401, "not_authenticated")

    def test_an_application_may_be_called_api(self, db):
        value = ApiKey.objects.issue(
            Application.objects.register(None, "Odd", key="api"), ApiKey.Kind.CLIENT
        )[1]
        response = bearer(value).post("/push/api/register-device", BODY, format="json")
        assert response.status_code == 204

    def test_a_user_registers_for_themselves(self, application):
        user = User.objects.create_user("ana", password="secret")
        response = basic("ana", "secret").post(REGISTER, BODY, format="json")
        assert response.status_code == 204
        assert (only().user, only().user_key, only().user_verified) == (user, str(user.pk), True)

    def test_a_user_cannot_register_for_another(self, application):
        User.objects.create_user("ana", password="secret")
        response = basic("ana", "secret").post(REGISTER, {**BODY, "userId": "0"}, format="json")
        refused(response, 400, "other_user", "userId")
        assert not Installation.objects.exists()

    def test_the_device_moves_to_the_user_who_signs_in_on_it(self, application):
        for name in ("ana", "ben"):
            User.objects.create_user(name, password="secret")
            basic(name, "secret").post(REGISTER, BODY, format="json")
        assert only().user == User.objects.get(username="ben")
        basic("ana", "secret").post(UNREGISTER, BODY, format="json")
        assert only().is_active, "who left a phone must not silence its next user"

    def test_a_user_of_an_unknown_application_is_told_so(self, db):
        User.objects.create_user("ana", password="secret")
        client = basic("ana", "secret")
        for key in ("none", "%00"):
            response = client.post(f"/push/{key}/register-device", BODY, format="json")
            refused(response, 404, "unknown_application")

    def test_a_session_needs_the_csrf_token(self, application):
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(User.objects.create_user("ana"))
        response = client.post(REGISTER, BODY, format="json")
        refused(response, 403, "not_allowed_here")
        assert not Installation.objects.exists()

    def test_a_key_needs_none(self, application, client_key):
        client = APIClient(enforce_csrf_checks=True)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {client_key}")
        assert client.post(REGISTER, BODY, format="json").status_code == 204
