"""Pushes of long ago go, whole."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_push.hygiene import chunks, purging
from django_push.hygiene.purging import old_pushes, purge
from django_push.models import (
    DeliveryFailure,
    IdempotencyKey,
    Notification,
    PushBatch,
    PushHistory,
)
from django_push.submission import submit

from .conftest import days_ago


def run(**options) -> Counter[str]:
    done: Counter[str] = Counter()
    for _ in purge(done, **options):
        pass
    return done


def fail(history: PushHistory, number: int) -> None:
    DeliveryFailure.objects.bulk_create(
        DeliveryFailure(history=history, installation_id=10_000 + pk, provider="apns")
        for pk in range(number)
    )


def test_old_pushes_go_with_all_that_hangs_on_them(device, push):
    device("a1")
    old, new = push(366), push(364)
    fail(old, 5)
    fail(new, 2)
    assert run() == {"PushHistory": 1, "PushBatch": 1, "DeliveryFailure": 5, "Notification": 1}
    assert list(PushHistory.objects.all()) == [new]
    assert list(Notification.objects.all()) == [new.notification]
    assert PushBatch.objects.count() == 1
    assert DeliveryFailure.objects.count() == 2
    assert not run()


def test_many_at_once_go_by_chunks(device, push, monkeypatch):
    monkeypatch.setattr(purging, "PUSHES", 2)
    monkeypatch.setattr(purging, "CHUNK", 10)
    monkeypatch.setattr(chunks, "CHUNK", 3)
    device("a1")
    pushes = [push(400) for _ in range(5)]
    fail(pushes[0], 23)
    done: Counter[str] = Counter()
    assert sum(1 for _ in purge(done)) > 5
    assert done["PushHistory"] == 5
    assert done["DeliveryFailure"] == 23
    assert not PushBatch.objects.exists()


def test_a_message_with_a_younger_push_stays(device, push, application):
    device("a1")
    old, new = push(400), push(1)
    lonely = old.notification
    PushHistory.objects.filter(pk=new.pk).update(notification=lonely)
    run()
    assert Notification.objects.filter(pk=lonely.pk).exists()


def test_drafts_series_and_what_is_not_over_stay(device, push, application):
    device("a1")
    Notification.objects.create(application=application, content={"title": "draft"})
    series = push(400).notification
    Notification.objects.filter(pk=series.pk).update(status=Notification.Status.REPEATING)
    waiting = submit(
        Notification(
            application=application,
            content={"title": "later"},
            audience={"everyone": True},
            send_at=timezone.now() + timedelta(days=1),
        )
    )
    PushHistory.objects.filter(pk=waiting.pk).update(created_at=days_ago(900))
    run()
    assert list(PushHistory.objects.all()) == [waiting]
    assert Notification.objects.count() == 3


def test_a_push_stays_until_its_key_is_forgotten(device, push):
    """Else the same submit, repeated, would be sent again."""
    device("a1")
    history = push(400, key="once")
    assert not run()
    IdempotencyKey.objects.update(expires_at=days_ago(1))
    assert run()["PushHistory"] == 1
    assert not PushHistory.objects.filter(pk=history.pk).exists()
    assert not IdempotencyKey.objects.exists()


def test_none_keeps_history_for_ever(device, push, settings):
    settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, "HISTORY_DAYS": None}
    device("a1")
    push(5000)
    assert not run()
    assert not old_pushes().exists()
    assert run(days=30)["PushHistory"] == 1


@pytest.mark.parametrize("days", [7, 8])
def test_the_command(device, push, capsys, days):
    device("a1")
    push(7.5)
    call_command("push_purge", f"--days={days}", "--dry-run")
    assert f"Would be deleted: {1 if days == 7 else 0} pushes" in capsys.readouterr().out
    call_command("push_purge", f"--days={days}", "--application=hall")
    said = capsys.readouterr().out
    assert ("1 PushHistory" in said) is (days == 7)
    assert PushHistory.objects.count() == (0 if days == 7 else 1)
