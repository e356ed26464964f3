"""What every drill stands on: a provider that keeps its own log, devices, workers, the audit."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from django.db import connection, transaction

from django_push.delivery.ledger import FAILURES, FINAL, SKIPPED, Mark, unpack_ids
from django_push.models import Application, Installation, PushHistory, State
from django_push.models.registration import address_hash
from django_push.simulator import Simulator
from django_push.submission import push
from tests.support.processes import (
    WorkerProcess,
    endpoints,
    make_credentials,
    wait_until,
    worker_process,
)

__all__ = ["Audit", "Delivery", "Rig", "fill", "finish", "is_over"]

QUICK = {
    "LEASE_SECONDS": 10.0,
    "RETRY_SECONDS": 0.3,
    "RETRY_MAX_SECONDS": 2.0,
    "MAX_ATTEMPTS": 50,
    "REQUEST_TIMEOUT": 2.0,
    "BATCH_SIZE": 250,
}
"""The waits of a worker, compressed: what takes a minute in production takes a second here. A
drill that kills or stops workers sets a shorter lease still."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One line of the provider's own log."""

    time: float
    """Seconds since the epoch."""
    token: str
    outcome: str
    push: str
    """The collapse id, which is the push's id; empty from FCM."""


@dataclass(frozen=True, slots=True)
class Audit:
    """A push that is over, as the ledger has it and as the provider has it."""

    marks: Counter[str] = field(repr=False)
    """Devices by outcome."""
    accepted: Counter[str] = field(repr=False)
    """How often the provider accepted each token."""

    @property
    def repeats(self) -> int:
        return sum(self.accepted.values()) - len(self.accepted)


class Rig:
    """One application with devices, the provider that serves them, and how workers are set."""

    def __init__(self, simulator: Simulator, log: Path) -> None:
        self.simulator = simulator
        self.settings: dict[str, Any] = {**endpoints(simulator), **QUICK}
        self.application = Application.objects.register(None, "Concert Hall", key="hall")
        make_credentials(self.application, simulator)
        self._log = log

    def send(self, **message: Any) -> PushHistory:
        """Submit a push to everyone."""
        given = {"audience": {"everyone": True}, "title": "Doors open", **message}
        return push(self.application, **given)

    @contextmanager
    def worker(
        self, environment: dict[str, str] | None = None, **settings: Any
    ) -> Iterator[WorkerProcess]:
        """A worker that is ready, with ``settings`` over the rig's."""
        with worker_process({**self.settings, **settings}, environment) as process:
            yield process

    def accepted(self) -> int:
        """How many pushes the provider has accepted so far."""
        outcomes = self.simulator.status()["outcomes"]
        return sum(each["sent"] for name, each in outcomes.items() if name in ("apns", "fcm"))

    def deliveries(self) -> list[Delivery]:
        """The provider's whole log."""
        last = self.simulator.status()["last"]
        wait_until(lambda: self._log.read_bytes().count(b"\n") >= last)
        with self._log.open("rb") as lines:
            return [
                Delivery(row["time"], row["token"], row["outcome"], row["collapse_id"] or "")
                for row in map(orjson.loads, lines)
            ]

    def accepted_of(self, history: PushHistory) -> list[Delivery]:
        """What the provider accepted of one push; FCM's log does not tell pushes apart."""
        mine = {"", str(history.public_id)}
        return [each for each in self.deliveries() if each.outcome == "sent" and each.push in mine]

    def audit(self, history: PushHistory, *, answers_lost: bool = False) -> Audit:
        """Compare the ledger with the provider's log, device by device; raises AssertionError.

        ``answers_lost``: the provider accepted devices without ever being able to say so, which
        the ledger then calls "failed: no answer".
        """
        history.refresh_from_db()
        marks = read_ledger(history)
        check_totals(history, marks)
        addresses = dict(Installation.objects.values_list("pk", "address"))
        if history.state != State.CANCELLED:
            assert set(marks) == set(addresses), "not every device was planned"
        sent = {addresses[pk] for pk, mark in marks.items() if mark == Mark.SENT}
        accepted = Counter(each.token for each in self.accepted_of(history))
        assert not sent - set(accepted), f"{len(sent - set(accepted))} called sent were not"
        if not answers_lost:
            extra = set(accepted) - sent
            assert not extra, f"{len(extra)} were accepted, yet the report says {history.reasons}"
        return Audit(Counter(Mark(mark).name for mark in marks.values()), accepted)


def read_ledger(history: PushHistory) -> dict[int, int]:
    """The outcome of each device; no device may be in two batches, or have no final outcome."""
    marks: dict[int, int] = {}
    rows = history.batches.values_list("ids", "first_id", "size", "outcomes", "settled_at")
    for ids, first, size, outcomes, settled_at in rows:
        assert settled_at is not None, "a batch is not settled"
        for pk, mark in zip(unpack_ids(bytes(ids), first, size), bytes(outcomes), strict=True):
            assert pk not in marks, f"device {pk} is in two batches"
            marks[pk] = mark
    nameless = Counter(mark for mark in marks.values() if mark not in FINAL)
    assert not nameless, f"devices without a final outcome: {nameless}"
    return marks


def check_totals(history: PushHistory, marks: dict[int, int]) -> None:
    """The report says what the ledger says."""
    assert history.finished_at is not None
    assert history.open_batches == 0
    counts = Counter(marks.values())
    failed = sum(counts[mark] for mark in FAILURES)
    skipped = sum(counts[mark] for mark in SKIPPED)
    said = (history.devices, history.successes, history.failures, sum(history.skipped.values()))
    assert said == (len(marks) - skipped, counts[Mark.SENT], failed, skipped)
    assert history.delivery_failures.count() == failed


def fill(application: Application, number: int, platform: str = "ios", prefix: str = "") -> None:
    """Register ``number`` devices. By the row: the ORM would take 10 s for 100,000."""
    provider = {"ios": "apns", "android": "fcm"}[platform]
    model = Installation(application=application, device_type=platform, provider=provider)
    fields = Installation._meta.concrete_fields[1:]
    values = [each.get_db_prep_save(each.pre_save(model, True), connection) for each in fields]
    names = [each.column for each in fields]
    own = [names.index(name) for name in ("public_id", "address", "address_hash")]
    series = secrets.token_hex(4)

    def row(n: int) -> tuple[Any, ...]:
        token = f"{prefix}{n:0{64 - len(prefix)}x}"
        mine = list(values)
        for place, value in zip(
            own, (f"{series}{n:016x}", token, address_hash(token)), strict=True
        ):
            mine[place] = value
        return tuple(mine)

    _insert(names, [row(n) for n in range(1, number + 1)])


def _insert(names: list[str], rows: list[tuple[Any, ...]]) -> None:
    table = Installation._meta.db_table
    into = f"{table} ({', '.join(names)})"
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            places = ", ".join(["%s"] * len(names))
            cursor.executemany(f"INSERT INTO {into} VALUES ({places})", rows)
            return
        with cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for each in rows:
                copy.write_row(each)
        cursor.execute(f"ANALYZE {table}")


def is_over(history: PushHistory) -> bool:
    return PushHistory.objects.filter(pk=history.pk, finished_at__isnull=False).exists()


def finish(history: PushHistory, seconds: float = 120.0) -> float:
    """Wait until the push is over; how long it took, in seconds. A machine with other things to do
    needs several times what a free one needs."""
    started = time.monotonic()
    wait_until(lambda: is_over(history), seconds)
    return time.monotonic() - started
