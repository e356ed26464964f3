"""What nearly every registration is: the same as before. One statement says so.

The statement finds the device with its channels, and the key by which its application is called.
Django makes it once for each process; to build it anew costs more than the database needs to
answer it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from django.db import connections
from django.db.models import Case, OuterRef, QuerySet, Subquery, When

from .application import ApiKey, Application
from .installation import KNOWN, Installation, Known, is_as_said
from .said import Owner, Said

__all__ = ["Glance", "glance"]


class Glance(NamedTuple):
    """A key that is valid for the application, and the device that a registration is about."""

    client_key: int | None
    """Its id; ``None`` for a server key."""
    device: Known
    """With what the registration said of it; nothing else of the row was read."""
    channels: list[str]
    """Sorted; empty when the registration says none."""

    def is_as(self, said: Said, owner: Owner) -> bool:
        """Whether registering would change nothing, if ``owner`` says it."""
        if said.previous_address:
            return False
        same_channels = said.channels is None or said.channels == self.channels
        return same_channels and is_as_said(self.device, said, owner)


def glance(alias: str, application_key: str, digests: Sequence[str], said: Said) -> Glance | None:
    """The device that ``said`` is about, for a key with one of ``digests``.

    ``None`` when the application has no such key, or no such device.
    """
    columns = (*KNOWN, *said.details)
    statement = _statement(alias, len(digests), columns, said.channels is not None)
    values: dict[Any, Any] = dict(zip(_digest_marks(len(digests)), digests, strict=True))
    values[_APPLICATION] = application_key
    values |= {_PROVIDER: said.provider, _ADDRESS: said.address_hash}
    rows = statement.rows(values)
    if not rows or rows[0][0] is None:
        return None
    key_id, *device = rows[0]
    channels: list[str] = []
    if said.channels is not None:
        device.pop()
        channels = sorted(row[-1] for row in rows if row[-1] is not None)
    known = cast(Known, SimpleNamespace(**dict(zip(columns, device, strict=True))))
    return Glance(None if key_id == _SERVER else key_id, known, channels)


_APPLICATION, _PROVIDER, _ADDRESS = "<application>", "<provider>", "<address>"
"""Stand in the statement for what differs each time."""
_SERVER = 0
"""Stands in the rows for the id of a server key: what it is for is to count who is limited."""


def _digest_marks(number: int) -> list[str]:
    return [f"<digest {index}>" for index in range(number)]


class _Statement:
    """A query as SQL, made once, with marks where its parameters differ."""

    def __init__(self, alias: str, queryset: Any) -> None:
        self.alias = alias
        compiler = queryset.query.get_compiler(using=alias)
        self.sql, self.params = compiler.as_sql()
        self.converters = compiler.get_converters(
            [column[0] for column in compiler.select[: compiler.col_count]]
        )

    def rows(self, values: Mapping[Any, Any]) -> list[list[Any]]:
        """The rows, with ``values`` in the places of the marks."""
        connection = connections[self.alias]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, [values.get(param, param) for param in self.params])
            found = [list(row) for row in cursor.fetchall()]
        for row in found:
            for place, (converters, expression) in self.converters.items():
                for convert in converters:
                    row[place] = convert(row[place], expression, connection)
        return found


@lru_cache(maxsize=64)
def _statement(
    alias: str, digests: int, columns: tuple[str, ...], with_channels: bool
) -> _Statement:
    """The key and its application are subqueries, one each. PostgreSQL takes several times as long
    to plan this as to execute it, and for a join of the three tables half as long again.
    """
    application = Application.objects.filter(key=_APPLICATION).order_by()
    keys = _keys(digests).filter(application=OuterRef("application"))
    client_or_server = Case(
        When(kind=ApiKey.Kind.SERVER.value, then=_SERVER),
        default="pk",
        output_field=ApiKey._meta.pk,
    )
    devices = (
        Installation.objects.using(alias)
        .filter(
            application_id=Subquery(application.values("pk")[:1]),  # Django 6.1 wants it said
            provider=_PROVIDER,
            address_hash=_ADDRESS,
        )
        .annotate(key=Subquery(keys.values_list(client_or_server)))
    )
    channels = ("subscriptions__channel",) if with_channels else ()
    return _Statement(alias, devices.values_list("key", *columns, *channels))


def _keys(digests: int) -> QuerySet[ApiKey]:
    """The key that :meth:`ApiKeyManager.find` would find."""
    keys = ApiKey.objects.filter(digest__in=_digest_marks(digests), revoked_at=None)
    if digests > 1:  # two keys may have the same value, each sealed in another time
        keys = ApiKey.objects.filter(pk=Subquery(keys.order_by("pk").values("pk")[:1]))
    return keys
