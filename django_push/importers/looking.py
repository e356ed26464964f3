"""Which devices a chunk of rows may be: found by three indexes, and only the few columns that say
whether a row is worth more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import orjson
from django.db import connections, models
from django.db.models.expressions import RawSQL

from ..models import Application, Installation, Subscription
from .held import Glance, Held
from .rows import Row

__all__ = ["glance", "look"]


def glance(rows: Sequence[Row], application: Application, using: str) -> Held[Glance]:
    """All devices that one of ``rows`` may be.

    A row that was found by one index is not looked for in the next: a second import of the same
    export asks once.
    """
    devices = Installation.objects.using(using)
    own = devices.filter(application=application)
    ids = [row.public_id for row in rows if row.public_id]
    named = _read(_among(devices, "public_id", ids)) if ids else []
    held = Held(
        (each for each in named if each.application_id == application.pk),
        (each.public_id for each in named if each.application_id != application.pk),
    )
    hashes = {row.hash for row in rows if row.hash and held.at_address(row) is None}
    if hashes:
        networks = {row.provider for row in rows}
        there = own.filter(provider__in=networks)
        held.add_all(_read(_among(there, "address_hash", hashes)))
    names = {row.installation_id for row in rows if row.installation_id}
    if unknown := names - set(held.by_installation_id):
        held.add_all(_read(_among(own, "installation_id", unknown)))
    return held


def look(held: Held[Glance], rows: Iterable[Row], using: str) -> Held[Installation]:
    """The same devices in full, as they are now, of those that concern ``rows``."""
    pks = sorted({device.pk for row in rows for device in held.concerned(row)})
    if not pks:
        return Held((), held.foreign_ids)
    full = Held(Installation.objects.using(using).filter(pk__in=pks), held.foreign_ids)
    subscriptions = Subscription.objects.using(using).filter(installation_id__in=pks)
    for device, channel in subscriptions.values_list("installation_id", "channel"):
        full.channels.setdefault(device, []).append(channel)
    return full


def _among(
    devices: models.QuerySet[Installation], name: str, texts: Collection[str]
) -> models.QuerySet[Installation]:
    """``devices`` with one of ``texts`` in a column.

    On PostgreSQL they are one parameter: a parameter for each costs more than what it finds.
    """
    connection = connections[devices.db]
    if connection.vendor != "postgresql":
        return devices.filter(**{f"{name}__in": texts})
    quote = connection.ops.quote_name
    column = f"{quote(Installation._meta.db_table)}.{quote(name)}"
    sql = f"{column} = ANY(ARRAY(SELECT json_array_elements_text(%s::json)))"
    told = orjson.dumps(list(texts)).decode()
    return devices.filter(
        RawSQL(sql, [told], output_field=models.BooleanField())  # noqa: S611  (our own names)
    )


def _read(devices: models.QuerySet[Installation]) -> list[Glance]:
    return [Glance(*values) for values in devices.values_list(*Glance._fields)]
