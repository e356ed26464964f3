"""The ledger: which installations a batch holds, and how each fared, in a few bytes a device.

Ids are ascending. A batch without gaps stores none of them (``first_id`` and the size say it
all), others store 4-byte offsets from ``first_id``, or 8-byte ones when the span asks for it.
Outcomes are one byte each, in the same order.
"""

from __future__ import annotations

import enum
import sys
from array import array
from collections.abc import Sequence

from ..messages import Status

__all__ = ["FINAL", "MAX_UNKNOWN", "SKIPPED", "STATUSES", "Mark", "pack_ids", "unpack_ids"]

MAX_UNKNOWN = 3
"""Sends without any answer before a device counts as not reached."""


class Mark(enum.IntEnum):
    """One byte of the ledger."""

    PENDING = 0
    SENT = 1
    UNREGISTERED = 2
    REJECTED = 3
    FAILED = 4
    # open: settled devices never carry these
    DEFERRED = 16
    UNAUTHORIZED = 17
    SUSPECT = 18
    UNKNOWN = 20
    """20 + n: left n + 1 times without an answer."""
    # skipped, each for its own reason
    INACTIVE = 32
    GONE = 33
    MOVED = 34
    CHANGED_HANDS = 35
    CANCELLED = 36
    EXPIRED = 37
    NO_CREDENTIAL = 38


STATUSES: dict[Status, Mark] = {
    Status.SENT: Mark.SENT,
    Status.UNREGISTERED: Mark.UNREGISTERED,
    Status.REJECTED: Mark.REJECTED,
    Status.FAILED: Mark.FAILED,
    Status.DEFERRED: Mark.DEFERRED,
    Status.UNAUTHORIZED: Mark.UNAUTHORIZED,
    Status.SUSPECT: Mark.SUSPECT,
    Status.UNKNOWN: Mark.UNKNOWN,
}

FAILURES = (Mark.UNREGISTERED, Mark.REJECTED, Mark.FAILED)
SKIPPED: dict[Mark, str] = {
    Mark.INACTIVE: "inactive",
    Mark.GONE: "gone",
    Mark.MOVED: "moved",
    Mark.CHANGED_HANDS: "changed_hands",
    Mark.CANCELLED: "cancelled",
    Mark.EXPIRED: "expired",
    Mark.NO_CREDENTIAL: "no_credential",
}
FINAL = frozenset({Mark.SENT, *FAILURES, *SKIPPED})

_FINAL_TABLE = bytes(1 if mark in FINAL else 0 for mark in range(256))


def pack_ids(ids: Sequence[int]) -> bytes:
    """``ids``, ascending and not empty, as :func:`unpack_ids` reads them."""
    first, last = ids[0], ids[-1]
    if last - first + 1 == len(ids):
        return b""
    offsets = array("I" if last - first < 2**32 else "Q", [pk - first for pk in ids])
    if sys.byteorder == "big":
        offsets.byteswap()
    return offsets.tobytes()


def unpack_ids(packed: bytes, first: int, size: int) -> Sequence[int]:
    """The ids of a batch of ``size``; raises ``ValueError`` when the bytes do not fit the size."""
    if not packed:
        return range(first, first + size)
    width = {4 * size: "I", 8 * size: "Q"}.get(len(packed))
    if width is None:
        raise ValueError(f"{len(packed)} bytes cannot hold {size} ids.")
    offsets = array(width)
    offsets.frombytes(packed)
    if sys.byteorder == "big":
        offsets.byteswap()
    return [first + offset for offset in offsets]


def open_positions(outcomes: bytes | bytearray) -> list[int]:
    """Positions whose device has no final outcome yet."""
    flags = outcomes.translate(_FINAL_TABLE)
    if 1 not in flags:
        return list(range(len(outcomes)))
    return [position for position, final in enumerate(flags) if not final]


def count(outcomes: bytes | bytearray) -> dict[str, int]:
    """The sums of a ledger, as the columns of a batch hold them."""
    reasons = skipped_reasons(outcomes)
    skipped = sum(reasons.values())
    return {
        "devices": len(outcomes) - skipped,
        "successes": outcomes.count(Mark.SENT),
        "failures": sum(outcomes.count(mark) for mark in FAILURES),
        "skipped": skipped,
    }


def skipped_reasons(outcomes: bytes | bytearray) -> dict[str, int]:
    """How many devices were left out, by reason."""
    counts = {reason: outcomes.count(mark) for mark, reason in SKIPPED.items()}
    return {reason: number for reason, number in counts.items() if number}
