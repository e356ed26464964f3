"""Planning: an audience cut into batches, one credential and one platform each.

The ids are streamed in primary-key order by keyset, a few batches at a time, between the sender's
steps: the first batch is on its way long before the last is planned. Each step is one
transaction fenced by ``plan_owner``; a worker that dies leaves a cursor, and the next goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, F, Max, PositiveIntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from ..audience import Audience, compile_audience
from ..clock import clock
from ..conf import alias, push_settings
from ..messages import MAX_BADGE
from ..models import (
    Application,
    Credential,
    Installation,
    Notification,
    PushBatch,
    PushHistory,
    State,
)
from .ledger import Mark, pack_ids, unpack_ids
from .partition import (
    Candidate,
    Part,
    Traits,
    kinds_of,
    part_for,
    parts_of,
    rows_of,
    sorted_credentials,
)
from .rows import among, batches, fetch, histories, installations

__all__ = ["Plan", "claim_plan", "new_batch"]

AGEING = timedelta(seconds=0.5)
"""How much later each batch of a push stands in the queue than the one before: a push of one
device passes a broadcast, and a broadcast does not starve under many small pushes."""

STEP = 4
"""Batches planned in one step, after the first."""


def claim_plan(owner: str) -> Plan | None:
    """Take the plan that is due longest and that no live worker holds."""
    now = clock(alias()).now()
    free = Q(plan_until=None) | Q(plan_until__lt=now)
    due = histories().filter(free, plan_after__lte=now, planned_at=None)
    for pk in due.order_by("plan_after", "pk").values_list("pk", flat=True)[:4]:
        taken = due.filter(pk=pk).update(
            plan_owner=owner,
            plan_until=now + _lease(),
            # Who takes a plan over keeps its moment: "of this user since" is compared with it.
            plan_started_at=Coalesce("plan_started_at", Value(now)),
        )
        if taken:
            history = histories().select_related("application").get(pk=pk)
            if history.state == State.SCHEDULED:
                _begin_scheduled(history)
            return Plan(history, owner)
    return None


def _begin_scheduled(history: PushHistory) -> None:
    """Its moment has come: it is being sent, and its message can not be taken back to edit."""
    with transaction.atomic(using=alias()):
        _mark_sending(history)


def _mark_sending(history: PushHistory) -> None:
    if histories().filter(pk=history.pk, state=State.SCHEDULED).update(state=State.SENDING):
        history.state = State.SENDING
        Notification.objects.using(alias()).filter(
            pk=history.notification_id, status=Notification.Status.SCHEDULED
        ).update(status=Notification.Status.SENT)


def _lease() -> timedelta:
    return timedelta(seconds=push_settings.LEASE_SECONDS)


@dataclass(slots=True)
class _Cursor:
    """Where planning stands; JSON in ``PushHistory.plan_cursor``."""

    parts: list[Part]
    part: int = 0
    after: int = 0
    seq: int = 0
    window: int = 0
    """How many primary keys the next read spans; 0: as many as it wants rows."""
    ends_at: int = 0
    """The highest id when planning began: who registers later is not in this push."""

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> _Cursor:
        return cls(**{**value, "parts": [Part(*part) for part in value["parts"]]})

    def to_json(self) -> dict[str, Any]:
        return {
            "parts": [part.to_json() for part in self.parts],
            "part": self.part,
            "after": self.after,
            "seq": self.seq,
            "window": self.window,
            "ends_at": self.ends_at,
        }


class Plan:
    """One push being planned by this worker."""

    def __init__(self, history: PushHistory, owner: str) -> None:
        self.history, self.owner = history, owner
        self.application: Application = history.application
        self.candidates: list[Candidate] = []
        self.size = min(push_settings.BATCH_SIZE, history.rate or push_settings.BATCH_SIZE)
        self._cursor: _Cursor | None = None

    @property
    def is_new(self) -> bool:
        """Whether :meth:`step` was not called yet."""
        return self._cursor is None

    def step(self) -> bool:
        """Plan the next batches; ``False`` when nothing is left to plan, or it is ours no more."""
        if self._cursor is None:
            self._cursor = self._begin()
        cursor = _Cursor.from_json(self._cursor.to_json())
        wanted = 1 if cursor.seq == 0 else STEP
        planned: list[PushBatch] = []
        while len(planned) < wanted and cursor.part < len(cursor.parts):
            planned += self._read(cursor, wanted - len(planned))
        over = cursor.part >= len(cursor.parts)
        try:
            written = self._write(cursor, planned, over)
        except IntegrityError:
            _forget_deleted(planned)
            written = self._write(cursor, planned, over)
        if not written:
            return False
        self._cursor = cursor
        return not over

    def release(self) -> None:
        """Leave the rest to the next worker at once."""
        self._mine().update(plan_owner="", plan_until=None)

    def _begin(self) -> _Cursor:
        """Go on where another worker left it, or begin."""
        self.candidates = sorted_credentials(self.application)
        if self.history.plan_cursor:
            return _Cursor.from_json(self.history.plan_cursor)
        kinds = kinds_of(self.application, alias())
        newest = installations().aggregate(newest=Max("pk"))["newest"] or 0
        return _Cursor(parts_of(self.application, self.candidates, kinds), ends_at=newest)

    def _mine(self) -> QuerySet[PushHistory]:
        return histories().filter(pk=self.history.pk, plan_owner=self.owner, planned_at=None)

    def _read(self, cursor: _Cursor, count: int) -> list[PushBatch]:
        """Up to ``count`` batches of the cursor's part; moves the cursor."""
        part = cursor.parts[cursor.part]
        if cursor.after == 0 and not self._skip_to_first(cursor, part):
            return []
        limit = count * self.size
        window = max(cursor.window, limit)
        ends = min(cursor.after + window, cursor.ends_at)
        rows = self.rows(part).filter(pk__gt=cursor.after, pk__lte=ends).order_by("pk")
        ids = [pk for (pk,) in fetch(rows.values_list("pk")[:limit])]
        found = []
        for start in range(0, len(ids), self.size):
            chunk = ids[start : start + self.size]
            found.append(new_batch(self.history, part, chunk, cursor.seq, self.history.due_at))
            cursor.seq += 1
        self._move(cursor, ids, limit, ends)
        return found

    def _skip_to_first(self, cursor: _Cursor, part: Part) -> bool:
        """Over the rows of other applications and platforms; ``False`` when there are only such."""
        rows = installations().filter(
            application=self.application, provider=part.network, device_type=part.device_type
        )
        first = rows.order_by("pk").values_list("pk", flat=True).first()
        if first is None or first > cursor.ends_at:
            cursor.part, cursor.after, cursor.window = cursor.part + 1, 0, 0
            return False
        cursor.after = first - 1
        return True

    @staticmethod
    def _move(cursor: _Cursor, ids: list[int], limit: int, ends: int) -> None:
        """On to where the next read begins.

        Reads go by windows of the primary key, wider where devices are few: a keyset with LIMIT
        alone lets the database choose to scan and sort everything for each page.
        """
        if len(ids) == limit:
            cursor.after, cursor.window = ids[-1], max(cursor.window // 2, limit)
        elif ends == cursor.ends_at:
            cursor.part, cursor.after, cursor.window = cursor.part + 1, 0, 0
        else:
            cursor.after = ends
            cursor.window = max(cursor.window, limit) * (4 if len(ids) <= limit // 8 else 1)

    def rows(self, part: Part) -> QuerySet[Installation]:
        """The audience within a part. ``is_active`` is left to deliver: no index serves it."""
        return rows_of(audience_rows(self.history, self.application), part, self.candidates)

    def _write(self, cursor: _Cursor, planned: list[PushBatch], over: bool) -> bool:
        now = clock(alias()).now()
        to_send = [batch for batch in planned if batch.settled_at is None]
        changes: dict[str, Any] = {
            "plan_cursor": cursor.to_json(),
            "plan_until": now + _lease(),
            "open_batches": F("open_batches") + len(to_send),
        }
        if over:
            changes |= {"planned_at": now, "plan_after": None, "plan_until": None}
        with transaction.atomic(using=alias()):
            if not self._mine().exclude(state=State.CANCELLED).update(**changes):
                return False
            batches().bulk_create(planned)
            for batch in to_send:
                ids = unpack_ids(bytes(batch.ids), batch.first_id, batch.size)
                count_badges(self.history, ids)
        return True


def _forget_deleted(planned: Sequence[PushBatch]) -> None:
    """A credential was deleted while its devices were planned: their batches will be paused."""
    wanted = [batch.credential_id for batch in planned if batch.credential_id]
    known = set(
        Credential.objects.using(alias()).filter(pk__in=wanted).values_list("pk", flat=True)
    )
    for batch in planned:
        batch.pk = None
        if batch.credential_id not in known:
            batch.credential_id = None


def count_badges(history: PushHistory, ids: Sequence[int]) -> None:
    """Move the badges that the server keeps.

    Called in the transaction that inserts the batch, so that a repeat shows the same number.
    """
    message = history.content["message"]
    if message.get("badge_increment"):
        # A client may have registered any number: one at the column's end must not stop a plan.
        counted = When(badge__lt=MAX_BADGE, then=F("badge") + message["badge_increment"])
        value: Any = Case(counted, default=F("badge"), output_field=PositiveIntegerField())
    elif message.get("badge") is not None:
        value = message["badge"]
    else:
        return
    among(installations(), ids).update(badge=value)


def audience_rows(history: PushHistory, application: Application) -> QuerySet[Installation]:
    """The installations that a push is for."""
    return compile_audience(
        Audience.from_json(history.content["audience"]),
        installations(),
        application_id=application.pk,
        trust_claimed=application.trust_client_user_ids,
    )


def new_batch(
    history: PushHistory, part: Part, ids: Sequence[int], seq: int, not_before: datetime
) -> PushBatch:
    """An unsaved batch. One that no credential can send is settled from the start."""
    size = min(push_settings.BATCH_SIZE, history.rate or push_settings.BATCH_SIZE)
    # A rated push is due batch by batch: thousands that wait for their slot would stand in
    # everybody's way at the head of the queue.
    pace = timedelta(seconds=seq * size / history.rate) if history.rate else AGEING * seq
    due = not_before + pace if history.rate else not_before
    batch = PushBatch(
        history=history,
        seq=seq,
        credential_id=part.credential_id,
        provider=part.provider,
        network=part.network,
        device_type=part.device_type,
        ids=pack_ids(ids),
        outcomes=bytes(len(ids)),
        size=len(ids),
        first_id=ids[0],
        last_id=ids[-1],
        rate=history.rate,
        not_before=due,
        turn_at=not_before + pace,
        claim_at=not_before + pace,
        devices=len(ids),
    )
    if not part.provider:
        batch.outcomes = bytes([Mark.NO_CREDENTIAL]) * len(ids)
        batch.claim_at, batch.settled_at = None, not_before
        batch.devices, batch.skipped = 0, len(ids)
        batch.skipped_reasons = {"no_credential": len(ids)}
    return batch


def plan_small(history: PushHistory) -> bool:
    """Plan a push to a few listed devices at once, in submit's transaction.

    ``False`` when it is not such a push: then a worker plans it. The rule is the one of
    :func:`rows_of`, applied in Python.
    """
    audience = Audience.from_json(history.content["audience"])
    if history.state != State.SENDING or not audience.is_listed:
        return False
    application = history.application
    columns = ("pk", "device_type", *Traits._fields)
    rows = audience_rows(history, application).filter(is_active=True).order_by("pk")
    found = list(rows.values_list(*columns)[: push_settings.SMALL_PUSH + 1])
    if len(found) > push_settings.SMALL_PUSH:
        return False
    candidates = sorted_credentials(application)
    grouped: dict[Part, list[int]] = {}
    for pk, device_type, *traits in found:
        part = part_for(candidates, device_type, Traits(*traits))
        grouped.setdefault(part, []).append(pk)
    now = clock(alias()).now()
    planned = [
        new_batch(history, part, ids, seq, now) for seq, (part, ids) in enumerate(grouped.items())
    ]
    history.plan_after, history.planned_at, history.plan_started_at = None, now, now
    history.open_batches = sum(batch.settled_at is None for batch in planned)
    history.save(using=alias())
    batches().bulk_create(planned)
    for ids in grouped.values():
        count_badges(history, ids)
    return True
