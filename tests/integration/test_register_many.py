"""Many registrations at once: the same rows as one by one, in few statements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_push.models import Application, Fate, Installation, Owner, Subscription
from tests.support.at_once import at_once

User = get_user_model()

COLUMNS = (
    *("provider", "address", "device_type", "installation_id", "user_key", "user_verified"),
    *("locale", "is_active", "inactive_reason", "environment", "app_identifier"),
)


def phone(number: int, **more) -> dict:
    return {"device_type": "ios", "address": f"{number:064x}", **more}


def proved(user_key: str) -> Owner:
    return Owner(user_key=user_key, proved=True)


def many(application, *devices) -> list[str]:
    return [str(one.fate) for one in Installation.objects.register_many(application, devices)]


def rows(application) -> list[tuple]:
    """All that a registration decides about an application's devices, in no order of theirs."""
    found = Installation.objects.filter(application=application).prefetch_related("subscriptions")
    return sorted(
        (tuple(str(getattr(row, name)) for name in COLUMNS), tuple(row.channels)) for row in found
    )


ADVENTURES = {
    "new ones": [phone(1), phone(2, channels=["news"], locale="de")],
    "the same one three times": [phone(1), phone(1, locale="de"), phone(1, channels=["a"])],
    "one that is handed over": [phone(1, owner=proved("ana")), phone(1, owner=proved("ben"))],
    "a claim on a proved one": [phone(1, owner=proved("ana")), phone(1, owner=Owner(user_key="x"))],
    "a new token": [
        phone(1, installation_id="A", channels=["a", "b"], owner=proved("ana")),
        phone(2, installation_id="a"),
    ],
    "an old token with another app's id": [
        phone(1, installation_id="a"),
        phone(2, installation_id="b"),
        phone(2, installation_id="a"),
    ],
    "tokens that go round": [
        phone(1, installation_id="a"),
        phone(2, installation_id="b"),
        phone(3, installation_id="b"),
        phone(2, installation_id="a"),
        phone(1, installation_id="c"),
    ],
    "ids that are swapped": [
        phone(1, installation_id="a"),
        phone(2, installation_id="b"),
        phone(2, installation_id="a"),
        phone(1, installation_id="b"),
    ],
    "a token that names the one before": [
        phone(1, owner=proved("ana"), channels=["a"]),
        phone(2, previous_address=f"{1:064x}"),
        phone(3),
        phone(2, previous_address=f"{3:064x}"),
    ],
    "channels taken away": [phone(1, channels=["a", "b", "c"]), phone(1, channels=["b", "d"])],
    "an id that the app forgot": [phone(1, installation_id="a"), phone(1, installation_id=None)],
    "an android phone and a firebase id": [
        {"device_type": "android", "address": "c" * 22},
        {"device_type": "android", "address": "c" * 22, "address_kind": "fid"},
    ],
}


@pytest.mark.parametrize("devices", ADVENTURES.values(), ids=ADVENTURES)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_it_ends_as_if_each_had_come_by_itself(application, devices, size):
    elsewhere = Application.objects.register(None, "Opera")
    list(Installation.objects.register_stream(application, devices, size=size))
    for device in devices:
        Installation.objects.register(elsewhere, **device)
    assert rows(application) == rows(elsewhere)


def test_it_tells_what_became_of_each_in_order(application):
    first = [phone(1), phone(2, channels=["news"]), phone(1)]
    assert many(application, *first) == ["created", "created", "unchanged"]
    again = [phone(2, channels=["news"]), phone(1, locale="de"), phone(3), phone(2, channels=[])]
    assert many(application, *again) == ["unchanged", "updated", "created", "updated"]


def test_one_that_makes_no_sense_is_refused_alone(application):
    devices = [
        phone(1),
        {"device_type": "symbian", "address": "a1"},
        {"device_type": "ios", "address": "no hex"},
        phone(2, channels=[""]),
        phone(3, locale="x" * 36),
        phone(4, badge="many"),
        phone(5, user_verified=True),
        phone(6, attributes={"a": ["\x00"]}),
        phone(7, app_version="\x00"),
        phone(8),
    ]
    results = Installation.objects.register_many(application, devices)
    told = [(result.error.code, result.error.field) for result in results if result.error]
    assert told == [
        ("unknown_platform", "device_type"),
        ("invalid_token", "address"),
        ("invalid_channel", "channels"),
        ("wrong_value", "locale"),
        ("wrong_value", "badge"),
        ("unknown_field", "user_verified"),
        ("wrong_value", "attributes"),
        ("wrong_value", "app_version"),
    ]
    assert [result.fate for result in results].count(Fate.REFUSED) == 8
    assert Installation.objects.count() == 2


def test_users_of_the_project_are_found_together(db, django_assert_num_queries):
    ana = User.objects.create_user("ana", id=7)
    with django_assert_num_queries(1):
        owners = Owner.vouched_many(["7", "007", "8", "nobody", "9" * 60, "7"])
    assert {key: owner.user for key, owner in owners.items()} == {
        **dict.fromkeys(["007", "8", "nobody", "9" * 60]),
        "7": ana,
    }
    assert all(owner.proved and owner.user_key == key for key, owner in owners.items())


def statements(do) -> int:
    with CaptureQueriesContext(connection) as queries:
        do()
    return len(queries)


def most(number: int) -> int:
    """SQLite takes 999 values in a statement: a row of 30 columns is 30 of them."""
    return number if connection.vendor != "sqlite" else number + 40


