"""Devices that are here already: the newer word wins, and nothing is ever doubled."""

from __future__ import annotations

import random

import pytest

from django_push.models import Application, Installation, Owner
from tests.support.imports import at, counts, document, everything, token

OLD, NEW = "2026-02-01T00:00:00.000Z", "2026-07-01T00:00:00.000Z"


def only() -> Installation:
    return Installation.objects.get()


class TestNewerWins:
    def test_an_app_that_came_here_since_keeps_what_it_said(self, importing, device):
        row = device(token(1), locale="fr", channels=["here"])
        report = importing.documents(document(localeIdentifier="de", channels=["there"]))
        assert counts(report) == (0, 0, 1, 0)
        row.refresh_from_db()
        assert (row.locale, row.channels, row.public_id) == ("fr", ["here"], row.public_id)

    def test_a_newer_export_is_taken_over(self, importing):
        importing.documents(document(updatedAt=OLD, channels=["a", "b"], level=1, old=True))
        first = only()
        report = importing.documents(document(updatedAt=NEW, channels=["b", "c"], level=2))
        assert counts(report) == (0, 1, 0, 0)
        device = only()
        assert device.pk == first.pk
        assert (device.channels, device.last_seen_at) == (["b", "c"], at(7))
        assert device.attributes == {"level": 2, "old": True}
        assert device.created_at == first.created_at

    def test_an_older_export_changes_nothing(self, importing):
        importing.documents(document(updatedAt=NEW, channels=["b"]))
        before = everything()
        assert counts(importing.documents(document(updatedAt=OLD))) == (0, 0, 1, 0)
        assert everything() == before

    def test_channels_that_the_export_does_not_know_stay(self, importing):
        importing.documents(document(updatedAt=OLD, channels=["a"]))
        importing.documents(document(updatedAt=NEW))
        assert only().channels == ["a"]
        importing.documents(document(updatedAt="2026-08-01T00:00:00Z", channels=[]))
        assert only().channels == []

    def test_overwrite_applies_a_changed_plan_to_rows_of_the_same_date(self, importing, device):
        importing.documents(document(user="7"), document(2))
        device(token(2), locale="fr")  # came here since
        report = importing.documents(
            document(user="7"), document(2, localeIdentifier="de"), overwrite=True, users="proved"
        )
        assert counts(report) == (0, 1, 1, 0)
        assert Installation.objects.get(address=token(1)).user_verified
        assert Installation.objects.get(address=token(2)).locale == "fr"


class TestWhichDevice:
    def test_a_token_that_changed_in_the_other_system(self, importing):
        importing.documents(document(updatedAt=OLD))
        report = importing.documents(document(updatedAt=NEW, deviceToken=token(9)))
        assert counts(report) == (0, 1, 0, 0)
        assert only().address == token(9)

    def test_a_device_that_registered_here_first_keeps_its_id(self, importing, device):
        row = device(token(1))
        Installation.objects.update(last_seen_at=at(1))
        report = importing.documents(document())
        assert counts(report) == (0, 1, 0, 0)
        assert (only().public_id, only().installation_id) == (row.public_id, "installation-1")

    def test_by_installation_id(self, importing, device):
        device("old-token", installation_id="INSTALLATION-1")
        Installation.objects.update(last_seen_at=at(1))
        assert counts(importing.documents(document())) == (0, 1, 0, 0)
        assert only().address == token(1)

    def test_two_rows_of_one_token_in_one_export(self, importing):
        report = importing.documents(
            document(1, updatedAt=NEW, level=1),
            document(2, updatedAt=OLD, deviceToken=token(1), level=2),
        )
        assert counts(report) == (1, 0, 1, 0)
        assert (only().attributes, only().installation_id) == ({"level": 1}, "installation-1")

    def test_an_installation_id_moves_to_the_newer_device(self, importing, device):
        first = device(token(1), installation_id="installation-2")
        second = device(token(2), device_type="ios")
        Installation.objects.update(last_seen_at=at(1))
        report = importing.documents(document(2))
        assert counts(report) == (0, 1, 0, 0)
        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.installation_id, second.installation_id) == (None, "installation-2")
        assert first.is_active

    def test_an_installation_id_stays_with_the_newer_device(self, importing, device):
        first = device(token(1), installation_id="installation-2")
        second = device(token(2))
        Installation.objects.filter(pk=second.pk).update(last_seen_at=at(1))
        importing.documents(document(2))
        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.installation_id, second.installation_id) == ("installation-2", None)

    def test_ids_that_swap_tokens_in_one_export(self, importing):
        importing.documents(document(1, updatedAt=OLD), document(2, updatedAt=OLD))
        importing.documents(
            document(1, updatedAt=NEW, installationId="installation-2"),
            document(2, updatedAt=NEW, installationId="installation-1"),
        )
        found = Installation.objects.values_list("address", "installation_id")
        assert set(found) == {(token(1), "installation-2"), (token(2), "installation-1")}

    def test_a_row_without_token_leaves_the_one_that_is_here(self, importing):
        importing.documents(document(updatedAt=OLD))
        importing.documents(document(updatedAt=NEW, deviceToken=None))
        assert (only().address, only().provider) == (token(1), "apns")

    def test_an_id_of_another_application_is_never_touched(self, importing, db):
        other = Application.objects.register(None, "Other", key="other")
        importing.documents(document())
        before = everything()
        report = importing.documents(document(), application=other)
        assert counts(report) == (1, 0, 0, 0)
        assert list(report.notes) == ["objectId is a device's of another application: new id given"]
        assert everything()[:1] == before
        copy = other.installations.get()
        assert (copy.address, copy.attributes) == (token(1), {"objectId": "object0001"})
        assert counts(importing.documents(document(), application=other)) == (0, 0, 1, 0)

    def test_ana_is_not_ana_in_another_case(self, importing):
        report = importing.documents(
            document(1, channels=["Ana", "ana"], user="Ana"), document(2, user="ana")
        )
        assert counts(report) == (2, 0, 0, 0)
        assert Installation.objects.get(user_key="Ana").channels == ["Ana", "ana"]


