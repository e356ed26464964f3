"""Writing rows: a chunk is one transaction, whatever the database, and safe beside live traffic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import DatabaseError, DataError, IntegrityError, connections, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ..conf import alias
from ..delivery.rows import hold
from ..delivery.statements import insert, insert_values
from ..models import Application, Installation, Subscription
from ..models.again import again
from .held import Glance, Held
from .looking import glance, look
from .merging import Changes, Merger
from .report import Report
from .rows import Refused, Row
from .users import UserTable

__all__ = ["Store"]

ANALYZE_FIRST = 5_000
"""New devices after which PostgreSQL is told how large the table is; then at each doubling. It
would find out by itself a minute later, and read the whole table for every chunk until then."""
_MYSQL_INCORRECT_STRING = 1366
"""An ``OperationalError`` for a text that a column with three bytes a character cannot hold."""
_NEVER = {"id", "application", "public_id", "created_at"}
_COLUMNS = [f.name for f in Installation._meta.concrete_fields if f.name not in _NEVER]


class Store:
    """Where the rows of one application go."""

    def __init__(
        self, application: Application, merger: Merger, users: UserTable, *, dry_run: bool
    ) -> None:
        self._application, self._merger, self._users = application, merger, users
        self._dry_run = dry_run
        self._created, self._analyze_at = 0, ANALYZE_FIRST
        self._alias = alias()

    def store(self, rows: Sequence[Row], report: Report) -> None:
        """Store all ``rows`` that the database takes; the others are refused, and counted.

        Raises what says nothing about the rows, such as ``OperationalError``.
        """
        try:
            counts = again(self._alias, lambda: self._attempt(rows))
        except (DatabaseError, TypeError, ValueError) as error:
            if not _is_about_rows(error):
                raise
            if len(rows) == 1:
                words = _("the database does not take it (%(error)s)")
                reason = words % {"error": type(error).__name__}
                report.refuse(Refused(rows[0].place, reason))
                return
            middle = len(rows) // 2
            self.store(rows[:middle], report)
            self.store(rows[middle:], report)
            return
        self._grow(counts.created)
        report.created += counts.created
        report.merged += counts.merged
        report.unchanged += counts.unchanged
        report.notes.update(counts.notes)

    def _grow(self, number: int) -> None:
        self._created += number
        connection = connections[self._alias]
        if self._dry_run or connection.vendor != "postgresql" or self._created < self._analyze_at:
            return
        self._analyze_at = self._created * 2
        with connection.cursor() as cursor:
            for model in (Installation, Subscription):
                cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")

    def _attempt(self, rows: Sequence[Row]) -> Report:
        """Decide without a lock, and again under it if devices change that are here.

        A transaction begins with its write, as SQLite wants it; new devices need no lock, since
        one that appears meanwhile makes the insert fail.
        """
        glances = glance(rows, self._application, self._alias)
        left = [row for row in rows if self._counts(row, glances)]
        old = Report(unchanged=len(rows) - len(left))
        counts, changes = self._merged(left, look(glances, left, self._alias), old)
        if self._dry_run or not changes:
            return counts
        with transaction.atomic(using=self._alias):
            if changes.changed:
                first = set(changes.changed)
                self._lock(first)
                glances = glance(left, self._application, self._alias)
                counts, changes = self._merged(left, look(glances, left, self._alias), old)
                if not first.issuperset(changes.changed):
                    raise IntegrityError("Other devices are concerned than a moment ago.")
            self._write(changes)
        return counts

    def _counts(self, row: Row, glances: Held[Glance]) -> bool:
        """Whether the row is new, or newer than what is here."""
        device = glances.find(row)
        return device is None or self._merger.is_newer(row, device)

    def _merged(
        self, rows: Sequence[Row], held: Held[Installation], old: Report
    ) -> tuple[Report, Changes]:
        counts = Report(unchanged=old.unchanged)
        holders = self._users.holders(row.user for row in rows)
        return counts, self._merger.merge(rows, held, holders, counts)

    def _lock(self, pks: Iterable[int]) -> None:
        rows = Installation.objects.using(self._alias)
        hold(pks)  # in the order of all: an UPDATE takes rows as they lie
        rows.filter(pk__in=sorted(pks)).update(updated_at=timezone.now())

    def _write(self, changes: Changes) -> None:
        rows = Installation.objects.using(self._alias)
        if changes.released:
            rows.filter(pk__in=changes.released).update(installation_id=None)
        if changes.changed:
            features = connections[self._alias].features
            targeted = features.supports_update_conflicts_with_target
            rows.bulk_create(
                [changes.changed[pk] for pk in sorted(changes.changed)],
                update_conflicts=True,
                update_fields=_COLUMNS,
                unique_fields=["id"] if targeted else None,
            )
        insert(changes.created)
        if changes.channels:
            self._subscribe(changes)

    def _subscribe(self, changes: Changes) -> None:
        """Make the channels of each device those that its row names."""
        wanted = self._wanted(changes)
        subscriptions = Subscription.objects.using(self._alias)
        present: set[tuple[int, str]] = set()
        if known := [pk for pk in wanted if pk in changes.changed]:
            held = subscriptions.filter(installation_id__in=known)
            gone = []
            for pk, device, channel in held.values_list("pk", "installation_id", "channel"):
                if channel in wanted[device]:
                    present.add((device, channel))
                else:
                    gone.append(pk)
            subscriptions.filter(pk__in=gone).delete()
        new = [
            (self._application.pk, channel, device)
            for device, channels in wanted.items()
            for channel in channels
            if (device, channel) not in present
        ]
        insert_values(Subscription, ("application_id", "channel", "installation_id"), new)

    def _wanted(self, changes: Changes) -> dict[int, set[str]]:
        """Channels by primary key, which MySQL does not tell of new rows."""
        pks = {device.public_id: device.pk for device in changes.changed.values()}
        pks |= {device.public_id: device.pk for device in changes.created}
        missing = [name for name in changes.channels if pks[name] is None]
        if missing:
            found = Installation.objects.using(self._alias).filter(public_id__in=missing)
            pks |= dict(found.values_list("public_id", "pk"))
        return {pks[name]: set(channels) for name, channels in changes.channels.items()}


def _is_about_rows(error: Exception) -> bool:
    """Whether one row is at fault: the others can be stored."""
    if isinstance(error, DatabaseError) and not isinstance(error, DataError | IntegrityError):
        return error.args[:1] == (_MYSQL_INCORRECT_STRING,)
    return True
