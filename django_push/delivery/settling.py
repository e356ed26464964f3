"""Writing the ledger: checkpoints while a batch is sent, and its end.

Everything here is fenced by the lease's owner: a worker that lost its lease writes nothing. A
failure's row, the device's being switched off and the checkpoint that records the outcome are
one transaction.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from functools import cache, lru_cache
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, CharField, F, IntegerField
from django.utils import timezone

from ..clock import clock
from ..conf import alias, push_settings
from ..models import Credential, Installation, PushBatch, PushHistory, State
from ..signals import installation_deactivated, push_paused
from . import ledger
from .failing import doomed, record, storable, switch_off
from .judging import judge
from .late import LATE_SEQ, queue_departures
from .ledger import Mark
from .planning import AGEING
from .rows import among, batches, histories, hold, hold_parents, hold_pushes, installations
from .run import Run
from .statements import Param, Update, among_keys, keys, params, shape

__all__ = ["checkpoint", "pause_credential", "settle", "tell"]


def checkpoint(run: Run) -> None:
    """Write what has come in since the last one; marks the run lost when the lease is."""
    if run.lost:
        return  # this very worker may hold the batch again, in a newer run
    now = clock(alias()).now()
    changes = {
        "outcomes": bytes(run.outcomes),
        "crashes": 0,
        "lease_until": now + timedelta(seconds=push_settings.LEASE_SECONDS),
        "skipped_reasons": ledger.skipped_reasons(run.outcomes),
        **ledger.count(run.outcomes),
    }
    with transaction.atomic(using=alias()) if _is_more(run) else nullcontext():
        _write(run, changes)
    run.unwritten, run.checkpoint_at = 0, time.monotonic()
    run.failures, run.departures = [], {}
    run.is_proven = True
    tell(run)


def settle(runs: Sequence[Run]) -> set[int]:
    """Close runs: final when every device has its outcome, else due again or paused.

    Returns the pushes (primary keys) that have a batch less to wait for. Call :func:`tell` for
    each run after it; may be called again with the same runs when the database was away.
    """
    for run in runs:
        if not run.lost:
            judge(run)
    try:
        with transaction.atomic(using=alias()):
            _hold(runs)
            return _settle_together(runs)
    except _LeaseLost:
        with transaction.atomic(using=alias()):
            _hold(runs)
            return _count_down(run for run in runs if _settle_one(run))


def _hold(runs: Sequence[Run]) -> None:
    """Lock what several runs change together: devices before pushes, everywhere."""
    if len(runs) > 1:  # the devices of one are locked in order anyway
        hold(pk for run in runs if not run.lost for pk in doomed(run))
        hold_parents(run.batch.history_id for run in runs if run.failures)


class _LeaseLost(Exception):
    """One of several batches is another worker's by now."""


def _settle_together(runs: Sequence[Run]) -> set[int]:
    """Small pushes end many at a time, most of them alike: one statement for those.

    Raises :class:`_LeaseLost` when one of them has to be told from the others.
    """
    alike: dict[tuple[str, bytes], list[Run]] = {}
    settled = []
    for run in runs:
        if _is_more(run) or run.lost or ledger.open_positions(run.outcomes):
            settled += [run] if _settle_one(run) else []
        else:
            alike.setdefault((run.batch.lease_owner, bytes(run.outcomes)), []).append(run)
    for (owner, _), group in alike.items():
        wanted = [run.batch.pk for run in group]
        if _write_ours(wanted, owner, _closed(group[0])) < len(group):
            raise _LeaseLost
        settled += group
    return _count_down(settled)


@lru_cache(maxsize=128)
def _writing(using: str, columns: tuple[str, ...], room: int) -> Update:
    """``columns`` of batches that are still this owner's."""
    rows = among_keys(PushBatch.objects.using(using), room)
    ours = rows.filter(lease_owner=Param("owner", CharField()), settled_at=None)
    return Update(ours, **params(PushBatch, columns))


def _write_ours(pks: Sequence[int], owner: str, changes: dict[str, Any]) -> int:
    """Fenced by the owner; how many of the batches are still its."""
    room = shape(len(pks))
    writing = _writing(alias(), tuple(sorted(changes)), room)
    return writing.run(owner=owner, **changes, **keys(pks, room))


def _settle_one(run: Run) -> bool:
    """Write the end of one run; whether its batch is settled for good."""
    if run.lost:
        return False
    _write(run, _closed(run))
    return not run.lost and not ledger.open_positions(run.outcomes)


def _closed(run: Run) -> dict[str, Any]:
    """The columns of a batch that this worker lets go of."""
    changes: dict[str, Any] = {
        "outcomes": bytes(run.outcomes),
        "crashes": 0,
        "lease_owner": "",
        "lease_until": None,
        "skipped_reasons": ledger.skipped_reasons(run.outcomes),
        **ledger.count(run.outcomes),
    }
    if ledger.open_positions(run.outcomes):
        return changes | _later(run)
    return changes | {"settled_at": clock(alias()).now(), "claim_at": None}


