"""Exports that a real parse-server and its databases wrote (see the README beside the files)."""

from __future__ import annotations

import gzip
import json
from datetime import datetime

import pytest
from django.contrib.auth import get_user_model

from django_push.exceptions import DjangoPushError
from django_push.importers import ParseServer, ParseServerDatabase, Users
from django_push.importers.parse import Documents
from django_push.models import Installation
from tests.support.imports import FIXTURES, at, counts, document, everything, token

HERE = FIXTURES / "parse_server"
FORMS = [
    "rest.json",
    "mongoexport.json",
    "mongoexport-canonical.json",
    "mongodump.bson",
    "postgresql.jsonl",
    "postgresql.csv",
]


@pytest.fixture(params=FORMS)
def report(request, importing):
    return importing.source(ParseServer([HERE / request.param]))


def find(number: int) -> Installation:
    return Installation.objects.get(installation_id__endswith=f"-{number:012d}")


class TestTheSameFromEveryForm:
    def test_all_but_the_toaster(self, report):
        assert counts(report) == (6, 0, 0, 1)
        assert report.refusals[0].reason == "its device type “toaster” is not known"
        assert report.notes == {"rights (ACL) left out": 1}
        assert report.complete

    def test_a_device_with_all_its_fields(self, report):
        written = json.loads((HERE / "rest.json").read_text())["results"][0]
        device = find(1)
        assert device.public_id == written["objectId"]
        assert device.installation_id == "11111111-aaaa-4aaa-8aaa-000000000001"
        assert (device.device_type, device.provider) == ("ios", "apns")
        assert device.address == "a1" * 32
        assert device.channels == ["news", "Ünï"]
        assert (device.badge, device.time_zone, device.locale) == (3, "Europe/Berlin", "de-DE")
        assert (device.app_identifier, device.app_version) == ("com.example.hall", "3.2.1")
        assert (device.latitude, device.longitude) == (52.52, 13.405)
        assert (device.user_key, device.user_verified) == (written["user"]["objectId"], False)
        assert device.attributes["prefs"] == {"quiet": True, "level": 2, "tags": ["a", "b"]}
        assert device.attributes["appName"] == "Hall"
        assert not set(device.attributes) & {"ACL", "_acl", "_rperm", "user", "location"}
        moment = datetime.fromisoformat(written["updatedAt"])
        assert device.last_seen_at == device.registered_at == device.bound_at == moment
        assert device.created_at == datetime.fromisoformat(written["createdAt"])

    def test_networks(self, report):
        found = {n: (find(n).device_type, find(n).provider) for n in range(1, 7)}
        assert found == {
            1: ("ios", "apns"),
            2: ("android", "fcm"),
            3: ("android", "fcm"),
            4: ("web", "none"),
            5: ("macos", "apns"),
            6: ("ios", "apns"),
        }

    def test_a_device_without_address_is_kept_for_its_app(self, report):
        device = find(4)
        assert (device.address, device.address_hash, device.is_active) == ("", None, True)
        assert (device.time_zone, device.attributes["timeZone"]) == ("", "Mars/Olympus")
        assert device.attributes["prefs"]["note"] == 'a "quote", a comma and\na line'

    def test_the_token_that_the_app_changed(self, report):
        assert find(6).address == "c4" * 40

    def test_again_changes_nothing(self, report, request, importing):
        before = everything()
        name = request.node.callspec.params["report"]
        assert counts(importing.source(ParseServer([HERE / name]))) == (0, 0, 6, 1)
        assert everything() == before


def test_the_api_and_mongodb_say_the_same(importing):
    """Of types, too: dates, numbers, pointers and places in the free fields."""
    importing.source(ParseServer([HERE / "rest.json"]))
    first = everything()
    Installation.objects.all().delete()
    for form in ("mongoexport.json", "mongoexport-canonical.json", "mongodump.bson"):
        importing.source(ParseServer([HERE / form]))
        second = everything()
        Installation.objects.all().delete()
        assert second == first, form
    date = {"__type": "Date", "iso": "2026-03-01T12:30:15.250Z"}
    assert first[0]["attributes"]["since"] == date
    assert first[0]["attributes"]["team"]["className"] == "Team"


def test_gzip_and_several_files(importing, tmp_path):
    packed = tmp_path / "_Installation.bson.gz"
    packed.write_bytes(gzip.compress((HERE / "mongodump.bson").read_bytes()))
    source = ParseServer([packed, HERE / "rest.json"])
    report = importing.source(source)
    assert counts(report) == (6, 0, 6, 2)
    assert report.refusals[0].place == "_Installation.bson.gz, document 7"
    assert source.progress() == 1.0


