"""Finding one device in the ledgers of its application's pushes, newest first.

Nothing is written per device that was reached, so this looks: the pushes are read by their index
in pieces, the batches whose ids span the device by theirs, and the packed ids of one page's
batches are bisected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..clock import clock
from ..conf import alias
from ..delivery import ledger
from ..models import DeliveryFailure, Installation, PushBatch, PushHistory
from .trace import Entry, Trace, read_trace

__all__ = ["LOOKED_AT", "PAGE", "Page", "pushes_to", "trace_of"]

PAGE = 20
"""Pushes on one page."""
PIECE = 1000
"""Pushes whose batches are asked for by one statement."""
LOOKED_AT = 5_000
"""Pushes that one page looks through at the most: a device may be in hardly any of a million."""

_OF_PUSH = ("plan_cursor", "content", "skipped", "reasons", "per_type")
"""Columns of a push that no trace shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the pushes to a device."""

    traces: list[Trace]
    older_than: int | None
    """Where the next page begins (primary key of a push); ``None``: these were the last."""
    looked_at: int
    """How many pushes of the application were looked through."""


def pushes_to(device: Installation, before: int | None = None, limit: int = PAGE) -> Page:
    """The newest ``limit`` pushes to ``device``, among those older than the push ``before``.

    A page may hold fewer and still not be the last: it looks through :data:`LOOKED_AT` pushes at
    the most.
    """
    spanning: list[tuple[int, int]] = []
    found: list[Trace] = []
    looked_at, last, is_end = 0, before, False
    while not is_end and looked_at < LOOKED_AT and len(found) <= limit:
        piece = _pushes(device, last)
        looked_at, is_end = looked_at + len(piece), len(piece) < PIECE
        last = piece[-1] if piece else last
        spanning += _spanning(device, piece)
        over = is_end or looked_at >= LOOKED_AT
        for group in _take_groups(spanning, min(limit, PAGE) + 1, all_of_them=over):
            found += _traces(device, group)
            if len(found) > limit:
                last = found[limit - 1].history.pk
                return Page(traces=found[:limit], older_than=last, looked_at=looked_at)
    return Page(traces=found, older_than=None if is_end else last, looked_at=looked_at)


def trace_of(device: Installation, history: PushHistory) -> Trace | None:
    """What became of ``history`` at ``device``; ``None`` when it is in none of its batches."""
    found = _traces(device, _spanning(device, [history.pk]))
    return found[0] if found else None


def _pushes(device: Installation, before: int | None) -> list[int]:
    """The next :data:`PIECE` pushes of the application, newest first."""
    rows = PushHistory.objects.using(alias()).filter(application=device.application_id)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(rows.order_by("-pk").values_list("pk", flat=True)[:PIECE])


def _spanning(device: Installation, pushes: Sequence[int]) -> list[tuple[int, int]]:
    """(push, batch) where the batch's ids begin before and end behind the device, newest first."""
    rows = PushBatch.objects.using(alias()).filter(
        history__in=pushes, first_id__lte=device.pk, last_id__gte=device.pk, target=""
    )
    return list(rows.order_by("-history_id").values_list("history_id", "pk"))


def _take_groups(
    spanning: list[tuple[int, int]], size: int, *, all_of_them: bool
) -> Iterator[list[tuple[int, int]]]:
    """Take groups of ``size`` pushes out of ``spanning``: the ids of one batch may be 20 kB.

    What is too few for a group stays, unless ``all_of_them`` are wanted.
    """
    while spanning:
        pushes = list(dict.fromkeys(push for push, _ in spanning))
        if len(pushes) < size and not all_of_them:
            return
        wanted = set(pushes[:size])
        group = [each for each in spanning if each[0] in wanted]
        del spanning[: len(group)]
        yield group


def _traces(device: Installation, spanning: Sequence[tuple[int, int]]) -> list[Trace]:
    """The traces of the pushes in ``spanning`` that hold the device, newest first."""
    entries: dict[int, list[Entry]] = {}
    rows = PushBatch.objects.using(alias()).filter(pk__in=[batch for _, batch in spanning])
    for batch in rows.select_related("credential").defer("credential__sealed", "skipped_reasons"):
        mark = _mark(batch, device.pk)
        if mark is not None:
            entries.setdefault(batch.history_id, []).append(Entry(batch, mark))
    pushes = PushHistory.objects.using(alias()).defer(*_OF_PUSH).in_bulk(entries)
    failures = DeliveryFailure.objects.using(alias()).filter(
        history__in=list(entries), installation=device.pk
    )
    failed = {failure.history_id: failure for failure in failures}
    now = clock(alias()).now()
    return [
        read_trace(pushes[pk], entries[pk], failed.get(pk), now)
        for pk in sorted(entries, reverse=True)
        if pk in pushes
    ]


def _mark(batch: PushBatch, pk: int) -> int | None:
    """The device's byte; ``None`` when it is not among the batch's ids."""
    place = ledger.place_of(pk, bytes(batch.ids), batch.first_id, batch.size)
    return None if place is None else bytes(batch.outcomes)[place]
