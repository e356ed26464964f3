"""Audiences as values: read from JSON, written as JSON, said in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from django.utils.translation import gettext as _

from ..exceptions import InvalidPush
from ..installation_fields import names_users
from ..where import Where
from . import reading
from .words import in_words

__all__ = ["Audience", "Definition", "Exclusion", "names_people"]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a segment is."""

    name: str
    audience: Audience


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """What an audience and an exclusion have in common."""

    channels: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    """User ids as text: the primary key of a user of this project, or the client's own id."""
    installations: tuple[str, ...] = ()
    """Public ids."""
    segments: tuple[str, ...] = ()
    """Keys of saved audiences."""
    where: Where | None = None
    """A condition on the devices themselves: see :mod:`django_push.where`."""

    @classmethod
    def _read(cls, value: object, at: str) -> Self:
        """Read an object with some of the keys of this class, each by its reader."""
        known = [each.name for each in fields(cls) if each.name in _READERS]
        if not isinstance(value, Mapping):
            text = _("“%s” must be an object.") if "." in at else _("The %s must be an object.")
            raise InvalidPush(text % at, code="wrong_type", field=at)
        unknown = sorted(str(name) for name in set(value) - set(known))
        if unknown:
            text = _("There is no “%(name)s” in “%(place)s”. There are: %(known)s.")
            names = {"name": unknown[0][:64], "place": at, "known": ", ".join(known)}
            raise InvalidPush(text % names, code="unknown_operator", field=at)
        return cls(**{name: _READERS[name](item, f"{at}.{name}") for name, item in value.items()})

    @property
    def _given(self) -> dict[str, Any]:
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in given.items() if value and name in _READERS}

    def to_json(self) -> dict[str, Any]:
        """What was read."""
        return {name: _WRITERS.get(name, list)(value) for name, value in self._given.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion(_Keys):
    """Who is left out: whom any of these finds."""

    @classmethod
    def from_json(cls, value: object, at: str = "audience.exclude") -> Exclusion:
        """Raises :class:`~django_push.exceptions.InvalidPush`."""
        found = cls._read(value, at)
        if not found.to_json():
            text = _("“%s” is empty: leave it out.") % at
            raise InvalidPush(text, code="empty_audience", field=at)
        return found

    def in_words(self, segments: Mapping[str, str]) -> str:
        """``segments`` are names by key."""
        return in_words(self._given, segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience(_Keys):
    """Whom a push is for. Lists are tuples without doubles, in the caller's order."""

    everyone: bool = False
    device_types: tuple[str, ...] = ()
    lookups: tuple[tuple[str, Any], ...] = ()
    """Conditions on the user of a device, by names that ``AUDIENCE_LOOKUPS`` allows."""
    exclude: Exclusion | None = None
    sees_claims: bool = False
    """Whether its ``where`` finds ids of users that nobody proved, too."""
    definitions: Mapping[str, Definition] = field(default_factory=dict, hash=False)
    """What its segments are, once they have been looked up."""

    @classmethod
    def from_json(cls, value: object, *, frozen: bool = False) -> Audience:
        """Read an audience; ``frozen``: of a push that was accepted, whatever is allowed by now.

        Raises :class:`~django_push.exceptions.InvalidPush` for an empty audience, unknown
        operators, wrong types, and lists that are empty or too long.
        """
        found = cls._read(value, "audience")
        _check_shape(found)
        if not frozen:
            reading.check_lookups(found.lookups)
        return found

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Audience:
        """The audience of a push, from its frozen content, with the segments as they were then."""
        audience = cls.from_json(content["audience"], frozen=True)
        audience = audience.seeing_claims(bool(content.get("claims")))
        saved = content.get("segments")
        if not saved:
            return audience
        return audience.defined(
            {
                key: Definition(each["name"], cls.from_json(each["audience"], frozen=True))
                for key, each in saved.items()
            }
        )

    def to_content(self) -> dict[str, Any]:
        """What :meth:`from_content` reads; without segments there is only the audience in it."""
        content: dict[str, Any] = {"audience": self.to_json()}
        if self.sees_claims:
            content["claims"] = True
        if self.definitions:
            content["segments"] = {
                key: {"name": each.name, "audience": each.audience.to_json()}
                for key, each in self.definitions.items()
            }
        return content

    def defined(self, definitions: Mapping[str, Definition]) -> Audience:
        """The same with its segments looked up."""
        return replace(self, definitions=definitions)

    def seeing_claims(self, sees: bool) -> Audience:
        """The same, written by a holder of a server key if ``sees``; without ``where`` no other."""
        asks = self.where or (self.exclude and self.exclude.where)
        return replace(self, sees_claims=True) if sees and asks else self

    def in_words(self) -> str:
        """A sentence for people."""
        return in_words(self._given, {key: each.name for key, each in self.definitions.items()})

    @property
    def segment_keys(self) -> set[str]:
        """All segments that it names, those that it leaves out too."""
        return {*self.segments, *(self.exclude.segments if self.exclude else ())}

    @property
    def is_listed(self) -> bool:
        """Whether it names users or installations one by one."""
        return bool(self.users or self.installations)

    @property
    def names_people(self) -> bool:
        """Whether it is meant for certain users, so that a device that changed hands falls out."""
        if self.users or self.lookups or (self.where and names_users(self.where)):
            return True
        meant = (self.definitions[key] for key in self.segments if key in self.definitions)
        return any(each.audience.names_people for each in meant)


def names_people(content: Mapping[str, Any]) -> bool:
    """:attr:`Audience.names_people` of a push's frozen content, which need not be read for it."""
    return "users" in content["audience"] or bool(content.get("people"))


def _check_shape(found: Audience) -> None:
    given = set(found.to_json()) - {"device_types", "exclude"}
    if found.everyone and given != {"everyone"}:
        raise InvalidPush(
            _("everyone cannot stand beside %(others)s.")
            % {"others": ", ".join(sorted(given - {"everyone"}))},
            code="contradiction",
            field="audience",
        )
    if not given and not found.device_types:
        raise InvalidPush(
            _('The audience is empty. For all devices write {"everyone": true}.'),
            code="empty_audience",
            field="audience",
        )


_READERS: dict[str, Callable[[object, str], Any]] = {
    "everyone": reading.read_everyone,
    "channels": reading.read_list,
    "users": reading.read_list,
    "installations": reading.read_list,
    "device_types": reading.read_list,
    "segments": reading.read_segments,
    "where": reading.read_where,
    "lookups": reading.read_lookups,
    "exclude": Exclusion.from_json,
}

_WRITERS: dict[str, Callable[[Any], Any]] = {
    # as lists, if not named here
    "everyone": bool,
    "where": lambda where: dict(where.source),
    "lookups": lambda lookups: {
        name: list(value) if isinstance(value, tuple) else value for name, value in lookups
    },
    "exclude": lambda exclude: exclude.to_json(),
}
