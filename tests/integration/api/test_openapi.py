"""The OpenAPI document, and the page that shows it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def document() -> dict:
    response = APIClient().get("/push/api/schema/")
    assert response["Content-Type"] == "application/vnd.oai.openapi+json"
    return response.json()


def test_it_is_valid_and_made_without_a_warning(tmp_path):
    out = tmp_path / "schema.yaml"
    call_command("spectacular", "--fail-on-warn", "--validate", "--file", str(out))
    assert "/push/{app_key}/register-device" in Path(out).read_text()


def test_it_describes_our_addresses_where_they_are_mounted(document):
    validate_schema(document)
    assert {re.sub(r"/$", "", path) for path in document["paths"]} == {
        "/push/{app_key}/devices/{id}",
        "/push/{app_key}/devices/{id}/opened",
        "/push/{app_key}/find-device",
        "/push/{app_key}/register-device",
        "/push/{app_key}/unregister-device",
        "/push/{app_key}/preferences",
        "/push/api/applications",
        "/push/api/applications/{key}",
        "/push/api/audience/count",
        "/push/api/history",
        "/push/api/history/{id}",
        "/push/api/history/{id}/cancel",
        "/push/api/history/{id}/failures",
        "/push/api/history/{id}/pause",
        "/push/api/history/{id}/resume",
        "/push/api/installations",
        "/push/api/installations/bulk",
        "/push/api/installations/{id}",
        "/push/api/installations/{id}/history",
        "/push/api/installations/{id}/history/{push}",
        "/push/api/installations/{id}/preferences",
        "/push/api/users/{user}/data",
        "/push/api/purposes",
        "/push/api/users/{user}/preferences",
        "/push/api/users/{user}/devices",
        "/push/api/notifications",
        "/push/api/notifications/batch",
        "/push/api/notifications/{id}",
        "/push/api/notifications/{id}/cancel",
        "/push/api/notifications/{id}/pause",
        "/push/api/notifications/{id}/resume",
        "/push/api/segments",
        "/push/api/segments/{id}",
        "/push/api/segments/{id}/count",
    }


def operations(document: dict) -> list[dict]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_every_operation_says_how_to_prove_oneself_and_how_it_refuses(document):
    assert set(document["components"]["securitySchemes"]) == {"key", "keyAsPassword", "session"}
    for operation in operations(document):
        assert {"key": []} in operation["security"]
        assert {"400", "401", "403", "404", "429"} <= set(operation["responses"])


def test_what_is_sent_has_an_example(document):
    sending = [operation for operation in operations(document) if "requestBody" in operation]
    assert len(sending) == 18
    for operation in sending:
        assert operation["requestBody"]["content"]["application/json"]["examples"]


def test_names_of_operations_do_not_depend_on_the_mount_point(document):
    names = {operation["operationId"] for operation in operations(document)}
    assert {"register_device", "installation_list", "notification_create"} <= names
    assert len(names) == len(operations(document))


@pytest.mark.parametrize("address", ["/push/api/docs/", "/push/api/docs"])
def test_the_page_loads_nothing_from_elsewhere_and_has_no_inline_code(address):
    page = APIClient().get(address).content.decode()
    assert "/push/api/schema" in page
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=", page)
    for name in re.findall(r'(?:src|href)="/static/([^"]+)"', page):
        assert finders.find(name), name


def test_without_swagger_ui_the_page_says_what_to_install(settings):
    settings.INSTALLED_APPS = [
        app for app in django_settings.INSTALLED_APPS if app != "drf_spectacular_sidecar"
    ]
    page = APIClient().get("/push/api/docs/").content.decode()
    assert "drf_spectacular_sidecar" in page
    assert "/push/api/schema" in page
    assert "<script" not in page


def test_a_host_that_never_configured_any_of_it_gets_the_same_document(document):
    script = (
        "import django, json; django.setup();"
        "from django_push.api.openapi import document; print(json.dumps(document()))"
    )
    made = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.integration.api.bare_host"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stderr == ""
    bare = json.loads(made.stdout)
    assert set(bare["paths"]) == set(document["paths"])
    assert {operation["operationId"] for operation in operations(bare)} == {
        operation["operationId"] for operation in operations(document)
    }
