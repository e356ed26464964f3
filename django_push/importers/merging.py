"""Which device a row is, and what it changes there. No query: works on what was read before.

A row is the device with its address; else the one under its own id of the other system (an
earlier import); else the one under its installation id. The newer word wins, as a whole: a row
that is not newer than the device's ``last_seen_at`` changes nothing, so that running an import
again changes nothing, and what apps did since then stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models.base import ModelState
from django.utils.translation import gettext as _

from ..models import Application, Installation
from ..models.fields import public_id
from ..models.installation import STAYS_OFF
from .held import Glance, Held
from .report import Report
from .rows import NO_NETWORK, Row
from .users import Holder, bind

__all__ = ["Changes", "Merger"]


@dataclass(slots=True)
class Changes:
    """What is to be written."""

    created: list[Installation] = field(default_factory=list)
    changed: dict[int, Installation] = field(default_factory=dict)
    """By primary key."""
    released: set[int] = field(default_factory=set)
    """Of ``changed`` those that give up an address or an installation id, which another device
    takes: written first, as both are unique."""
    channels: dict[str, list[str]] = field(default_factory=dict)
    """By public id."""

    def __bool__(self) -> bool:
        return bool(self.created or self.changed)


class Merger:
    """Puts the rows of one application together with the devices that are here."""

    def __init__(
        self, application: Application, now: datetime, *, overwrite: bool, environment: str
    ) -> None:
        self.now, self.overwrite = now, overwrite
        self._new = Installation(application=application, environment=environment)

    def merge(
        self,
        rows: Iterable[Row],
        held: Held[Installation],
        holders: dict[str, Holder],
        report: Report,
    ) -> Changes:
        """What ``rows`` change, counted in ``report``."""
        changes = Changes()
        for row in rows:
            holder = holders.get(row.user)
            device = held.find(row)
            if device is None:
                self._create(row, holder, held, changes, report)
                report.created += 1
            elif self.is_newer(row, device) and self._update(row, holder, device, held, changes):
                report.merged += 1
            else:
                report.unchanged += 1
            if row.notes:
                report.notes.update(row.notes)
        return changes

    def is_newer(self, row: Row, device: Glance | Installation) -> bool:
        """Whether what the row says counts."""
        said = row.seen_at or row.created_at
        if said is not None and said > device.last_seen_at:
            return True
        return self.overwrite and row.seen_at in (None, device.last_seen_at)

    def _create(
        self,
        row: Row,
        holder: Holder | None,
        held: Held[Installation],
        changes: Changes,
        report: Report,
    ) -> None:
        seen = min(row.seen_at or self.now, self.now)
        since = min(row.seen_at or row.created_at or self.now, self.now)
        device = self._blank()
        device.device_type = row.device_type
        device.created_at = min(row.created_at or seen, self.now)
        device.registered_at = device.bound_at = since
        device.last_seen_at = seen
        self._place(row, device)
        self._fill(row, holder, device)
        if row.public_id in held.foreign_ids:
            device.attributes["objectId"] = row.public_id
            report.notes[_("objectId is a device's of another application: new id given")] += 1
            device.public_id = public_id()
        else:
            device.public_id = row.public_id or public_id()
        self._name(row, device, held, changes)
        held.add(device)
        changes.created.append(device)
        if row.channels:
            changes.channels[device.public_id] = row.channels

    def _blank(self) -> Installation:
        """A new device with nothing but defaults: ``Model.__init__`` costs thirty times as much."""
        device = Installation.__new__(Installation)
        device.__dict__ = {**self._new.__dict__, "_state": ModelState()}
        return device

    def _update(
        self,
        row: Row,
        holder: Holder | None,
        device: Installation,
        held: Held[Installation],
        changes: Changes,
    ) -> bool:
        """Take over what the row says; whether anything changed."""
        before = _values(device)
        channels = row.channels is not None and row.channels != _channels(device, held, changes)
        held.drop(device)
        self._place(row, device)
        self._fill(row, holder, device)
        self._name(row, device, held, changes)
        device.device_type = row.device_type
        if row.seen_at:
            device.last_seen_at = min(max(row.seen_at, device.last_seen_at), self.now)
        held.add(device)
        if channels:
            changes.channels[device.public_id] = row.channels or []
        if device.pk is not None and (channels or _values(device) != before):
            changes.changed[device.pk] = device
        return channels or _values(device) != before

    def _place(self, row: Row, device: Installation) -> None:
        """The row's address becomes the device's; one that has none keeps what it had."""
        if row.hash:
            device.provider, device.address = row.provider, row.address
            device.address_kind, device.address_hash = row.address_kind, row.hash
        elif not device.address_hash:
            device.provider = NO_NETWORK

    def _fill(self, row: Row, holder: Holder | None, device: Installation) -> None:
        for name, value in row.columns.items():
            setattr(device, name, value)
        device.attributes = {**device.attributes, **row.attributes}
        if holder is not None:
            bind(device, holder)
        if not row.active and device.is_active:
            device.is_active, device.inactive_reason = False, Installation.Reason.IMPORTED
            device.inactive_since = self.now  # an older date would have it deleted tonight
        elif row.active and not device.is_active and self._revives(row, device):
            device.is_active, device.inactive_reason = True, ""
            device.inactive_since = None

    def _revives(self, row: Row, device: Installation) -> bool:
        """An app that came after we switched its device off is there again, unless a person did."""
        came = row.seen_at is not None and row.seen_at > device.last_seen_at
        reason = device.inactive_reason
        return reason == Installation.Reason.IMPORTED or (came and reason not in STAYS_OFF)

    def _name(
        self, row: Row, device: Installation, held: Held[Installation], changes: Changes
    ) -> None:
        """Give it its installation id, which only one device of an application can have."""
        name = row.installation_id
        if not name or name == device.installation_id:
            return
        other = held.by_installation_id.get(name)
        if other is not None and other is not device:
            if row.shared_id or not self.is_newer(row, other):
                return  # tables are read newest first: the newer device has it already
            other.installation_id = None
            if other.pk is not None:
                changes.changed[other.pk] = other
                changes.released.add(other.pk)
        device.installation_id = name


def _values(device: Installation) -> dict[str, Any]:
    names = (each.attname for each in device._meta.concrete_fields)
    return {name: getattr(device, name) for name in names}


def _channels(device: Installation, held: Held[Installation], changes: Changes) -> list[str]:
    """Its channels once ``changes`` are written, sorted."""
    planned = changes.channels.get(device.public_id)
    return sorted(held.channels.get(device.pk, ())) if planned is None else planned
