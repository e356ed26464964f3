"""From the real fcm-django, in the table that its own migrations made."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model

from django_push.importers import FcmDjango
from django_push.models import Installation
from tests.support.imports import counts
from tests.support.other_apps import installed

pytestmark = pytest.mark.service("fcm-django")


@pytest.fixture(scope="module")
def tables(django_db_setup, django_db_blocker):
    with installed("fcm_django", django_db_blocker):
        yield


@pytest.fixture
def package(tables, db):
    """Installed, and empty."""


def make(**values):
    return apps.get_model("fcm_django", "FCMDevice").objects.create(**values)


def test_every_type(package, importing):
    ana = get_user_model().objects.create_user("ana")
    make(registration_id="made-up-1", type="android", user=ana, device_id="Phone-1", name="Pixel")
    make(registration_id="made-up-2", type="ios", active=False)
    make(registration_id="made-up-3", type="web")
    assert counts(importing.source(FcmDjango())) == (3, 0, 0, 0)
    assert counts(importing.source(FcmDjango())) == (0, 0, 3, 0)
    found = Installation.objects.values_list("address", "device_type", "provider", "is_active")
    assert set(found) == {
        ("made-up-1", "android", "fcm", True),
        ("made-up-2", "ios", "fcm", False),
        ("made-up-3", "web", "fcm", True),
    }
    device = Installation.objects.get(address="made-up-1")
    assert (device.user, device.user_verified) == (ana, True)
    assert (device.installation_id, device.attributes) == ("phone-1", {"name": "Pixel"})


def test_what_cannot_be_imported_is_named_by_its_key(package, importing):
    wrong = make(registration_id="no token of google", type="android")
    report = importing.source(FcmDjango())
    assert counts(report) == (0, 0, 0, 1)
    assert report.refusals[0].place == f"FCMDevice {wrong.pk}"


def test_a_model_that_the_project_put_in_its_place(package, importing, settings):
    """The setting names it; here it is the package's own under another spelling."""
    make(registration_id="made-up-1", type="android")
    settings.FCM_DJANGO_FCMDEVICE_MODEL = "fcm_django.fcmdevice"
    assert counts(importing.source(FcmDjango())) == (1, 0, 0, 0)