def _count_down(settled: Iterable[Run]) -> set[int]:
    """Their pushes wait for so many batches less; the pushes."""
    by_number: dict[int, list[int]] = {}
    for push, number in Counter(run.batch.history_id for run in settled).items():
        by_number.setdefault(number, []).append(push)
    if len(by_number) > 1:
        hold_pushes(push for pushes in by_number.values() for push in pushes)
    for number, pushes in by_number.items():
        room = shape(len(pushes))
        _counting_down(alias(), room).run(number=number, **keys(pushes, room))
    return {push for pushes in by_number.values() for push in pushes}


@lru_cache(maxsize=128)
def _counting_down(using: str, room: int) -> Update:
    rows = among_keys(PushHistory.objects.using(using), room)
    return Update(rows, open_batches=F("open_batches") - Param("number", IntegerField()))


def tell(run: Run) -> None:
    """Signal what was written, after its transaction."""
    gone, run.switched_off = run.switched_off, {}
    for reason, pks in gone.items():
        installation_deactivated.send_robust(
            sender=Installation, installation_ids=sorted(pks), reason=str(reason)
        )


def pause_credential(
    history: PushHistory, credential: Credential | None, reason: str, *, refused: bool
) -> None:
    """Pause what is left of one credential in one push; the other credentials go on.

    ``refused``: by the provider, which is kept with the credential.
    """
    reason = storable(reason)
    waiting = batches().filter(
        history=history, credential=credential, settled_at=None, lease_owner=""
    )
    if credential is not None:
        # Unless it was mended, or the push resumed, since it was refused.
        waiting = waiting.filter(credential__updated_at=credential.updated_at)
    waiting.exclude(history__state=State.CANCELLED).update(claim_at=None, pause_reason=reason[:191])
    if credential is not None and refused:
        same = Credential.objects.using(alias()).filter(
            pk=credential.pk, updated_at=credential.updated_at
        )
        same.update(
            check_result=Credential.Check.REFUSED, check_detail=reason, checked_at=timezone.now()
        )
    push_paused.send_robust(
        sender=PushHistory, history=history, credential=credential, reason=reason
    )


def _is_more(run: Run) -> bool:
    """Whether there is more to write than the batch's own row."""
    return bool(run.failures or run.departures or run.batch.probe)


def _write(run: Run, changes: dict[str, Any]) -> None:
    """Update the batch if it is still ours, and record its failures."""
    run.lost = run.lost or not _write_ours([run.batch.pk], run.batch.lease_owner, changes)
    if run.lost:
        return
    if run.batch.probe:
        _learn(run)
    if run.failures:
        gone = switch_off(run)
        if gone:
            _counting_invalid(alias()).run(pk=run.batch.pk, number=len(gone))
        hold_parents([run.batch.history_id])
        record(run, gone)
    queue_departures(run)  # last: devices are locked before pushes, everywhere


@cache
def _counting_invalid(using: str) -> Update:
    rows = PushBatch.objects.using(using).filter(pk=Param("pk", BigIntegerField()))
    return Update(rows, invalid=F("invalid") + Param("number", IntegerField()))


def _learn(run: Run) -> None:
    """The other environment took these tokens: it is theirs, so the next push goes there at once.

    Only while the address is still the one that was sent to, and not while another push of the
    application is planned, which would come upon them twice: a later push learns it then.
    """
    sent = [p for p, mark in enumerate(run.outcomes) if mark == Mark.SENT and run.address(p)]
    application = run.batch.history.application_id
    # Not over yet: by an index, and not every push that the application ever sent.
    plans = histories().filter(
        application=application, finished_at=None, plan_started_at__isnull=False
    )
    if not sent or run.batch.credential is None or plans.filter(planned_at=None).exists():
        return
    used = {run.ids[p]: run.address(p) for p in sent}
    rows = among(installations(), list(used)).values_list("pk", "address")
    same = [pk for pk, address in rows if used.get(pk) == address]
    there = run.batch.credential.environment
    changed = installations().filter(pk__in=same).exclude(environment=there)
    changed.update(environment=there, updated_at=timezone.now())


def _later(run: Run) -> dict[str, Any]:
    """When the open devices of a batch are due again."""
    if run.pause_reason or run.stopped == State.PAUSED:
        return {"claim_at": None, "pause_reason": storable(run.pause_reason)[:191]}
    if run.released or run.due is None:
        return {"claim_at": run.batch.turn_at}
    seq = run.batch.seq
    turn = run.due + AGEING * (seq if seq < LATE_SEQ else 0)
    changes = {"not_before": run.due, "turn_at": turn, "claim_at": turn}
    # Who could not even be tried has used up no attempt.
    return changes if run.deferred else {**changes, "retries": run.batch.retries + 1}
