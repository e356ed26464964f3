"""How a push stands, live or at its end: what the console and the API show."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q, Sum

from ..clock import clock
from ..conf import alias
from ..models import Credential, PushHistory, State
from ..zones import offset_name
from .local_time import wall_of
from .rows import batches, failures

__all__ = ["CredentialProgress", "Progress", "ReasonCount", "failure_reasons", "progress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialProgress:
    """The part of a push that goes through one credential."""

    credential: Credential | None
    provider: str
    devices: int
    successes: int
    failures: int
    paused: str = ""
    """Why its batches are paused; empty when they are not."""

    @property
    def out_of_reach(self) -> str:
        """Why nothing gets through while devices wait; empty when it does."""
        waits = self.devices > self.successes + self.failures and not self.paused
        down = self.credential is not None and self.credential.down_since is not None
        return self.credential.down_reason if self.credential and down and waits else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """``devices = successes + failures + open``, always."""

    state: State
    devices: int
    successes: int
    failures: int
    skipped: int
    skipped_reasons: dict[str, int]
    switched_off: int
    planned: bool
    """Whether ``devices`` is the whole audience, or planning still adds to it."""
    seconds: float
    """Since the push was due; until its end when it is over."""
    next_due: datetime | None = None
    """When the clocks of the next time zone show the time, while its devices wait for it."""
    next_zone: str = ""
    """How far those clocks are ahead, such as ``UTC+05:30``."""
    asleep: int = 0
    """Devices whose quiet hours are waited for."""
    wakes_at: datetime | None = None
    """When the first of these are over."""
    credentials: list[CredentialProgress] = field(default_factory=list)

    @property
    def open(self) -> int:
        return self.devices - self.successes - self.failures

    @property
    def percent(self) -> int:
        """0 to 100; 100 only when nothing is open and nothing is left to plan."""
        if self.state in {State.DONE, State.NOBODY}:
            return 100
        done = self.successes + self.failures + self.skipped
        total = self.devices + self.skipped
        return (
            min(done * 100 // total, 100 if self.planned and not self.open else 99) if total else 0
        )

    @property
    def speed(self) -> float:
        """Devices a second, over the whole time."""
        return (self.successes + self.failures) / self.seconds if self.seconds > 0 else 0.0

    @property
    def paused(self) -> list[tuple[Credential | None, str]]:
        return [(part.credential, part.paused) for part in self.credentials if part.paused]


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """Devices not reached for one reason."""

    provider: str
    status: str
    reason: str
    count: int
    switched_off: int


def progress(history: PushHistory) -> Progress:
    """Sums of the ledger, as of the last checkpoints."""
    rows = batches().filter(history=history)
    totals = rows.totals()
    now = clock(alias()).now()
    until = history.finished_at or now
    due, zone = _next_zone(history, now)
    asleep, wakes = _sleepers(history, now)
    return Progress(
        state=State(history.state),
        devices=totals["devices"],
        successes=totals["successes"],
        failures=totals["failures"],
        skipped=totals["skipped"],
        skipped_reasons=rows.reasons(),
        switched_off=totals["invalid"],
        planned=history.planned_at is not None,
        seconds=(until - _began(history)).total_seconds(),
        next_due=due,
        next_zone=zone,
        asleep=asleep,
        wakes_at=wakes,
        credentials=_by_credential(history),
    )


def _began(history: PushHistory) -> datetime:
    """The first clocks may show a time long before the application's own does."""
    return min(history.due_at, history.plan_started_at or history.due_at)


def _next_zone(history: PushHistory, now: datetime) -> tuple[datetime | None, str]:
    """The next moment at which devices get a push at their own clocks, and where."""
    if "local" not in history.content or history.finished_at is not None:
        return None, ""
    waiting = batches().filter(history=history, settled_at=None, due_at__gt=now)
    due = waiting.aggregate(due=Min("due_at"))["due"]
    if due is None:
        return None, ""
    return due, offset_name(wall_of(history.content), due)


def _sleepers(history: PushHistory, now: datetime) -> tuple[int, datetime | None]:
    """How many devices wait for the end of their quiet hours, and until when the first do."""
    if not history.late_batches or history.finished_at is not None:
        return 0, None
    waiting = batches().filter(history=history, settled_at=None, wakes_at__gt=now)
    found = waiting.aggregate(asleep=Sum("devices"), first=Min("wakes_at"))
    return found["asleep"] or 0, found["first"]


def _by_credential(history: PushHistory) -> list[CredentialProgress]:
    held = Q(claim_at=None, lease_owner="", settled_at=None) & ~Q(pause_reason="")
    rows = (
        batches()
        .filter(history=history, devices__gt=0)
        .values("credential", "provider")
        .annotate(
            all=Sum("devices"),
            sent=Sum("successes"),
            failed=Sum("failures"),
            held=Count("pk", held),
        )
        .order_by("credential")
    )
    found = list(rows)
    credentials = Credential.objects.using(alias()).in_bulk(
        [row["credential"] for row in found if row["credential"]]
    )
    return [_one(history, dict(row), credentials.get(row["credential"])) for row in found]


def _one(
    history: PushHistory, row: dict[str, Any], credential: Credential | None
) -> CredentialProgress:
    reason = ""
    if row["held"]:
        paused = batches().filter(history=history, credential=credential, settled_at=None)
        reasons = paused.exclude(pause_reason="").values_list("pause_reason", flat=True)
        reason = reasons.first() or ""  # resumed or purged since it was counted
    return CredentialProgress(
        credential=credential,
        provider=row["provider"],
        devices=row["all"],
        successes=row["sent"],
        failures=row["failed"],
        paused=reason,
    )


def failure_reasons(history: PushHistory) -> list[ReasonCount]:
    """Devices not reached, by the provider's reason, most first."""
    rows = failures().filter(history=history).values_list("provider", "status", "reason")
    counted = rows.annotate(number=Count("pk"), off=Count("pk", filter=Q(switched_off=True)))
    return [ReasonCount(*row) for row in counted.order_by("-number")]
