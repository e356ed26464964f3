"""The ledger: which installations a batch holds, and how each fared, in a few bytes a device.

Ids are ascending. A batch without gaps stores none of them (``first_id`` and the size say it
all), others store 4-byte offsets from ``first_id``, or 8-byte ones when the span asks for it.
Outcomes are one byte each, in the same order.
"""

from __future__ import annotations

import enum
import sys
from array import array
from bisect import bisect_left
from collections.abc import Sequence

from ..messages import Status

__all__ = [
    "FINAL",
    "MAX_UNKNOWN",
    "NO_ANSWER",
    "SKIPPED",
    "STATUSES",
    "Mark",
    "pack_ids",
    "place_of",
    "unpack_ids",
]

MAX_UNKNOWN = 3
"""Sends without any answer before a device counts as not reached."""
NO_ANSWER = "NoAnswer"
"""The reason of those: they may have got the push all the same."""


class Mark(enum.IntEnum):
    """One byte of the ledger."""

    PENDING = 0
    SENT = 1
    UNREGISTERED = 2
    REJECTED = 3
    FAILED = 4
    FOREIGN = 5
    """Suspect, and judged to be the device's own fault."""
    # open: settled devices never carry these
    DEFERRED = 16
    UNAUTHORIZED = 17
    SUSPECT = 18
    UNKNOWN = 20
    """20 + n: left n + 1 times without an answer."""
    # skipped, each for its own reason
    INACTIVE = 32
    GONE = 33
    CHANGED_HANDS = 35
    CANCELLED = 36
    EXPIRED = 37
    NO_CREDENTIAL = 38
    LOCAL_TIME_PASSED = 39
    RESTLESS = 41
    """Moved again whenever its new batch was read."""
    OPTED_OUT = 42
    """Its user, or the device itself, wants no pushes of this purpose."""
    QUIET_HOURS = 43
    """In its quiet hours, and the push expires before they are over."""
    # in no total here: the device is in a late batch, which counts it
    MOVED = 34
    PROBED = 40
    """Suspect, and tried in the other environment."""
    ASLEEP = 44
    """In its quiet hours: its late batch is due when they are over."""


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

FAILURES = (Mark.UNREGISTERED, Mark.REJECTED, Mark.FAILED, Mark.FOREIGN)
SUSPECTS = (Mark.SUSPECT, Mark.FOREIGN, Mark.PROBED)
ELSEWHERE = (Mark.MOVED, Mark.PROBED, Mark.ASLEEP)
SKIPPED: dict[Mark, str] = {
    Mark.INACTIVE: "inactive",
    Mark.GONE: "gone",
    Mark.RESTLESS: "moved",
    Mark.CHANGED_HANDS: "changed_hands",
    Mark.CANCELLED: "cancelled",
    Mark.EXPIRED: "expired",
    Mark.NO_CREDENTIAL: "no_credential",
    Mark.LOCAL_TIME_PASSED: "local_time_passed",
    Mark.OPTED_OUT: "opted_out",
    Mark.QUIET_HOURS: "quiet_hours",
}
FINAL = frozenset({Mark.SENT, *FAILURES, *SKIPPED, *ELSEWHERE})

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
    return [first + offset for offset in _offsets(packed, size)]


def place_of(pk: int, packed: bytes, first: int, size: int) -> int | None:
    """The position of one id; ``None`` when it is not there. 10 µs where unpacking takes 300.

    Raises as :func:`unpack_ids`.
    """
    offsets = _offsets(packed, size) if packed else range(size)
    place = bisect_left(offsets, pk - first)
    return place if place < size and offsets[place] == pk - first else None


def _offsets(packed: bytes, size: int) -> array[int]:
    width = {4 * size: "I", 8 * size: "Q"}.get(len(packed))
    if width is None:
        raise ValueError(f"{len(packed)} bytes cannot hold {size} ids.")
    offsets = array(width)
    offsets.frombytes(packed)
    if sys.byteorder == "big":
        offsets.byteswap()
    return offsets


class Offset:
    """Position by primary key in a batch without gaps."""

    def __init__(self, first: int) -> None:
        self._first = first

    def __getitem__(self, pk: int) -> int:
        return pk - self._first


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
    elsewhere = sum(outcomes.count(mark) for mark in ELSEWHERE)
    return {
        "devices": len(outcomes) - skipped - elsewhere,
        "successes": outcomes.count(Mark.SENT),
        "failures": sum(outcomes.count(mark) for mark in FAILURES),
        "skipped": skipped,
        "suspects": sum(outcomes.count(mark) for mark in SUSPECTS),
    }


def is_unknown(mark: int) -> bool:
    """Whether a device left and no answer came."""
    return Mark.UNKNOWN <= mark < Mark.UNKNOWN + MAX_UNKNOWN


def skipped_reasons(outcomes: bytes | bytearray) -> dict[str, int]:
    """How many devices were left out, by reason."""
    counts = {reason: outcomes.count(mark) for mark, reason in SKIPPED.items()}
    return {reason: number for reason, number in counts.items() if number}
