"""Reading, locking and writing many devices with a statement for all, not one for each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import QuerySet

if TYPE_CHECKING:
    from .application import Application
    from .installation import Installation
    from .registration import InstallationManager

__all__ = ["Channels", "DeviceRows"]

Channels = dict[int, dict[str, int]]
"""Keys of subscriptions by name, by the key of their device."""


class DeviceRows:
    """Devices of one application, many at a time."""

    def __init__(self, manager: InstallationManager, application: Application) -> None:
        self.manager = manager
        self.application = application
        self.alias = manager.db
        self.features = connections[self.alias].features

    def all(self) -> QuerySet[Installation]:
        return self.manager.filter(application=self.application)

    def locked(self, rows: Iterable[Installation]) -> list[Installation]:
        """The same rows, read again where nobody else can change them; first in a transaction.

        All in the order of their keys, as the pipeline does: see ``delivery.rows.hold``.
        """
        if not self.features.has_select_for_update:
            # A transaction on SQLite must begin with its write, even one of no row.
            self.manager.filter(pk=0).update(badge=0)
        ids = sorted(row.pk for row in rows)
        found = self.manager.filter(pk__in=ids).order_by("pk")
        return list(found.select_for_update() if self.features.has_select_for_update else found)

    def save(self, rows: Collection[Installation], columns: Iterable[str]) -> None:
        """Write ``columns`` of rows that are there: an upsert by primary key."""
        if not rows:
            return
        self.manager.bulk_create(
            rows,
            update_conflicts=True,
            update_fields=sorted({*columns, "updated_at"}),
            unique_fields=["id"] if self.features.supports_update_conflicts_with_target else None,
        )

    def create(self, rows: Sequence[Installation]) -> None:
        """Insert rows, and find the keys that they were given: MySQL does not tell them."""
        self.manager.bulk_create(rows)
        unknown = {row.public_id: row for row in rows if row.pk is None}
        if unknown:
            ids = self.manager.filter(public_id__in=unknown).values_list("public_id", "pk")
            for public_id, pk in ids:
                unknown[public_id].pk = pk

    def channels(self, rows: Iterable[Installation]) -> Channels:
        """The channels of devices."""
        found: Channels = {}
        ids = [row.pk for row in rows]
        columns = ("installation_id", "channel", "pk")
        listed = self._subscriptions().filter(installation_id__in=ids).values_list(*columns)
        for installation_id, channel, pk in listed if ids else ():
            found.setdefault(installation_id, {})[channel] = pk
        return found

    def save_channels(
        self, wanted: Iterable[tuple[Installation, Iterable[str]]], present: Channels
    ) -> None:
        """Make of the channels that are ``present`` those that are wanted."""
        pairs = {(row.pk, name): row for row, names in wanted for name in names}
        gone = [
            key
            for row, _names in wanted
            for name, key in present.get(row.pk, {}).items()
            if (row.pk, name) not in pairs
        ]
        if gone:
            self._subscriptions().filter(pk__in=gone).delete()
        missing = [pair for pair in sorted(pairs) if pair[1] not in present.get(pair[0], {})]
        rows = self._subscriptions()
        rows.bulk_create(
            [
                rows.model(
                    application_id=self.application.pk, installation=pairs[pair], channel=pair[1]
                )
                for pair in missing
            ],
            ignore_conflicts=True,
        )

    def leave_choices(self, heirs: Iterable[tuple[Installation, Installation]]) -> None:
        """What apps opted out of stays so under the rows by which they are known from now on."""
        known = [former.pk for former, _heir in heirs if former.pk]
        choosers: set[int] = set()
        for relation in ("purpose_choices", "quiet_hours") if known else ():
            model: Any = self.manager.model._meta.get_field(relation).related_model
            rows = model.objects.using(self.alias).filter(installation_id__in=known)
            choosers.update(rows.values_list("installation_id", flat=True))
        for former, heir in heirs:
            if former.pk in choosers:
                former._leave_choices(heir)

    def _subscriptions(self) -> QuerySet[Any]:
        model: Any = self.manager.model._meta.get_field("subscriptions").related_model
        rows: QuerySet[Any] = model.objects.using(self.alias)
        return rows
