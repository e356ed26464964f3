"""An audience as one condition of Django's ORM."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

from django.core.exceptions import EmptyResultSet, FieldError, ValidationError
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from ..exceptions import InvalidPush
from ..where import Where
from .values import Audience, Definition, Exclusion

__all__ = ["compile_audience"]

M = TypeVar("M", bound=Model)

ALWAYS = ~Q(pk__in=[])
"""True of every row. An empty Q is not: beside OR, and after NOT, Django leaves it out."""


def compile_audience(
    audience: Audience,
    installations: QuerySet[M],
    *,
    application_id: int,
    trust_claimed: bool = False,
) -> QuerySet[M]:
    """``installations`` narrowed to the audience, within one application.

    Users are matched on proved devices only, unless ``trust_claimed``; a ``where`` that
    ``sees_claims`` matches what a device says too. Raises
    :class:`~django_push.exceptions.InvalidPush` for a lookup whose value no such field can have.
    """
    compiler = _Compiler(installations, application_id, trust_claimed=trust_claimed)
    condition = compiler.condition(audience)
    return installations.filter(Q(application_id=application_id) & condition)


class _Compiler:
    """Makes conditions on the devices of one application. None of them is ever NULL."""

    def __init__(
        self, rows: QuerySet[Any], application_id: int, *, trust_claimed: bool = False
    ) -> None:
        self._rows, self._trust_claimed = rows, trust_claimed
        self._scope = {"application_id": application_id}

    def condition(self, audience: Audience, *, alone: bool = True) -> Q:
        """``alone``: nothing stands beside it but what must hold, too; a list of ids may be what
        the database begins with."""
        found = self._listed(audience, alone=alone)
        if audience.device_types:
            found.append(Q(device_type__in=audience.device_types))
        if audience.segments:
            segments = [audience.definitions[key] for key in audience.segments]
            found.append(self._in_any(segments, alone=alone))
        if audience.where is not None:
            found.append(self._where(audience.where, audience, alone=alone))
        if audience.lookups:
            found.append(self._users(audience.lookups))
        if audience.exclude is not None:
            found += self._without(audience.exclude, audience)
        return functools.reduce(operator.and_, found) if found else ALWAYS

    def _listed(self, audience: Audience, *, alone: bool) -> list[Q]:
        found = []
        if audience.channels:
            found.append(self._in_channels(audience.channels, alone=alone))
        if audience.users:
            proved = {} if self._trust_claimed else {"user_verified": True}
            found.append(Q(user_key__in=audience.users, **proved))
        if audience.installations:
            found.append(Q(public_id__in=audience.installations))
        return found

    def _in_channels(self, channels: Sequence[str], *, alone: bool) -> Q:
        """A semi-join on the indexed table; a join would double devices in two of the channels."""
        relation: Any = self._rows.model._meta.get_field("subscriptions")
        members = relation.related_model.objects.filter(**self._scope, channel__in=channels)
        if alone:
            return Q(pk__in=members.values("installation_id"))
        return Q(Exists(members.filter(installation_id=OuterRef("pk"))))

    def _in_any(self, definitions: Sequence[Definition], *, alone: bool) -> Q:
        alone = alone and len(definitions) == 1
        found = [self.condition(each.audience, alone=alone) for each in definitions]
        return functools.reduce(operator.or_, found)

    def _where(self, where: Where, audience: Audience, *, alone: bool) -> Q:
        trust_claimed = self._trust_claimed or audience.sees_claims
        return where.condition(self._rows, self._scope, trust_claimed=trust_claimed, alone=alone)

    def _users(self, lookups: Sequence[tuple[str, Any]]) -> Q:
        """The devices of users that all ``lookups`` find; one of many related rows finds all."""
        relation: Any = self._rows.model._meta.get_field("user")
        users = relation.related_model._default_manager.all()
        try:
            found = users.filter(**dict(_as_filter(*lookup) for lookup in lookups))
            _check_sql(found, self._rows.db)
        except (ValidationError, ValueError, TypeError, FieldError) as error:
            why = "; ".join(error.messages) if isinstance(error, ValidationError) else str(error)
            text = _("A lookup has a value that its field cannot have: %s") % why
            raise InvalidPush(text, code="wrong_type", field="audience.lookups") from None
        return Q(user_verified=True, user__in=found.values("pk"))

    def _without(self, exclude: Exclusion, audience: Audience) -> list[Q]:
        """Not whom ``exclude`` finds. Who merely claims to be one of the users is left out too."""
        found = []
        if exclude.channels:
            found.append(~self._in_channels(exclude.channels, alone=False))
        if exclude.users:
            found.append(~Q(user_key__in=exclude.users))
        if exclude.installations:
            found.append(~Q(public_id__in=exclude.installations))
        if exclude.segments:
            segments = [audience.definitions[key] for key in exclude.segments]
            found += [~self.condition(each.audience, alone=False) for each in segments]
        if exclude.where is not None:
            found.append(self._where(exclude.where.opposite(), audience, alone=True))
        return found


def _check_sql(rows: QuerySet[Any], alias: str) -> None:
    """Have ``rows`` written as SQL: some lookups look at their value only then."""
    with suppress(EmptyResultSet):
        rows.query.get_compiler(using=alias).as_sql()


def _as_filter(name: str, value: Any) -> tuple[str, Any]:
    """``user__groups__name`` with a list: any of these."""
    path = name.removeprefix("user__")
    return (f"{path}__in", value) if isinstance(value, tuple) else (path, value)
