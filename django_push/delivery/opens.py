"""Opened pushes: each device counts once, and costs a bit in its batch, not a row."""

from __future__ import annotations

from uuid import UUID

from django.db import connections, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from ..conf import alias
from ..exceptions import NotAllowed
from ..models import Installation, PushBatch
from ..models.again import again
from . import ledger
from .ledger import Mark
from .rows import batches, failures, histories

__all__ = ["count_open"]

_NOT_THERE = {Mark.UNREGISTERED, Mark.REJECTED, Mark.FOREIGN, *ledger.SKIPPED, *ledger.ELSEWHERE}
"""Marks of devices that a batch cannot have brought the push to."""


def count_open(installation: Installation, push_id: UUID) -> bool:
    """Count that a device opened a push; ``False`` when it was counted before.

    Raises :class:`~django_push.exceptions.NotAllowed` for a push that did not go to the device:
    else anybody with a client key could make up openings.
    """
    found = _place(installation, push_id)
    if found is None:
        raise _unknown()
    batch, position = found
    return again(alias(), lambda: _mark(batch, position))


def _unknown() -> NotAllowed:
    return NotAllowed(
        _("No such push went to this device. Report the push_id that came with the message."),
        code="unknown_push",
        field="pushId",
    )


def _place(installation: Installation, push_id: UUID) -> tuple[PushBatch, int] | None:
    """The first batch that the device was in, and where; ``None`` when it cannot have got the push.

    One that moved counts where it was first, so that it counts once; whether it got the push is
    what its last batch says.
    """
    held = batches().filter(
        history__public_id=push_id,
        history__application_id=installation.application_id,
        first_id__lte=installation.pk,
        last_id__gte=installation.pk,
    )
    first: tuple[PushBatch, int] | None = None
    got = False
    for batch in held.order_by("seq").only("history_id", "ids", "outcomes", "first_id", "size"):
        position = ledger.place_of(installation.pk, bytes(batch.ids), batch.first_id, batch.size)
        if position is None:
            continue
        first = first or (batch, position)
        got = got or _may_have_got(batch, installation, bytes(batch.outcomes)[position])
    return first if got else None


def _may_have_got(batch: PushBatch, installation: Installation, mark: int) -> bool:
    """Whether the push may have arrived by a batch in which the device has this mark.

    What was just sent has no outcome yet, and what no answer came to may have arrived.
    """
    if mark != Mark.FAILED:
        return mark not in _NOT_THERE
    failed = failures().filter(history=batch.history_id, installation=installation.pk)
    return failed.filter(reason=ledger.NO_ANSWER).exists()


def _mark(batch: PushBatch, position: int) -> bool:
    with transaction.atomic(using=alias()):
        bits = bytearray(_locked_bits(batch) or bytes(-(-batch.size // 8)))
        byte, bit = position // 8, 1 << position % 8
        if bits[byte] & bit:
            return False
        bits[byte] |= bit
        batches().filter(pk=batch.pk).update(opened=bytes(bits))
        histories().filter(pk=batch.history_id).update(opened=F("opened") + 1)
    return True


def _locked_bits(batch: PushBatch) -> bytes:
    """The bits of a batch that nobody else can change until the transaction ends."""
    row = batches().filter(pk=batch.pk)
    if connections[alias()].features.has_select_for_update:
        row = row.select_for_update()
    else:  # a transaction on SQLite must begin with its write
        row.update(opened=F("opened"))
    try:
        return bytes(row.values_list("opened", flat=True).get() or b"")
    except PushBatch.DoesNotExist:  # purged since it was looked up
        raise _unknown() from None