class TestIdentity:
    def test_ids_are_told_apart_by_case(self, importing):
        first = document(1, objectId="abcdefghij")
        report = importing.documents(first, document(2, objectId="ABCDEFGHIJ"))
        assert counts(report) == (2, 0, 0, 0)
        found = set(Installation.objects.values_list("public_id", flat=True))
        assert found == {"abcdefghij", "ABCDEFGHIJ"}

    @pytest.mark.parametrize("value", ["x" * 25, "a/b", "a b", ""])
    def test_an_id_that_does_not_fit_is_replaced_and_kept(self, importing, value):
        importing.documents(document(objectId=value))
        device = Installation.objects.get()
        assert len(device.public_id) == 24
        assert device.attributes.get("objectId", "") == value

    def test_new_ids_on_request(self, importing, tmp_path):
        path = tmp_path / "one.json"
        path.write_text(json.dumps(document()))
        importing.source(ParseServer([path], Documents(new_ids=True)))
        device = Installation.objects.get()
        assert len(device.public_id) == 24
        assert device.attributes["objectId"] == "object0001"

    def test_neither_token_nor_id(self, importing):
        row = document(deviceToken=None, objectId=None, installationId=None)
        assert "neither a token nor an id" in importing.documents(row).refusals[0].reason

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({"deviceToken": "<a1 b2>"}, "device token of Apple"),
            ({"deviceToken": 17}, "must be a text"),
            ({"deviceToken": "x" * 5000}, "must be a text"),
            ({"deviceType": "android", "deviceToken": "a b"}, "token of Google"),
            ({"deviceType": None}, "no device type"),
            ({"updatedAt": "soon"}, "no date"),
            ({"channels": ["x" * 192]}, "a channel of it"),
            ({"user": "u" * 192}, "its user's id"),
            ({"note": "a\0b"}, "NUL"),
        ],
    )
    def test_what_is_refused_says_why_and_shows_no_token(self, importing, more, words):
        report = importing.documents(document(1, **more), document(2))
        assert counts(report) == (1, 0, 0, 1)
        assert words in report.refusals[0].reason
        assert report.refusals[0].place == "line 1"

    def test_strange_values_of_minor_fields_are_kept_aside(self, importing):
        long = "1." * 60
        report = importing.documents(document(badge="many", appVersion=long, localeIdentifier=7))
        assert counts(report) == (1, 0, 0, 0)
        device = Installation.objects.get()
        assert (device.badge, device.app_version, device.locale) == (0, "", "")
        assert device.attributes == {"appVersion": long, "localeIdentifier": 7}


class TestUsers:
    @pytest.fixture
    def ana(self, db):
        return get_user_model().objects.create_user("ana", first_name="parse-ana")

    def imported(self, importing, **plan) -> Installation:
        pointer = {"__type": "Pointer", "className": "_User", "objectId": "parse-ana"}
        importing.documents(document(user=pointer), **plan)
        return Installation.objects.get()

    def test_claimed_since_any_client_could_write_it(self, importing, ana):
        device = self.imported(importing)
        assert (device.user, device.user_key, device.user_verified) == (None, "parse-ana", False)

    def test_found_by_the_field_that_has_the_old_id(self, importing, ana):
        device = self.imported(importing, user_lookup="first_name")
        assert (device.user, device.user_key, device.user_verified) == (None, str(ana.pk), False)

    def test_proved_if_the_operator_says_so(self, importing, ana):
        device = self.imported(importing, user_lookup="first_name", users=Users.PROVED)
        assert (device.user, device.user_key, device.user_verified) == (ana, str(ana.pk), True)

    def test_not_at_all(self, importing, ana):
        device = self.imported(importing, users=Users.NONE)
        assert (device.user, device.user_key, device.user_verified) == (None, "", False)

    @pytest.mark.parametrize("key", ["007", "7.0", "seven", "9" * 40])
    def test_only_the_very_key_is_a_user_of_this_project(self, importing, key):
        get_user_model().objects.create_user("bond", id=7)
        importing.documents(document(user=key), users=Users.PROVED)
        device = Installation.objects.get()
        assert (device.user, device.user_key) == (None, key)


class TestTheTableItself:
    def test_a_database_without_it(self, db, settings):
        from django.db import connection

        words = "cannot be read" if connection.vendor == "postgresql" else "is no PostgreSQL"
        with pytest.raises(DjangoPushError, match=words):
            ParseServerDatabase("default")
        with pytest.raises(DjangoPushError, match="DATABASES has no"):
            ParseServerDatabase("nowhere")

    def test_rows_of_postgresql(self, importing, monkeypatch):
        from django.db import connection

        if connection.vendor != "postgresql":
            return  # its own table is only there
        monkeypatch.setattr("django_push.importers.parse_database.PAGE", 2)
        with connection.cursor() as cursor:
            cursor.execute(
                'CREATE TABLE "_Installation" ("objectId" text PRIMARY KEY,'
                ' "updatedAt" timestamptz, "deviceType" text, "deviceToken" text,'
                " channels jsonb, location point)"
            )
            for number in range(1, 6):
                cursor.execute(
                    'INSERT INTO "_Installation" VALUES (%s, %s, %s, %s, %s, %s)',
                    [f"id{number}", at(1, number), "ios", token(number), '["a"]', "(13,52)"],
                )
        report = importing.source(ParseServerDatabase("default"))
        assert counts(report) == (5, 0, 0, 0)
        device = Installation.objects.get(public_id="id3")
        assert (device.latitude, device.channels) == (52.0, ["a"])
        assert device.last_seen_at == at(1, 3)
