"""Reading a batch's devices, and saying why those that are not there are not."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import IntegerField, QuerySet

from ..audience import names_people
from ..conf import alias, push_settings
from ..models import Installation, PushBatch, PushHistory
from . import ledger
from .ledger import Mark
from .partition import Candidate, Part, Traits, part_for, part_of, rows_of, sorted_credentials
from .preferences import consent_of, willing
from .quiet import OWN_HOURS, quiet_of, with_columns
from .rows import among, around, batches, fetch, installations
from .statements import Param, Statement, among_keys, keys, shape

__all__ = ["Together", "bound_since", "planned_in", "read", "why_missing"]

SMALL = 100
"""Devices of a batch that is read together with others."""
SHARED = ("pk", "address", "locale", "badge", "bound_at")
"""The columns that any push may want."""
ANY = (*SHARED, "time_zone", OWN_HOURS)
BOUND_AT = SHARED.index("bound_at")
MOST_MOVES = 3
"""Late batches that one device may go through: an app that changes its place at every look must
not keep a push open."""


def read(
    batch: PushBatch,
    ids: Sequence[int],
    columns: Sequence[str],
    candidates: Sequence[Candidate],
) -> list[tuple[Any, ...]]:
    """The devices among ``ids`` that may be sent to, in id order, as tuples of ``columns``."""
    rows = willing(_sendable(batch, ids, candidates), batch.history.content)
    rows = _bound(rows, batch.history)
    found = fetch(with_columns(rows, tuple(columns)).values_list(*columns))
    if len(found) > len(ids) or ids[-1] - ids[0] + 1 != len(ids):
        wanted = set(ids)
        found = [row for row in found if row[0] in wanted]
    found.sort()
    return found


class Together:
    """The devices of several small batches, read by one statement for each part of the audience.

    A statement for each would cost more than sending: a push to one device is the everyday load.
    """

    def __init__(self) -> None:
        self._found: dict[int, dict[int, tuple[Any, ...]]] = {}

    def add(self, claimed: Iterable[PushBatch], candidates: Sequence[Candidate]) -> None:
        """Read for those batches of one application that are small and share a part, and what
        they are about."""
        parts: dict[tuple[Part, str, tuple[str, ...]], list[PushBatch]] = {}
        for batch in claimed:
            if batch.size <= SMALL:
                quiet, consent = quiet_of(batch), consent_of(batch.history.content)
                asked = (part_of(batch), str(consent), quiet.columns if quiet else ())
                parts.setdefault(asked, []).append(batch)
        for (_, _, extra), alike in parts.items():
            self._read(alike, candidates, (*SHARED, *extra))

    def rows(
        self, batch: PushBatch, ids: Sequence[int], columns: Sequence[str]
    ) -> list[tuple[Any, ...]] | None:
        """What :func:`read` would return; ``None`` when this batch was not read together."""
        found = self._found.get(batch.pk)
        if found is None:
            return None
        since = bound_since(batch.history)
        places = [ANY.index(column) for column in columns]
        rows = [found[pk] for pk in ids if pk in found]
        return [
            tuple(row[place] for place in places)
            for row in rows
            if since is None or row[BOUND_AT] <= since
        ]

    def _read(
        self, alike: list[PushBatch], candidates: Sequence[Candidate], columns: tuple[str, ...]
    ) -> None:
        ids: set[int] = set()
        for batch in alike:
            ids.update(ledger.unpack_ids(bytes(batch.ids), batch.first_id, batch.size))
        rows = _read_shared(alike[0], sorted(ids), candidates, columns)
        found = {row[0]: row for row in rows}
        self._found.update((batch.pk, found) for batch in alike)


def _read_shared(
    batch: PushBatch, ids: Sequence[int], candidates: Sequence[Candidate], columns: tuple[str, ...]
) -> Iterable[tuple[Any, ...]]:
    """``columns`` of the devices that batches like this one may be sent to."""
    content = batch.history.content
    if columns != SHARED or consent_of(content):
        rows = willing(_sendable(batch, ids, candidates), content)
        return with_columns(rows, columns).values_list(*columns)
    room = shape(len(ids))
    redirect = push_settings.REDIRECT_TO
    statement = _shared(alias(), part_of(batch), tuple(candidates), redirect, room)
    return statement.fetch(application=batch.history.application_id, **keys(ids, room))


@lru_cache(maxsize=256)
def _shared(
    using: str, part: Part, candidates: tuple[Candidate, ...], redirect: str | None, room: int
) -> Statement:
    rows = among_keys(Installation.objects.using(using), room)
    rows = rows.filter(application_id=Param("application", IntegerField()))
    return Statement(_fit(rows, part, candidates).values_list(*SHARED))


def why_missing(batch: PushBatch, missing: Sequence[int]) -> dict[int, Mark | Part]:
    """For each id that :func:`read` did not return the reason, or the part that it is in now.

    Few, so it may cost a query.
    """
    candidates = sorted_credentials(batch.history.application)  # as of now: this may be final
    rows = among(installations(), missing)
    columns = ("is_active", "device_type", *Traits._fields)
    present = {row[0]: row[1:] for row in rows.values_list("pk", *columns)}
    bound = set(_bound(rows, batch.history).values_list("pk", flat=True))
    agreed: Container[int] = present
    if consent_of(batch.history.content):
        agreed = set(willing(rows, batch.history.content).values_list("pk", flat=True))
    found: dict[int, Mark | Part] = {}
    for pk in missing:
        if pk not in present:
            found[pk] = Mark.GONE
        elif pk not in bound:
            found[pk] = Mark.CHANGED_HANDS
        elif pk not in agreed and present[pk][0]:
            found[pk] = Mark.OPTED_OUT
        else:
            found[pk] = _moved(batch, present[pk], candidates)
    return found


def planned_in(batch: PushBatch, part: Part, ids: Sequence[int]) -> set[int]:
    """Those of ``ids`` that are in other batches of the push for ``part``.

    A device that moves while the push is planned may be found in its old place and in its new.
    """
    others = batches().filter(
        history=batch.history_id,
        credential=part.credential_id,
        network=part.network,
        device_type=part.device_type,
        first_id__lte=ids[-1],
        last_id__gte=ids[0],
    )
    wanted, found = set(ids), set()
    for other in others.exclude(pk=batch.pk).only("ids", "outcomes", "first_id", "size"):
        held = ledger.unpack_ids(bytes(other.ids), other.first_id, other.size)
        marks = zip(held, bytes(other.outcomes), strict=True)
        found |= {pk for pk, mark in marks if pk in wanted and mark not in ledger.ELSEWHERE}
    return found


def _moved(batch: PushBatch, row: tuple[Any, ...], candidates: Sequence[Candidate]) -> Mark | Part:
    is_active, device_type, *traits = row
    if not is_active:
        return Mark.INACTIVE
    part = part_for(candidates, device_type, Traits(*traits))
    if not part.provider:
        return Mark.NO_CREDENTIAL
    return Mark.RESTLESS if batch.late >= MOST_MOVES else part


def _sendable(
    batch: PushBatch, ids: Sequence[int], candidates: Sequence[Candidate]
) -> QuerySet[Installation]:
    """Those among ``ids`` that are switched on and still in the batch's part."""
    rows = around(installations(), ids).filter(application_id=batch.history.application_id)
    return _fit(rows, part_of(batch), candidates)


def _fit(
    rows: QuerySet[Installation], part: Part, candidates: Sequence[Candidate]
) -> QuerySet[Installation]:
    return rows_of(rows, part, candidates).filter(is_active=True)


def _bound(rows: QuerySet[Installation], history: PushHistory) -> QuerySet[Installation]:
    """A push to certain users does not reach a device that has another user since."""
    since = bound_since(history)
    return rows if since is None else rows.filter(bound_at__lte=since)


def bound_since(history: PushHistory) -> datetime | None:
    """A push to certain users goes to no device that has another user since then."""
    if not names_people(history.content):
        return None
    return history.plan_started_at or history.created_at
