"""Devices that are in the registry twice, found and merged.

Registration makes no duplicates; imports, other programs and former versions do. Two rows of one
application are the same device when they have

- the same address in two spellings (Apple's tokens in capitals, or with spaces as ``<a1b2 …>``),
- the same installation id in two spellings,
- the same address on two networks.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, QuerySet

from ..exceptions import InvalidRegistration
from ..models import Application, Installation
from ..providers.base import Provider, known_providers
from .chunks import rows_of, walk
from .merging import CLUTTER, merge

__all__ = ["Merge", "Why", "merge_duplicates"]

_COLUMNS = ("pk", "application_id", "provider", "address", "address_hash", "installation_id")


class Why(enum.StrEnum):
    """What two rows have in common; or what was put straight in one."""

    SPELLING = "address in two spellings"
    INSTALLATION_ID = "installation id in two spellings"
    NETWORKS = "address on two networks"
    ALONE = "put straight, no duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What was done, or with a dry run would be."""

    why: Why
    kept: str
    """Public id."""
    removed: list[str] = field(default_factory=list)
    """Public ids."""


@dataclass(frozen=True, slots=True)
class _Device:
    """A row that is not spelt as registration spells it."""

    pk: int
    application_id: int
    provider: str
    columns: dict[str, Any]
    """How it should be spelt."""

    def others(self) -> dict[Why, QuerySet[Installation]]:
        """The rows that have that spelling already."""
        rows = rows_of(Installation).filter(application=self.application_id).exclude(pk=self.pk)
        found = {}
        if "address_hash" in self.columns:
            same = Q(provider=self.provider, address_hash=self.columns["address_hash"])
            found[Why.SPELLING] = rows.filter(same)
        if "installation_id" in self.columns:
            same = Q(installation_id=self.columns["installation_id"])
            found[Why.INSTALLATION_ID] = rows.filter(same)
        return found


def merge_duplicates(
    application: Application | None = None, *, dry_run: bool = False
) -> Iterator[Merge]:
    """Merge each device's rows into one, by the rules of :func:`~.merging.merge`.

    A generator: each device is a transaction of its own, and what was done is done. With
    ``dry_run`` nothing is written.
    """
    rows: QuerySet[Installation] = rows_of(Installation)
    rows = rows if application is None else rows.filter(application=application)
    yield from _misspelt(rows, dry_run)
    yield from _on_two_networks(rows, dry_run)


def _misspelt(rows: QuerySet[Installation], dry_run: bool) -> Iterator[Merge]:
    networks = {cls.network: cls for cls in known_providers().values() if cls.network != "*"}
    seen: dict[tuple[Any, ...], str] = {}  # of a dry run, where nothing is put straight
    for pks in walk(rows):
        for row in rows.filter(pk__in=pks).order_by("pk").values_list(*_COLUMNS):
            columns = _straight(row, networks)
            if columns:
                device = _Device(row[0], row[1], row[2], columns)
                yield _try(device, seen) if dry_run else _put_straight(device)


def _straight(row: tuple[Any, ...], networks: dict[str, type[Provider[Any]]]) -> dict[str, Any]:
    """The columns that registration would spell otherwise."""
    _pk, _application, network, address, digest, installation_id = row
    columns: dict[str, Any] = {}
    provider = networks.get(network)
    if provider is not None and address:
        spelt = _spelt(provider, address)
        found = hashlib.sha256(spelt.encode()).hexdigest() if spelt else digest
        if spelt and found != digest:
            columns |= {"address": spelt, "address_hash": found}
    if installation_id and installation_id != installation_id.lower():
        columns["installation_id"] = installation_id.lower()
    return columns


def _spelt(provider: type[Provider[Any]], address: str) -> str:
    """The address as registration keeps it; empty for one that it would refuse."""
    for text in (address, CLUTTER.sub("", address)):
        try:
            return provider.check_address(text)
        except InvalidRegistration:
            continue
    return ""


def _put_straight(device: _Device) -> Merge:
    why = Why.ALONE
    pks = {device.pk}
    for reason, others in device.others().items():
        found = set(others.values_list("pk", flat=True))
        if found and why is Why.ALONE:
            why = reason
        pks |= found
    kept, removed = merge(sorted(pks), device.columns)
    return Merge(why=why, kept=kept, removed=removed)


def _try(device: _Device, seen: dict[tuple[Any, ...], str]) -> Merge:
    own: str = rows_of(Installation).values_list("public_id", flat=True).get(pk=device.pk)
    for why, others in device.others().items():
        column = "address_hash" if why is Why.SPELLING else "installation_id"
        key = (device.application_id, device.provider, column, device.columns[column])
        other = others.values_list("public_id", flat=True).first() or seen.get(key)
        seen.setdefault(key, own)
        if other:
            return Merge(why=why, kept=other, removed=[own])
    return Merge(why=Why.ALONE, kept=own)


def _on_two_networks(rows: QuerySet[Installation], dry_run: bool) -> Iterator[Merge]:
    counted = rows.exclude(address_hash=None).order_by().values("application_id", "address_hash")
    twice = counted.annotate(number=Count("pk")).filter(number__gt=1)
    networks = list(rows.order_by().values_list("provider", flat=True).distinct())
    for group in list(twice.values_list("application_id", "address_hash")):
        # The networks are named so that the index by address serves.
        same = rows.filter(
            application_id=group[0], provider__in=networks, address_hash=group[1]
        ).order_by("pk")
        for alike in _of_one_kind(same.values_list("address_kind", "pk", "public_id")):
            if dry_run:
                ids = [public_id for _, public_id in alike]
                yield Merge(why=Why.NETWORKS, kept=ids[-1], removed=ids[:-1])
            else:
                kept, removed = merge([pk for pk, _ in alike])
                yield Merge(why=Why.NETWORKS, kept=kept, removed=removed)


def _of_one_kind(rows: Sequence[Any] | Any) -> list[list[tuple[int, str]]]:
    """A token and a channel that happen to be one text are not one device."""
    kinds: dict[str, list[tuple[int, str]]] = {}
    for kind, pk, public_id in rows:
        kinds.setdefault(kind, []).append((pk, public_id))
    return [alike for alike in kinds.values() if len(alike) > 1]
