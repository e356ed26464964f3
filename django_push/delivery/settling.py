"""Writing the ledger: checkpoints while a batch is sent, and its end.

Everything here is fenced by the lease's owner: a worker that lost its lease writes nothing. A
failure's row, the device's being switched off and the checkpoint that records the outcome are
one transaction.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from ..clock import clock
from ..conf import alias, push_settings
from ..messages import Result, Status
from ..models import Credential, DeliveryFailure, Installation, PushHistory, State
from ..models.history import PushBatchQuerySet
from ..models.registration import address_hash
from ..signals import installation_deactivated, push_finished, push_paused
from . import ledger
from .ledger import MAX_UNKNOWN, Mark
from .planning import AGEING
from .rows import batches, failures, histories, installations
from .run import Failure, Run

__all__ = ["checkpoint", "fail_push", "finish", "pause_credential", "settle", "tell"]

SEEN_SINCE = timedelta(hours=1)
"""``last_seen_at`` is written hourly: Apple's timestamp must be later by that much to count."""


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
    with transaction.atomic(using=alias()) if run.failures else nullcontext():
        _write(run, changes)
    run.unwritten, run.checkpoint_at, run.failures = 0, time.monotonic(), []
    run.is_proven = True
    tell(run)


def settle(run: Run) -> bool:
    """Close a run: final when every device has its outcome, else due again or paused.

    Whether the batch is settled for good. Inside a transaction of the caller's, who calls
    :func:`tell` after it; called again with the same run when that is rolled back.
    """
    if run.lost:
        return False
    _judge(run)
    now = clock(alias()).now()
    changes: dict[str, Any] = {
        "outcomes": bytes(run.outcomes),
        "crashes": 0,
        "lease_owner": "",
        "lease_until": None,
        "skipped_reasons": ledger.skipped_reasons(run.outcomes),
        **ledger.count(run.outcomes),
    }
    over = not ledger.open_positions(run.outcomes)
    if over:
        changes |= {"settled_at": now, "claim_at": None}
    else:
        changes |= _later(run)
    _write(run, changes)
    if over and not run.lost:
        histories().filter(pk=run.batch.history_id).update(open_batches=F("open_batches") - 1)
    return over and not run.lost


def tell(run: Run) -> None:
    """Signal what was written, after its transaction."""
    gone, run.switched_off = run.switched_off, set()
    if gone:
        installation_deactivated.send_robust(
            sender=Installation, installation_ids=sorted(gone), reason="dead"
        )


def finish(push: int) -> bool:
    """End the push when it is planned and every batch is settled; whether this call did it."""
    now = clock(alias()).now()
    with transaction.atomic(using=alias()):
        done = histories().filter(
            pk=push, open_batches=0, planned_at__isnull=False, finished_at=None
        )
        if not done.update(finished_at=now):
            return False
        history = histories().get(pk=push)
        _total(history)
    push_finished.send_robust(sender=PushHistory, history=history)
    return True


def fail_push(history: PushHistory, detail: str) -> None:
    """End a push that cannot be planned; what was planned of it is still sent."""
    now = clock(alias()).now()
    unplanned = histories().filter(pk=history.pk, planned_at=None)
    unplanned.update(
        state=State.FAILED, detail=detail, planned_at=now, plan_after=None, plan_owner=""
    )
    finish(history.pk)


def pause_credential(
    history: PushHistory, credential: Credential | None, reason: str, *, refused: bool
) -> None:
    """Pause what is left of one credential in one push; the other credentials go on.

    ``refused``: by the provider, which is kept with the credential.
    """
    reason = _storable(reason)
    batches().filter(
        history=history, credential=credential, settled_at=None, lease_owner=""
    ).exclude(history__state=State.CANCELLED).update(claim_at=None, pause_reason=reason[:191])
    if credential is not None and refused:
        Credential.objects.using(alias()).filter(pk=credential.pk).update(
            check_result=Credential.Check.REFUSED, check_detail=reason, checked_at=timezone.now()
        )
    push_paused.send_robust(
        sender=PushHistory, history=history, credential=credential, reason=reason
    )


def _write(run: Run, changes: dict[str, Any]) -> None:
    """Update the batch if it is still ours, and record its failures."""
    ours = batches().filter(pk=run.batch.pk)
    mine = ours.filter(lease_owner=run.batch.lease_owner, settled_at=None)
    run.lost = run.lost or not mine.update(**changes)
    if run.lost or not run.failures:
        return
    dead = [failure for failure in run.failures if failure.result.status is Status.UNREGISTERED]
    gone = _switch_off(dead)
    if gone:
        ours.update(invalid=F("invalid") + len(gone))
    _record(run, run.failures, gone)
    run.switched_off |= gone


