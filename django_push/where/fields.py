"""Which fields a where may name, and what each is in the database.

The table is passed in by whoever knows the model; what it does not name is a path into its JSON
column, as Parse Server keeps whatever field an app invents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = ["Field", "FieldTable", "Kind", "Place"]

MAX_KEYS = 8
"""Steps of a path such as ``prefs.news.daily``."""
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Kind(Enum):
    """What a field holds, and so how it is compared."""

    TEXT = "text"
    """An empty text, or NULL, is an absent field."""
    NUMBER = "number"
    WHOLE = "whole number"
    FLAG = "flag"
    DATE = "date"
    USER = "user"
    """A text that is seen only where ``proof`` holds, or where claims are trusted."""
    TOKEN = "token"  # noqa: S105  (the name of a kind)
    """Secret: compared as a whole, through the hash in ``column``."""
    POINT = "point"
    """``column`` is the latitude, ``second`` the longitude, in degrees."""
    CHANNELS = "channels"
    """An array: ``column`` of the rows that refer to a device by ``relation``."""
    JSON = "json"
    """An object of free content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the documents that a where is about."""

    name: str
    """As it is shown to people."""
    kind: Kind
    column: str
    second: str = ""
    proof: str = ""
    relation: str = ""
    digests: Callable[[str], Sequence[str]] | None = None
    """The hashes under which a token may be stored."""


@dataclass(frozen=True, slots=True)
class Place:
    """A field, and where inside it; ``keys`` are empty but for JSON."""

    field: Field
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join(self.keys) if self.field.kind is Kind.JSON else self.field.name


class FieldTable:
    """Fields by name. Names that it does not have are paths into ``free``."""

    def __init__(self, fields: Sequence[tuple[Field, Sequence[str]]], free: Field) -> None:
        self._named = {name: field for field, names in fields for name in (field.name, *names)}
        self._free = free

    @property
    def names(self) -> list[str]:
        """All names, without those of the free fields."""
        return sorted(self._named)

    def find(self, name: str) -> Place | None:
        """The place that ``name`` means; ``None`` when no field can have it."""
        if name in self._named:
            return Place(self._named[name])
        keys = name.split(".")
        if keys[0] == self._free.name:
            del keys[0]
        elif keys[0] in self._named:
            return None  # a column has no parts
        if not 0 < len(keys) <= MAX_KEYS or not all(map(_KEY.fullmatch, keys)):
            return None
        return Place(self._free, tuple(keys))
