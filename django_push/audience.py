"""The audience of a push: whom it is for, as plain JSON, compiled to one query.

An audience is ``{"everyone": true}`` or one or more of ``channels``, ``users``,
``installations`` (public ids) and ``device_types``. A list reads "any of these"; several keys
must all hold. The queryset to narrow is passed in: this module knows no models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .exceptions import InvalidPush

__all__ = ["Audience", "compile_audience"]

MAX_ITEMS = 10_000
"""Items in one list; more is a segment or a channel, not a list."""

M = TypeVar("M", bound=Model)

_LISTS = ("channels", "users", "installations", "device_types")


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Whom a push is for. Lists are tuples without doubles, in the caller's order."""

    everyone: bool = False
    channels: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    """User ids as text: the primary key of a user of this project, or the client's own id."""
    installations: tuple[str, ...] = ()
    """Public ids."""
    device_types: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: object) -> Audience:
        """Read an audience.

        Raises :class:`~django_push.exceptions.InvalidPush` for an empty audience, unknown
        operators, wrong types, and lists that are empty or longer than :data:`MAX_ITEMS`.
        """
        if not isinstance(value, Mapping):
            raise InvalidPush(
                _("The audience must be an object."), code="wrong_type", field="audience"
            )
        unknown = sorted(set(value) - {"everyone", *_LISTS})
        if unknown:
            raise InvalidPush(
                _("An audience has no “%(name)s”. It has: %(known)s.")
                % {"name": unknown[0], "known": ", ".join(("everyone", *_LISTS))},
                code="unknown_operator",
                field="audience",
            )
        lists = {name: _read_list(name, value[name]) for name in _LISTS if name in value}
        everyone = value.get("everyone", False)
        if not isinstance(everyone, bool):
            raise InvalidPush(_("everyone must be true."), code="wrong_type", field="audience")
        _check_shape(everyone, lists)
        return cls(everyone=everyone, **lists)

    def to_json(self) -> dict[str, Any]:
        """What :meth:`from_json` reads."""
        lists = {name: list(getattr(self, name)) for name in _LISTS if getattr(self, name)}
        return {"everyone": True, **lists} if self.everyone else lists

    @property
    def is_listed(self) -> bool:
        """Whether it names users or installations one by one."""
        return bool(self.users or self.installations)

    @property
    def names_people(self) -> bool:
        """Whether it is meant for certain users, so that a device that changed hands falls out."""
        return bool(self.users)

    def in_words(self) -> str:
        """A sentence for people."""
        parts = [_("everyone")] if self.everyone else []
        if self.channels:
            parts.append(_("channel %s") % _(" or ").join(f"“{name}”" for name in self.channels))
        if self.users:
            count = len(self.users)
            parts.append(ngettext("%d user", "%d users", count) % count)
        if self.installations:
            count = len(self.installations)
            parts.append(ngettext("%d chosen device", "%d chosen devices", count) % count)
        if self.device_types:
            parts.append(_("on %s") % ", ".join(self.device_types))
        return "; ".join(parts)


def compile_audience(
    audience: Audience,
    installations: QuerySet[M],
    *,
    application_id: int,
    trust_claimed: bool = False,
) -> QuerySet[M]:
    """``installations`` narrowed to the audience, within one application.

    Users are matched on proved devices only, unless ``trust_claimed``.
    """
    condition = Q(application_id=application_id)
    if audience.channels:
        # A semi-join on the indexed table; a join would double devices in two of the channels.
        rows = installations.model._meta.get_field("subscriptions").related_model
        members = rows.objects.filter(  # type: ignore[union-attr]
            application_id=application_id, channel__in=audience.channels
        )
        condition &= Q(pk__in=members.values("installation_id"))
    if audience.users:
        condition &= Q(user_key__in=audience.users)
        if not trust_claimed:
            condition &= Q(user_verified=True)
    if audience.installations:
        condition &= Q(public_id__in=audience.installations)
    if audience.device_types:
        condition &= Q(device_type__in=audience.device_types)
    return installations.filter(condition)


def _read_list(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InvalidPush(
            _("%(name)s must be a list.") % {"name": name},
            code="wrong_type",
            field=f"audience.{name}",
        )
    if len(value) > MAX_ITEMS:
        raise InvalidPush(
            _(
                "%(name)s lists %(count)d items; at most %(limit)d are allowed. "
                "Subscribe the devices to a channel instead."
            )
            % {"name": name, "count": len(value), "limit": MAX_ITEMS},
            code="too_many_items",
            field=f"audience.{name}",
        )
    items = [str(item) if type(item) is int else item for item in value]
    for item in items:
        if not isinstance(item, str) or not item or len(item) > 191 or "\x00" in item:
            raise InvalidPush(
                _("%(name)s must hold texts of 1 to 191 characters.") % {"name": name},
                code="wrong_type",
                field=f"audience.{name}",
            )
    if not items:
        raise InvalidPush(
            _("%(name)s is empty: nobody would get this push.") % {"name": name},
            code="empty_audience",
            field=f"audience.{name}",
        )
    return tuple(dict.fromkeys(items))


def _check_shape(everyone: bool, lists: Mapping[str, tuple[str, ...]]) -> None:
    narrowing = set(lists) - {"device_types"}
    if everyone and narrowing:
        raise InvalidPush(
            _("everyone cannot stand beside %(others)s.")
            % {"others": ", ".join(sorted(narrowing))},
            code="contradiction",
            field="audience",
        )
    if not everyone and not lists:
        raise InvalidPush(
            _('The audience is empty. For all devices write {"everyone": true}.'),
            code="empty_audience",
            field="audience",
        )
