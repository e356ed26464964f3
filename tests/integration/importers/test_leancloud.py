"""LeanCloud's export: its first line, its own fields, and phones that have no address."""

from __future__ import annotations

import json

import bson
import pytest
from bson import ObjectId

from django_push.importers import LeanCloud
from django_push.importers.leancloud import LeanCloudDocuments
from django_push.models import Installation
from tests.support.imports import FIXTURES, at, counts, document, token

EXPORT = FIXTURES / "leancloud" / "_Installation.0.jsonl"


def only() -> Installation:
    return Installation.objects.get()


class TestItsExport:
    """A file of the form that its console gives, with made-up devices."""

    @pytest.fixture
    def report(self, importing):
        return importing.source(LeanCloud([EXPORT]))

    def test_everything_is_found_again(self, report):
        assert counts(report) == (5, 0, 0, 1)
        assert report.refusals[0].place == "line 7"

    def test_an_iphone(self, report):
        device = Installation.objects.get(public_id="6666e6b6b6666666bb66b661")
        assert (device.provider, device.address) == ("apns", token(0xA1))
        assert device.app_identifier == "com.example.hall"
        assert device.device_profile == "driver_push_certificate"
        assert device.attributes["apnsTeamId"] == "ABCDE12345"
        assert (device.channels, device.is_active) == (["news"], True)
        assert (device.created_at.year, device.last_seen_at) == (2025, at(9))

    def test_an_iphone_that_was_not_valid(self, report):
        device = Installation.objects.get(public_id="6666e6b6b6666666bb66b662")
        assert (device.is_active, device.inactive_reason) == (False, "imported")

    def test_an_android_of_its_own_channel_has_no_address(self, report):
        device = Installation.objects.get(public_id="6666e6b6b6666666bb66b663")
        assert (device.provider, device.address_hash) == ("none", None)
        assert device.installation_id == "0a1b2c3d4e5f60718293a4b5c6d7e8f9"

    def test_androids_of_makers(self, report):
        found = Installation.objects.exclude(device_type="ios").exclude(provider="none")
        assert dict(found.values_list("attributes__vendor", "provider")) == {
            "HMS": "hms",
            "mi": "mi",
        }

    def test_such_a_phone_finds_its_row_when_it_comes_with_a_token(self, report, device):
        """What the app does once it is built with Firebase: the row stays the same."""
        row = Installation.objects.get(public_id="6666e6b6b6666666bb66b663")
        came = device(
            "made-up-fcm-token",
            "android",
            installation_id="0a1b2c3d4e5f60718293a4b5c6d7e8f9",
        )
        assert (came.pk, came.public_id) == (row.pk, row.public_id)
        assert (came.provider, came.address) == ("fcm", "made-up-fcm-token")


def test_a_backup_in_bson(importing, tmp_path):
    """Its ids are those of MongoDB, and dates are dates."""
    path = tmp_path / "_Installation.xy12.bson"
    rows = [
        {
            "_id": ObjectId("6666e6b6b6666666bb66b66b"),
            "createdAt": at(1),
            "updatedAt": at(2),
            "deviceType": "ios",
            "deviceToken": token(5).upper(),
            "valid": False,
            "owner": {"$ref": "_User", "$id": ObjectId("6666e6b6b6666666bb66b600")},
            "ACL": {"*": {"read": True}},
        }
    ]
    path.write_bytes(b"".join(map(bson.encode, rows)))
    documents = LeanCloudDocuments(user_field="owner")
    assert counts(importing.source(LeanCloud([path], documents))) == (1, 0, 0, 0)
    device = only()
    assert (device.public_id, device.address) == ("6666e6b6b6666666bb66b66b", token(5))
    assert (device.user_key, device.user_verified) == ("6666e6b6b6666666bb66b600", False)
    assert (device.is_active, device.last_seen_at) == (False, at(2))


@pytest.mark.parametrize(
    ("fields", "network", "address"),
    [
        ({"vendor": "fcm", "registrationId": "made-up"}, "fcm", "made-up"),
        ({"vendor": "HMS", "registrationId": "made up"}, "hms", "made up"),
        ({"vendor": "HMS-prod", "registrationId": "x"}, "hms", "x"),
        ({"vendor": "oppo", "registrationId": "x"}, "oppo", "x"),
        ({"vendor": "vivo"}, "none", ""),
        ({}, "none", ""),
    ],
)
def test_vendors(importing, fields, network, address):
    importing.leancloud(document(deviceType="android", deviceToken=None, **fields))
    assert (only().provider, only().address) == (network, address)


def test_a_windows_phone(importing):
    uri = "https://db5.notify.windows.com/?token=made-up"
    importing.leancloud(document(deviceType="wp", deviceToken=None, subscriptionUri=uri))
    assert (only().device_type, only().provider, only().address) == ("windows", "wns", uri)


def test_an_application_for_each_bundle_id(importing, application, db):
    from django_push.models import Application

    other = Application.objects.register(None, "Other", key="other")
    report = importing.leancloud(
        document(1, apnsTopic="com.example.hall"),
        document(2, apnsTopic="com.example.other"),
        document(3, apnsTopic="com.example.third"),
        application=None,
        mapping={"com.example.hall": application, "com.example.other": other},
    )
    assert counts(report) == (2, 0, 0, 1)
    assert "com.example.third" in report.refusals[0].reason
    assert other.installations.get().address == token(2)


def test_the_export_is_of_another_class(importing, tmp_path):
    path = tmp_path / "_User.0.jsonl"
    path.write_text('#filetype:JSON-streaming {"type":"Class","class":"_User"}\n{"a":1}\n')
    report = importing.source(LeanCloud([path]))
    assert (report.complete, report.read) == (False, 0)
    assert "class “_User”" in report.problem


def test_the_answer_of_its_scan_api(importing, tmp_path):
    path = tmp_path / "scan.json"
    path.write_text(json.dumps({"results": [document(1), document(2)], "cursor": "next"}))
    assert counts(importing.source(LeanCloud([path]))) == (2, 0, 0, 0)
