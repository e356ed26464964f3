"""Repeated pushes: the rules of RFC 5545, checked, evaluated by a clock, and said in words.

``FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0`` is every Monday at nine. A rule works on wall times:
nine o'clock stays nine o'clock when the clocks change. python-dateutil evaluates it; what is here
keeps that within bounds, and tells people which part of a rule is wrong.

https://www.rfc-editor.org/rfc/rfc5545#section-3.3.10
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta, tzinfo
from typing import Any, Self

from dateutil import rrule as dateutil
from django.utils.translation import gettext as _

from .exceptions import InvalidPush
from .zones import moment_of, wall_in

__all__ = ["FREQUENCIES", "WEEKDAYS", "Recurrence"]

FREQUENCIES = ("MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
"""No SECONDLY: a push a minute is the most."""
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_CODES = {name: getattr(dateutil, name) for name in FREQUENCIES}
_DAYS = {name: getattr(dateutil, name) for name in WEEKDAYS}
_STEPS = {
    "MINUTELY": timedelta(minutes=1),
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
}
"""Frequencies whose steps all have one length."""
_WITHIN_A_DAY = ("MINUTELY", "HOURLY")
MOST = 9_999
"""The highest COUNT and INTERVAL."""
LONGEST = 255
"""Characters of a rule: what its column holds."""
DAYS_IN_MONTH = 5
"""As often as a month has the same day of the week, at most."""
CYCLE, LAST_YEAR = 400, 9899
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")


def _wrong(part: str, problem: str, code: str = "wrong_rule") -> InvalidPush:
    text = _("The repetition cannot be used: %(part)s %(problem)s.")
    return InvalidPush(text % {"part": part, "problem": problem}, code=code, field="recurrence")


def _number(low: int, high: int, *, signed: bool = False) -> Callable[[str, str], int]:
    def read(part: str, value: str) -> int:
        digits = value.lstrip("+-") if signed else value
        if digits.isascii() and digits.isdigit() and len(digits) <= 4:
            found = int(value)
            if low <= abs(found) <= high:
                return found
        limits = (
            _("must be %(low)d to %(high)d")
            if not signed
            else _("must be %(low)d to %(high)d, or the same with a minus to count from the end")
        )
        raise _wrong(part, limits % {"low": low, "high": high})

    return read


def _several(read: Callable[[str, str], Any]) -> Callable[[str, str], tuple[Any, ...]]:
    def read_all(part: str, value: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(read(part, item) for item in value.split(",")))

    return read_all


def _one_of(choices: tuple[str, ...]) -> Callable[[str, str], str]:
    def read(part: str, value: str) -> str:
        if value not in choices:
            raise _wrong(part, _("must be one of %s") % ", ".join(choices))
        return value

    return read


def _day(part: str, value: str) -> tuple[int, str]:
    """``-1FR`` as its place (0 for every one) and its day."""
    found = _DAY.fullmatch(value)
    place = int(found[1] or 0) if found else 0
    if not found or abs(place) > 53 or (found[1] and not place):
        raise _wrong(part, _("must list days such as MO,TU or 1MO,-1FR"))
    return place, found[2]


def _until(part: str, value: str) -> str:
    found = _UNTIL.fullmatch(value)
    try:
        if found:
            ends = datetime.strptime(found[1] + (found[2] or "000000"), "%Y%m%d%H%M%S")
            if 1970 <= ends.year < 3000:  # years at either end of time overflow in other zones
                return value
    except ValueError:
        pass
    raise _wrong(part, _("must be a day or a moment such as 20271231 or 20271231T220000Z"))


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    "FREQ": _one_of(FREQUENCIES),
    "INTERVAL": _number(1, MOST),
    "COUNT": _number(1, MOST),
    "UNTIL": _until,
    "BYMONTH": _several(_number(1, 12)),
    "BYMONTHDAY": _several(_number(1, 31, signed=True)),
    "BYDAY": _several(_day),
    "BYHOUR": _several(_number(0, 23)),
    "BYMINUTE": _several(_number(0, 59)),
    "BYSETPOS": _several(_number(1, 366, signed=True)),
    "WKST": _one_of(WEEKDAYS),
}


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule that was read; ``parts`` by their names."""

    text: str
    parts: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a rule, with ``RRULE:`` before it or not.

        Raises :class:`~django_push.exceptions.InvalidPush`, which names the part that is wrong.
        """
        rule = text.strip().upper().removeprefix("RRULE:")
        if len(rule) > LONGEST:
            raise _wrong(rule[:16] + "…", _("is longer than %d characters") % LONGEST)
        parts: dict[str, Any] = {}
        for item in rule.split(";"):
            name, _equals, value = item.partition("=")
            if name not in _READERS:
                known = ", ".join(_READERS)
                raise _wrong(name[:32] or "“”", _("is not known here. Known are %s") % known)
            if name in parts:
                raise _wrong(name, _("is there twice"))
            parts[name] = _READERS[name](name, value)
        _check_together(parts)
        return cls(rule, parts)

    @property
    def frequency(self) -> str:
        found: str = self.parts["FREQ"]
        return found

    @property
    def interval(self) -> int:
        found: int = self.parts.get("INTERVAL", 1)
        return found

    @property
    def is_daily_at_most(self) -> bool:
        """Whether it comes once a day or less often."""
        times = len(self.parts.get("BYHOUR", "1")) * len(self.parts.get("BYMINUTE", "1"))
        return self.frequency not in {"MINUTELY", "HOURLY"} and times == 1

    def moments(self, start: datetime, zone: tzinfo, after: datetime) -> Iterator[datetime]:
        """When it comes, in UTC: in order, each once, all later than ``after``.

        ``start`` (naive) is the wall time in ``zone`` from which on the rule counts.
        """
        start = start.replace(second=0, microsecond=0)
        from_wall = wall_in(after, zone) - timedelta(days=1)
        start = self._skip(start, from_wall)
        if self.frequency in _WITHIN_A_DAY:
            day = self._first_day(max(start, from_wall))
            if day is None:
                return
            start = self._skip(start, day)
        away = _cycles_away(start)
        last = after
        for wall in self._walls(_shift(start, away), zone, away):
            moment = moment_of(_shift(wall, -away), zone)
            if moment > last:
                last = moment
                yield moment

    def _first_day(self, wall: datetime) -> datetime | None:
        """The first day from ``wall`` on that the rule allows; ``None``: there is none.

        Minute by minute a day in February that never comes takes dateutil a minute of work.
        """
        parts = self.parts
        begins = wall.replace(hour=0, minute=0)
        away = _cycles_away(begins)
        days = dateutil.rrule(
            dateutil.DAILY,
            dtstart=_shift(begins, away),
            bymonth=parts.get("BYMONTH"),
            bymonthday=parts.get("BYMONTHDAY"),
            byweekday=[_DAYS[day] for _place, day in parts.get("BYDAY", ())] or None,
        )
        first = next(iter(days), None)
        return None if first is None else _shift(first, -away)

    def _skip(self, start: datetime, wall: datetime) -> datetime:
        """A later start that gives the same times from ``wall`` on: a rule that runs for years
        is not evaluated from its first day. One with a COUNT has to be."""
        step = _STEPS.get(self.frequency)
        if step is None or "COUNT" in self.parts or wall <= start:
            return start
        whole = step * self.interval
        return start + whole * ((wall - start) // whole)

    def _walls(self, start: datetime, zone: tzinfo, away: int) -> Iterator[datetime]:
        try:
            yield from self._rule(start, zone, away)
        except ValueError:  # such as every 24 hours, and only at an hour that never comes
            # dateutil knows it when the rule is made, or when the first time is asked for.
            raise _wrong(self.text, _("never comes"), "never") from None

    def _rule(self, start: datetime, zone: tzinfo, away: int) -> dateutil.rrule:
        parts = self.parts
        days = [_DAYS[day](place) if place else _DAYS[day] for place, day in parts.get("BYDAY", ())]
        ends = self.last_day(zone)
        if ends is not None and ends.year + CYCLE * away > MAXYEAR:
            ends = None  # centuries from now
        return dateutil.rrule(
            _CODES[self.frequency],
            dtstart=start,
            interval=self.interval,
            count=parts.get("COUNT"),
            until=_shift(ends, away) if ends else None,
            bymonth=parts.get("BYMONTH"),
            bymonthday=parts.get("BYMONTHDAY"),
            byweekday=days or None,
            byhour=parts.get("BYHOUR"),
            byminute=parts.get("BYMINUTE"),
            bysetpos=parts.get("BYSETPOS"),
            wkst=_DAYS[parts.get("WKST", "MO")],
        )

    def last_day(self, zone: tzinfo) -> datetime | None:
        """UNTIL as a wall time in ``zone``: a day is meant as a whole."""
        value = self.parts.get("UNTIL")
        if value is None:
            return None
        if "T" not in value:
            return datetime.strptime(value + "235959", "%Y%m%d%H%M%S")
        wall = datetime.strptime(value.removesuffix("Z"), "%Y%m%dT%H%M%S")
        return wall_in(wall.replace(tzinfo=UTC), zone) if value.endswith("Z") else wall


def _cycles_away(start: datetime) -> int:
    """How many times 400 years later the rule is evaluated.

    The calendar repeats itself after 400 years, weekdays and all. dateutil looks for the next
    time until the year 9999: for a rule that never comes, 8,000 years of days. Close to the end
    of time it stops after a few hundred.
    """
    return (LAST_YEAR - start.year) // CYCLE


def _shift(wall: datetime, cycles: int) -> datetime:
    return wall.replace(year=wall.year + CYCLE * cycles)


def _check_together(parts: Mapping[str, Any]) -> None:
    """What the parts say about each other."""
    if "FREQ" not in parts:
        raise _wrong("FREQ", _("is missing: how often it comes"))
    if "COUNT" in parts and "UNTIL" in parts:
        raise _wrong("COUNT", _("cannot stand beside UNTIL"))
    if parts["FREQ"] == "WEEKLY" and "BYMONTHDAY" in parts:
        raise _wrong("BYMONTHDAY", _("cannot stand in a weekly rule"))
    _check_places(parts)
    _check_choice(parts)


def _check_places(parts: Mapping[str, Any]) -> None:
    """No month has a sixth Monday; dateutil fails on one in December."""
    last = max((abs(place) for place, _name in parts.get("BYDAY", ())), default=0)
    if last and parts["FREQ"] not in {"MONTHLY", "YEARLY"}:
        raise _wrong("BYDAY", _("may count days, as in 1MO, only in a month or a year"))
    if last > DAYS_IN_MONTH and (parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts):
        raise _wrong("BYDAY", _("counts to 5 at most in a month"))


def _check_choice(parts: Mapping[str, Any]) -> None:
    """BYSETPOS chooses from the times of one step. Where there are fewer it never comes, which
    dateutil finds out step by step, for centuries."""
    chosen = max(map(abs, parts.get("BYSETPOS", ())), default=0)
    narrowing = {name for name in parts if name.startswith("BY")} - {"BYSETPOS"}
    if chosen and not narrowing:
        raise _wrong("BYSETPOS", _("needs another BY… part to choose from"))
    minutes = len(parts.get("BYMINUTE", "1"))
    hours = len(parts.get("BYHOUR", "1"))
    times = {"MINUTELY": 1, "HOURLY": minutes, "DAILY": hours * minutes}.get(parts["FREQ"])
    if times and chosen > times:
        text = _("cannot choose number %(chosen)d: there are %(times)d")
        raise _wrong("BYSETPOS", text % {"chosen": chosen, "times": times})
