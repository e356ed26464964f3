"""Doing again what met another request in the same rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, OperationalError, connections

__all__ = ["again", "despite_deadlocks"]

T = TypeVar("T")

TRIES = 6
"""Six requests at once that are all about the same few devices need four at the most."""


def again(alias: str, do: Callable[[], T]) -> T:
    """What ``do`` returns, which is a transaction, and is tried :data:`TRIES` times.

    Raises ``IntegrityError`` when others took the address or the id each time, and
    ``OperationalError`` when the database chose us in a deadlock each time, or once inside a
    transaction of the caller, which is undone then too: only the caller can repeat that. SQLite
    has waited by itself before it says so.
    """
    connection = connections[alias]
    repeatable = connection.features.has_select_for_update and not connection.in_atomic_block
    for _try in range(TRIES - 1):
        try:
            return do()
        except IntegrityError:
            continue
        except OperationalError:
            if not repeatable:
                raise
    return do()


def despite_deadlocks(alias: str, do: Callable[[], T]) -> T:
    """What ``do`` returns, which is a transaction that must happen once.

    Repeated only when the database says that it chose us in a deadlock and undid all of it: a
    connection that is lost while it commits leaves open whether it did. Raises
    ``OperationalError`` after :data:`TRIES`, or once inside a transaction of the caller.
    """
    for _try in range(TRIES - 1):
        try:
            return do()
        except OperationalError as error:
            if not _is_deadlock(error) or connections[alias].in_atomic_block:
                raise
    return do()


def _is_deadlock(error: OperationalError) -> bool:
    """MariaDB's number, PostgreSQL's SQLSTATE."""
    return error.args[:1] == (1213,) or getattr(error.__cause__, "sqlstate", "") == "40P01"
