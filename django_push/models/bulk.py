"""Many registrations at once: about ten statements for a thousand devices, not for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from ..exceptions import InvalidRegistration
from .again import again
from .bulk_rows import DeviceRows
from .said import Said

if TYPE_CHECKING:
    from .application import Application
    from .installation import Installation
    from .registration import InstallationManager

__all__ = ["BulkRegistration", "Fate", "Registered"]

SEEN = {"last_seen_at", "registered_at"}
"""Columns that change by coming back."""


class Fate(StrEnum):
    """What became of one device among many."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What became of one device among many."""

    fate: Fate
    installation: Installation | None = None
    """Its row; ``None`` for one that was refused."""
    error: InvalidRegistration | None = None
    """Why it was refused."""


class BulkRegistration:
    """Registers devices of one application, chunk by chunk."""

    def __init__(self, manager: InstallationManager, application: Application) -> None:
        self.manager = manager
        self.rows = DeviceRows(manager, application)

    def stream(self, devices: Iterable[Mapping[str, Any]], size: int) -> Iterator[Registered]:
        """What becomes of each device, in order; ``size`` of them are one transaction."""
        waiting = iter(devices)
        while chunk := list(islice(waiting, size)):
            yield from self._chunk(chunk)

    def _chunk(self, devices: Sequence[Mapping[str, Any]]) -> list[Registered]:
        read = [self._read(device) for device in devices]
        said = [one for one in read if isinstance(one, Said)]
        fates = iter(self._register(said) if said else ())
        return [
            next(fates) if isinstance(one, Said) else Registered(fate=Fate.REFUSED, error=one)
            for one in read
        ]

    def _read(self, device: Mapping[str, Any]) -> Said | InvalidRegistration:
        try:
            return Said.read(self.manager, **device)
        except InvalidRegistration as error:
            return error

    def _register(self, said: Sequence[Said]) -> list[Registered]:
        try:
            return again(self.rows.alias, lambda: self._try(said))
        except IntegrityError:
            return [self._by_itself(one) for one in said]

    def _try(self, said: Sequence[Said]) -> list[Registered]:
        known = self._known(said)
        book = _Book(self.rows, known, said)
        fates = [book.enter(one) for one in said]
        if not book.is_changed:
            return fates  # a nightly repeat of everything must not write
        with transaction.atomic(using=self.rows.alias):
            book = _Book(self.rows, self.rows.locked(known), said)
            fates = [book.enter(one) for one in said]
            book.write()
        return fates

    def _known(self, said: Sequence[Said]) -> list[Installation]:
        """The rows that these registrations are about."""
        ours = self.rows.all()
        rows = list(
            ours.filter(
                provider__in={one.provider for one in said},
                address_hash__in={hash_ for one in said for hash_ in one.hashes},
            )
        )
        if apps := {one.app for one in said if one.app}:
            present = {row.pk for row in rows}
            rows += [row for row in ours.filter(installation_id__in=apps) if row.pk not in present]
        return rows

    def _by_itself(self, said: Said) -> Registered:
        new = not self._known([said])
        try:
            if new:
                self._check_id(said)
            row = self.manager.register(
                self.rows.application,
                device_type=said.device_type,
                address=said.address,
                provider=said.provider,
                owner=said.owner,
                channels=said.channels,
                previous_address=said.previous_address,
                **said.details,
            )
        except InvalidRegistration as error:
            return Registered(fate=Fate.REFUSED, error=error)
        return Registered(fate=Fate.CREATED if new else Fate.UPDATED, installation=row)

    def _check_id(self, said: Said) -> None:
        public_id = said.details.get("public_id")
        if public_id and self.manager.filter(public_id=public_id).exists():
            raise InvalidRegistration(
                _("Another device has this id already. Leave it out: a new one is made."),
                code="id_taken",
                field="public_id",
            )


