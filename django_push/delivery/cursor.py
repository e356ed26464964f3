"""The place of a plan, kept in the push's row: who takes it over goes on from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .partition import Part

__all__ = ["Cursor"]


@dataclass(slots=True)
class Cursor:
    """Where planning stands; JSON in ``PushHistory.plan_cursor``."""

    parts: list[Part]
    part: int = 0
    after: int = 0
    seq: int = 0
    window: int = 0
    """How many primary keys the next read spans; 0: as many as it wants rows."""
    ends_at: int = 0
    """The highest id when planning began: who registers later is not in this push."""
    zone: int = 0
    """Which of the push's time zones, when it has any."""
    zone_seq: int = 0
    """The first batch of this zone."""

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Cursor:
        return cls(**{**value, "parts": [Part(*part) for part in value["parts"]]})

    def to_json(self) -> dict[str, Any]:
        return {
            "parts": [part.to_json() for part in self.parts],
            "part": self.part,
            "after": self.after,
            "seq": self.seq,
            "window": self.window,
            "ends_at": self.ends_at,
            "zone": self.zone,
            "zone_seq": self.zone_seq,
        }

    def next_part(self) -> None:
        self.part, self.after, self.window = self.part + 1, 0, 0

    def is_over(self, zones: int) -> bool:
        """Whether nothing is left of ``zones`` time zones; moves on to the next."""
        if self.part < len(self.parts):
            return False
        if self.zone + 1 >= zones:
            return True
        self.zone, self.part, self.zone_seq = self.zone + 1, 0, self.seq
        return False
