"""An empty database after each test that committed: only what was filled is emptied.

Django's own way empties every table, content types and permissions too, and makes those anew: half
a second for each of a thousand tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

__all__ = ["empty_quickly"]

KEPT = frozenset({"auth_permission", "django_content_type", "django_migrations"})
"""Made by migrations; no test adds to them."""
MANY = 1_000
"""Rows of a table above which PostgreSQL truncates: a deleted row asks all that may refer to it."""


def empty_quickly(patch: pytest.MonkeyPatch) -> None:
    """Use this way from now on."""
    usual: Callable[[Any], None] = TransactionTestCase._fixture_teardown

    def teardown(case: Any) -> None:
        names = case._databases_names(include_mirrors=False)
        if not all([_empty(connections[name]) for name in names]):
            usual(case)

    patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)


def _empty(connection: BaseDatabaseWrapper) -> bool:
    """``False``: there is so much that Django's way is the quicker one."""
    rows = _rows(connection)
    if connection.vendor == "postgresql" and MANY in rows.values():
        return False
    quote = connection.ops.quote_name
    with (
        connection.constraint_checks_disabled(),
        transaction.atomic(using=connection.alias),
        connection.cursor() as cursor,
    ):
        for table, number in rows.items():
            if number:
                cursor.execute(f"DELETE FROM {quote(table)}")
    return True


def _rows(connection: BaseDatabaseWrapper) -> dict[str, int]:
    """How many rows each table has, up to :data:`MANY`."""
    quote = connection.ops.quote_name
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = sorted(set(names) - KEPT)
    counts = [
        f"(SELECT count(*) FROM (SELECT 1 FROM {quote(table)} LIMIT {MANY}) AS seen)"
        for table in tables
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}")
        return dict(zip(tables, cursor.fetchone() or (), strict=True))
