"""Stale devices are switched off, dead ones are kept for a time and deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_push.hygiene import chunks
from django_push.hygiene.pruning import Pruned, prune, would_prune
from django_push.models import Application, Installation, Subscription

from .conftest import days_ago

Reason = Installation.Reason
LONG_OFF = {"is_active": False, "inactive_reason": Reason.DEAD, "inactive_since": days_ago(181)}


def run(**options) -> Pruned:
    done = Pruned()
    expected = would_prune(**options)
    for _ in prune(done, **options):
        pass
    assert done == expected  # a dry run tells the truth
    return done


def state(row: Installation):
    row.refresh_from_db()
    return row.is_active, row.inactive_reason


def test_what_was_not_seen_for_90_days_is_switched_off_with_reason_and_date(seen):
    stale, fresh = seen("a1", 91), seen("b2", 89)
    assert run() == Pruned(switched_off=1)
    assert state(stale) == (False, Reason.STALE)
    assert timezone.now() - stale.inactive_since < timedelta(minutes=1)
    assert state(fresh) == (True, "")
    assert fresh.inactive_since is None
    assert run() == Pruned()


def test_a_device_that_comes_back_is_switched_on_and_has_no_date(seen, device):
    row = seen("a1", 100)
    run()
    device("a1")
    assert state(row) == (True, "")
    assert row.inactive_since is None


def test_a_stale_device_gets_no_push(seen, push):
    seen("a1", 100)
    seen("b2", 1)
    run()
    history = push()
    assert (history.successes, history.skipped) == (1, {"inactive": 1})


def test_what_is_off_for_long_is_deleted_with_its_channels(seen):
    gone = seen("a1", 300, channels=["news", "sport"], **LONG_OFF)
    kept = seen("b2", 300, channels=["news"], **{**LONG_OFF, "inactive_since": days_ago(179)})
    assert run() == Pruned(deleted=1)
    assert list(Installation.objects.all()) == [kept]
    assert not Subscription.objects.filter(installation=gone.pk).exists()
    assert Subscription.objects.count() == 1


@pytest.mark.parametrize("reason", [Reason.STAFF, Reason.OPTED_OUT])
def test_what_staff_or_its_user_switched_off_is_never_deleted(seen, reason):
    """It would come back switched on."""
    row = seen("a1", 900, **{**LONG_OFF, "inactive_reason": reason})
    assert run() == Pruned()
    assert state(row) == (False, reason)


def test_who_is_off_without_a_date_counts_from_the_last_change(seen):
    old = seen("a1", 1, is_active=False, updated_at=days_ago(200))
    young = seen("b2", 1, is_active=False, updated_at=days_ago(3))
    assert run() == Pruned(deleted=1)
    young.refresh_from_db()
    assert young.inactive_since == young.updated_at
    assert not Installation.objects.filter(pk=old.pk).exists()


def test_another_application_is_left_alone(seen, application):
    other = Application.objects.register(None, "Opera", key="opera")
    row = seen("a1", 100)
    assert run(application=other) == Pruned()
    assert run(application=application) == Pruned(switched_off=1)
    assert state(row) == (False, Reason.STALE)


@pytest.mark.parametrize("name", ["STALE_DAYS", "DEAD_DAYS"])
def test_none_means_never(seen, settings, name):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, name: None}
    seen("a1", 5000)
    seen("b2", 5000, **{**LONG_OFF, "inactive_since": days_ago(5000)})
    expected = {"STALE_DAYS": Pruned(deleted=1), "DEAD_DAYS": Pruned(switched_off=1)}
    assert run() == expected[name]


def test_every_device_is_met_though_chunks_end_anywhere(seen, monkeypatch):
    """Windows, chunks and gaps: more of each than one."""
    monkeypatch.setattr(chunks, "CHUNK", 3)
    monkeypatch.setattr(chunks, "WINDOW", 5)
    rows = [seen(f"a{number:02}", 100 if number % 3 else 1) for number in range(25)]
    Installation.objects.filter(pk__in=[row.pk for row in rows[8:16]]).delete()
    left = [number for number in range(25) if not 8 <= number < 16]
    assert run().switched_off == sum(1 for number in left if number % 3)
    assert Installation.objects.filter(is_active=True).count() == sum(
        1 for number in left if not number % 3
    )


def test_the_conditions_are_asked_again_when_the_rows_are_held(seen, monkeypatch, device):
    """The walk finds them, then both come back."""
    from django_push.hygiene import pruning

    seen("a1", 100)
    seen("b2", 300, **LONG_OFF)
    honest = chunks.walk

    def late(rows):
        for pks in honest(rows):
            device("a1")
            device("b2")
            yield pks

    monkeypatch.setattr(pruning, "walk", late)
    done = Pruned()
    for _ in prune(done):
        pass
    assert done == Pruned()


def test_every_way_of_switching_off_dates_it_and_every_way_on_forgets_it(device, application):
    row = device("a1", installation_id="abc")

    def since():
        row.refresh_from_db()
        assert row.is_active is (row.inactive_since is None)
        return row.inactive_since

    Installation.objects.unregister(application, device_type="ios", address="a1")
    assert since()
    device("a1")
    assert since() is None
    device("a2")
    device("a2", installation_id="abc")  # the same app, whose other address is known already
    assert since()


def test_a_dead_device_is_dated_by_delivery(device, push):
    row = device("gone" + "0" * 60)
    push()
    assert state(row) == (False, Reason.DEAD)
    assert row.inactive_since


def test_the_command_counts_first_and_then_does_it(seen, capsys):
    seen("a1", 40)
    call_command("push_prune", "--dry-run", "--stale-days=30")
    assert "Would be switched off: 1 devices" in capsys.readouterr().out
    assert Installation.objects.filter(is_active=True).count() == 1
    call_command("push_prune", "--stale-days=30", "--application=hall")
    assert "Were switched off: 1 devices" in capsys.readouterr().out
    assert Installation.objects.filter(is_active=True).count() == 0


@pytest.mark.parametrize("wrong", ["--stale-days=0", "--dead-days=-3", "--application=opera"])
def test_the_command_refuses_what_it_does_not_understand(seen, wrong):
    seen("a1", 500)
    with pytest.raises(CommandError):
        call_command("push_prune", wrong)
    assert Installation.objects.filter(is_active=True).count() == 1
