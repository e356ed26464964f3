"""One comparison, from what people typed to the JSON of a ``where``, and back.

A pair of functions for each: ``write`` raises :class:`Unwritable` for what cannot be meant;
``read`` is ``None`` for JSON that is another comparison, or that no row of the form shows whole.
What one writes the other reads, letter by letter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

__all__ = [
    "Clause",
    "Unwritable",
    "as_list",
    "calendar_day",
    "choices",
    "days_ago",
    "items",
    "matching",
    "number",
    "numbered",
    "one",
    "said",
    "several",
    "text",
]

LONGEST = 191
"""Characters of a value: what the columns hold."""
MOST_ITEMS = 200
"""Values in one row."""
MOST_DAYS = 36_500


class Unwritable(ValueError):
    """What was typed cannot be meant; ``str()`` tells people why."""


class Clause(NamedTuple):
    """How one comparison is written and read."""

    write: Callable[[str], Any]
    read: Callable[[Any], str | None]


def items(value: str) -> list[str]:
    """A list that people type, separated by commas or lines; each once, in their order."""
    parts = (part.strip() for part in re.split(r"[,\n]", value))
    return list(dict.fromkeys(part for part in parts if part))


def as_list(values: Iterable[str]) -> str:
    """What :func:`items` reads."""
    return ", ".join(values)


def text(value: str) -> str:
    """A text that a column can hold."""
    value = value.strip()
    if not value:
        raise Unwritable(_("Give a value."))
    if len(value) > LONGEST:
        raise Unwritable(_("At most %d characters.") % LONGEST)
    return value


def number(value: str) -> int | float:
    """A number, with a point for the fraction as in JSON."""
    value = text(value)
    try:
        found: int | float = int(value) if re.fullmatch(r"-?[0-9]{1,15}", value) else float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise Unwritable(_("“%s” is no number. Write it as 5 or 2.5.") % value)
    return int(found) if found == int(found) and abs(found) < 10**15 else found


def _is_text(value: object) -> bool:
    """Whether a row of the form gives it back as it is."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= LONGEST
        and value == value.strip()
        and value.isprintable()
    )


def _only(value: object, operator: str) -> Any:
    """What stands behind ``operator``, if nothing else does."""
    if isinstance(value, dict) and set(value) == {operator}:
        return value[operator]
    return None


def _plain(value: object) -> Any:
    """A value that must be equal, in both spellings."""
    return _only(value, "$eq") if isinstance(value, dict) else value


def one(operator: str = "") -> Clause:
    """Equal to a text; with ``$ne`` not so."""

    def write(value: str) -> Any:
        return {operator: text(value)} if operator else text(value)

    def read(value: Any) -> str | None:
        found = _only(value, operator) if operator else _plain(value)
        return found if _is_text(found) else None

    return Clause(write, read)


def several(operator: str) -> Clause:
    """A list: ``$in``, ``$nin`` or ``$all``."""

    def write(value: str) -> Any:
        found = items(value)
        if not found:
            raise Unwritable(_("Give one or more values, separated by commas."))
        if len(found) > MOST_ITEMS:
            raise Unwritable(
                _("At most %d values: subscribe the devices to a channel instead.") % MOST_ITEMS
            )
        return {operator: [text(item) for item in found]}

    def read(value: Any) -> str | None:
        found = _only(value, operator)
        if not isinstance(found, list) or not 0 < len(found) <= MOST_ITEMS:
            return None
        if not all(_is_text(item) and "," not in item for item in found):
            return None
        return as_list(found)

    return Clause(write, read)


def choices(operator: str, known: Iterable[str]) -> Clause:
    """Some of a few words, always written in the order of ``known``; ``$in`` or ``$nin``."""
    order = tuple(known)
    listed = several(operator)

    def write(value: str) -> Any:
        chosen = set(items(value))
        return listed.write(as_list(name for name in order if name in chosen))

    def read(value: Any) -> str | None:
        single = _plain(value)
        if operator == "$in" and isinstance(single, str):
            value = {operator: [single]}
        found = listed.read(value)
        chosen = set(items(found or ""))
        if not chosen or not chosen <= set(order):
            return None
        return as_list(name for name in order if name in chosen)

    return Clause(write, read)


def matching(before: str, after: str) -> Clause:
    r"""A part of a text: a literal in ``\Q…\E``, as Parse's SDKs write it."""

    def write(value: str) -> Any:
        literal = text(value).replace(r"\E", r"\E\\E\Q")
        return {"$regex": rf"{before}\Q{literal}\E{after}"}

    def read(value: Any) -> str | None:
        pattern = _only(value, "$regex")
        start, end = rf"{before}\Q", rf"\E{after}"
        if not isinstance(pattern, str) or len(pattern) < len(start) + len(end):
            return None
        if not (pattern.startswith(start) and pattern.endswith(end)):
            return None
        found = pattern[len(start) : len(pattern) - len(end)].replace(r"\E\\E\Q", r"\E")
        return found if _is_text(found) and write(found) == value else None

    return Clause(write, read)


def said(value: object, operator: str = "") -> Clause:
    """A fixed value: true, false, or whether there is any (``$exists``). Nothing is typed."""

    def write(_typed: str) -> Any:
        return {operator: value} if operator else value

    def read(found: Any) -> str | None:
        return "" if (_only(found, operator) if operator else _plain(found)) is value else None

    return Clause(write, read)


def numbered(operator: str = "") -> Clause:
    """Compared with a number."""

    def write(value: str) -> Any:
        return {operator: number(value)} if operator else number(value)

    def read(value: Any) -> str | None:
        found = _only(value, operator) if operator else _plain(value)
        if type(found) not in (int, float):
            return None
        return str(found) if number(str(found)) == found else None

    return Clause(write, read)


def days_ago(operator: str) -> Clause:
    """Compared with the moment some days ago, whenever it is asked (Parse's ``$relativeTime``)."""

    def write(value: str) -> Any:
        days = text(value)
        if not re.fullmatch(r"[0-9]{1,5}", days) or not 0 < int(days) <= MOST_DAYS:
            raise Unwritable(_("Give a whole number of days, 1 to %d.") % MOST_DAYS)
        return {operator: {"$relativeTime": f"{int(days)} days ago"}}

    def read(value: Any) -> str | None:
        moment = _only(_only(value, operator), "$relativeTime")
        found = re.fullmatch(r"([1-9][0-9]{0,4}) days? ago", str(moment))
        return found[1] if found and int(found[1]) <= MOST_DAYS else None

    return Clause(write, read)


def calendar_day(operator: str) -> Clause:
    """Compared with the beginning of a day, by UTC."""

    def write(value: str) -> Any:
        try:
            day = date.fromisoformat(text(value))
        except ValueError:
            raise Unwritable(_("Give a day, such as 2027-01-12.")) from None
        if not 1970 <= day.year < 9000:
            raise Unwritable(_("Give a day of this age."))
        return {operator: {"__type": "Date", "iso": f"{day.isoformat()}T00:00:00.000Z"}}

    def read(value: Any) -> str | None:
        moment = _only(value, operator)
        iso = moment.get("iso") if isinstance(moment, dict) else None
        found = re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T00:00:00\.000Z", str(iso))
        try:
            return found[1] if found and write(found[1]) == value else None
        except Unwritable:
            return None

    return Clause(write, read)
