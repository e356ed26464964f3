"""What a row of the form is made of: fields, and the comparisons that each takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from ..words import PLATFORMS
from .clauses import (
    Clause,
    calendar_day,
    choices,
    days_ago,
    matching,
    numbered,
    one,
    said,
    several,
)

__all__ = ["ATTRIBUTES", "FIELDS", "KINDS", "Comparison", "Field", "Kind", "find_field"]

ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,6}")
"""A name, or a few with points between them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Between a field and what stands behind it."""

    name: str
    label: Any
    takes: str
    """Which control the value is typed into: ``value``, ``choice``, ``days``, ``date``, or none."""
    clause: Clause
    hint: Any = ""
    sentence: Any = ""
    """With a place for the value; by default the value stands after the label."""

    def words(self, value: str) -> str:
        """In a sentence."""
        if self.sentence:
            return str(self.sentence) % {"value": value}
        return f"{self.label} {value}" if value else str(self.label)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a field holds, and so how it can be compared."""

    name: str
    comparisons: tuple[Comparison, ...]

    def comparison(self, name: str) -> Comparison | None:
        return next((each for each in self.comparisons if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Field:
    """What a condition is about."""

    name: str
    """In the form; and in the ``where``, unless it is an attribute."""
    label: Any
    kind: Kind
    aliases: tuple[str, ...] = ()
    """Other names of it in a ``where``: Parse's."""
    named: bool = False
    """Whether people type which attribute they mean."""

    def path(self, attribute: str) -> str:
        """Its name in a ``where``."""
        return f"attributes.{attribute}" if self.named else self.name


_LIST = _("Separate several by commas.")

TEXT = Kind(
    "text",
    (
        Comparison("is", _("is"), "value", one()),
        Comparison("is_not", _("is not"), "value", one("$ne")),
        Comparison("one_of", _("is one of"), "value", several("$in"), _LIST),
        Comparison("none_of", _("is none of"), "value", several("$nin"), _LIST),
        Comparison("begins", _("begins with"), "value", matching("^", "")),
        Comparison("contains", _("contains"), "value", matching("", "")),
        Comparison("ends", _("ends with"), "value", matching("", "$")),
        Comparison("set", _("is known"), "", said(True, "$exists")),
        Comparison("unset", _("is not known"), "", said(False, "$exists")),
    ),
)
NUMBER = Kind(
    "number",
    (
        Comparison("equals", _("is"), "value", numbered()),
        Comparison("differs", _("is not"), "value", numbered("$ne")),
        Comparison("above", _("is more than"), "value", numbered("$gt")),
        Comparison("from", _("is at least"), "value", numbered("$gte")),
        Comparison("below", _("is less than"), "value", numbered("$lt")),
        Comparison("to", _("is at most"), "value", numbered("$lte")),
    ),
)
CHANNELS = Kind(
    "list",
    (
        Comparison("any_of", _("include any of"), "value", several("$in"), _LIST),
        Comparison("all_of", _("include all of"), "value", several("$all"), _LIST),
        Comparison("none_of", _("include none of"), "value", several("$nin"), _LIST),
    ),
)
PLATFORM = Kind(
    "choice",
    (
        Comparison("one_of", _("is"), "choice", choices("$in", PLATFORMS)),
        Comparison("none_of", _("is not"), "choice", choices("$nin", PLATFORMS)),
    ),
)
MOMENT = Kind(
    "moment",
    (
        Comparison(
            "within",
            _("in the last … days"),
            "days",
            days_ago("$gte"),
            sentence=_("in the last %(value)s days"),
        ),
        Comparison(
            "before_days",
            _("more than … days ago"),
            "days",
            days_ago("$lt"),
            sentence=_("more than %(value)s days ago"),
        ),
        Comparison("since", _("on or after"), "date", calendar_day("$gte")),
        Comparison("before", _("before"), "date", calendar_day("$lt")),
    ),
)
FLAG = Kind(
    "flag",
    (
        Comparison("yes", _("is yes"), "", said(True)),
        Comparison("no", _("is no"), "", said(False)),
    ),
)
KINDS = (TEXT, NUMBER, CHANNELS, PLATFORM, MOMENT, FLAG)

DEVICE = (
    Field("channels", _("Channels"), CHANNELS),
    Field("device_type", _("Platform"), PLATFORM, ("deviceType",)),
    Field("last_seen_at", _("Last seen"), MOMENT, ("lastSeenAt",)),
    Field("created_at", _("First registered"), MOMENT, ("createdAt",)),
    Field("locale", _("Language"), TEXT, ("localeIdentifier",)),
    Field("time_zone", _("Time zone"), TEXT, ("timeZone",)),
    Field("app_version", _("App version"), TEXT, ("appVersion",)),
    Field("app_identifier", _("App identifier"), TEXT, ("appIdentifier",)),
    Field("user_key", _("User id"), TEXT, ("user", "userId", "user_id")),
    Field("badge", _("Badge"), NUMBER),
    Field("device_profile", _("Device profile"), TEXT, ("deviceProfile",)),
)
ATTRIBUTES = (
    Field("attribute_text", _("Attribute: text"), TEXT, named=True),
    Field("attribute_number", _("Attribute: number"), NUMBER, named=True),
    Field("attribute_flag", _("Attribute: yes or no"), FLAG, named=True),
)
FIELDS: Mapping[str, Field] = {field.name: field for field in (*DEVICE, *ATTRIBUTES)}

_BY_PATH = {path: field for field in DEVICE for path in (field.name, *field.aliases)}


def find_field(path: str) -> tuple[tuple[Field, ...], str]:
    """The fields that a name in a ``where`` may be, and the attribute that is meant."""
    attribute = path.removeprefix("attributes.")
    if attribute != path:
        return (ATTRIBUTES, attribute) if ATTRIBUTE_NAME.fullmatch(attribute) else ((), "")
    field = _BY_PATH.get(path)
    return ((field,), "") if field else ((), "")
