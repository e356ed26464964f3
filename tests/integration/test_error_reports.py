"""What Django mails to the administrators when something breaks holds no secret."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.signals import got_request_exception
from django.test import Client
from django.urls import reverse
from django.views.debug import ExceptionReporter

from django_push.models import ApiKey
from tests.unit.providers import files

GIVEN = "carried-by-older-apps"
PASSWORD = "opens-the-file"


@pytest.fixture
def reports() -> Iterator[list[str]]:
    """Every report, as mailed, of the requests of a test."""
    found: list[str] = []

    def note(request: Any, **kwargs: Any) -> None:
        reporter = ExceptionReporter(request, *sys.exc_info(), is_email=True)
        found.append(reporter.get_traceback_text() + reporter.get_traceback_html())

    got_request_exception.connect(note)
    yield found
    got_request_exception.disconnect(note)


@pytest.fixture
def client(db) -> Client:
    user = get_user_model()._default_manager.create_superuser("root", password="root")
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def broken(*args: Any, **kwargs: Any) -> None:
    raise RuntimeError("something broke")


def test_a_key_that_was_shown_to_the_api_is_not_in_it(client, application, reports, monkeypatch):
    _key, value = ApiKey.objects.issue(application, "server")
    monkeypatch.setattr("django.db.models.QuerySet.first", broken)
    answer = client.get("/push/api/history/", headers={"Authorization": f"Bearer {value}"})
    assert answer.status_code == 500
    assert "something broke" in reports[0]
    assert value not in reports[0]


@pytest.mark.parametrize(
    "where", ["django.db.models.QuerySet.exists", "django.db.models.Model.save"]
)
def test_a_key_that_was_typed_is_not_in_it(client, application, reports, monkeypatch, where):
    monkeypatch.setattr(where, broken)
    data = {"application": application.pk, "kind": "server", "name": "x", "given": GIVEN}
    answer = client.post(reverse("admin:django_push_apikey_add"), data)
    assert answer.status_code == 500
    assert "something broke" in reports[0]
    assert GIVEN not in reports[0]


@pytest.mark.parametrize("where", ["django_push.crypto._keys", "django.db.models.Model.save"])
def test_a_file_and_its_password_are_not_in_it(client, application, reports, monkeypatch, where):
    monkeypatch.setattr(where, broken)
    content = files.pem_pair(PASSWORD)
    data = {
        "application": application.pk,
        "provider": "apns",
        "environment": "production",
        "is_active": "on",
        "password": PASSWORD,
        "file": SimpleUploadedFile("push.pem", content),
    }
    answer = client.post(reverse("admin:django_push_credential_add"), data)
    assert answer.status_code == 500
    assert "something broke" in reports[0]
    assert PASSWORD not in reports[0]
    for line in files.pem(files.rsa_key()).decode().splitlines()[1:3]:
        assert line not in reports[0]
