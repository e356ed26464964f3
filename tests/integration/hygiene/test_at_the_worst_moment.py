"""Devices that are merged, pruned, erased, imported and registered while they are sent to."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from django.db import connection
from django.utils import timezone

from django_push.delivery import ledger
from django_push.delivery.rows import PASSING
from django_push.exceptions import InvalidPush
from django_push.hygiene import chunks
from django_push.hygiene.duplicates import merge_duplicates
from django_push.hygiene.pruning import Pruned, prune
from django_push.importers.rows import Row, Source
from django_push.importers.running import Plan, run_import
from django_push.messages import Result, Status
from django_push.models import DeliveryFailure, Installation, Owner, PushHistory
from django_push.people import erase_user
from django_push.submission import push
from django_push.worker import Worker
from tests.support.scripted import script

from .conftest import days_ago
from .test_beside_pushes import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scripted")]

PUSH_SETTINGS = {
    "BATCH_SIZE": 7,
    "CHECKPOINT_SECONDS": 0.0,
    "REDIRECT_TO": None,
    "PROVIDERS": {  # the second knows how Apple's tokens are spelt
        "scripted": "tests.support.scripted.ScriptedProvider",
        "apns": "django_push.providers.apns.ApnsProvider",
    },
}
DEVICES = 60


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 9)
    monkeypatch.setattr(chunks, "WINDOW", 20)
    monkeypatch.setattr("django_push.importers.running.CHUNK", 13)


def double(rows: list[Installation]) -> None:
    """The same devices once more, in another spelling, as an import of long ago made them."""
    for row in rows:
        row.pk, row.public_id = None, f"{row.pk:024x}"
        row.address, row.address_hash = row.address.upper() + "<>", f"{row.public_id:>064}"
        row.save(force_insert=True)


def answers(device) -> Result:
    time.sleep(0.002)
    dead = random.random() < 0.1
    return Result(Status.UNREGISTERED, "Gone") if dead else Result(Status.SENT)


def assert_all_accounted_for() -> None:
    for history in PushHistory.objects.all():
        marks: Counter[int] = Counter()
        for batch in history.batches.all():
            marks.update(bytes(batch.outcomes))
        assert history.devices == history.successes + history.failures
        assert history.successes == marks[ledger.Mark.SENT]
        assert sum(history.skipped.values()) == sum(marks[mark] for mark in ledger.SKIPPED)
        assert DeliveryFailure.objects.filter(history=history).count() == history.failures
        assert sum(history.reasons.values()) == history.failures


class Export(Source):
    """Each device as another system knows it, by its address, with users and channels."""

    name = "export"

    def rows(self) -> Iterator[Row]:
        for number in range(DEVICES):
            yield Row(
                place=str(number),
                device_type="ios",
                provider="apns",
                address=f"{number:064x}",
                user=f"u{number % 6}",
                channels=["a", "imported"],
                seen_at=timezone.now(),
            )

    def progress(self) -> float:
        return 0.0


def work(workers: int) -> list[Callable[[], object]]:
    def drain() -> None:
        worker = Worker(listen=False)
        for _ in range(5):
            with suppress(*PASSING):  # MariaDB locks gaps too; a worker that runs goes on
                worker.drain(60)
                break
        worker.close()

    return [drain] * workers


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_everything_at_once(application, device, caplog):
    script.answer = answers
    rows = [
        device(
            f"{number:064x}", owner=Owner(user_key=f"u{number % 6}", proved=True), channels=["a"]
        )
        for number in range(DEVICES)
    ]
    double(list(Installation.objects.order_by("pk")[:25]))
    stale = [row.pk for row in rows[30:50]]
    Installation.objects.filter(pk__in=stale).update(last_seen_at=days_ago(100))
    Installation.objects.filter(pk__in=stale[:9]).update(
        is_active=False, inactive_since=days_ago(200)
    )

    def pushes() -> None:
        for number in range(6):
            push(application, audience={"everyone": True}, title="Hi", badge_increment=number % 2)
            push(application, audience={"users": ["u1", "u2", "u4"]}, title="Hi")
            listed = {"installations": [row.public_id for row in rows[number::6]]}
            with suppress(InvalidPush):  # one was deleted a moment ago
                push(application, audience=listed, title="Hi", badge_increment=1)

    def register() -> None:
        for number in range(0, DEVICES, 2):
            owner = Owner(user_key=f"u{number % 6}", proved=True)
            device(f"{number:064x}", channels=["a", "b"])
            Installation.objects.register(
                application, device_type="ios", address=f"{number:064x}", owner=owner
            )

    def bring_in() -> None:
        report = run_import(Export(), Plan(application=application))
        assert (report.problem, report.refused) == ("", 0)

    together(
        pushes,
        lambda: list(merge_duplicates()),
        lambda: [list(prune(Pruned())) for _ in range(3)],
        lambda: [erase_user(f"u{number}") for number in (4, 5, 4, 5)],
        register,
        bring_in,
        bring_in,
        *work(3),
    )
    together(*work(1))
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []
    ends = time.monotonic() + 20
    while PushHistory.objects.filter(finished_at=None).exists() and time.monotonic() < ends:
        together(*work(1))
        time.sleep(0.2)
    unfinished = PushHistory.objects.filter(finished_at=None)
    assert [(list(h.batches.values()), h.__dict__) for h in unfinished] == []
    assert_all_accounted_for()
    assert not Installation.objects.filter(address__endswith="<>").exists()


def test_both_rows_of_a_device_may_fail_in_a_push_that_is_not_over(application, device):
    old = device("a" * 64)
    double([Installation.objects.get()])
    history = push(application, audience={"everyone": True}, title="Hi")
    failure = DeliveryFailure.objects.create(history=history, installation=old)
    other = DeliveryFailure.objects.create(
        history=history, installation=Installation.objects.get(address__endswith="<>")
    )
    list(merge_duplicates())
    kept = DeliveryFailure.objects.filter(pk__in=[failure.pk, other.pk])
    assert set(kept.values_list("installation", flat=True)) <= {None, Installation.objects.get().pk}
    gone = failure if Installation.objects.get().pk != old.pk else other
    gone.refresh_from_db()
    assert (kept.count(), gone.installation_id) == (2, None)
    DeliveryFailure.objects.filter(pk__in=[failure.pk, other.pk]).exclude(pk=gone.pk).delete()
    kept_row = Installation.objects.get()
    DeliveryFailure.objects.create(history=history, installation=kept_row)  # its own still fits
