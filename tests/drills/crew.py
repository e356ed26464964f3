"""Workers that are killed and replaced."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from django.db.models import Max

from django_push.delivery.ledger import open_positions, unpack_ids
from django_push.models import PushHistory
from tests.support.processes import WorkerProcess

__all__ = ["Crew", "Kill"]


@dataclass(frozen=True, slots=True)
class Kill:
    """A worker's end by SIGKILL, and what the ledger did not know of its work."""

    at: float
    """Seconds since the epoch."""
    planning: bool
    """It was planning the push."""
    open: frozenset[int]
    """Devices of its batches without a final outcome."""
    crashes: int
    """The most claims without a checkpoint that one of its batches has had."""


class Crew:
    """So many workers, always: who is killed is replaced at once."""

    def __init__(self, settings: Mapping[str, Any], size: int) -> None:
        self._settings = settings
        self.workers = [WorkerProcess(settings) for _ in range(size)]

    def __enter__(self) -> Crew:
        for worker in self.workers:
            worker.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType
    ) -> None:
        for worker in self.workers:
            if error is not None:
                print(f"--- worker {worker.pid} said:\n{worker.output[-4000:]}")
            worker.end()

    def senders(self, history: PushHistory) -> list[WorkerProcess]:
        """Who has batches of the push now."""
        held = history.batches.exclude(lease_owner="").values_list("lease_owner", flat=True)
        owners = "".join(held.distinct())
        return [worker for worker in self.workers if f":{worker.pid}:" in owners]

    def planner(self, history: PushHistory) -> WorkerProcess | None:
        """Who is planning the push now."""
        plan = PushHistory.objects.values_list("plan_owner", "planned_at").get(pk=history.pk)
        owner, planned_at = plan
        if planned_at is None:
            for worker in self.workers:
                if f":{worker.pid}:" in owner:
                    return worker
        return None

    def kill(self, worker: WorkerProcess, history: PushHistory) -> Kill:
        """SIGKILL; a new worker starts in its place."""
        worker.kill()
        worker.wait()
        at, planning = time.time(), self.planner(history) is worker
        held = history.batches.filter(lease_owner__contains=f":{worker.pid}:", settled_at=None)
        unknown: set[int] = set()
        crashes = held.aggregate(most=Max("crashes"))["most"] or 0
        for ids, first, size, outcomes in held.values_list("ids", "first_id", "size", "outcomes"):
            devices = unpack_ids(bytes(ids), first, size)
            unknown.update(devices[position] for position in open_positions(bytes(outcomes)))
        worker.end()
        self.workers[self.workers.index(worker)] = WorkerProcess(self._settings)
        return Kill(at, planning, frozenset(unknown), crashes)
