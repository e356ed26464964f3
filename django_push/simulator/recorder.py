"""What arrived: a ring of the last pushes, counts of all, and a log file if one is wanted."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from .wire import Record

KEPT = 10_000
"""Pushes in memory. Their common parts are shared, so that this is some 10 MB, not 300."""


class Delivery(NamedTuple):
    """One push and what was done with it."""

    n: int
    time: float
    record: Record
    status: int
    outcome: str


class Recorder:
    """Keeps deliveries, numbered from 1."""

    def __init__(
        self,
        log: Path | None = None,
        kept: int = KEPT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ring: deque[Delivery] = deque(maxlen=kept)
        self._clock = clock
        self.last = 0
        self.counts: Counter[tuple[str, str]] = Counter()
        self._log = open(log, "ab", buffering=1 << 20) if log else None  # noqa: SIM115

    def add(self, record: Record, status: int, outcome: str) -> None:
        """Record a push; `status` 0 says that it got no answer."""
        self.last += 1
        delivery = Delivery(self.last, self._clock(), record, status, outcome)
        self._ring.append(delivery)
        self.counts[record.provider, outcome] += 1
        if self._log is not None:
            self._log.write(orjson.dumps(_line(delivery), option=orjson.OPT_APPEND_NEWLINE))

    def count(self, provider: str, outcome: str) -> None:
        """Count a request that is no push."""
        self.counts[provider, outcome] += 1

    def since(self, number: int, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the kept deliveries after `number`, oldest first, at most `limit`."""
        skip = max(0, number - (self.last - len(self._ring)))
        chosen = list(self._ring)[skip:] if skip < len(self._ring) else []
        return [_document(delivery) for delivery in chosen[:limit]]

    def clear(self) -> None:
        """Forget what is kept. Numbers and counts go on."""
        self._ring.clear()

    @property
    def kept(self) -> int:
        return len(self._ring)

    def flush(self) -> None:
        """Write what the log file's buffer holds."""
        if self._log is not None:
            self._log.flush()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()


def _line(delivery: Delivery) -> dict[str, Any]:
    record = delivery.record
    collapse = next((value for name, value in record.fields if name == b"apns-collapse-id"), None)
    return {
        "n": delivery.n,
        "time": delivery.time,
        "provider": record.provider,
        "environment": record.environment,
        "token": _text(record.token),
        "status": delivery.status,
        "outcome": delivery.outcome,
        "id": _text(record.ident),
        "collapse_id": None if collapse is None else _text(collapse),
    }


def _document(delivery: Delivery) -> dict[str, Any]:
    record = delivery.record
    return {
        "n": delivery.n,
        "time": delivery.time,
        "provider": record.provider,
        "environment": record.environment,
        "token": _text(record.token),
        "id": _text(record.ident),
        "headers": {_text(name): _shown(name, value) for name, value in record.fields},
        "payload": _payload(record.body),
        "status": delivery.status,
        "outcome": delivery.outcome,
    }


def _shown(name: bytes, value: bytes) -> str:
    # A provider token is a secret for an hour, even if it opens nothing but this simulator.
    return "bearer (hidden)" if name == b"authorization" else _text(value)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _payload(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _text(body)