class TestWhoseAndWhetherOn:
    def test_a_claim_of_the_export_never_takes_a_proved_device(self, importing, device):
        device(token(1), owner=Owner(user_key="ana", proved=True))
        Installation.objects.update(last_seen_at=at(1))
        importing.documents(document(user="ben"))
        assert (only().user_key, only().user_verified) == ("ben", False)

    def test_the_same_claim_leaves_it_proved(self, importing, device):
        device(token(1), owner=Owner(user_key="ana", proved=True))
        Installation.objects.update(last_seen_at=at(1))
        importing.documents(document(user="ana"))
        assert only().user_verified

    @pytest.mark.parametrize(
        ("reason", "updated", "on"),
        [
            ("dead", NEW, True),
            ("dead", "2026-05-01T00:00:00Z", False),
            ("staff", NEW, False),
            ("opted_out", NEW, False),
            ("imported", NEW, True),
        ],
    )
    def test_who_came_back_is_on_again(self, importing, reason, updated, on):
        importing.documents(document())
        Installation.objects.update(is_active=False, inactive_reason=reason)
        importing.documents(document(updatedAt=updated))
        assert (only().is_active, only().inactive_since) == (on, None)

    def test_a_repeat_does_not_switch_on_what_died_since(self, importing):
        importing.documents(document())
        Installation.objects.update(is_active=False, inactive_reason="dead")
        importing.documents(document(), overwrite=True)
        assert (only().is_active, only().inactive_reason) == (False, "dead")


def test_any_order_and_any_chunks_end_the_same(importing, monkeypatch):
    """The newest row of each device, however the rows come."""
    chance = random.Random(4)
    rows = [
        document(
            number,
            updatedAt=f"2026-03-{day:02d}T00:00:00Z",
            channels=[f"c{day}"],
            level=day,
        )
        for number in range(1, 8)
        for day in chance.sample(range(1, 28), 4)
    ]
    seen = set()
    for chunk in (1, 3, 100):
        monkeypatch.setattr("django_push.importers.running.CHUNK", chunk)
        for _try in range(3):
            chance.shuffle(rows)
            Installation.objects.all().delete()
            importing.documents(*rows)
            found = Installation.objects.order_by("public_id")
            seen.add(repr([(d.public_id, d.attributes, d.channels) for d in found]))
    assert len(seen) == 1


def test_new_devices_share_nothing(importing):
    importing.documents(document(1, objectId=None, level=1), document(2, objectId=None))
    one, two = Installation.objects.order_by("address")
    assert len({one.public_id, two.public_id, ""}) == 3
    assert (one.attributes, two.attributes) == ({"level": 1}, {})


def test_a_time_zone_that_is_no_text_stays_an_attribute(importing):
    report = importing.documents(document(timeZone=["Europe/Berlin"]))
    assert counts(report) == (1, 0, 0, 0)
    assert Installation.objects.get().attributes == {"timeZone": ["Europe/Berlin"]}
