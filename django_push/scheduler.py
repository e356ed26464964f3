"""The scheduler: finds work that nobody was told about, and work whose worker fell silent."""

from __future__ import annotations

from django.db.models import Q

from .clock import clock
from .conf import alias
from .delivery import advance_series, expire_leases, finish, free_stranded
from .models import IdempotencyKey, PushBatch, PushHistory, State

__all__ = ["tick"]


def tick() -> bool:
    """Do what is due by the clock alone; ``True`` when a worker has something to do.

    Safe to call from anywhere, any number of times, at the same time: Celery beat, cron, the
    embedded worker. Messages that repeat get their next push, expired leases go back to the queue,
    pushes that lack only their end get it, expired idempotency keys are forgotten.
    """
    advance_series()
    expire_leases()
    free_stranded()
    _finish_left_over()
    IdempotencyKey.objects.using(alias()).filter(expires_at__lt=clock(alias()).now()).delete()
    return has_work()


def has_work() -> bool:
    """Whether a plan or a batch is due now."""
    now = clock(alias()).now()
    plans = PushHistory.objects.using(alias()).filter(
        Q(plan_until=None) | Q(plan_until__lt=now), plan_after__lte=now, planned_at=None
    )
    due = PushBatch.objects.using(alias()).filter(
        claim_at__isnull=False, settled_at=None, not_before__lte=now
    )
    # In the queue's order: SQLite takes its index for that alone, and reads the table otherwise.
    return plans.exists() or bool(due.order_by("claim_at").values_list("pk")[:1])


def _finish_left_over() -> None:
    """A worker may die between its last settle and the push's end."""
    ended = PushHistory.objects.using(alias()).filter(
        state__in=[State.SENDING, State.PAUSED, State.CANCELLED, State.FAILED, State.MISSED],
        planned_at__isnull=False,
        open_batches=0,
        finished_at=None,
    )
    finish(*ended.values_list("pk", flat=True)[:100])
