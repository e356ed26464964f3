"""One import, from its source to its report."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connections
from django.utils import timezone
from django.utils.translation import gettext as _

from ..conf import alias
from ..messages import Environment
from ..models import Application
from .files import DamagedExport
from .merging import Merger
from .report import Report
from .rows import Refused, Row, Source
from .storing import Store
from .users import Users, UserTable

__all__ = ["CHUNK", "Plan", "run_import"]

CHUNK = 1000
"""Rows of one transaction: a large one would keep registrations waiting."""


Tell = Callable[[Report, float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How rows become devices."""

    application: Application | None = None
    """Whose the devices are; ``None``: those that ``mapping`` does not name are refused."""
    mapping: Mapping[str, Application] = field(default_factory=dict)
    """By the app's name in the other system (``application_id``, ``appIdentifier``)."""
    users: Users | None = None
    """``None``: as the source deserves, :attr:`.Source.users`."""
    user_lookup: str = ""
    """See :class:`.UserTable`."""
    environment: Environment = Environment.UNKNOWN
    """Of Apple's two, for devices that are new here. Unknown: tried out at the first push."""
    overwrite: bool = False
    """Write rows again that are as old as what is here, as after a change of this plan."""
    dry_run: bool = False


class _Run:
    def __init__(self, source: Source, plan: Plan, report: Report) -> None:
        self._plan, self._report = plan, report
        trust = source.users if plan.users is None else plan.users
        self._users = UserTable(trust, plan.user_lookup)
        self._now: datetime = timezone.now()
        self._stores: dict[int, Store] = {}
        self._waiting: dict[int, list[Row]] = defaultdict(list)

    def drain(self, source: Source, tell: Tell | None) -> str:
        """Import every row there is; why there are no more, if that is a problem."""
        problem = ""
        try:
            for row in source.rows():
                self.take(row)
                if tell is not None and self._report.read % CHUNK == 0:
                    tell(self._report, source.progress())
        except DamagedExport as error:
            problem = error.message
        self.finish()
        if not self._report.read and not problem:
            problem = _("There is not one row in it.")
        return problem

    def take(self, row: Row | Refused) -> None:
        self._report.read += 1
        if isinstance(row, Refused):
            self._report.refuse(row)
            return
        application = self._plan.mapping.get(row.origin, self._plan.application)
        if application is None:
            words = _("its app “%(name)s” is mapped to no application")
            self._report.refuse(Refused(row.place, words % {"name": row.origin[:80]}))
            return
        waiting = self._waiting[application.pk]
        waiting.append(row)
        if len(waiting) >= CHUNK:
            self._store(application)

    def finish(self) -> None:
        """Store what is left."""
        applications = [*self._plan.mapping.values(), self._plan.application]
        for application in applications:
            if application is not None and self._waiting[application.pk]:
                self._store(application)

    def _store(self, application: Application) -> None:
        rows = self._waiting.pop(application.pk)
        self._store_of(application).store(rows, self._report)
        if settings.DEBUG:  # Django would keep the text of every statement
            connections[alias()].queries_log.clear()

    def _store_of(self, application: Application) -> Store:
        if application.pk not in self._stores:
            merger = Merger(
                application,
                self._now,
                overwrite=self._plan.overwrite,
                environment=self._plan.environment,
            )
            self._stores[application.pk] = Store(
                application, merger, self._users, dry_run=self._plan.dry_run
            )
        return self._stores[application.pk]


def run_import(source: Source, plan: Plan, tell: Tell | None = None) -> Report:
    """Import all of ``source``; the report says whether it was read to its end.

    ``tell`` gets the report so far and the part that was read, after every chunk. An export that
    is damaged in the middle is imported up to there, and so is one during which the database
    fails. An interrupted import (KeyboardInterrupt comes through) has stored whole chunks; the same
    import again finds them and goes on.

    Raises :class:`django.core.exceptions.FieldError` for a ``user_lookup`` that users do not have.
    """
    report = Report(dry_run=plan.dry_run)
    run, began = _Run(source, plan, report), time.monotonic()
    try:
        report.problem = run.drain(source, tell)
        report.complete = not report.problem
    except DatabaseError as error:
        report.problem = _("The database failed: %(error)s") % {"error": str(error).strip()}
    finally:
        report.seconds = time.monotonic() - began
    return report