class _Book:
    """The rows of a chunk, as they will be when all of it is registered."""

    def __init__(
        self, rows: DeviceRows, known: Sequence[Installation], said: Sequence[Said]
    ) -> None:
        self.rows = rows
        self.by_address = {(row.provider, row.address_hash): row for row in known}
        self.by_app = {row.installation_id: row for row in known if row.installation_id}
        self.new: list[Installation] = []
        # These by id(): a new row has no key yet.
        self.retired: dict[int, Installation] = {}
        self.formers: dict[int, Installation] = {}
        """The row that the same app had last, by its row of now."""
        self.heirs: list[tuple[Installation, Installation]] = []
        """All of them, each with the row of now."""
        self.changed: dict[int, Installation] = {}
        self.columns: set[str] = set()
        self.rebound: set[int] = set()
        self.channels: dict[int, tuple[Installation, list[str]]] = {}
        wanted = any(one.channels is not None for one in said)
        self.present = rows.channels(known) if wanted else {}

    @property
    def is_changed(self) -> bool:
        return bool(self.new or self.retired or self.changed or self.channels)

    def enter(self, said: Said) -> Registered:
        """Do one registration in memory, by the rules of a single one."""
        row, moved = self._find(said)
        if row is None:
            return self._add(said)
        before = row.installation_id
        changed = {*moved, *row._take(said)}
        if former := self.formers.get(id(row)):
            changed |= set(row._inherit(former, said.now))
        if changed:
            self.columns |= changed
            if "bound_at" in changed:
                self.rebound.add(id(row))
            self.changed.setdefault(id(row), row)
        self._index(row, before)
        subscribed = self._subscribe(row, said.channels)
        fate = Fate.UPDATED if changed - SEEN or subscribed else Fate.UNCHANGED
        return Registered(fate=fate, installation=row)

    def _find(self, said: Said) -> tuple[Installation | None, list[str]]:
        """The row of a device, at its new address; and the columns that changed by moving."""
        row = self.by_address.get((said.provider, said.address_hash))
        former = self._former(said, row)
        if former is None:
            return row, []
        if row is None:
            self.by_address.pop((former.provider, former.address_hash), None)
            return former, former._move(said)
        self.by_app.pop(former.installation_id, None)
        if former._retire():
            self.retired[id(former)] = former
        self.formers[id(row)] = former
        self.heirs.append((former, row))
        return row, []

    def _former(self, said: Said, row: Installation | None) -> Installation | None:
        """The row under the same installation id, or the previous address, and another address."""
        former = self.by_app.get(said.app) if said.app else None
        if former is None or former is row:
            former = self.by_address.get((said.provider, said.previous)) if said.previous else None
        return None if former is row else former

    def _add(self, said: Said) -> Registered:
        row = self.rows.manager.model._new(self.rows.application, said)
        row._take(said)
        self.new.append(row)
        self._index(row, None)
        self._subscribe(row, said.channels)
        return Registered(fate=Fate.CREATED, installation=row)

    def _index(self, row: Installation, app_before: str | None) -> None:
        self.by_address[row.provider, row.address_hash] = row
        if app_before and app_before != row.installation_id:
            self.by_app.pop(app_before, None)
        if row.installation_id:
            self.by_app[row.installation_id] = row

    def _subscribe(self, row: Installation, channels: list[str] | None) -> bool:
        """Note the channels that a device shall have; whether they are others than before."""
        noted = self.channels.get(id(row))
        before = noted[1] if noted else sorted(self.present.get(row.pk, ()))
        if channels is None or channels == before:
            return False
        self.channels[id(row)] = (row, channels)
        return True

    def write(self) -> None:
        """Write what changed: first what gives something up, last what is new."""
        retired = [row for row in self.retired.values() if row.pk]
        changed = [row for row in self.changed.values() if row.pk]  # what is new is written whole
        self.rows.save(
            retired, ("installation_id", "is_active", "inactive_reason", "inactive_since")
        )
        self.rows.save(changed, self.columns)
        if ids := [row.pk for row in changed if id(row) in self.rebound]:
            self.rows.manager._rebind(ids)
        self.rows.create(self.new)
        self.rows.save_channels(self.channels.values(), self.present)
        self.rows.leave_choices(self.heirs)
