"""Workers and callers that change the same devices at once never wait for each other in a ring."""

from __future__ import annotations

import logging
import random
import threading
import time

import pytest
from django.db import connection, connections, transaction

from django_push.messages import Device, Result, Status
from django_push.models import DeliveryFailure, Installation, Notification, PushHistory
from django_push.submission import compose, push, submit, submit_many
from django_push.worker import Worker
from tests.support.scripted import script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scripted")]

PUSH_SETTINGS = {"BATCH_SIZE": 7, "CHECKPOINT_SECONDS": 0.0}


def mostly_sent(device: Device) -> Result:
    dead = random.random() < 0.02
    return Result(Status.UNREGISTERED, "Gone") if dead else Result(Status.SENT)


def submit_a_lot(application, phones: list[str], seed: int) -> None:
    """Badges of everybody, of many and of a few, in whatever order."""
    chance = random.Random(seed)

    def some(number: int) -> dict[str, list[str]]:
        return {"installations": chance.sample(phones, number)}

    details = {"title": "Hi", "badge_increment": 1}
    for _ in range(8):
        push(application, audience={"everyone": True}, **details)
        push(application, audience=some(50), **details)
        submit_many([compose(application, audience=some(5), **details) for _ in range(4)])


def assert_totals_hold() -> None:
    for history in PushHistory.objects.all():
        assert history.devices == history.successes + history.failures
        assert DeliveryFailure.objects.filter(history=history).count() == history.failures


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_badges_and_dead_devices_in_any_order(application, device, caplog):
    phones = [device(f"{number:064x}").public_id for number in range(120)]
    script.answer = mostly_sent
    workers, errors = [Worker(listen=False) for _ in range(3)], []

    def run(work, *args) -> None:
        try:
            work(*args)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    sending = [threading.Thread(target=run, args=(worker.run,)) for worker in workers]
    asking = [
        threading.Thread(target=run, args=(submit_a_lot, application, phones, seed))
        for seed in range(2)
    ]
    for thread in sending + asking:
        thread.start()
    for thread in asking:
        thread.join()
    ends = time.monotonic() + 180
    while PushHistory.objects.filter(finished_at=None).exists() and time.monotonic() < ends:
        time.sleep(0.1)
    for worker in workers:
        worker.stop()
    for thread in sending:
        thread.join()
    assert errors == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert PushHistory.objects.exclude(state="done").count() == 0
    assert PushHistory.objects.count() == 2 * 8 * 6
    assert_totals_hold()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.parametrize("many", [False, True])
def test_a_submit_that_the_database_chose_in_a_deadlock_is_done_again(application, device, many):
    """By somebody else's rows in another order: a host project has transactions too."""
    first, *others = [device(f"{number:064x}") for number in range(40)]
    holds, ended = threading.Event(), []

    def other_order() -> None:
        rows = Installation.objects.order_by("pk")
        with transaction.atomic():
            if connection.vendor == "postgresql":  # who has waited longest is chosen
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL deadlock_timeout = '60s'")
            for row in others:  # MariaDB chooses who has changed least
                rows.filter(pk=row.pk).update(app_version="2")
            holds.set()
            time.sleep(1.0)
            rows.filter(pk=first.pk).update(app_version="2")
        ended.append(True)
        connections.close_all()

    thread = threading.Thread(target=other_order)
    thread.start()
    assert holds.wait(60)
    listed = {"installations": [first.public_id, others[-1].public_id]}
    messages = [
        compose(application, audience=listed, title="Hi", badge_increment=1) for _ in range(2)
    ]
    pushes = submit_many(messages) if many else [submit(messages[0])]
    thread.join()
    assert ended
    assert Notification.objects.count() == PushHistory.objects.count() == len(pushes)
    assert {push.open_batches for push in pushes} == {1}
    first.refresh_from_db()
    assert (first.badge, first.app_version) == (len(pushes), "2")
