"""Every refusal has the same shape, whatever the host project's settings."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from django_push.models import ApiKey, Installation

from .conftest import TOKEN, basic, bearer, refused, rows

User = get_user_model()

REGISTER = "/push/hall/register-device"
SEND = "/push/api/notifications"
BODY = {"platform": "ios", "deviceId": TOKEN}
HOST = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.BasicAuthentication"],
    "EXCEPTION_HANDLER": "tests.nowhere.handler",
    "NON_FIELD_ERRORS_KEY": "whole",
    "DATETIME_FORMAT": "%d",
    "DATETIME_INPUT_FORMATS": ["%d"],
    "UNAUTHENTICATED_USER": None,
}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "missing_field"),
        ("{", "not_json"),
        ("nan", "not_json"),
        ('{"platform": NaN}', "not_json"),
        ('{"platform": "\\ud800"}', "not_json"),
        (b"\xff\xfe", "not_json"),
        ("[]", "wrong_type"),
        ("null", "wrong_type"),
        ('"text"', "wrong_type"),
        ("1", "wrong_type"),
        ('{"attributes": {"a": 1e999}}', ("not_json", "number_too_large")),
        ('{"a": ' * 40 + "1" + "}" * 40, "too_deep"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "too_deep"),
        ('{"a": ' + "[" * 30_000 + "]" * 30_000 + "}", ("not_json", "too_deep")),
        ('{"a\\u0000": 1}', "nul_character"),
    ],
)
def test_a_body_that_is_no_object_is_refused(phone, body, code):
    response = phone.generic("POST", REGISTER, body, content_type="application/json")
    assert response.json()["code"] in code, response.json()
    refused(response, 400, response.json()["code"])
    assert not Installation.objects.exists()


def test_a_body_that_is_too_large_is_refused_unread(phone, server):
    before = rows()
    large = json.dumps({**BODY, "attributes": {"a": "x" * 65_536}})
    response = phone.generic("POST", REGISTER, large, content_type="application/json")
    assert "65,536" in refused(response, 413, "body_too_large")
    huge = json.dumps({"body": "x", "audience": {"everyone": True}, "data": {"a": "x" * 2**20}})
    response = server.generic("POST", SEND, huge, content_type="application/json")
    refused(response, 413, "body_too_large")
    assert rows() == before


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "nonsense"])
def test_other_kinds_of_bodies_are_refused(phone, kind):
    response = phone.generic("POST", REGISTER, json.dumps(BODY), content_type=kind)
    refused(response, 415, "unsupported_media_type")


def test_json_may_name_its_charset(phone):
    response = phone.generic(
        "POST", REGISTER, json.dumps(BODY), content_type="Application/JSON; charset=utf-8"
    )
    assert response.status_code == 204


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("get", REGISTER),
        ("put", REGISTER),
        ("options", REGISTER),
        ("delete", "/push/api/installations/"),
        ("put", "/push/api/notifications/"),
        ("post", "/push/api/history/"),
        ("get", "/push/api/audience/count"),
        ("options", "/push/api/installations/"),
        ("post", "/push/api/schema/"),
    ],
)
def test_a_method_that_is_not_there(server, method, address):
    refused(getattr(server, method)(address), 405, "method_not_allowed")


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_an_address_that_is_not_there(server, method):
    for address in ("/push/api/", "/push/api/nothing", "/push/api/installations/x/y/z"):
        refused(getattr(server, method)(address), 404, "not_found")


def test_a_browser_gets_json_too(server):
    response = server.get("/push/api/installations/?format=api", headers={"Accept": "text/html"})
    refused(response, 400, "unknown_filter", "format")
    response = APIClient().get("/push/api/installations/", headers={"Accept": "text/html"})
    refused(response, 401, "not_authenticated")


class TestWhateverTheHostHasSet:
    @pytest.fixture(autouse=True)
    def host(self, settings):
        settings.REST_FRAMEWORK = HOST

    def test_registration(self, phone, application):
        assert phone.post(REGISTER, json.dumps(BODY), content_type="application/json").data is None
        for _ in range(2):
            response = APIClient().post(REGISTER, "{}", content_type="application/json")
            refused(response, 401, "not_authenticated")
        User.objects.create_user("ana", password="secret")
        response = basic("ana", "secret").post(
            REGISTER, json.dumps(BODY), content_type="application/json"
        )
        assert response.status_code == 204
        response = phone.post(REGISTER, "{", content_type="application/json")
        refused(response, 400, "not_json")

    def test_sending(self, server, device):
        device("b1")
        body = {"body": "x", "audience": {"everyone": True}, "send_at": "2999-01-01T00:00:00Z"}
        response = server.post(SEND, json.dumps(body), content_type="application/json")
        assert response.json()["due_at"] == "2999-01-01T00:00:00Z"
        found = server.get("/push/api/history/").json()
        assert set(found) == {"next", "results"}
        response = server.patch(
            f"/push/api/installations/{Installation.objects.get().public_id}",
            "{}",
            content_type="application/json",
        )
        refused(response, 400, "missing_field", "")


class TestThrottles:
    def test_a_client_key_is_counted_per_address(self, phone, settings):
        settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "THROTTLE_REGISTER": "2/min"}
        for _ in range(2):
            assert phone.post(REGISTER, BODY, format="json").status_code == 204
        response = phone.post(REGISTER, BODY, format="json")
        refused(response, 429, "throttled")
        assert 1 <= int(response["Retry-After"]) <= 60
        elsewhere = phone.post(REGISTER, BODY, format="json", REMOTE_ADDR="192.0.2.7")
        assert elsewhere.status_code == 204

    def test_a_server_key_is_not(self, server, settings):
        settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "THROTTLE_REGISTER": "1/min"}
        for _ in range(3):
            response = server.post(REGISTER, {**BODY, "userId": "ana"}, format="json")
            assert response.status_code == 204

    def test_none_switches_it_off(self, phone, settings):
        settings.DJANGO_PUSH = {
            **settings.DJANGO_PUSH,
            "THROTTLE_REGISTER": None,
            "THROTTLE_FAILED_LOGIN": None,
        }
        for _ in range(3):
            assert phone.post(REGISTER, BODY, format="json").status_code == 204
            refused(bearer("guess").post(REGISTER, BODY, format="json"), 401, "not_authenticated")

    def test_who_guesses_passwords_must_wait_and_keys_need_not(self, phone, settings):
        settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "THROTTLE_FAILED_LOGIN": "3/min"}
        User.objects.create_user("ana", password="secret")
        for number in range(3):
            response = basic("ana", f"guess{number}").post(REGISTER, BODY, format="json")
            refused(response, 401, "authentication_failed")
        refused(basic("ana", "secret").post(REGISTER, BODY, format="json"), 429, "throttled")
        assert phone.post(REGISTER, BODY, format="json").status_code == 204

    def test_guessed_keys_are_counted_too(self, application, settings):
        settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "THROTTLE_FAILED_LOGIN": "2/min"}
        for _ in range(2):
            refused(bearer("guess").post(REGISTER, BODY, format="json"), 401, "not_authenticated")
        refused(bearer("guess").post(REGISTER, BODY, format="json"), 429, "throttled")

    def test_the_document_is_counted_per_address(self, db, settings):
        settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "THROTTLE_PUBLIC": "1/min"}
        assert APIClient().get("/push/api/schema/").status_code == 200
        refused(APIClient().get("/push/api/schema/"), 429, "throttled")


def test_no_key_ever_stands_in_an_answer(phone, client_key, server, server_key, device):
    device("b1")
    for client in (phone, server):
        for response in (
            client.get("/push/api/installations/"),
            client.get("/push/api/applications/hall/"),
            client.post(SEND, {"body": "x"}, format="json"),
            client.post("/push/other/register-device", BODY, format="json"),
        ):
            assert client_key not in response.content.decode()
            assert server_key not in response.content.decode()
            assert ApiKey.objects.first().digest not in response.content.decode()

    def test_a_forwarded_address_counts_only_behind_known_proxies(self, phone, settings):
        settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "THROTTLE_REGISTER": "2/min"}

        def knock(forwarded: str) -> int:
            headers = {"X-Forwarded-For": forwarded}
            return phone.post(REGISTER, BODY, format="json", headers=headers).status_code

        assert [knock(f"198.51.100.{number}") for number in range(3)] == [204, 204, 429]
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
        assert knock("198.51.100.9") == 204
        # only what the last proxy wrote
        assert [knock(f"203.0.113.{number}, 198.51.100.8") for number in range(3)] == [
            204,
            204,
            429,
        ]
