"""Cleaning up and erasing while pushes are sent and apps register: nobody waits in a ring, nothing
that came back is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connections

from django_push.delivery import claim_plan
from django_push.hygiene import chunks
from django_push.hygiene.duplicates import merge_duplicates
from django_push.hygiene.pruning import Pruned, prune
from django_push.models import Installation, Notification, Owner, PushHistory
from django_push.people import erase_user
from django_push.submission import submit
from django_push.worker import Worker

from .conftest import days_ago

pytestmark = pytest.mark.django_db(transaction=True)

DEVICES = 120


@pytest.fixture(autouse=True)
def small(settings, monkeypatch):
    settings.DJANGO_PUSH = {
        **settings.DJANGO_PUSH,
        "REDIRECT_TO": "locmem",
        "BATCH_SIZE": 7,
        "CHECKPOINT_SECONDS": 0.0,
    }
    monkeypatch.setattr(chunks, "CHUNK", 9)
    monkeypatch.setattr(chunks, "WINDOW", 20)


def together(*jobs: Callable[[], object]) -> None:
    """Run at once, each with a connection of its own; what one raises is raised here."""
    raised: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()
    if raised:
        raise raised[0]


def work() -> None:
    worker = Worker()
    worker.drain(60)
    worker.close()


def planned(application) -> PushHistory:
    """A push to everybody, whose ledger knows all devices before anything happens to them."""
    history = submit(
        Notification(application=application, content={"title": "Hi"}, audience={"everyone": True})
    )
    plan = claim_plan("planner")
    assert plan is not None
    while plan.step():
        pass
    return history


def test_pruning_beside_a_push_and_apps_that_come_back(application, device):
    rows = [
        device(f"{number:064x}" if number % 3 else f"gone{number:060x}", channels=["a", "b"])
        for number in range(DEVICES)
    ]
    Installation.objects.update(last_seen_at=days_ago(100))
    dead = [row.pk for row in rows[::4]]
    Installation.objects.filter(pk__in=dead).update(is_active=False, inactive_since=days_ago(200))
    back = [row.address for row in rows[1::4]]
    history = planned(application)
    together(
        lambda: list(prune(Pruned())),
        lambda: [device(address) for address in back],
        work,
    )
    history.refresh_from_db()
    skipped = sum(history.skipped.values())
    assert history.successes + history.failures + skipped == DEVICES
    assert not Installation.objects.filter(pk__in=dead).exists()
    again = Installation.objects.filter(address__in=back)
    assert again.count() == len(back)
    assert not again.filter(inactive_reason=Installation.Reason.STALE).exists()


def test_erasing_and_merging_beside_a_push(application, device):
    for number in range(DEVICES):
        device(f"{number:064x}", owner=Owner(user_key=f"u{number % 4}", proved=True))
    for row in Installation.objects.order_by("pk")[:20]:
        row.pk, row.public_id = None, f"{row.pk:024x}"
        row.address, row.address_hash = row.address.upper() + "<>", f"{row.public_id:>064}"
        row.save(force_insert=True)
    history = planned(application)
    together(
        lambda: [erase_user(f"u{number}") for number in range(2)],
        lambda: list(merge_duplicates()),
        work,
    )
    erase_user("u0")  # a merge may have made a row anew that the first erasing had passed
    erase_user("u1")
    history.refresh_from_db()
    skipped = sum(history.skipped.values())
    assert history.successes + history.failures + skipped == DEVICES + 20
    assert history.failures == 0
    assert Installation.objects.count() == DEVICES // 2
    assert set(Installation.objects.values_list("user_key", flat=True)) == {"u2", "u3"}
