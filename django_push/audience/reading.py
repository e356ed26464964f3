"""Reading the values of an audience's keys. Each function raises
:class:`~django_push.exceptions.InvalidPush` with the path ``at`` of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from ..conf import push_settings
from ..exceptions import InvalidPush
from ..installation_fields import INSTALLATION_FIELDS
from ..where import Where, parse

__all__ = [
    "MAX_ITEMS",
    "check_lookups",
    "read_everyone",
    "read_list",
    "read_lookups",
    "read_segments",
    "read_where",
]

MAX_ITEMS = 10_000
"""Items in one list; more is a segment or a channel, not a list."""
_BEYOND = 2**63
"""No column holds such a number, and some databases say so by an error."""
MAX_SEGMENTS = 20
"""Segments in one audience: each is a condition of its own in one query."""


def read_everyone(value: object, at: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidPush(_("everyone must be true."), code="wrong_type", field="audience")
    return value


def read_list(value: object, at: str, *, limit: int = MAX_ITEMS) -> tuple[str, ...]:
    name = at.removeprefix("audience.")
    if not isinstance(value, Sequence) or isinstance(value, str):
        text = _("%(name)s must be a list.") % {"name": name}
        raise InvalidPush(text, code="wrong_type", field=at)
    if len(value) > limit:
        text = _(
            "%(name)s lists %(count)d items; at most %(limit)d are allowed. "
            "Subscribe the devices to a channel instead."
        )
        counted = {"name": name, "count": len(value), "limit": limit}
        raise InvalidPush(text % counted, code="too_many_items", field=at)
    items = [str(item) if type(item) is int else item for item in value]
    for item in items:
        if not isinstance(item, str) or not item or len(item) > 191 or "\x00" in item:
            text = _("%(name)s must hold texts of 1 to 191 characters.") % {"name": name}
            raise InvalidPush(text, code="wrong_type", field=at)
    if not items:
        text = _("%(name)s is empty: nobody would get this push.") % {"name": name}
        raise InvalidPush(text, code="empty_audience", field=at)
    return tuple(dict.fromkeys(items))


def read_segments(value: object, at: str) -> tuple[str, ...]:
    return read_list(value, at, limit=MAX_SEGMENTS)


def read_where(value: object, at: str) -> Where:
    return parse(value, INSTALLATION_FIELDS, at=at)


def read_lookups(value: object, at: str) -> tuple[tuple[str, Any], ...]:
    if not isinstance(value, Mapping) or not value:
        text = _('lookups is an object such as {"user__is_staff": true}.')
        raise InvalidPush(text, code="wrong_type", field=at)
    return tuple((str(name), _read_lookup(item, at)) for name, item in value.items())


def _read_lookup(value: object, at: str) -> Any:
    if isinstance(value, list | tuple) and 0 < len(value) <= MAX_ITEMS:
        return tuple(_read_lookup_value(item, at) for item in value)
    return _read_lookup_value(value, at)


def _read_lookup_value(value: object, at: str) -> str | int | float | bool:
    is_number = isinstance(value, int | float) and -_BEYOND < value < _BEYOND
    if is_number or (isinstance(value, str) and "\x00" not in value):
        # True of what ``is_number`` says, which mypy does not follow.
        return value  # type: ignore[return-value]
    text = _("A lookup compares with a text, a number, true or false, or a list of them.")
    raise InvalidPush(text, code="wrong_type", field=at)


def check_lookups(lookups: Sequence[tuple[str, Any]]) -> None:
    """Refuse what ``AUDIENCE_LOOKUPS`` does not allow."""
    allowed = list(push_settings.AUDIENCE_LOOKUPS)
    for name, _value in lookups:
        if name in allowed:
            continue
        text = _("The lookup “%(name)s” is not allowed. Allowed are: %(known)s.")
        known = ", ".join(allowed) or _('none; DJANGO_PUSH["AUDIENCE_LOOKUPS"] lists them')
        raise InvalidPush(
            text % {"name": name[:64], "known": known},
            code="lookup_not_allowed",
            field=f"audience.lookups.{name[:64]}",
        )
