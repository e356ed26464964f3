"""Whose a device is, and that it is one row whoever registers it, however often, at once."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_push.exceptions import InvalidRegistration
from django_push.models import Application, Installation, Owner
from tests.support.at_once import at_once

User = get_user_model()


def proved(user_key: str) -> Owner:
    return Owner(user_key=user_key, proved=True)


def claimed(user_key: str) -> Owner:
    return Owner(user_key=user_key)


def whose(row: Installation) -> tuple[str, bool]:
    row.refresh_from_db()
    return row.user_key, row.user_verified


class TestWhoseItIs:
    @pytest.mark.parametrize(
        ("first", "second", "then"),
        [
            (None, claimed("ana"), ("ana", False)),
            (None, proved("ana"), ("ana", True)),
            (claimed("ana"), claimed("ben"), ("ben", False)),
            (claimed("ana"), proved("ana"), ("ana", True)),
            (claimed("ana"), proved("ben"), ("ben", True)),
            (proved("ana"), None, ("ana", True)),
            (proved("ana"), claimed("ana"), ("ana", True)),
            (proved("ana"), claimed("ben"), ("ben", False)),
            (proved("ana"), claimed("Ana"), ("Ana", False)),
            (proved("ana"), proved("ben"), ("ben", True)),
        ],
    )
    def test_what_is_proved_beats_what_is_claimed(self, device, first, second, then):
        row = device("a1", owner=first)
        device("a1", owner=second)
        assert whose(row) == then
        assert Installation.objects.count() == 1

    def test_a_claim_takes_the_device_from_the_user_and_gives_it_to_none(self, device):
        ana = User.objects.create_user("ana")
        row = device("a1", owner=Owner(user=ana))
        assert row.user == ana
        device("a1", owner=claimed("ben"))
        row.refresh_from_db()
        assert row.user is None

    def test_bound_at_moves_with_the_user_and_not_with_a_repeat(self, device):
        row = device("a1", owner=proved("ana"))
        first = row.bound_at
        assert device("a1", owner=proved("ana")).bound_at == first
        assert device("a1", owner=proved("ben")).bound_at > first

    def test_only_its_own_user_signs_a_device_off(self, device, application):
        row = device("a1", owner=proved("ana"))
        off = {"device_type": "ios", "address": "a1"}
        assert not Installation.objects.unregister(application, owner=proved("ben"), **off)
        assert whose(row) == ("ana", True)
        assert Installation.objects.unregister(application, owner=proved("ana"), **off)
        assert not Installation.objects.unregister(application, owner=proved("ana"), **off)
        assert whose(row) == ("", False)

    @pytest.mark.parametrize("name", ["ana", "007", " 7", "7.0", "9" * 60, "١"])
    def test_a_name_that_is_not_exactly_a_key_of_the_project_is_nobodys(self, db, name):
        User.objects.create_user("somebody", id=7)
        owner = Owner.vouched(name)
        assert (owner.user, owner.user_key, owner.proved) == (None, name, True)

    def test_a_key_of_the_project_is_its_user(self, db):
        user = User.objects.create_user("ana")
        assert Owner.vouched(str(user.pk)).user == user

    def test_a_user_who_is_erased_leaves_the_device_without_one(self, device):
        user = User.objects.create_user("ana")
        row = device("a1", owner=Owner(user=user))
        user.delete()
        row.refresh_from_db()
        assert row.user is None


class TestAgain:
    def test_a_repeat_writes_nothing(self, device, steady_clock):
        device("a1", owner=proved("ana"), channels=["news"], locale="de")
        with CaptureQueriesContext(connection) as queries:
            device("a1", owner=proved("ana"), channels=["news"], locale="de")
        assert [query["sql"].split()[0] for query in queries] == ["SELECT", "SELECT"]

    def test_it_is_seen_at_most_hourly(self, device):
        row = device("a1")
        Installation.objects.update(last_seen_at=timezone.now() - timedelta(minutes=59))
        before = Installation.objects.get().last_seen_at
        assert device("a1").last_seen_at == before
        Installation.objects.update(last_seen_at=timezone.now() - timedelta(minutes=61))
        device("a1")
        row.refresh_from_db()
        assert row.last_seen_at > before

    def test_a_device_that_was_off_is_on_again_and_newly_registered(self, device, application):
        row = device("a1")
        Installation.objects.unregister(application, device_type="ios", address="a1")
        again = device("a1")
        assert again.pk == row.pk
        assert (again.is_active, again.inactive_reason) == (True, "")
        assert again.registered_at > row.registered_at

    def test_channels_may_come_from_a_generator(self, device):
        assert device("a1", channels=(name for name in ["b", "a", "b"])).channels == ["a", "b"]

    @pytest.mark.parametrize("channels", [[""], ["c" * 192], [7], [None]])
    def test_a_channel_that_is_no_name_registers_nothing(self, device, channels):
        with pytest.raises(InvalidRegistration) as refused:
            device("a1", channels=channels)
        assert (refused.value.code, refused.value.field) == ("invalid_channel", "channels")
        assert not Installation.objects.exists()


class TestTheAppsOwnId:
    def test_an_app_with_a_new_token_keeps_its_row(self, device):
        row = device("a1", installation_id="APP-1", channels=["news"], owner=claimed("ana"))
        again = device("b2", installation_id="app-1")
        assert (again.pk, again.public_id, again.address) == (row.pk, row.public_id, "b2")
        assert (again.channels, again.user_key) == (["news"], "ana")
        assert Installation.objects.count() == 1

    def test_who_merely_knows_the_id_does_not_get_the_proved_user(self, device):
        row = device("a1", installation_id="app-1", owner=proved("ana"))
        device("b2", installation_id="app-1", owner=claimed("ana"))
        assert whose(row) == ("ana", False)
        device("c3", installation_id="app-1", owner=proved("ana"))
        assert whose(row) == ("ana", True)
        device("d4", installation_id="app-1")
        assert whose(row) == ("", False)

    def test_a_proved_user_keeps_the_device_over_a_new_token(self, device):
        row = device("a1", installation_id="app-1", owner=proved("ana"))
        bound = row.bound_at
        device("b2", installation_id="app-1", owner=proved("ana"))
        assert whose(row) == ("ana", True)
        assert row.bound_at == bound

    def test_of_two_rows_the_one_with_the_address_stays(self, device):
        former, known = device("a1", installation_id="app-1"), device("b2")
        again = device("b2", installation_id="app-1")
        former.refresh_from_db()
        assert (again.pk, again.installation_id) == (known.pk, "app-1")
        assert (former.is_active, former.installation_id) == (False, None)

    def test_the_same_id_elsewhere_is_another_app(self, device, db):
        device("a1", installation_id="app-1")
        elsewhere = Application.objects.register(None, "Opera")
        Installation.objects.register(
            elsewhere, device_type="ios", address="a1", installation_id="app-1"
        )
        assert Installation.objects.filter(is_active=True).count() == 2

    def test_no_id_is_no_id(self, device):
        device("a1", installation_id="")
        device("b2", installation_id=None)
        assert Installation.objects.filter(installation_id=None).count() == 2


class TestThePreviousToken:
    def test_who_names_it_keeps_the_row(self, device):
        row = device("a1", channels=["news"], owner=claimed("ana"))
        again = device("b2", previous_address="a1")
        assert (again.pk, again.address, again.channels) == (row.pk, "b2", ["news"])
        assert whose(row) == ("ana", False)

    def test_who_merely_knows_it_does_not_get_the_proved_user(self, device):
        row = device("a1", owner=proved("ana"))
        device("b2", previous_address="a1")
        assert whose(row) == ("", False)

    def test_one_that_is_unknown_or_the_same_means_nothing(self, device):
        row = device("a1", previous_address="f0")
        assert device("a1", previous_address="a1").pk == row.pk
        assert Installation.objects.filter(is_active=True).count() == 1

    def test_of_two_rows_the_one_with_the_address_stays(self, device):
        former, known = device("a1"), device("b2")
        assert device("b2", previous_address="a1", locale="de").pk == known.pk
        former.refresh_from_db()
        assert (former.is_active, former.inactive_reason) == (False, "unregistered")

    def test_one_that_was_told_before_is_no_news(self, device):
        device("a1")
        device("b2", previous_address="a1")
        with CaptureQueriesContext(connection) as queries:
            device("b2", previous_address="a1")
        assert {query["sql"].split()[0] for query in queries} == {"SELECT"}

    def test_one_that_makes_no_sense_is_refused(self, device):
        with pytest.raises(InvalidRegistration):
            device("a1", previous_address="no hex")


class TestARestoredBackup:
    """A backup of the old phone goes onto a new one: the app has its id, and a new token."""

    def test_the_new_phone_takes_the_row_over(self, device):
        old = device("a1", installation_id="app-1", channels=["news"])
        new = device("b2", installation_id="app-1")
        assert (new.pk, new.channels) == (old.pk, ["news"])

    def test_the_old_phone_that_is_still_used_is_a_device_of_its_own_again(self, device):
        device("a1", installation_id="app-1", owner=proved("ana"))
        device("b2", installation_id="app-1", owner=proved("ana"))
        device("a1", owner=proved("ana"))
        assert Installation.objects.filter(user_key="ana", is_active=True).count() == 2


def test_one_account_on_five_phones_is_five_devices(device):
    for number in range(5):
        device(f"{number:04x}", owner=proved("ana"))
    assert Installation.objects.filter(user_key="ana", user_verified=True).count() == 5


def test_an_app_that_was_offline_for_months_is_on_again_with_its_channels(device):
    row = device("a1", channels=["news"], owner=proved("ana"))
    long_ago = timezone.now() - timedelta(days=200)
    Installation.objects.update(
        is_active=False, inactive_reason=Installation.Reason.STALE, last_seen_at=long_ago
    )
    device("a1")
    row.refresh_from_db()
    assert (row.is_active, row.inactive_reason, row.channels) == (True, "", ["news"])
    assert row.last_seen_at > long_ago
    assert whose(row) == ("ana", True)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_one_device_is_one_row(self, device):
        at_once(8, lambda which: device("a1", channels=["news", f"c{which}"]))
        assert Installation.objects.count() == 1
        assert "news" in Installation.objects.get().channels

    def test_users_who_meet_on_a_device_leave_it_to_one_of_them(self, device):
        device("a1")
        at_once(6, lambda which: device("a1", owner=proved(f"user{which}")))
        row = Installation.objects.get()
        assert row.user_verified
        assert row.user_key in {f"user{which}" for which in range(6)}

    def test_one_app_with_many_tokens_is_one_row(self, device):
        at_once(6, lambda which: device(f"{which:04x}", installation_id="app-1"))
        assert Installation.objects.filter(is_active=True, installation_id="app-1").count() == 1

    def test_registering_and_unregistering_end_in_one_row(self, device, application):
        def either(which: int) -> None:
            if which % 2:
                device("a1", locale=f"l{which}")
            else:
                Installation.objects.unregister(application, device_type="ios", address="a1")

        at_once(8, either)
        assert Installation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_storm_of_few_devices_that_do_everything(device, application):
    """New tokens, old ones, other users, other ids, signing off: nobody gets an error."""

    def storm(which: int) -> None:
        chance = random.Random(which)
        for _ in range(12):
            told = {
                "installation_id": chance.choice([None, "app-1", "app-2"]),
                "owner": chance.choice([None, proved("ana"), proved("ben"), claimed("eve")]),
                "channels": chance.choice([None, ["a"], ["a", "b"], []]),
                "previous_address": chance.choice(["", "a1", "b2"]),
            }
            address = chance.choice(["a1", "b2", "c3"])
            if chance.random() < 0.1:
                Installation.objects.unregister(application, device_type="ios", address=address)
            elif chance.random() < 0.2:
                many = [{"device_type": "ios", "address": address, **told}]
                Installation.objects.register_many(application, many)
            else:
                device(address, **told)

    at_once(5, storm)
    assert Installation.objects.count() <= 3
    kept = Installation.objects.exclude(installation_id=None).values_list("installation_id")
    assert len(kept) == len(set(kept))


def test_ana_and_ana_are_two(device):
    device("tokentoken:Ana", "android", owner=proved("Ana"), channels=["News"])
    device("tokentoken:ana", "android", owner=proved("ana"), channels=["news"])
    assert Installation.objects.count() == 2
    assert Installation.objects.filter(user_key="Ana").count() == 1
    assert Installation.objects.filter(subscriptions__channel="News").count() == 1


def test_a_firebase_installation_id_is_an_address_of_its_own_kind(application):
    def register(address, **details):
        return Installation.objects.register(
            application, device_type="android", address=address, **details
        )

    first = register("c" * 22, address_kind="fid")
    again = register("fid:" + "c" * 22)
    token = register("c" * 22)
    assert first.pk == again.pk != token.pk
    assert (first.address, first.address_kind) == ("fid:" + "c" * 22, "fid")
    assert token.address_kind == "token"


def test_an_iphone_on_fcm_can_sign_off_without_naming_its_network(application):
    row = Installation.objects.register(
        application, device_type="ios", provider="fcm", address="fcm-token-of-an-iphone"
    )
    signed_off = Installation.objects.unregister(
        application, device_type="ios", address="fcm-token-of-an-iphone"
    )
    row.refresh_from_db()
    assert (signed_off, row.is_active) == (True, False)


def test_what_staff_switched_off_stays_off_when_its_app_registers(device):
    row = device("a1", installation_id="app-1")
    Installation.objects.update(is_active=False, inactive_reason=Installation.Reason.STAFF)
    device("a1", installation_id="app-1", locale="de", owner=proved("ana"), channels=["news"])
    device("a2", installation_id="app-1")
    row.refresh_from_db()
    assert (row.is_active, row.inactive_reason) == (False, Installation.Reason.STAFF)
    assert (row.address, row.locale, row.channels) == ("a2", "de", ["news"])


def test_a_device_that_signed_off_is_switched_on_by_registering(device):
    row = device("a1")
    Installation.objects.update(is_active=False, inactive_reason=Installation.Reason.UNREGISTERED)
    device("a1")
    row.refresh_from_db()
    assert (row.is_active, row.inactive_reason) == (True, "")
