"""Statements that are made once: they must say what a queryset says, with every value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import CharField, DateTimeField, F, IntegerField, JSONField
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_push.audience import Audience
from django_push.delivery.partition import usable_credentials
from django_push.delivery.planning import audience_rows
from django_push.delivery.small import SHORT, listed_devices
from django_push.delivery.statements import (
    Param,
    Statement,
    Update,
    among_keys,
    by_key,
    insert,
    insert_values,
    keys,
    shape,
)
from django_push.models import (
    Application,
    Credential,
    Installation,
    Notification,
    PushBatch,
    State,
    Subscription,
)
from django_push.submission import compose, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def credential(application) -> Credential:
    return Credential.objects.create(
        application=application, provider="locmem", name="main", public={"team": "Ä", "n": 1.5}
    )


def test_a_statement_answers_as_its_queryset_does_with_each_value(application, device):
    for letter in "abc":
        device(letter * 64, user_key=letter, is_active=letter != "b")
    columns = ("pk", "user_key", "is_active", "attributes", "last_seen_at", "public_id")
    rows = Installation.objects.values_list(*columns)
    one = Statement(
        rows.filter(
            application_id=Param("application", IntegerField()),
            user_key__in=[Param("first", CharField()), Param("second", CharField())],
            last_seen_at__gt=Param("since", DateTimeField()),
        )
    )
    since = timezone.now() - timedelta(hours=1)
    for first, second in (("a", "b"), ("b", "c"), ("a", "x"), ("x", "y")):
        found = one.fetch(application=application.pk, first=first, second=second, since=since)
        assert sorted(found) == sorted(rows.filter(user_key__in=[first, second]))
    later = timezone.now() + timedelta(hours=1)
    assert not one.fetch(application=application.pk, first="a", second="b", since=later)
    assert not one.fetch(application=application.pk + 1, first="a", second="b", since=since)


def test_a_statement_wants_a_value_for_each_parameter(application):
    one = Statement(Application.objects.filter(key=Param("key", CharField())).values_list("pk"))
    assert one.fetch(key="hall") == [(application.pk,)]
    with pytest.raises(KeyError):
        one.fetch()


def test_values_are_never_part_of_the_statement(application):
    one = Statement(Application.objects.filter(key=Param("key", CharField())).values_list("pk"))
    assert one.fetch(key="hall' OR '1'='1") == []
    assert one.fetch(key="100%") == []


def test_credentials_are_read_as_of_now(application, credential):
    assert [row.public for row in usable_credentials(application)] == [{"team": "Ä", "n": 1.5}]
    credential.expires_at = timezone.now() - timedelta(seconds=1)
    credential.save()
    assert usable_credentials(application) == []
    credential.expires_at = timezone.now() + timedelta(hours=1)
    credential.save()
    assert usable_credentials(application) == [credential]
    with CaptureQueriesContext(connection) as asked:
        (row,) = usable_credentials(application)
        assert row.sealed == credential.sealed  # read when it is asked for, and not before
    assert len(asked) == 2


@pytest.mark.parametrize("trusts", [True, False])
@pytest.mark.parametrize("number", [1, SHORT, SHORT + 1])
def test_a_short_list_is_read_as_a_long_one(application, device, number, trusts):
    application.trust_client_user_ids = trusts
    other = Application.objects.register(None, "Other", key="other")
    phones = [
        device(f"{n:064x}", user_key=f"u{n % 5}", user_verified=n % 2 == 0) for n in range(12)
    ]
    theirs = Installation.objects.register(other, device_type="ios", address="f" * 64)
    Installation.objects.filter(pk=theirs.pk).update(user_key="u0", user_verified=True)
    audiences = [
        Audience(installations=tuple(phone.public_id for phone in phones[:number])),
        Audience(users=tuple(f"u{n}" for n in range(number))),
        Audience(users=("u0",), installations=tuple(p.public_id for p in phones[: number - 1])),
        Audience(users=("U0", "u0' --")),
        Audience(users=("u0",), device_types=("android",)),
    ]
    for audience in audiences:
        expected = audience_rows(audience, application).values_list("pk", flat=True)
        found = listed_devices(application, audience)
        assert found is not None
        assert sorted(row.pk for row in found) == sorted(expected)


def test_the_limit_of_a_small_push_is_the_one_of_now(settings, application, device):
    for letter in "ab":
        device(letter * 64, user_key="ana", user_verified=True)
    ana = Audience(users=("ana",))
    assert len(listed_devices(application, ana) or ()) == 2
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "SMALL_PUSH": 1}
    assert listed_devices(application, ana) is None


def test_an_update_changes_those_it_names_and_counts_them(application, device):
    phones = [device(letter * 64, badge=number) for number, letter in enumerate("abc")]
    pks = [phone.pk for phone in phones]
    room = shape(2)
    rows = among_keys(Installation.objects.all(), room).filter(is_active=True)
    changes = {
        "badge": F("badge") + Param("more", IntegerField()),
        "attributes": Param("attributes", JSONField()),
        "inactive_since": Param("since", DateTimeField()),
    }
    one = Update(rows, **changes)
    said = {"more": 5, "attributes": {"Ä": [1, None, "'"]}, "since": MOMENT}
    assert one.run(**said, **keys(pks[:2], room)) == 2
    Installation.objects.filter(pk=pks[0]).update(is_active=False)
    assert one.run(**said | {"since": None}, **keys([pks[0], pks[2]], room)) == 1
    stored = list(Installation.objects.order_by("pk"))
    assert [row.badge for row in stored] == [5, 6, 7]
    assert [row.attributes for row in stored] == [said["attributes"]] * 3
    assert [row.inactive_since for row in stored] == [MOMENT, MOMENT, None]


def test_rows_by_key_are_those_of_in_bulk(application, credential):
    other = Application.objects.register(None, "Other", key="other")
    found = by_key(Application, [other.pk, None, application.pk, application.pk, 10**9])
    assert found == {application.pk: application, other.pk: other}
    with CaptureQueriesContext(connection) as asked:
        assert found[other.pk].name == "Other"
        assert by_key(Credential, [None]) == {}
    assert not asked


MOMENT = datetime(2027, 1, 12, 8, 0, 0, 123456, tzinfo=UTC)


def test_what_is_inserted_is_what_was_meant(application, credential, device):
    phone = device("a" * 64)
    words = {
        "title": "“Ä” 🎻 \\ ' \" %s {{ x }}\n",
        "data": {"n": 1.5, "list": [None, True, 2**53]},
    }
    written = compose(
        application,
        audience={"installations": [phone.public_id]},
        variables={"x": "y"},
        time_to_live=60,
        **words,
    )
    history = submit(written, by="somebody's job", source="test")
    stored = Notification.objects.get()
    assert stored.content == words
    assert stored.updated_at is not None
    assert (stored.send_at, stored.created_by_id, stored.time_to_live) == (None, None, 60)
    kept = type(history).objects.get()
    for field in kept._meta.concrete_fields:
        assert getattr(kept, field.attname) == getattr(history, field.attname), field.name
    batch = PushBatch.objects.get()
    assert (bytes(batch.ids), bytes(batch.outcomes), batch.first_id) == (b"", b"\0", phone.pk)
    assert batch.history_id == history.pk


def test_rows_are_inserted_in_order_and_know_that_they_are_stored(application, credential, device):
    phones = [device(f"{n:064x}") for n in range(3)]
    history = submit(
        compose(application, audience={"installations": [phones[0].public_id]}, title="Hi")
    )
    rows = [
        PushBatch(
            history=history,
            seq=number,
            provider="locmem",
            device_type="ios",
            ids=bytes(range(256)),
            outcomes=b"\x00\xff",
            size=2,
            first_id=2**40 + number,
            last_id=2**40 + number,
            not_before=MOMENT,
            turn_at=MOMENT,
            skipped_reasons={"gone": number},
        )
        for number in (7, 5, 6)
    ]
    insert(rows)
    for row in rows:
        assert not row._state.adding
        stored = PushBatch.objects.get(pk=row.pk)
        assert (stored.seq, stored.first_id) == (row.seq, row.first_id)
        assert bytes(stored.ids) == bytes(range(256))
        assert (stored.not_before, stored.claim_at) == (MOMENT, None)
        assert stored.skipped_reasons == row.skipped_reasons
    assert type(history).objects.get().state == State.SENDING


def test_values_are_inserted_as_they_are(application, device):
    phones = [device(f"{number:064x}") for number in range(2)]
    words = ["“Ä” 🎻", "\\ ' \" %s {{ x }}\n"]
    rows = [(application.pk, word, phone.pk) for phone in phones for word in words]
    insert_values(Subscription, ("application_id", "channel", "installation_id"), rows)
    assert [phone.channels for phone in phones] == [sorted(words)] * 2


def test_values_that_are_there_already_are_refused(application, device):
    names = ("installation_id", "channel", "application_id")
    row = (device("a" * 64).pk, "news", application.pk)
    insert_values(Subscription, names, [row])
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_values(Subscription, names, [(*row[:1], "sport", application.pk), row])
    assert list(Subscription.objects.values_list(*names)) == [row]


def test_nothing_is_inserted_without_rows():
    with CaptureQueriesContext(connection) as asked:
        insert([])
        insert_values(Subscription, ("channel",), [])
    assert not asked


def test_what_does_not_fit_a_column_is_refused_and_not_cut(application):
    long = Notification(application=application, name="x" * 192)
    if connection.vendor == "sqlite":  # takes texts of any length
        insert([long])
        assert Notification.objects.get().name == long.name
    else:
        with pytest.raises(DataError):
            insert([long])