def _switch_off(dead: list[Failure]) -> set[int]:
    """Switch off devices whose address is dead; the primary keys of those that were.

    Only while the address is still the one that was sent to, and only when the device was not
    seen after the moment since which the provider calls it dead.
    """
    if not dead:
        return set()
    pks = [failure.installation for failure in dead]
    rows = installations().filter(pk__in=pks, is_active=True)
    seen = {row[0]: row[1:] for row in rows.values_list("pk", "address_hash", "last_seen_at")}
    gone = {
        failure.installation
        for failure in dead
        if failure.installation in seen and _is_dead(failure, *seen[failure.installation])
    }
    hashes = [seen[pk][0] for pk in gone]
    installations().filter(pk__in=gone, address_hash__in=hashes).update(
        is_active=False, inactive_reason=Installation.Reason.DEAD, updated_at=timezone.now()
    )
    return gone


def _is_dead(failure: Failure, current_hash: str | None, last_seen_at: datetime) -> bool:
    since = failure.result.invalid_since
    same = current_hash == address_hash(failure.address)
    return same and (since is None or since > last_seen_at + SEEN_SINCE)


def _record(run: Run, written: Iterable[Failure], gone: set[int]) -> None:
    failures().bulk_create(
        [
            DeliveryFailure(
                history_id=run.batch.history_id,
                installation_id=failure.installation,
                credential_id=run.batch.credential_id,
                provider=run.batch.provider,
                status=failure.result.status.value,
                reason=_storable(failure.result.reason)[:191],
                detail=_storable(failure.result.detail)[:2000],
                switched_off=failure.installation in gone,
            )
            for failure in written
        ],
        ignore_conflicts=True,
    )


def _storable(words: str) -> str:
    """What a vendor said, without what no database takes: NUL, halves of surrogate pairs."""
    return words.replace("\x00", "").encode(errors="replace").decode()


def _judge(run: Run) -> None:
    """Decide what open outcomes become, now that the run is over."""
    if run.stopped == State.CANCELLED:
        run.skip_open(Mark.CANCELLED)
    if run.halted:
        return
    given_up = run.batch.retries + 1 >= push_settings.MAX_ATTEMPTS
    for position, result in list(run.open_results.items()):
        mark = run.outcomes[position]
        if mark == Mark.SUSPECT or (given_up and not is_unknown(mark)):
            run.fail(position, Result(Status.FAILED, result.reason, result.detail))


def is_unknown(mark: int) -> bool:
    return Mark.UNKNOWN <= mark < Mark.UNKNOWN + MAX_UNKNOWN


def _later(run: Run) -> dict[str, Any]:
    """When the open devices of a batch are due again."""
    if run.pause_reason or run.stopped == State.PAUSED:
        return {"claim_at": None, "pause_reason": _storable(run.pause_reason)[:191]}
    changes: dict[str, Any] = {}
    if run.released:
        return {"claim_at": run.batch.turn_at}
    if run.deferred:
        delay = run.deferred[0]
    else:
        delay, changes = _backoff(run), {"retries": run.batch.retries + 1}
    due = clock(alias()).now() + timedelta(seconds=delay)
    turn = due + AGEING * run.batch.seq
    return {**changes, "not_before": due, "turn_at": turn, "claim_at": turn}


def _backoff(run: Run) -> float:
    """Seconds: exponential with jitter, never less than the provider asked for."""
    asked = max((r.retry_after or 0.0 for r in run.open_results.values()), default=0.0)
    longest: float = push_settings.RETRY_MAX_SECONDS
    grown: float = push_settings.RETRY_SECONDS * 2.0**run.batch.retries
    return max(asked, min(grown, longest) * random.uniform(0.75, 1.25))  # noqa: S311  (jitter)


def _total(history: PushHistory) -> None:
    """Add up the ledger once, at the end."""
    rows = batches().filter(history=history)
    totals = rows.totals()
    history.devices = totals["devices"]
    history.successes, history.failures = totals["successes"], totals["failures"]
    history.invalid_tokens = totals["invalid"]
    history.skipped = rows.reasons()
    if history.successes:
        history.started_at = history.started_at or history.finished_at
    history.per_type = rows.per_type()
    history.reasons = failures_by_reason(history)
    if history.state in {State.SENDING, State.PAUSED}:  # paused when the last answer was on its way
        history.state = State.DONE if history.devices else State.NOBODY
    history.save(using=alias())
    _accepted(rows)


def _accepted(rows: PushBatchQuerySet) -> None:
    """A credential that a provider took pushes from works: say so, at most hourly."""
    now = timezone.now()
    used = rows.filter(successes__gt=0, credential__isnull=False)
    pks = list(used.values_list("credential", flat=True).distinct())
    news = Q(checked_at=None) | Q(checked_at__lt=now - timedelta(hours=1))
    accepted = Credential.Check.ACCEPTED
    Credential.objects.using(alias()).filter(news | ~Q(check_result=accepted), pk__in=pks).update(
        check_result=accepted, check_detail="", checked_at=now
    )


def failures_by_reason(history: PushHistory) -> dict[str, int]:
    rows = failures().filter(history=history).values_list("reason")
    return dict(rows.annotate(number=Count("pk")))
