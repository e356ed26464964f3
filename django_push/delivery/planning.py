"""Planning: an audience cut into batches, one credential and one platform each.

The ids are streamed in primary-key order by keyset, a few batches at a time, between the sender's
steps: the first batch is on its way long before the last is planned. Each step is one
transaction fenced by ``plan_owner``; a worker that dies leaves a cursor, and the next goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import (
    Case,
    F,
    Max,
    PositiveIntegerField,
    QuerySet,
    When,
)

from ..audience import Audience, compile_audience
from ..clock import clock
from ..conf import alias, push_settings
from ..messages import MAX_BADGE
from ..models import (
    Application,
    Credential,
    Installation,
    PushBatch,
    PushHistory,
    State,
)
from .cursor import Cursor
from .expiry import late
from .ledger import SKIPPED, Mark, pack_ids, unpack_ids
from .local_time import in_zones, push_zones
from .partition import (
    Candidate,
    Part,
    kinds_of,
    parts_of,
    rows_of,
    sorted_credentials,
)
from .preferences import willing
from .rows import among, batches, fetch, histories, hold, installations

__all__ = ["Plan", "batch_size", "lease", "new_batch"]

AGEING = timedelta(seconds=0.5)
"""How much later each batch of a push stands in the queue than the one before: a push of one
device passes a broadcast, and a broadcast does not starve under many small pushes."""

STEP = 4
"""Batches planned in one step, after the first."""


def lease() -> timedelta:
    return timedelta(seconds=push_settings.LEASE_SECONDS)


class Plan:
    """One push being planned by this worker."""

    def __init__(self, history: PushHistory, owner: str) -> None:
        self.history, self.owner = history, owner
        self.application: Application = history.application
        self.candidates: list[Candidate] = []
        self.size = batch_size(history)
        self.zones = push_zones(history.content)
        """Those of a push at the devices' own clocks; empty for any other."""
        self._cursor: Cursor | None = None

    @property
    def is_new(self) -> bool:
        """Whether :meth:`step` was not called yet."""
        return self._cursor is None

    def step(self) -> bool:
        """Plan the next batches; ``False`` when nothing is left to plan, or it is ours no more."""
        if self._cursor is None:
            self._cursor = self._begin()
        cursor = Cursor.from_json(self._cursor.to_json())
        wanted = 1 if cursor.seq == 0 else STEP
        planned: list[PushBatch] = []
        while len(planned) < wanted and not cursor.is_over(len(self.zones)):
            planned += self._read(cursor, wanted - len(planned))
        over = cursor.is_over(len(self.zones))
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

    def _begin(self) -> Cursor:
        """Go on where another worker left it, or begin."""
        self.candidates = sorted_credentials(self.application)
        if self.history.plan_cursor:
            return Cursor.from_json(self.history.plan_cursor)
        kinds = kinds_of(self.application, alias())
        newest = installations().aggregate(newest=Max("pk"))["newest"] or 0
        return Cursor(parts_of(self.application, self.candidates, kinds), ends_at=newest)

    def _mine(self) -> QuerySet[PushHistory]:
        return histories().filter(pk=self.history.pk, plan_owner=self.owner, planned_at=None)

    def _read(self, cursor: Cursor, count: int) -> list[PushBatch]:
        """Up to ``count`` batches of the cursor's part; moves the cursor."""
        part = cursor.parts[cursor.part]
        if cursor.after == 0 and not self._skip_to_first(cursor, part):
            return []
        limit = count * self.size
        window = max(cursor.window, limit)
        ends = min(cursor.after + window, cursor.ends_at)
        rows = (
            self._in_zone(self.rows(part), cursor)
            .filter(pk__gt=cursor.after, pk__lte=ends)
            .order_by("pk")
        )
        ids = [pk for (pk,) in fetch(rows.values_list("pk")[:limit])]
        found = []
        for start in range(0, len(ids), self.size):
            chunk = ids[start : start + self.size]
            found.append(self._new_batch(cursor, part, chunk))
            cursor.seq += 1
        self._move(cursor, ids, limit, ends)
        return found

    def _in_zone(self, rows: QuerySet[Installation], cursor: Cursor) -> QuerySet[Installation]:
        return in_zones(rows, [self.zones[cursor.zone]]) if self.zones else rows

    def _new_batch(self, cursor: Cursor, part: Part, ids: Sequence[int]) -> PushBatch:
        if not self.zones:
            return new_batch(self.history, part, ids, cursor.seq, self.history.due_at)
        zone = self.zones[cursor.zone]
        batch = new_batch(self.history, part, ids, cursor.seq - cursor.zone_seq, zone.due)
        batch.seq, batch.due_at = cursor.seq, zone.due
        began = self.history.plan_started_at
        if began is not None and zone.due < began - late() and part.provider:
            leave_out(batch, Mark.LOCAL_TIME_PASSED)
        return batch

    def _skip_to_first(self, cursor: Cursor, part: Part) -> bool:
        """Over the rows of other applications and platforms; ``False`` when there are only such."""
        rows = installations().filter(
            application=self.application, provider=part.network, device_type=part.device_type
        )
        if self.zones and not self._in_zone(rows, cursor).exists():
            cursor.next_part()
            return False
        first = rows.order_by("pk").values_list("pk", flat=True).first()
        if first is None or first > cursor.ends_at:
            cursor.next_part()
            return False
        cursor.after = first - 1
        return True

    @staticmethod
    def _move(cursor: Cursor, ids: list[int], limit: int, ends: int) -> None:
        """On to where the next read begins.

        Reads go by windows of the primary key, wider where devices are few: a keyset with LIMIT
        alone lets the database choose to scan and sort everything for each page.
        """
        if len(ids) == limit:
            cursor.after, cursor.window = ids[-1], max(cursor.window // 2, limit)
        elif ends == cursor.ends_at:
            cursor.next_part()
        else:
            cursor.after = ends
            cursor.window = max(cursor.window, limit) * (4 if len(ids) <= limit // 8 else 1)

    def rows(self, part: Part) -> QuerySet[Installation]:
        """The audience within a part. ``is_active`` is left to deliver: no index serves it."""
        audience = Audience.from_content(self.history.content)
        return rows_of(audience_rows(audience, self.application), part, self.candidates)

    def _write(self, cursor: Cursor, planned: list[PushBatch], over: bool) -> bool:
        now = clock(alias()).now()
        to_send = [batch for batch in planned if batch.settled_at is None]
        changes: dict[str, Any] = {
            "plan_cursor": cursor.to_json(),
            "plan_until": now + lease(),
            "open_batches": F("open_batches") + len(to_send),
        }
        if over:
            changes |= {"planned_at": now, "plan_after": None, "plan_until": None}
        with transaction.atomic(using=alias()):
            hold(pk for batch in to_send for pk in badge_ids(batch))
            if not self._mine().exclude(state=State.CANCELLED).update(**changes):
                return False
            batches().bulk_create(planned)
            for batch in to_send:
                count_badges(self.history, badge_ids(batch))
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


def badge_ids(batch: PushBatch) -> Sequence[int]:
    """The devices whose badge is moved with a new batch; none when its push has no number."""
    message = batch.history.content["message"]
    counts = message.get("badge_increment") or message.get("badge") is not None
    return unpack_ids(bytes(batch.ids), batch.first_id, batch.size) if counts else ()


def count_badges(history: PushHistory, ids: Sequence[int]) -> None:
    """Move the badges that the server keeps.

    Called in the transaction that inserts the batch, so that a repeat shows the same number.
    """
    if not ids:
        return
    message = history.content["message"]
    if message.get("badge_increment"):
        # A client may have registered any number: one at the column's end must not stop a plan.
        counted = When(badge__lt=MAX_BADGE, then=F("badge") + message["badge_increment"])
        value: Any = Case(counted, default=F("badge"), output_field=PositiveIntegerField())
    elif message.get("badge") is not None:
        value = message["badge"]
    else:
        return
    willing(among(installations(), ids), history.content).update(badge=value)


def audience_rows(audience: Audience, application: Application) -> QuerySet[Installation]:
    """The installations of an audience."""
    return compile_audience(
        audience,
        installations(),
        application_id=application.pk,
        trust_claimed=application.trust_client_user_ids,
    )


def batch_size(history: PushHistory) -> int:
    """Devices in one batch at the most: those of one second, where there is a speed limit."""
    size: int = push_settings.BATCH_SIZE
    return min(size, history.rate or size)


def new_batch(
    history: PushHistory, part: Part, ids: Sequence[int], seq: int, not_before: datetime
) -> PushBatch:
    """An unsaved batch. One that no credential can send is settled from the start."""
    size = batch_size(history)
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
        leave_out(batch, Mark.NO_CREDENTIAL)
    return batch


def leave_out(batch: PushBatch, why: Mark) -> None:
    """Settle a new batch before anything of it is sent."""
    batch.outcomes = bytes([why]) * batch.size
    batch.claim_at, batch.settled_at = None, batch.not_before
    batch.devices, batch.skipped = 0, batch.size
    batch.skipped_reasons = {SKIPPED[why]: batch.size}
