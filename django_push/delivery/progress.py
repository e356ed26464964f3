"""How a push stands, live or at its end: what the console and the API show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, Sum

from ..clock import clock
from ..conf import alias
from ..models import Credential, PushHistory, State
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
    until = history.finished_at or clock(alias()).now()
    return Progress(
        state=State(history.state),
        devices=totals["devices"],
        successes=totals["successes"],
        failures=totals["failures"],
        skipped=totals["skipped"],
        skipped_reasons=rows.reasons(),
        switched_off=totals["invalid"],
        planned=history.planned_at is not None,
        seconds=(until - history.due_at).total_seconds(),
        credentials=_by_credential(history),
    )


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
        reason = paused.exclude(pause_reason="").values_list("pause_reason", flat=True)[0]
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
