"""Late batches: devices that left the batch they were planned into.

A device's app identifier, environment, profile or platform may change between plan and deliver,
a token that looks wrong in one environment is tried in the other, and quiet hours are waited for.
Such a device is marked in
its old batch with a mark that is in no total, and put into a new batch that counts it, in the
transaction that records the mark and behind the same fence: never in none, never in both.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import F

from ..clock import clock
from ..conf import alias
from ..models import Credential, PushBatch
from .partition import Part
from .planning import new_batch
from .rows import batches, histories
from .run import Run

__all__ = ["LATE_SEQ", "queue_departures"]

LATE_SEQ = 2**30
"""Numbers from here on are late batches': the plan may still be giving out its own, from 0."""


def queue_departures(run: Run) -> None:
    """Queue what left the batch of ``run``, for now, before the push can end.

    Inside the transaction that records it, after the batch's own fenced UPDATE.
    """
    if not run.departures:
        return
    number = len(run.departures)
    mine = histories().filter(pk=run.batch.history_id)
    # The push's row is locked from here to the commit: no two batches get one number.
    mine.update(open_batches=F("open_batches") + number, late_batches=F("late_batches") + number)
    first = LATE_SEQ + mine.values_list("late_batches", flat=True).get() - number
    now = clock(alias()).now()
    known = _existing({part.credential_id for part in run.departures})
    batches().bulk_create(
        _late_batch(run, part, positions, first + n, now, part.credential_id in known)
        for n, (part, positions) in enumerate(run.departures.items())
    )


def _existing(wanted: set[int | None]) -> set[int | None]:
    """Those that were not deleted meanwhile."""
    rows = Credential.objects.using(alias()).filter(pk__in=[pk for pk in wanted if pk])
    return {None, *rows.values_list("pk", flat=True)}


def _late_batch(
    run: Run, part: Part, positions: list[int], seq: int, now: datetime, exists: bool
) -> PushBatch:
    batch = new_batch(run.batch.history, part, [run.ids[p] for p in sorted(positions)], 0, now)
    moved = 0 if part.wakes_at else 1  # who sleeps stays where it is
    batch.seq, batch.late, batch.probe = seq, run.batch.late + moved, part.probe
    batch.due_at, batch.wakes_at = run.batch.due_at, part.wakes_at
    batch.not_before = batch.turn_at = batch.claim_at = part.wakes_at or now
    if not exists:
        batch.credential_id = None  # paused when it is claimed, until somebody adds another
    return batch
