"""Claiming batches: by one conditional UPDATE, in claim order, under a lease."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import cache, lru_cache
from itertools import starmap
from typing import Any

from django.db import connections, transaction
from django.db.models import CharField, DateTimeField, F, Q, QuerySet

from ..clock import clock
from ..conf import alias, push_settings
from ..models import Application, Credential, PushBatch, PushHistory, State
from ..models.history import PushBatchQuerySet
from .pace import AHEAD, DONE, Due, take_slot
from .rows import batches, histories, not_before, unlocked
from .statements import Param, Statement, Update, among_keys, by_key, keys, shape

__all__ = ["MAX_CRASHES", "claim", "expire_leases", "lease_ends", "renew"]

MOST = 64
"""Batches in one claim at the most."""
DEVICES = 10_000
"""Devices in one claim, unless the first batch alone has more."""
LOOKS = 4
"""Looks for due batches in one claim, while all that were found must wait for their slots. The
second passes over all pushes whose slots are taken, the rest is for those that change meanwhile."""
OPEN = 1_000
"""Pushes under way, the oldest, that are looked through for stranded batches."""
MAX_CRASHES = 10
"""Claims without a checkpoint before a batch is given up. With 5, and no delay in between, batches
that had done no harm were given up under 50 kills by somebody else: 300 devices of 100,000."""


def claim(owner: str) -> list[PushBatch]:
    """The batches that are due, first in claim order; they are ours until the lease ends.

    Each claim is a lease of its own: a worker that lost a batch and got it again must not write
    what it learnt the first time.
    """
    lease = f"{owner}/{secrets.token_hex(4)}"
    now = clock(alias()).now()
    with transaction.atomic(using=alias()) if _locks() else nullcontext():
        begins = _choose(now)
        if not begins:
            return []
        until = now + timedelta(seconds=push_settings.LEASE_SECONDS)
        room = shape(len(begins))
        wanted = keys(list(begins), room)
        _taking(alias(), room).run(lease=lease, until=until, **wanted)
        mine = batches().filter(lease_owner=lease)
        for pk, moment in begins.items():
            if moment > now:
                mine.filter(pk=pk).update(not_before=moment)
    return _with_all(_taken(alias(), room).fetch(lease=lease, **wanted))


@lru_cache(maxsize=2 * MOST)
def _taking(using: str, room: int) -> Update:
    return Update(
        among_keys(PushBatch.objects.using(using), room).filter(claim_at__isnull=False),
        claim_at=None,
        lease_owner=Param("lease", CharField()),
        lease_until=Param("until", DateTimeField()),
        crashes=F("crashes") + 1,
    )


@lru_cache(maxsize=2 * MOST)
def _taken(using: str, room: int) -> Statement:
    rows = among_keys(PushBatch.objects.using(using), room)
    rows = rows.filter(lease_owner=Param("lease", CharField())).order_by("turn_at")
    return Statement(rows.values_list(*_BATCH, *(f"history__{name}" for name in _PUSH)))


_BATCH = [field.attname for field in PushBatch._meta.concrete_fields]
_PUSH = [
    field.attname
    for field in PushHistory._meta.concrete_fields
    if field.attname not in {"plan_cursor", "skipped", "reasons", "per_type", "detail"}
]
"""What is summed up at the end, and may be long, is read by who asks for it."""


def _with_all(rows: Sequence[tuple[Any, ...]]) -> list[PushBatch]:
    """The batches with their pushes, applications and credentials: mostly they share them."""
    pushes: dict[int, PushHistory] = {}
    claimed = []
    for row in rows:
        batch = PushBatch.from_db(alias(), _BATCH, row[: len(_BATCH)])
        history = PushHistory.from_db(alias(), _PUSH, row[len(_BATCH) :])
        batch.history = pushes.setdefault(history.pk, history)
        claimed.append(batch)
    applications = by_key(Application, {push.application_id for push in pushes.values()})
    credentials = by_key(Credential, {batch.credential_id for batch in claimed})
    for push in pushes.values():
        push.application = applications[push.application_id]
    for batch in claimed:
        batch.credential = credentials.get(batch.credential_id)
    return claimed


def _locks() -> bool:
    return connections[alias()].features.has_select_for_update_skip_locked


def _choose(now: datetime) -> dict[int, datetime]:
    """The batches to claim, and when each may begin.

    Looks again, past pushes whose slots are taken: after a minute without a worker all their
    batches are overdue, and stand before everybody's.
    """
    begins: dict[int, datetime] = {}
    taken: set[int] = set()
    for _ in range(LOOKS):
        known = len(taken)
        for batch in _within_reason(_due(now, taken), begins):
            if batch.push in taken:
                continue
            moment = take_slot(batch, now)
            if moment is None:
                taken.add(batch.push)
            else:
                begins[batch.pk] = moment
        if begins or len(taken) == known:
            break
        taken |= _waiting_for_slots(now)
    return begins


def _waiting_for_slots(now: datetime) -> set[int]:
    """Pushes with a speed limit whose next slot is not to be taken yet."""
    rated = histories().filter(finished_at=None, rate__isnull=False)
    return set(rated.filter(next_slot_at__gt=now + AHEAD).values_list("pk", flat=True))


def _due(now: datetime, without: Collection[int]) -> Iterator[Due]:
    """What is due, first in claim order; batches with a speed limit a little before their slot."""
    if without:
        return starmap(Due, _due_rows(batches().exclude(history__in=without), now, now + AHEAD))
    return starmap(Due, _due_at_all(alias()).fetch(now=now, soon=now + AHEAD))


@cache
def _due_at_all(using: str) -> Statement:
    now, soon = (Param(name, DateTimeField()) for name in ("now", "soon"))
    return Statement(_due_rows(PushBatch.objects.using(using), now, soon))


def _due_rows(rows: PushBatchQuerySet, now: Any, soon: Any) -> QuerySet[PushBatch, Any]:
    ripe = Q(not_before__lte=now) | Q(rate__isnull=False)
    # Of what is claimable nothing is settled; it is said for PostgreSQL's partial index.
    rows = rows.filter(ripe, claim_at__isnull=False, settled_at=None, not_before__lte=soon)
    columns = ("pk", "history_id", "rate", "crashes", "size")
    return unlocked(rows.order_by("claim_at")).values_list(*columns, DONE)[:MOST]


def _within_reason(due: Iterable[Due], wanted: Collection[int]) -> Iterator[Due]:
    """Those of ``due`` that one claim may have, while ``wanted`` is what it took of them so far.

    A batch at which a worker died goes alone: it must not take others down with it again.
    """
    total = 0
    for batch in due:
        before = len(wanted)
        if before and (total + batch.size > DEVICES or batch.crashes):
            return
        yield batch
        if len(wanted) > before:
            total += batch.size
            if batch.crashes:
                return


def lease_ends(batch: PushBatch) -> float:
    """When this worker must stop sending a batch that it claimed, by ``time.monotonic()``.

    A little before the lease itself, and counted from the claim: a process that stood still
    since then may have lost it to another.
    """
    length: float = push_settings.LEASE_SECONDS
    left = length
    if batch.lease_until is not None:
        left = min((batch.lease_until - clock(alias()).now()).total_seconds(), length)
    return time.monotonic() + left - length * 0.1


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
    expired = 0
    for crashes in set(dead.values_list("crashes", flat=True).distinct()):
        delay = {"not_before": now + _let_others_pass(crashes)} if crashes > 1 else {}
        expired += dead.filter(crashes=crashes).update(
            lease_owner="", lease_until=None, claim_at=F("turn_at"), **delay
        )
    return expired


def _let_others_pass(crashes: int) -> timedelta:
    """How long a batch waits at which workers died one after the other.

    It is the oldest in the queue: a new worker would take it before all others and die before it
    has sent anything else, and if it is not the batch that kills, the next kill meets it again.
    """
    grown = push_settings.RETRY_SECONDS * 2.0 ** (crashes - 2)
    return timedelta(seconds=min(grown, push_settings.RETRY_MAX_SECONDS))


def free_stranded() -> int:
    """Queue batches that a resume missed, since their worker was just letting go of them."""
    # The pushes first: SQLite would read the settled batches of all that ever were.
    under_way = histories().filter(finished_at=None).order_by("pk")
    going = under_way.filter(state__in=[State.SENDING, State.FAILED])
    stopped = under_way.filter(state=State.CANCELLED)
    missed = Q(history__in=list(going.values_list("pk", flat=True)[:OPEN]), pause_reason="")
    over = Q(history__in=list(stopped.values_list("pk", flat=True)[:OPEN]))
    stranded = batches().filter(missed | over, claim_at=None, lease_owner="", settled_at=None)
    pks = list(stranded.values_list("pk", flat=True)[:100])
    now = clock(alias()).now()
    return (
        batches()
        .filter(pk__in=pks, claim_at=None, lease_owner="")
        .update(claim_at=F("turn_at"), not_before=not_before(now), pause_reason="")
        if pks
        else 0
    )


def history_states(pks: Collection[int]) -> dict[int, str]:
    """The state of each push, now."""
    room = shape(len(pks))
    return dict(_states(alias(), room).fetch(**keys(list(pks), room)))


@lru_cache(maxsize=2 * MOST)
def _states(using: str, room: int) -> Statement:
    rows = among_keys(PushHistory.objects.using(using), room)
    return Statement(rows.values_list("pk", "state"))
