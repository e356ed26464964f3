"""Claiming batches: by one conditional UPDATE, in claim order, under a lease."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta

from django.db import connections, transaction
from django.db.models import F, Q

from ..clock import clock
from ..conf import alias, push_settings
from ..models import PushBatch, State
from .rows import batches, histories

__all__ = ["MAX_CRASHES", "claim", "expire_leases", "renew"]

MOST = 64
"""Batches in one claim at the most."""
DEVICES = 10_000
"""Devices in one claim, unless the first batch alone has more."""
MAX_CRASHES = 5
"""Claims without a checkpoint before a batch is given up."""


def claim(owner: str) -> list[PushBatch]:
    """The batches that are due, first in claim order; they are ours until the lease ends.

    Each claim is a lease of its own: a worker that lost a batch and got it again must not write
    what it learnt the first time.
    """
    lease = f"{owner}/{secrets.token_hex(4)}"
    now = clock(alias()).now()
    skip_locked = connections[alias()].features.has_select_for_update_skip_locked
    # Without SKIP LOCKED the conditional UPDATE alone decides who gets a batch.
    with transaction.atomic(using=alias()) if skip_locked else nullcontext():
        due = batches().filter(claim_at__isnull=False, not_before__lte=now).order_by("claim_at")
        if skip_locked:
            due = due.select_for_update(skip_locked=True)
        wanted = _within_reason(
            due.values_list("pk", "size", "history_id", "rate", "crashes")[:MOST]
        )
        allowed = [pk for pk, size, push, rate, _ in wanted if _slot(pk, size, push, rate, now)]
        if not allowed:
            return []
        batches().filter(pk__in=allowed, claim_at__isnull=False).update(
            claim_at=None,
            lease_owner=lease,
            lease_until=now + timedelta(seconds=push_settings.LEASE_SECONDS),
            crashes=F("crashes") + 1,
        )
    mine = batches().filter(pk__in=allowed, lease_owner=lease)
    return list(mine.select_related("history__application", "credential").order_by("turn_at"))


def _within_reason(
    rows: Iterable[tuple[int, int, int, int | None, int]],
) -> list[tuple[int, int, int, int | None, int]]:
    """The first rows that together have at most :data:`DEVICES`, and at least one.

    A batch at which a worker died goes alone: it must not take others down with it again.
    """
    total = 0
    wanted: list[tuple[int, int, int, int | None, int]] = []
    for row in rows:
        total += row[1]
        suspicious = row[4] > 0
        if wanted and (total > DEVICES or suspicious):
            break
        wanted.append(row)
        if suspicious:
            break
    return wanted


def _slot(pk: int, size: int, push: int, rate: int | None, now: datetime) -> bool:
    """Whether a batch may go now. A push with a rate has one line of slots for all workers."""
    if not rate:
        return True
    free = Q(next_slot_at=None) | Q(next_slot_at__lte=now)
    taken = (
        histories().filter(free, pk=push).update(next_slot_at=now + timedelta(seconds=size / rate))
    )
    if not taken:
        slot = histories().values_list("next_slot_at", flat=True).get(pk=push)
        batches().filter(pk=pk, claim_at__isnull=False).update(
            not_before=slot, turn_at=slot, claim_at=slot
        )
    return bool(taken)


def renew(held: Sequence[PushBatch]) -> None:
    """Keep what this worker holds; called by the send loop's clock, not by results."""
    until = clock(alias()).now() + timedelta(seconds=push_settings.LEASE_SECONDS)
    mine = batches().filter(
        pk__in=[batch.pk for batch in held], lease_owner__in={batch.lease_owner for batch in held}
    )
    mine.update(lease_until=until)


def expire_leases() -> int:
    """Give the batches of silent workers back to the queue; how many there were."""
    now = clock(alias()).now()
    dead = batches().filter(lease_until__lt=now, settled_at=None)
    return dead.update(lease_owner="", lease_until=None, claim_at=F("turn_at"))


def free_stranded() -> int:
    """Queue batches that a resume missed, since their worker was just letting go of them."""
    missed = Q(history__state__in=[State.SENDING, State.FAILED], pause_reason="")
    over = Q(history__state=State.CANCELLED, history__finished_at=None)
    stranded = batches().filter(missed | over, claim_at=None, lease_owner="", settled_at=None)
    pks = list(stranded.values_list("pk", flat=True)[:100])
    now = clock(alias()).now()
    return (
        batches()
        .filter(pk__in=pks, claim_at=None, lease_owner="")
        .update(claim_at=F("turn_at"), not_before=now, pause_reason="")
        if pks
        else 0
    )


def history_states(pks: Iterable[int]) -> dict[int, str]:
    """The state of each push, now."""
    return dict(histories().filter(pk__in=list(pks)).values_list("pk", "state"))
