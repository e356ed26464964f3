"""One device, one row: what is merged, what stays of it, and what is left alone."""

from __future__ import annotations

import csv
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_push.hygiene.duplicates import Why, merge_duplicates
from django_push.models import (
    Application,
    DeliveryFailure,
    Installation,
    Notification,
    Purpose,
    PurposeChoice,
    PushHistory,
    Subscription,
)
from django_push.models.registration import address_hash

from .conftest import days_ago

TOKEN = "a1b2c3d4" * 8
CAPITALS = TOKEN.upper()
SPACED = "<" + " ".join([TOKEN[at : at + 8] for at in range(0, 64, 8)]) + ">"


@pytest.fixture
def row(application):
    """A function that writes a row as an import of old may have."""

    def write(address: str = TOKEN, days: float = 0, channels=(), **columns) -> Installation:
        made = Installation.objects.create(
            **{
                "application": application,
                "device_type": "ios",
                "provider": "apns",
                "address": address,
                "address_hash": address_hash(address),
                "created_at": days_ago(300),
                "bound_at": days_ago(300),
                **columns,
                "last_seen_at": days_ago(days),
            }
        )
        where = made.application
        Subscription.objects.bulk_create(
            Subscription(application=where, channel=name, installation=made) for name in channels
        )
        return made

    return write


def run(**options):
    return list(merge_duplicates(**options))


def only(**expected) -> Installation:
    left = Installation.objects.get()
    for name, value in expected.items():
        assert getattr(left, name) == value, name
    return left


@pytest.mark.parametrize("spelling", [CAPITALS, SPACED])
def test_an_apple_token_in_two_spellings(row, spelling):
    old = row(spelling, days=50, channels=["news", "sport"], attributes={"a": 1, "b": 1})
    new = row(TOKEN, days=2, channels=["sport", "radio"], attributes={"b": 2}, locale="de")
    (merge,) = run()
    assert (merge.why, merge.kept, merge.removed) == (
        Why.SPELLING,
        new.public_id,
        [old.public_id],
    )
    left = only(pk=new.pk, address=TOKEN, address_hash=address_hash(TOKEN), locale="de")
    assert left.channels == ["news", "radio", "sport"]
    assert left.attributes == {"a": 1, "b": 2}
    assert not run()


def test_the_newest_may_be_the_one_that_is_misspelt(row):
    row(TOKEN, days=50, time_zone="Europe/Berlin")
    new = row(CAPITALS, days=2)
    run()
    only(pk=new.pk, address=TOKEN, address_hash=address_hash(TOKEN), time_zone="Europe/Berlin")


def test_two_misspelt_rows_without_a_good_one(row):
    row(CAPITALS, days=1)
    row(SPACED, days=3)
    planned = run(dry_run=True)
    assert Installation.objects.count() == 2
    assert [merge.why for merge in planned] == [Why.ALONE, Why.SPELLING]
    assert [merge.why for merge in run()] == [Why.ALONE, Why.SPELLING]
    only(address=TOKEN)


def test_a_misspelt_row_alone_is_put_straight(row):
    mine = row(CAPITALS, installation_id="ABC-1")
    (merge,) = run()
    assert (merge.why, merge.kept, merge.removed) == (Why.ALONE, mine.public_id, [])
    only(address=TOKEN, installation_id="abc-1")


def test_an_installation_id_in_two_spellings(row):
    row("b1" * 32, days=9, installation_id="ABC", badge=7, app_version="1.0")
    new = row("b2" * 32, days=1, installation_id="abc", badge=3)
    assert [merge.why for merge in run()] == [Why.INSTALLATION_ID]
    only(pk=new.pk, installation_id="abc", badge=3, app_version="1.0", address="b2" * 32)


def test_the_same_address_on_two_networks(row):
    row("tokentoken:x", days=1, provider="apns", is_active=False, inactive_reason="wrong")
    on = row("tokentoken:x", days=9, provider="fcm")
    assert [merge.why for merge in run()] == [Why.NETWORKS]
    only(pk=on.pk, provider="fcm", is_active=True)  # switched on goes before seen last
    assert timezone.now() - only().last_seen_at < timedelta(days=1, minutes=1)


def test_what_is_not_the_same_device_is_left_alone(row, application):
    opera = Application.objects.register(None, "Opera", key="opera")
    row(TOKEN)
    row(CAPITALS, application=opera)  # put straight, in its own application
    row("tokenToken:x", provider="fcm")
    row("tokentoken:x", provider="fcm")  # Google's are case-sensitive
    row("shared", provider="fcm", address_kind="token")
    row("shared", provider="locmem", address_kind="room")
    row("", address_hash=None, installation_id="one")
    row("", address_hash=None, installation_id="two")
    assert [merge.why for merge in run()] == [Why.ALONE]
    assert Installation.objects.count() == 8