def test_a_thousand_cost_a_few_statements(application, steady_clock):
    devices = [phone(n, channels=["all", f"c{n % 7}"], owner=proved(f"u{n}")) for n in range(400)]
    many(application, phone(0))

    def send() -> None:
        many(application, *devices)

    assert statements(send) <= most(10)
    assert statements(send) == 2, "what did not change is only read"
    for device in devices:
        device["locale"] = "de"
        device["channels"] = ["all"]
    assert statements(send) <= most(10)
    assert Installation.objects.filter(locale="de").count() == 400
    assert Subscription.objects.count() == 400


def test_it_is_read_as_it_goes_along(application):
    taken = []

    def source():
        for number in range(10):
            taken.append(number)
            yield phone(number)

    stream = Installation.objects.register_stream(application, source(), size=3)
    assert taken == []
    assert len(list(islice(stream, 3))) == 3
    assert taken == [0, 1, 2]
    assert len(list(stream)) == 7
    assert Installation.objects.count() == 10


class TestWhatAnExportTells:
    def test_a_row_keeps_its_dates_its_id_and_its_state(self, application):
        long_ago = datetime(2019, 5, 5, tzinfo=UTC)
        dead = {"is_active": False, "inactive_reason": Installation.Reason.DEAD, "badge": 3}
        dates = dict.fromkeys(["created_at", "last_seen_at", "registered_at"], long_ago)
        (done,) = Installation.objects.register_many(
            application, [phone(1, public_id="ab" * 12, **dead, **dates)]
        )
        row = Installation.objects.get(public_id="ab" * 12)
        assert row.pk == done.installation.pk
        assert (row.created_at, row.last_seen_at, row.registered_at) == (long_ago,) * 3
        assert (row.is_active, row.inactive_reason, row.badge) == (False, "dead", 3)

    def test_a_device_that_is_known_keeps_its_id_and_its_newer_date(self, application, device):
        row = device(f"{1:064x}")
        long_ago = timezone.now() - timedelta(days=900)
        told = phone(1, public_id="ab" * 12, created_at=long_ago, last_seen_at=long_ago)
        assert many(application, told) == ["updated"]
        known = Installation.objects.get()
        assert (known.public_id, known.last_seen_at) == (row.public_id, row.last_seen_at)
        assert known.created_at == long_ago

    def test_an_id_that_another_has_is_refused_alone(self, application):
        ids = [phone(1, public_id="ab" * 12), phone(2, public_id="ab" * 12), phone(3)]
        results = Installation.objects.register_many(application, ids)
        assert [result.fate for result in results] == ["created", "refused", "created"]
        assert results[1].error.code == "id_taken"


def test_staff_switched_it_off_and_it_stays_off(application, device):
    device(f"{1:064x}")
    Installation.objects.update(is_active=False, inactive_reason=Installation.Reason.STAFF)
    many(application, phone(1, locale="de"))
    assert not Installation.objects.get().is_active
    Installation.objects.update(inactive_reason=Installation.Reason.UNREGISTERED)
    assert many(application, phone(1)) == ["updated"]
    assert Installation.objects.get().is_active


def test_who_comes_back_unchanged_is_seen_hourly(application, device):
    device(f"{1:064x}")
    Installation.objects.update(last_seen_at=timezone.now() - timedelta(hours=2))
    assert many(application, phone(1)) == ["unchanged"]
    assert timezone.now() - Installation.objects.get().last_seen_at < timedelta(minutes=5)


def test_users_of_the_project_are_bound(application):
    ana = User.objects.create_user("ana")
    many(application, phone(1, owner=Owner(user=ana)))
    many(application, phone(1, owner=Owner(user=ana)), phone(2, owner=Owner(user=ana)))
    assert ana.push_installations.count() == 2


@pytest.mark.parametrize("count", [0, 1])
def test_few_are_as_good_as_many(application, count):
    assert many(application, *[phone(1)] * count) == ["created"] * count


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """Several imports, and phones that register meanwhile: nobody fails, each device is one row."""

    def test_the_same_devices_in_different_orders(self, application):
        def register(which: int) -> None:
            devices = [phone(n, channels=["all", f"c{which}"], locale=f"l{which}") for n in SOME]
            devices = devices if which % 2 else devices[::-1]
            list(Installation.objects.register_stream(application, devices, size=20))

        at_once(4, register)
        assert Installation.objects.count() == len(SOME)
        assert Subscription.objects.filter(channel="all").count() == len(SOME)

    def test_phones_that_register_in_the_middle(self, application, device):
        def register(which: int) -> None:
            if which < 2:
                devices = [phone(n, installation_id=f"app-{n}", locale="de") for n in SOME]
                list(Installation.objects.register_stream(application, devices, size=25))
            else:
                for n in list(SOME)[:: which - 1]:
                    device(f"{n:064x}", owner=proved(f"u{which}"))

        at_once(4, register)
        assert Installation.objects.count() == len(SOME)
        assert Installation.objects.filter(installation_id__startswith="app-").count() == len(SOME)
        assert not Installation.objects.filter(user_verified=False).exists()

    def test_new_tokens_and_old_ones(self, application):
        def register(which: int) -> None:
            devices = [phone(n + 1000 * which, installation_id=f"app-{n}") for n in SOME]
            list(Installation.objects.register_stream(application, devices, size=15))

        at_once(3, register)
        kept = Installation.objects.exclude(installation_id=None)
        assert kept.count() == len(SOME)


SOME = range(60)
