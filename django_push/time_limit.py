"""A limit on how long the database may work on what somebody waits for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["TookTooLong", "time_limit"]

_STEPS = 20_000
"""Instructions of SQLite's machine between two looks at the clock: a fraction of a millisecond."""

_SET = "SELECT set_config('statement_timeout', %s, true), set_config('jit', %s, true)"


class TookTooLong(Exception):
    """The database was stopped."""


@contextmanager
def time_limit(seconds: float | None, using: str) -> Iterator[None]:
    """Stop each statement inside after ``seconds``; ``None``: never.

    Raises :class:`TookTooLong`. For reading only: what was written inside is rolled back.
    """
    if seconds is None:
        yield
        return
    connection = connections[using]
    limits = {"postgresql": _postgresql, "mysql": _mysql, "sqlite": _sqlite}
    limit = limits.get(connection.vendor)
    if limit is None:
        yield
        return
    try:
        with limit(connection, seconds):
            yield
    except OperationalError as error:
        if _was_stopped(error):
            raise TookTooLong from error
        raise


def _was_stopped(error: OperationalError) -> bool:
    cause = error.__cause__
    stopped_by_postgresql = getattr(cause, "sqlstate", None) == "57014"
    # MariaDB's ER_STATEMENT_TIMEOUT and MySQL's ER_QUERY_TIMEOUT
    return stopped_by_postgresql or error.args[0] in {"interrupted", 1969, 3024}


@contextmanager
def _postgresql(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), current_setting('jit')")
        before = cursor.fetchone()
        # Compiling a condition of several parts just in time takes longer than the whole count:
        # 0.3 to 1 s, where 100,000 devices are counted in 0.2 s.
        cursor.execute(_SET, [f"{seconds * 1000:.0f}", "off"])
        yield
        # the settings last until the transaction of the caller ends, if there is one
        cursor.execute(_SET, before)


@contextmanager
def _mysql(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    is_mariadb = getattr(connection, "mysql_is_mariadb", True)
    name, value = "max_statement_time", seconds
    if not is_mariadb:
        name, value = "max_execution_time", max(int(seconds * 1000), 1)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT @@SESSION.{name}")
        (before,) = cursor.fetchone()
        cursor.execute(f"SET SESSION {name} = %s", [value])
        try:
            yield
        finally:
            cursor.execute(f"SET SESSION {name} = %s", [before])


@contextmanager
def _sqlite(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    connection.ensure_connection()
    ends = time.monotonic() + seconds
    database = connection.connection
    database.set_progress_handler(lambda: time.monotonic() > ends, _STEPS)
    try:
        yield
    finally:
        database.set_progress_handler(None, 0)
