"""The database's clock, read now and then and carried on by this machine's monotonic one.

Workers on several machines must agree on leases and due times; their own clocks may jump or
differ, the database's is one.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.db import connections
from django.utils import timezone
from django.utils.dateparse import parse_datetime

__all__ = ["DatabaseClock", "clock"]

_SQL = {
    "postgresql": "SELECT clock_timestamp()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "oracle": "SELECT SYSTIMESTAMP FROM DUAL",
}


class DatabaseClock:
    """``now()`` of one database; asks it again every :attr:`every` seconds."""

    every = 10.0

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._at = timezone.now()
        self._monotonic = float("-inf")

    def now(self) -> datetime:
        """Aware, in UTC."""
        elapsed = time.monotonic() - self._monotonic
        if elapsed > self.every:
            self._ask()
            elapsed = time.monotonic() - self._monotonic
        return self._at + timedelta(seconds=elapsed)

    def _ask(self) -> None:
        connection = connections[self.alias]
        with connection.cursor() as cursor:
            cursor.execute(_SQL[connection.vendor])
            value = cursor.fetchone()[0]
        if isinstance(value, str):
            value = parse_datetime(value)
        self._at = value if value.tzinfo else value.replace(tzinfo=UTC)
        self._monotonic = time.monotonic()


_clocks: dict[str, DatabaseClock] = {}


def clock(alias: str) -> DatabaseClock:
    """This process's clock of a database."""
    return _clocks.setdefault(alias, DatabaseClock(alias))
