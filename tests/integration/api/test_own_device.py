"""What an app sees and does of the device it runs on, and of no other."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from rest_framework.test import APIClient

from django_push.delivery.late import LATE_SEQ
from django_push.delivery.ledger import NO_ANSWER, Mark
from django_push.hygiene.chunks import delete
from django_push.models import (
    Credential,
    DeliveryFailure,
    Installation,
    Owner,
    PushBatch,
    PushHistory,
)
from django_push.submission import push
from django_push.testing import deliver_pushes, outbox

from .conftest import TOKEN, User, basic, bearer, refused

FIND = "/push/hall/find-device"


def at(row: Installation, more: str = "", application: str = "hall") -> str:
    return f"/push/{application}/devices/{row.public_id}{more}"


@pytest.fixture
def row(device) -> Installation:
    return device(
        TOKEN, channels=["news"], locale="de", owner=Owner(user_key="ana", proved=True), badge=7
    )


def fresh(row: Installation) -> Installation:
    return Installation.objects.get(pk=row.pk)


class TestReading:
    def test_it_is_shown_without_its_user_and_its_token(self, phone, row):
        response = phone.get(at(row))
        assert response.status_code == 200
        body = response.json()
        assert (body["id"], body["platform"], body["channels"]) == (row.public_id, "ios", ["news"])
        assert (body["badge"], body["locale"], body["enabled"]) == (7, "de", True)
        assert "ana" not in response.content.decode()
        assert TOKEN[:8] not in response.content.decode()

    def test_who_knows_only_the_token_finds_the_id(self, phone, row):
        found = phone.post(FIND, {"platform": "ios", "deviceId": TOKEN}, format="json")
        assert found.json()["id"] == row.public_id
        other = {"platform": "ios", "deviceId": "b" * 64}
        message = refused(phone.post(FIND, other, format="json"), 404, "unknown_installation")
        assert "Register it again" in message
        nonsense = {"platform": "ios", "deviceId": "no hex"}
        refused(phone.post(FIND, nonsense, format="json"), 400, "invalid_token", "deviceId")

    def test_registering_tells_the_id_when_asked(self, phone):
        body = {"platform": "ios", "deviceId": TOKEN, "channels": ["a"]}
        wanted = {"HTTP_PREFER": "return=representation"}
        response = phone.post("/push/hall/register-device", body, format="json", **wanted)
        assert response.status_code == 200
        row = Installation.objects.get()
        assert (response.json()["id"], response.json()["channels"]) == (row.public_id, ["a"])
        assert response["Preference-Applied"] == "return=representation"
        silent = phone.post("/push/hall/register-device", body, format="json")
        assert (silent.status_code, silent.content) == (204, b"")


class TestNobodyElses:
    def test_an_id_that_is_none_is_not_found(self, phone, row):
        nearly = row.public_id[:-1] + ("1" if row.public_id.endswith("0") else "0")
        for id in ("f" * 24, nearly):
            address = f"/push/hall/devices/{id}"
            for response in (phone.get(address), phone.patch(address, {"badge": 0}, format="json")):
                refused(response, 404, "unknown_installation")

    def test_a_device_of_another_application_is_not_found(self, phone, other):
        foreign = Installation.objects.register(other, device_type="ios", address="b1")
        refused(phone.get(at(foreign)), 404, "unknown_installation")
        refused(phone.get(at(foreign, application="opera")), 403, "wrong_application")

    def test_without_a_key_nothing_is_told(self, row):
        refused(APIClient().get(at(row)), 401, "not_authenticated")

    def test_a_user_has_only_their_own(self, application, device):
        ana = User.objects.create_user("ana", password="secret")
        User.objects.create_user("ben", password="secret")
        mine, claimed = device("a1", owner=Owner(user=ana)), device("a2", owner=None)
        assert basic("ana", "secret").get(at(mine)).status_code == 200
        for name, row in (("ben", mine), ("ana", claimed)):
            client = basic(name, "secret")
            refused(client.get(at(row)), 404, "unknown_installation")
            off = client.patch(at(row), {"enabled": False}, format="json")
            refused(off, 404, "unknown_installation")
            assert fresh(row).is_active

    def test_primary_keys_are_no_ids(self, phone, row):
        refused(phone.get(f"/push/hall/devices/{row.pk}"), 404, "unknown_installation")


class TestChanging:
    def test_channels_are_replaced_or_added_and_removed(self, phone, row):
        shown = phone.patch(at(row), {"channels": ["a", "b"]}, format="json").json()
        assert shown["channels"] == ["a", "b"]
        body = {"addChannels": ["c", "a"], "removeChannels": ["b"]}
        assert phone.patch(at(row), body, format="json").json()["channels"] == ["a", "c"]
        both = {"channels": ["x"], "addChannels": ["y"]}
        refused(phone.patch(at(row), both, format="json"), 400, "contradiction", "channels")
        assert fresh(row).channels == ["a", "c"]

    def test_it_cannot_be_in_channels_without_end(self, phone, row):
        many = [f"c{number}" for number in range(1000)]
        assert phone.patch(at(row), {"channels": many}, format="json").status_code == 200
        one_more = phone.patch(at(row), {"addChannels": ["x"]}, format="json")
        refused(one_more, 400, "too_many_channels", "channels")

    def test_the_badge_is_reset_and_the_rest_stays(self, phone, row):
        assert phone.patch(at(row), {"badge": 0}, format="json").json()["badge"] == 0
        after = fresh(row)
        assert (after.badge, after.locale, after.user_key) == (0, "de", "ana")
        assert after.bound_at == row.bound_at

    def test_what_the_app_tells_of_itself(self, phone, row):
        body = {"locale": "fr", "timeZone": "Europe/Paris", "appVersion": "5", "attributes": {}}
        shown = phone.patch(at(row), body, format="json").json()
        assert {name: shown[name] for name in body} == body

    @pytest.mark.parametrize(
        ("body", "code", "field"),
        [
            ({}, "missing_field", ""),
            ({"userId": "ben"}, "unknown_field", "userId"),
            ({"deviceId": "b" * 64}, "unknown_field", "deviceId"),
            ({"platform": "android"}, "unknown_field", "platform"),
            ({"badge": -1}, "too_small", "badge"),
            ({"badge": "0"}, "wrong_type", "badge"),
            ({"badge": 2**31}, "too_large", "badge"),
            ({"enabled": 1}, "wrong_type", "enabled"),
            ({"addChannels": [""]}, "missing_field", "addChannels.0"),
        ],
    )
    def test_what_makes_no_sense_changes_nothing(self, phone, row, body, code, field):
        refused(phone.patch(at(row), body, format="json"), 400, code, field)
        assert fresh(row).updated_at == Installation.objects.get().updated_at


class TestOptingOut:
    def test_it_lasts_until_it_is_undone(self, phone, row, device):
        shown = phone.patch(at(row), {"enabled": False}, format="json").json()
        assert (shown["enabled"], shown["disabledReason"]) == (False, "opted_out")
        device(TOKEN, locale="fr")
        assert not fresh(row).is_active, "every start of the app registers"
        shown = phone.patch(at(row), {"enabled": True}, format="json").json()
        assert (shown["enabled"], shown["disabledReason"]) == (True, "")

    def test_who_logs_out_of_it_is_unbound(self, phone, row, application):
        phone.patch(at(row), {"enabled": False}, format="json")
        off = {"device_type": "ios", "address": TOKEN}
        assert Installation.objects.unregister(application, **off)
        assert (fresh(row).user_key, fresh(row).inactive_reason) == ("", "opted_out")

    def test_it_does_not_undo_what_staff_did(self, phone, row):
        Installation.objects.update(is_active=False, inactive_reason=Installation.Reason.STAFF)
        assert phone.patch(at(row), {"enabled": False}, format="json").status_code == 200
        on_again = phone.patch(at(row), {"enabled": True}, format="json")
        refused(on_again, 409, "switched_off", "enabled")
        assert fresh(row).inactive_reason == "staff"

    @pytest.mark.parametrize("reason", ["dead", "stale", "unregistered"])
    def test_who_is_there_again_is_switched_on(self, phone, row, reason):
        Installation.objects.update(is_active=False, inactive_reason=reason)
        assert phone.patch(at(row), {"enabled": True}, format="json").json()["enabled"]


class TestOpened:
    @pytest.fixture(autouse=True)
    def account(self, application):
        Credential.objects.create(application=application, provider="locmem", name="main")

    def sent(self, application, **audience) -> PushHistory:
        with deliver_pushes():
            history = push(application, title="Hi", audience=audience or {"everyone": True})
        history.refresh_from_db()
        return history

    def report(self, client, row, push_id):
        return client.post(at(row, "/opened"), {"pushId": str(push_id)}, format="json")

    def test_each_device_counts_once(self, phone, application, device):
        phones = [device(f"{number:064x}") for number in range(20)]
        history = self.sent(application)
        for row in (*phones[3:9], *phones[5:12], phones[0], phones[19]):
            assert self.report(phone, row, history.public_id).status_code == 204
        history.refresh_from_db()
        assert history.opened == 9 + 2
        batch = PushBatch.objects.get(history=history)
        assert len(bytes(batch.opened)) == 3

    def test_a_push_that_did_not_go_there_is_refused(self, phone, application, device, other):
        ana, ben = device("a1"), device("b1")
        only_ana = self.sent(application, installations=[ana.public_id])
        foreign = Installation.objects.register(other, device_type="ios", address="c1")
        refused(self.report(phone, ben, only_ana.public_id), 409, "unknown_push", "pushId")
        refused(self.report(phone, ana, uuid.uuid4()), 409, "unknown_push", "pushId")
        refused(self.report(phone, ana, "17"), 400, "wrong_value", "pushId")
        refused(self.report(phone, foreign, only_ana.public_id), 404, "unknown_installation")
        only_ana.refresh_from_db()
        assert only_ana.opened == 0

    def test_a_device_that_was_left_out_opened_nothing(self, phone, application, device):
        on, off = device("a1"), device("b1")
        Installation.objects.filter(pk=off.pk).update(is_active=False)
        history = self.sent(application)
        assert self.report(phone, on, history.public_id).status_code == 204
        refused(self.report(phone, off, history.public_id), 409, "unknown_push")

    @pytest.mark.parametrize(
        ("mark", "reason", "counts"),
        [
            (Mark.PENDING, "", True),  # sent a moment ago, not yet written down
            (Mark.UNKNOWN, "", True),
            (Mark.FAILED, NO_ANSWER, True),
            (Mark.FAILED, "InternalServerError", False),
            (Mark.UNREGISTERED, "Unregistered", False),
            (Mark.REJECTED, "PayloadTooLarge", False),
            (Mark.FOREIGN, "BadDeviceToken", False),
            (Mark.ASLEEP, "", False),
        ],
    )
    def test_a_device_that_was_not_reached_opened_nothing(
        self, phone, application, device, mark, reason, counts
    ):
        row = device("a1")
        history = self.sent(application)
        PushBatch.objects.update(outcomes=bytes([mark]))
        DeliveryFailure.objects.create(history=history, installation=row, reason=reason)
        answer = self.report(phone, row, history.public_id)
        assert answer.status_code == (204 if counts else 409)
        history.refresh_from_db()
        assert history.opened == counts

    @pytest.mark.parametrize(("last", "opened"), [(Mark.SENT, 1), (Mark.FOREIGN, 0)])
    def test_a_device_that_moved_counts_once_and_as_it_fared_there(
        self, phone, application, device, last, opened
    ):
        row = device("a1")
        history = self.sent(application)
        PushBatch.objects.update(outcomes=bytes([Mark.PROBED]))
        late = PushBatch.objects.get()
        late.pk, late.seq, late.outcomes = None, LATE_SEQ, bytes([last])
        late.save(force_insert=True)
        for _time in range(2):
            self.report(phone, row, history.public_id)
        history.refresh_from_db()
        assert history.opened == opened

    @pytest.mark.django_db(transaction=True)
    def test_a_push_that_is_purged_while_it_is_counted_was_none(self, phone, application, device):
        row = device("a1")
        history = self.sent(application)

        def purge(execute, sql, params, many, context):
            if connection.in_atomic_block and "opened" in sql and PushBatch.objects.exists():
                delete(PushHistory, [history.pk])
            return execute(sql, params, many, context)

        with connection.execute_wrapper(purge):
            refused(self.report(phone, row, history.public_id), 409, "unknown_push", "pushId")

    def test_the_id_is_the_one_that_the_app_got(self, phone, application, device):
        row = device("a1")
        self.sent(application)
        history = PushHistory.objects.get()
        assert str(history.public_id) in str(outbox[-1])
        assert self.report(phone, row, history.public_id).status_code == 204

    def test_a_server_reads_the_count(self, phone, server, application, device):
        row = device("a1")
        history = self.sent(application)
        self.report(phone, row, history.public_id)
        shown = server.get(f"/push/api/history/{history.public_id}/").json()
        assert shown["opened"] == 1


def test_it_is_throttled_as_registering_is(settings, phone, row):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "THROTTLE_REGISTER": "2/min"}
    assert [phone.get(at(row)).status_code for _ in range(3)] == [200, 200, 429]
    refused(phone.patch(at(row), {"badge": 0}, format="json"), 429, "throttled")


def test_a_server_key_may_do_the_same(server_key, row):
    assert bearer(server_key).get(at(row)).json()["id"] == row.public_id
