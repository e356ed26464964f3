"""An audience as a sentence for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

__all__ = ["in_words"]


def in_words(given: Mapping[str, Any], segments: Mapping[str, str]) -> str:
    """The keys of an audience and what they hold; ``segments`` are names by key."""
    named = {name: value for name, value in given.items() if value and name in _WORDS}
    return "; ".join(_WORDS[name](value, segments) for name, value in named.items())


def _any(names: list[str]) -> str:
    return _(" or ").join(f"“{name}”" for name in names)


def _users(users: Any, _segments: object) -> str:
    return ngettext("%d user", "%d users", len(users)) % len(users)


def _installations(ids: Any, _segments: object) -> str:
    return ngettext("%d chosen device", "%d chosen devices", len(ids)) % len(ids)


def _lookups(lookups: Any, _segments: object) -> str:
    words = [_lookup(name, value) for name, value in lookups]
    return _("users with %s") % _(" and ").join(words)


def _lookup(name: str, value: Any) -> str:
    path = name.removeprefix("user__").replace("__", " ").replace("_", " ")
    values = value if isinstance(value, tuple) else (value,)
    return f"{path}: {', '.join(map(str, values))}"


_WORDS: dict[str, Callable[[Any, Mapping[str, str]], str]] = {
    "everyone": lambda _everyone, _segments: _("everyone"),
    "channels": lambda names, _segments: _("channel %s") % _any(names),
    "users": _users,
    "installations": _installations,
    "segments": lambda keys, segments: (
        _("segment %s") % _any([segments.get(key, key) for key in keys])
    ),
    "device_types": lambda names, _segments: _("on %s") % ", ".join(names),
    "where": lambda where, _segments: _("with %s") % where.in_words(),
    "lookups": _lookups,
    "exclude": lambda exclude, segments: _("but not: %s") % exclude.in_words(segments),
}
