"""Changes to devices that are known by their public ids: to one of them, or to a thousand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ..exceptions import InvalidRegistration
from .again import again
from .bulk import Fate, Registered
from .bulk_rows import DeviceRows
from .said import check_channel, check_details

if TYPE_CHECKING:
    from .application import Application
    from .installation import Installation
    from .registration import InstallationManager

__all__ = ["MAX_CHANNELS", "BulkChange", "Change"]

MAX_CHANNELS = 1000
"""Of one device: clients subscribe, and nobody means so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What shall be other about a device."""

    channels: frozenset[str] | None
    """All that it has from now on; ``None``: see the next two."""
    add_channels: frozenset[str]
    remove_channels: frozenset[str]
    details: dict[str, Any]
    """Other columns, by name."""

    @classmethod
    def read(
        cls,
        model: type[Installation],
        *,
        channels: Iterable[str] | None = None,
        add_channels: Iterable[str] = (),
        remove_channels: Iterable[str] = (),
        **details: Any,
    ) -> Change:
        """Check what a caller says. Raises :class:`~django_push.exceptions.InvalidRegistration`."""
        change = cls(
            channels=None if channels is None else _names(channels),
            add_channels=_names(add_channels),
            remove_channels=_names(remove_channels),
            details=check_details(model, details),
        )
        if channels is not None and (change.add_channels or change.remove_channels):
            raise InvalidRegistration(
                _("channels replaces all of them: leave out what adds and removes some."),
                code="contradiction",
                field="channels",
            )
        return change

    def apply(self, row: Installation) -> list[str]:
        """Change the columns of ``row``, unsaved; the names of those that are other now."""
        details = {**self.details, **self._switch(row)}
        changed = [name for name, value in details.items() if getattr(row, name) != value]
        for name in changed:
            setattr(row, name, details[name])
        return changed

    def _switch(self, row: Installation) -> dict[str, Any]:
        """The columns of switching ``row`` on or off, unless it is so already."""
        if "is_active" not in self.details:
            return {}
        on = self.details["is_active"]
        reason = "" if on else self.details.get("inactive_reason") or row.Reason.STAFF
        if (row.is_active, row.inactive_reason) == (on, reason):
            return {}
        now = timezone.now()
        return row.on(now) if on else row.off(reason, now)

    def channels_after(self, before: Iterable[str]) -> list[str]:
        """The channels that a device has then, sorted. Raises when they are too many."""
        after = {*before, *self.add_channels} - self.remove_channels
        if self.channels is not None:
            after = set(self.channels)
        if len(after) > MAX_CHANNELS:
            raise InvalidRegistration(
                _("A device can be in at most %d channels. Remove it from some first.")
                % MAX_CHANNELS,
                code="too_many_channels",
                field="channels",
            )
        return sorted(after)

    @property
    def is_about_channels(self) -> bool:
        return self.channels is not None or bool(self.add_channels or self.remove_channels)


def _names(channels: Iterable[str]) -> frozenset[str]:
    return frozenset(map(check_channel, channels))


class BulkChange:
    """Changes devices of one application, chunk by chunk."""

    def __init__(self, manager: InstallationManager, application: Application) -> None:
        self.rows = DeviceRows(manager, application)

    def stream(self, changes: Iterable[Mapping[str, Any]], size: int) -> Iterator[Registered]:
        """What becomes of each, in order; ``size`` of them are one transaction."""
        waiting = iter(changes)
        while chunk := list(islice(waiting, size)):
            yield from again(self.rows.alias, lambda chunk=chunk: self._chunk(chunk))  # type: ignore[misc]

    def _chunk(self, changes: Sequence[Mapping[str, Any]]) -> list[Registered]:
        with transaction.atomic(using=self.rows.alias):
            wanted = {str(change.get("public_id")) for change in changes}
            known = self.rows.locked(self.rows.all().filter(public_id__in=wanted))
            sheet = _Sheet(self.rows, known, changes)
            fates = [sheet.enter(change) for change in changes]
            sheet.write()
        return fates


class _Sheet:
    """The rows of a chunk, as they will be when all of it is changed."""

    def __init__(
        self,
        rows: DeviceRows,
        known: Sequence[Installation],
        changes: Sequence[Mapping[str, Any]],
    ) -> None:
        self.rows = rows
        self.by_id = {row.public_id: row for row in known}
        self.columns: set[str] = set()
        self.changed: dict[int, Installation] = {}
        self.channels: dict[int, tuple[Installation, list[str]]] = {}
        wanted = any(name.endswith("channels") for change in changes for name in change)
        self.present = rows.channels(known) if wanted else {}

    def enter(self, said: Mapping[str, Any]) -> Registered:
        """Do one change in memory."""
        said = dict(said)
        row = self.by_id.get(said.pop("public_id", ""))
        try:
            if row is None:
                raise _unknown()
            change = Change.read(self.rows.manager.model, **said)
            subscribed = change.is_about_channels and self._subscribe(row, change)
        except InvalidRegistration as error:
            return Registered(fate=Fate.REFUSED, error=error)
        columns = change.apply(row)
        if columns:
            self.columns.update(columns)
            self.changed[row.pk] = row
        fate = Fate.UPDATED if columns or subscribed else Fate.UNCHANGED
        return Registered(fate=fate, installation=row)

    def _subscribe(self, row: Installation, change: Change) -> bool:
        noted = self.channels.get(row.pk)
        before = noted[1] if noted else sorted(self.present.get(row.pk, ()))
        after = change.channels_after(before)
        if after == before:
            return False
        self.channels[row.pk] = (row, after)
        return True

    def write(self) -> None:
        self.rows.save(self.changed.values(), self.columns)
        self.rows.save_channels(self.channels.values(), self.present)


def _unknown() -> InvalidRegistration:
    return InvalidRegistration(
        _("There is no device with this id in the application. Registering tells the right one."),
        code="unknown_installation",
        field="public_id",
    )
