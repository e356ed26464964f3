"""What became of the rows of an import."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .rows import Refused

__all__ = ["LISTED", "Report"]

LISTED = 1000
"""Refused rows that are listed one by one; all are counted by reason."""


@dataclass(slots=True)
class Report:
    """Counts of one import. ``read`` is the sum of the four that follow it."""

    read: int = 0
    created: int = 0
    merged: int = 0
    """Devices that were here, and of which the source knew something newer."""
    unchanged: int = 0
    """Devices of which the source knew nothing newer."""
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    refusals: list[Refused] = field(default_factory=list)
    """The first :data:`LISTED`."""
    notes: Counter[str] = field(default_factory=Counter)
    """What was left out of rows, or done otherwise."""
    seconds: float = 0.0
    dry_run: bool = False
    complete: bool = False
    """Whether the source was read to its end."""
    problem: str = ""
    """Why not."""

    def refuse(self, refused: Refused) -> None:
        self.refused += 1
        self.reasons[refused.reason] += 1
        if len(self.refusals) < LISTED:
            self.refusals.append(refused)

    def as_dict(self) -> dict[str, Any]:
        """For a file of JSON."""
        return {
            "read": self.read,
            "created": self.created,
            "merged": self.merged,
            "unchanged": self.unchanged,
            "refused": self.refused,
            "refused_by_reason": dict(self.reasons.most_common()),
            "refused_rows": [refusal._asdict() for refusal in self.refusals],
            "notes": dict(self.notes.most_common()),
            "seconds": round(self.seconds, 3),
            "dry_run": self.dry_run,
            "complete": self.complete,
            "problem": self.problem,
        }