def test_only_in_the_chosen_application(row):
    opera = Application.objects.register(None, "Opera", key="opera")
    row(CAPITALS)
    assert not run(application=opera)
    only(address=CAPITALS)


class TestWhose:
    def test_the_newest_says(self, row):
        row(CAPITALS, days=9, user_key="ana", user_verified=True)
        row(TOKEN, days=1, user_key="bob", user_verified=True, bound_at=days_ago(2))
        run()
        only(user_key="bob", user_verified=True)

    def test_who_never_said_anything_is_not_asked(self, row):
        user = get_user_model()._default_manager.create_user("ana")
        bound = days_ago(100)
        row(CAPITALS, days=9, user=user, user_key="ana", user_verified=True, bound_at=bound)
        row(TOKEN, days=1)
        run()
        only(user=user, user_key="ana", user_verified=True, bound_at=bound)

    def test_a_sign_off_is_not_undone(self, row):
        row(CAPITALS, days=9, user_key="ana", user_verified=True)
        row(TOKEN, days=1, bound_at=days_ago(2))
        run()
        only(user_key="", user_verified=False)

    def test_a_claim_takes_nothing_that_was_proved(self, row):
        row(CAPITALS, days=9, user_key="ana", user_verified=True)
        row(TOKEN, days=1, user_key="eve", bound_at=days_ago(1))
        run()
        only(user_key="eve", user_verified=False)

    def test_a_claim_of_who_was_proved_stays_proved(self, row):
        row(CAPITALS, days=9, user_key="ana", user_verified=True)
        row(TOKEN, days=1, user_key="ana")
        run()
        only(user_key="ana", user_verified=True)

    def test_an_installation_id_proves_nothing(self, row):
        row("b1" * 32, days=9, installation_id="ABC", user_key="ana", user_verified=True)
        row("b2" * 32, days=1, installation_id="abc")
        run()
        only(user_key="", user_verified=False)


@pytest.mark.parametrize("reason", ["staff", "opted_out"])
def test_what_was_switched_off_on_purpose_stays_off(row, reason):
    reason = Installation.Reason[reason.upper()]
    off = {"is_active": False, "inactive_reason": reason, "inactive_since": days_ago(5)}
    row(CAPITALS, days=9, **off)
    row(TOKEN, days=1)
    run()
    only(**off)


def test_failures_and_choices_move_and_reports_still_add_up(row, application):
    old, new = row(CAPITALS, days=9), row(TOKEN, days=1)
    message = Notification.objects.create(application=application)
    first, second = (
        PushHistory.objects.create(
            application=application,
            notification=message,
            due_at=days_ago(number),
            finished_at=days_ago(0),
        )
        for number in (1, 2)
    )
    for history, device in ((first, old), (first, new), (second, old)):
        DeliveryFailure.objects.create(history=history, installation=device, provider="apns")
    for key, chosen in {"offers": (True, False), "news": (False, None)}.items():
        purpose = Purpose.objects.create(application=application, key=key, name=key)
        for device, wanted in zip((old, new), chosen, strict=True):
            if wanted is not None:
                PurposeChoice.objects.create(purpose=purpose, installation=device, wanted=wanted)
    run()
    failed = DeliveryFailure.objects.order_by("history", "installation")
    assert sorted((f.history_id, f.installation_id or 0) for f in failed) == [
        (first.pk, 0),
        (first.pk, new.pk),
        (second.pk, new.pk),
    ]
    choices = PurposeChoice.objects.values_list("purpose__key", "installation", "wanted")
    assert sorted(choices) == [("news", new.pk, False), ("offers", new.pk, False)]


def test_a_push_under_way_reaches_it_once(row, push, application):
    from django_push.submission import submit
    from django_push.testing import deliver_pushes, outbox

    old, new = row(CAPITALS, days=9), row(TOKEN, days=1)
    history = submit(
        Notification(
            application=application,
            content={"title": "Hi"},
            audience={"installations": [old.public_id, new.public_id]},
        )
    )
    outbox.clear()
    run()
    with deliver_pushes():
        pass
    history.refresh_from_db()
    assert (history.successes, history.skipped) == (1, {"gone": 1})
    assert [delivery.token for delivery in outbox] == [TOKEN]


def test_the_command_says_what_it_would_do_and_writes_a_report(row, capsys, tmp_path):
    old, new = row(CAPITALS, days=9), row(TOKEN, days=1)
    file = tmp_path / "merged.csv"
    call_command("push_merge_duplicates", "--dry-run")
    assert "1  rows would be removed" in capsys.readouterr().out
    assert Installation.objects.count() == 2
    call_command("push_merge_duplicates", f"--report={file}", "--application=hall")
    said = capsys.readouterr().out
    assert "1  address in two spellings" in said
    assert "1  rows were removed" in said
    with file.open(newline="") as lines:
        assert list(csv.reader(lines))[1:] == [
            ["address in two spellings", new.public_id, old.public_id]
        ]
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("push_merge_duplicates", f"--report={tmp_path}")
