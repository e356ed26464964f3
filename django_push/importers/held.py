"""Devices that are here, found by whatever a row knows them by."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from ..models import Installation
from .rows import Row

__all__ = ["Glance", "Held"]


class Glance(NamedTuple):
    """What a device is known by, and when it was last seen."""

    pk: int
    application_id: int
    public_id: str
    provider: str
    address_hash: str | None
    installation_id: str | None
    last_seen_at: datetime


KnownT = TypeVar("KnownT", Glance, Installation)


class Held(Generic[KnownT]):
    """Devices that are here, by everything that a row may know them by."""

    def __init__(self, devices: Iterable[KnownT], foreign_ids: Iterable[str] = ()) -> None:
        """``foreign_ids`` are public ids of devices of other applications."""
        self.foreign_ids = frozenset(foreign_ids)
        self.channels: dict[int, list[str]] = {}
        """Of the devices, by primary key."""
        self.by_address: dict[tuple[str, str], KnownT] = {}
        self.by_public_id: dict[str, KnownT] = {}
        self.by_installation_id: dict[str, KnownT] = {}
        self.add_all(devices)

    def add_all(self, devices: Iterable[KnownT]) -> None:
        for device in devices:
            self.add(device)

    def add(self, device: KnownT) -> None:
        self.by_public_id[device.public_id] = device
        if device.address_hash:
            self.by_address[device.provider, device.address_hash] = device
        if device.installation_id:
            self.by_installation_id[device.installation_id] = device

    def drop(self, device: KnownT) -> None:
        """Before it changes: what it was known by may be another's afterwards."""
        self.by_address.pop((device.provider, device.address_hash or ""), None)
        self.by_installation_id.pop(device.installation_id or "", None)

    def at_address(self, row: Row) -> KnownT | None:
        return self.by_address.get((row.provider, row.hash)) if row.hash else None

    def find(self, row: Row) -> KnownT | None:
        """The device that the row is."""
        known = self.at_address(row)
        if known is None and row.public_id:
            known = self.by_public_id.get(row.public_id)
        if known is None and row.installation_id and not row.shared_id:
            known = self.by_installation_id.get(row.installation_id)
        return known

    def concerned(self, row: Row) -> list[KnownT]:
        """The device that the row is, and the one that has its installation id."""
        found = (self.find(row), self.by_installation_id.get(row.installation_id or ""))
        return [device for device in found if device is not None]
