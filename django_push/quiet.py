"""Quiet hours: when they hold on some clock, and the moment at which they are over.

As :mod:`.zones`, everything is about wall times, and the moments (in UTC) at which the clocks of a
zone show them.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import NamedTuple, Self

from .zones import moment_of, wall_in

__all__ = ["DAY", "Hours"]

DAY = 24 * 60
"""Minutes."""
TOGETHER = timedelta(minutes=15)
"""Devices wake up by the quarter of an hour: each moment costs a batch."""


class Hours(NamedTuple):
    """Quiet hours of every day, such as from 22:00 until 07:00. From and until alike: none."""

    starts: int
    """Minutes since midnight, 0 to 1,439."""
    ends: int
    """The same: the first minute that is not quiet."""

    @classmethod
    def between(cls, starts: time, ends: time) -> Self:
        """Seconds are left out."""
        return cls(starts.hour * 60 + starts.minute, ends.hour * 60 + ends.minute)

    @classmethod
    def unpack(cls, span: int) -> Self:
        return cls(*divmod(span, DAY))

    @property
    def span(self) -> int:
        """Both in one number, as a column holds them."""
        return self.starts * DAY + self.ends

    @property
    def is_none(self) -> bool:
        return self.starts == self.ends

    def in_words(self) -> tuple[str, str]:
        """``("22:00", "07:00")``."""
        starts, ends = divmod(self.starts, 60), divmod(self.ends, 60)
        return f"{starts[0]:02d}:{starts[1]:02d}", f"{ends[0]:02d}:{ends[1]:02d}"

    def hold_at(self, minute: int) -> bool:
        """Whether they hold in this minute of the day."""
        if self.starts <= self.ends:
            return self.starts <= minute < self.ends
        return minute >= self.starts or minute < self.ends

    def over(self, moment: datetime, zone: tzinfo) -> datetime | None:
        """When the hours that hold at ``moment`` on the clocks of ``zone`` are over, in UTC.

        ``None`` when they do not hold. An end that the clocks skip is the moment at which they
        jump; one that they show twice is the first that is still to come.
        """
        wall = wall_in(moment, zone)
        if not self.hold_at(wall.hour * 60 + wall.minute):
            return None
        end = wall.replace(hour=self.ends // 60, minute=self.ends % 60, second=0, microsecond=0)
        if end <= wall:
            end += timedelta(days=1)
        first = moment_of(end, zone)
        return first if first > moment else end.replace(tzinfo=zone, fold=1).astimezone(UTC)

    def wakes_at(self, moment: datetime, zone: tzinfo) -> datetime | None:
        """:meth:`over`, put off to the next quarter of an hour unless it is quiet again then."""
        over = self.over(moment, zone)
        if over is None:
            return None
        rest = (over - datetime(1970, 1, 1, tzinfo=UTC)) % TOGETHER
        quarter = over + TOGETHER - rest if rest else over
        return over if self.over(quarter, zone) else quarter
