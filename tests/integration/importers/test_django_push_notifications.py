"""From the real django-push-notifications, in tables that its own migrations made."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.test.utils import override_settings
from django.utils import timezone

from django_push.importers import DjangoPushNotifications, Users
from django_push.models import Application, Installation
from tests.support.imports import counts, token
from tests.support.other_apps import installed

FCM = "made-up-fcm-token:APA91b"


@pytest.fixture(scope="module")
def tables(django_db_setup, django_db_blocker):
    with installed("push_notifications", django_db_blocker):
        yield


@pytest.fixture
def package(tables, db):
    """Installed, and empty."""


@pytest.fixture
def ana(db):
    return get_user_model().objects.create_user("ana")


def make(model: str, /, **values):
    return apps.get_model("push_notifications", model).objects.create(**values)


@pytest.fixture
def devices(package, ana):
    """One of each kind, as its API makes them."""
    uid = uuid.UUID("12345678-1234-4234-8234-123456789abc")
    return {
        "ios": make(
            "APNSDevice", registration_id=token(1).upper(), device_id=uid, user=ana, name="iPhone"
        ),
        "android": make("GCMDevice", registration_id=FCM, device_id="0xfedcba9876543210"),
        "windows": make("WNSDevice", registration_id="https://db5.notify.windows.com/?t=made-up"),
        "web": make(
            "WebPushDevice",
            registration_id="https://updates.push.services.mozilla.com/wpush/v2/made-up",
            p256dh="B" + "x" * 86,
            auth="y" * 22,
            browser="FIREFOX",
            user=ana,
        ),
    }


class TestEveryKind:
    @pytest.fixture
    def report(self, devices, importing):
        return importing.source(DjangoPushNotifications())

    def test_all_are_there(self, report):
        assert counts(report) == (4, 0, 0, 0)
        found = Installation.objects.values_list("device_type", "provider", "is_active")
        assert set(found) == {
            ("ios", "apns", True),
            ("android", "fcm", True),
            ("windows", "wns", True),
            ("web", "webpush", True),
        }

    def test_apple(self, report, ana, devices):
        device = Installation.objects.get(device_type="ios")
        assert device.address == token(1)
        assert device.installation_id == "12345678-1234-4234-8234-123456789abc"
        assert (device.user, device.user_key, device.user_verified) == (ana, str(ana.pk), True)
        assert device.attributes == {"name": "iPhone"}
        assert device.created_at == device.registered_at == devices["ios"].date_created
        # It does not know when apps last came: they must not be stale at once.
        assert device.last_seen_at > timezone.now() - timedelta(minutes=5)

    def test_google_and_its_number_that_databases_store_with_a_sign(self, report):
        device = Installation.objects.get(device_type="android")
        assert (device.address, device.installation_id) == (FCM, "0xfedcba9876543210")
        assert (device.user, device.user_verified) == (None, False)

    def test_a_browser_keeps_the_keys_of_its_subscription(self, report):
        device = Installation.objects.get(device_type="web")
        assert json.loads(device.address) == {
            "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/made-up",
            "keys": {"auth": "y" * 22, "p256dh": "B" + "x" * 86},
        }
        assert device.address_kind == "subscription"
        assert device.attributes == {"browser": "FIREFOX"}

    def test_again_changes_nothing(self, report, importing):
        assert counts(importing.source(DjangoPushNotifications())) == (0, 0, 4, 0)


def test_without_the_package_from_the_tables_that_it_left(devices, importing, settings):
    others = [name for name in settings.INSTALLED_APPS if name != "push_notifications"]
    with override_settings(INSTALLED_APPS=others):
        assert not apps.is_installed("push_notifications")
        report = importing.source(DjangoPushNotifications())
    assert counts(report) == (4, 0, 0, 0)
    assert Installation.objects.filter(user_verified=True).count() == 2


def test_what_it_switched_off_is_off(package, importing):
    make("APNSDevice", registration_id=token(1), active=False)
    importing.source(DjangoPushNotifications())
    device = Installation.objects.get()
    assert (device.is_active, device.inactive_reason) == (False, "imported")


def test_the_newest_of_several_rows_with_one_token(package, importing, ana):
    """UNIQUE_REG_ID is off by default: everybody who logged in on a phone has a row."""
    ben = get_user_model().objects.create_user("ben")
    make("APNSDevice", registration_id=token(1), user=ana)
    make("APNSDevice", registration_id=token(1).upper(), user=ben)
    assert counts(importing.source(DjangoPushNotifications())) == (1, 0, 1, 0)
    assert Installation.objects.get().user == ben
    assert counts(importing.source(DjangoPushNotifications())) == (0, 0, 2, 0)


def test_the_apps_of_one_vendor_have_the_same_device_id(package, importing):
    uid = uuid.uuid4()
    make("APNSDevice", registration_id=token(1), device_id=uid)
    make("APNSDevice", registration_id=token(2), device_id=uid)
    assert counts(importing.source(DjangoPushNotifications())) == (2, 0, 0, 0)
    found = dict(Installation.objects.values_list("address", "installation_id"))
    assert found == {token(1): None, token(2): str(uid)}


def test_an_application_for_each_application_id(package, importing, application):
    other = Application.objects.register(None, "Other", key="other")
    make("APNSDevice", registration_id=token(1), application_id="hall_ios")
    make("APNSDevice", registration_id=token(2), application_id="other_ios")
    make("APNSDevice", registration_id=token(3), application_id="third")
    make("APNSDevice", registration_id=token(4))
    mapping = {"hall_ios": application, "other_ios": other}
    report = importing.source(DjangoPushNotifications(), application=None, mapping=mapping)
    assert counts(report) == (2, 0, 0, 2)
    assert other.installations.get().address == token(2)
    report = importing.source(DjangoPushNotifications(), mapping=mapping)
    assert counts(report) == (2, 0, 2, 0)


def test_what_cannot_be_imported_is_named_by_its_key(package, importing):
    old = make("GCMDevice", registration_id=FCM, cloud_message_type="GCM")
    web = make("WebPushDevice", registration_id="made-up", p256dh="x", auth="y")
    wrong = make("APNSDevice", registration_id="<not a token>")
    report = importing.source(DjangoPushNotifications())
    assert counts(report) == (0, 0, 0, 3)
    assert {refusal.place for refusal in report.refusals} == {
        f"GCMDevice {old.pk}",
        f"WebPushDevice {web.pk}",
        f"APNSDevice {wrong.pk}",
    }
    assert "not a token" not in str(report.as_dict())


@pytest.mark.parametrize(
    ("users", "whose"), [(Users.CLAIMED, (False, True)), (Users.NONE, (False, False))]
)
def test_users_as_the_operator_wishes(devices, importing, users, whose):
    importing.source(DjangoPushNotifications(), users=users)
    device = Installation.objects.get(device_type="ios")
    assert (device.user_verified, bool(device.user_key)) == whose
    assert device.user is None


def test_pages_of_many_rows(package, importing, monkeypatch):
    monkeypatch.setattr("django_push.importers.tables.PAGE", 7)
    for number in range(1, 31):
        make("APNSDevice", registration_id=token(number))
    source = DjangoPushNotifications()
    assert counts(importing.source(source)) == (30, 0, 0, 0)
    assert source.progress() == 1.0
