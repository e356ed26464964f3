"""What must hold of every push, whatever happened to it, and what may happen to it."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

from django.utils import timezone

from django_push.delivery import expire_leases
from django_push.delivery.ledger import ELSEWHERE, Mark, count, unpack_ids
from django_push.models import Credential, DeliveryFailure, PushBatch, PushHistory
from django_push.worker import Worker

__all__ = [
    "FailAt",
    "assert_ledger_is_whole",
    "due_now",
    "end",
    "fates",
    "let_leases_expire",
    "work_until",
]


class FailAt:
    """Fails the ``number``-th statement, before or after the database has done it."""

    def __init__(self, number: int, error: BaseException, *, after: bool) -> None:
        self.left, self.error, self.after = number, error, after
        self.sql = ""

    def __call__(self, execute, sql, params, many, context):
        if self.sql or sql.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA")):
            return execute(sql, params, many, context)
        self.left -= 1
        if self.left > 0:
            return execute(sql, params, many, context)
        self.sql = sql
        if self.after:
            execute(sql, params, many, context)
        raise self.error


def fates(history: PushHistory) -> dict[int, Mark]:
    """The mark of every device of a push, each from the one batch that counts it."""
    found: dict[int, Mark] = {}
    for batch in PushBatch.objects.filter(history=history):
        ids = unpack_ids(bytes(batch.ids), batch.first_id, batch.size)
        for pk, mark in zip(ids, bytes(batch.outcomes), strict=True):
            if mark not in ELSEWHERE:
                assert pk not in found, f"device {pk} is counted twice"
                found[pk] = Mark(mark)
    return found


def assert_ledger_is_whole(history: PushHistory) -> None:
    """The counts, the rows of failures and the bytes of the ledger say the same."""
    history.refresh_from_db()
    batches = PushBatch.objects.filter(history=history)
    for batch in batches:
        counted = count(bytes(batch.outcomes))
        assert {**counted, "suspects": 0} == {
            **{name: getattr(batch, name) for name in counted},
            "suspects": 0,
        }
    assert history.open_batches == batches.filter(settled_at=None).count()
    failures = DeliveryFailure.objects.filter(history=history)
    marks = Counter(fates(history).values())
    failed = [Mark.UNREGISTERED, Mark.REJECTED, Mark.FAILED, Mark.FOREIGN]
    assert failures.count() == sum(marks[mark] for mark in failed)
    if history.finished_at is not None:
        assert history.devices == history.successes + history.failures
        assert history.successes == marks[Mark.SENT]


def due_now() -> None:
    """Retries, pauses between tries and leases of breakers are over."""
    past = timezone.now() - timedelta(hours=1)
    PushBatch.objects.filter(claim_at__isnull=False).update(not_before=past)
    Credential.objects.filter(next_try_at__isnull=False).update(next_try_at=past)


def let_leases_expire() -> None:
    """The workers that held something fell silent an hour ago."""
    past = timezone.now() - timedelta(hours=1)
    PushBatch.objects.exclude(lease_owner="").update(lease_until=past)
    PushHistory.objects.filter(planned_at=None).update(plan_until=past)
    expire_leases()


def work_until(worker: Worker, condition, seconds: float = 60.0, *, hurry: bool = True) -> None:
    """Let ``worker`` work until ``condition`` holds; fails when it does not."""
    ends = time.monotonic() + seconds
    while not condition():
        left = list(PushBatch.objects.filter(settled_at=None).values())
        assert time.monotonic() < ends, left
        # A plan goes on only while nothing is due.
        if hurry and not PushHistory.objects.filter(planned_at=None).exists():
            due_now()
        worker._told, worker._tick_at = True, 0.0
        worker.step()


def end(worker: Worker, history: PushHistory, seconds: float = 60.0) -> None:
    """Work, retries at once, until the push has ended; its ledger is whole then."""

    def is_over() -> bool:
        history.refresh_from_db()
        return history.finished_at is not None

    work_until(worker, is_over, seconds)
    assert_ledger_is_whole(history)
