"""A thousand devices in one request, each with its own result."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_push.models import Installation, Role

from .conftest import User, refused

BULK = "/push/api/installations/bulk/"


def phone(number: int, **more) -> dict:
    return {"platform": "ios", "token": f"{number:064x}", **more}


def results(response) -> list[dict]:
    assert response.status_code == 200, response.content
    return response.json()["results"]


def register(client, *devices, **more) -> list[dict]:
    return results(client.post(BULK, {"devices": devices, **more}, format="json"))


def change(client, *changes) -> list[dict]:
    return results(client.patch(BULK, {"devices": changes}, format="json"))


class TestRegistering:
    def test_each_has_its_result_in_its_place(self, server, device):
        known = device(f"{2:064x}", locale="de")
        ana = User.objects.create_user("ana")
        told = register(
            server,
            phone(1, user=ana.pk, channels=["news"], time_zone="Europe/Vienna"),
            {"platform": "symbian", "token": "a1"},
            phone(2, locale="de"),
            phone(3, colour="red"),
            phone(2, locale="fr", user="somebody"),
            "not even an object",
            {"platform": "ios", "token": "no hex"},
        )
        assert [one["status"] for one in told] == [
            *("created", "refused", "unchanged", "refused", "updated", "refused", "refused")
        ]
        errors = [(one["error"]["code"], one["error"]["field"]) for one in told if "error" in one]
        assert errors == [
            ("unknown_platform", "platform"),
            ("unknown_field", "colour"),
            ("wrong_value", ""),
            ("invalid_token", "token"),
        ]
        assert told[2]["id"] == told[4]["id"] == known.public_id
        first = Installation.objects.get(public_id=told[0]["id"])
        assert (first.user, first.user_verified, first.channels) == (ana, True, ["news"])
        known.refresh_from_db()
        assert (known.user, known.user_key, known.user_verified) == (None, "somebody", True)

    def test_a_new_token_keeps_the_row(self, server):
        (before,) = register(server, phone(1))
        (after,) = register(server, phone(2, previous_token=f"{1:064x}"))
        assert (after["status"], after["id"]) == ("updated", before["id"])

    def test_a_thousand_cost_statements_by_the_dozen(self, server, steady_clock):
        devices = [phone(n, user=str(n), channels=["all"]) for n in range(1000)]
        with CaptureQueriesContext(connection) as queries:
            assert {one["status"] for one in register(server, *devices)} == {"created"}
        assert len(queries) <= (20 if connection.vendor != "sqlite" else 100)
        with CaptureQueriesContext(connection) as queries:
            assert {one["status"] for one in register(server, *devices)} == {"unchanged"}
        assert len(queries) <= 6

    @pytest.mark.parametrize(
        ("body", "code", "field"),
        [
            ({}, "missing_field", "devices"),
            ({"devices": []}, "empty", "devices"),
            ({"devices": {}}, "wrong_type", "devices"),
            ({"devices": [phone(1)] * 1001}, "too_long", "devices"),
            ({"devices": [phone(1)], "installations": []}, "unknown_field", "installations"),
            ({"devices": [phone(1)], "application": "opera"}, "unknown_application", "application"),
        ],
    )
    def test_a_request_that_makes_no_sense_registers_nothing(self, server, body, code, field):
        refused(server.post(BULK, body, format="json"), 400, code, field)
        assert not Installation.objects.exists()


class TestChanging:
    def test_each_has_its_result_in_its_place(self, server, device, other):
        one, two = device("b1", channels=["a"]), device("b2", channels=["a", "b"])
        foreign = Installation.objects.register(other, device_type="ios", address="b3")
        told = change(
            server,
            {"id": one.public_id, "add_channels": ["c"], "badge": 0},
            {"id": two.public_id, "remove_channels": ["a"], "is_active": False},
            {"id": foreign.public_id, "badge": 1},
            {"id": one.public_id},
            {"id": one.public_id, "channels": ["c", "d"]},
            {"id": two.public_id, "badge": True},
            {"id": one.public_id, "channels": ["x"], "remove_channels": ["c"]},
            {"badge": 1},
        )
        assert [each["status"] for each in told] == [
            *("updated", "updated", "refused", "refused", "updated", "refused", "refused"),
            "refused",
        ]
        codes = [
            (each["error"]["code"], each["error"]["field"]) for each in told if "error" in each
        ]
        assert codes == [
            ("unknown_installation", "id"),
            ("missing_field", ""),
            ("wrong_type", "badge"),
            ("contradiction", "channels"),
            ("missing_field", "id"),
        ]
        two.refresh_from_db()
        assert (one.channels, two.channels) == (["c", "d"], ["b"])
        assert (two.is_active, two.inactive_reason) == (False, "staff")
        foreign.refresh_from_db()
        assert foreign.badge == 0

    def test_what_is_as_it_was_is_not_written(self, server, device):
        row = device("b1", channels=["a"], locale="de")
        before = Installation.objects.get().updated_at
        (told,) = change(server, {"id": row.public_id, "locale": "de", "add_channels": ["a"]})
        assert told == {"status": "unchanged", "id": row.public_id}
        assert Installation.objects.get().updated_at == before

    def test_hundreds_cost_statements_by_the_dozen(self, server, steady_clock):
        ids = [one["id"] for one in register(server, *[phone(n) for n in range(300)])]
        with CaptureQueriesContext(connection) as queries:
            change(server, *[{"id": id, "badge": 4, "add_channels": ["x"]} for id in ids])
        assert len(queries) <= (12 if connection.vendor != "sqlite" else 40)
        assert Installation.objects.filter(badge=4, subscriptions__channel="x").count() == 300


class TestWhoMay:
    def test_client_keys_may_not(self, phone):
        for send in (phone.post, phone.patch):
            refused(send(BULK, {"devices": [{}]}, format="json"), 403, "client_key")

    def test_staff_need_the_permission_and_the_role(self, staff, application, device):
        row = device("b1")
        body = {"devices": [{"platform": "ios", "token": "b2"}], "application": "hall"}
        editor = staff(
            "add_installation", "change_installation", application=application, role=Role.EDITOR
        )
        refused(editor.post(BULK, body, format="json"), 403, "role_too_low")
        told = change(editor, {"id": row.public_id, "badge": 1})
        assert told[0]["status"] == "updated"
        refused(
            staff("view_installation").post(BULK, body, format="json"), 403, "permission_missing"
        )
        manager = staff("add_installation", application=application)
        assert manager.post(BULK, body, format="json").status_code == 200

    def test_other_methods_are_told_so(self, server):
        refused(server.get(BULK), 405, "method_not_allowed")
