"""Other push apps in this project for some tests, with the tables of their own migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.management import call_command
from django.db import connection
from django.test.utils import override_settings


@contextmanager
def installed(name: str, blocker: Any) -> Iterator[None]:
    """The package ``name`` and its tables, which are gone afterwards.

    ``blocker`` is pytest-django's: tables are made outside of any test, as SQLite cannot make
    them in a test's transaction.
    """
    with override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, name]):
        models = list(apps.get_app_config(name).get_models())
        tables = {model._meta.db_table for model in models}
        with blocker.unblock():
            call_command("migrate", name, verbosity=0)
        try:
            yield
        finally:
            # Pages are registered by the first import, and no menu can be shown with theirs.
            for model in filter(admin.site.is_registered, models):
                admin.site.unregister(model)
            with blocker.unblock():
                call_command("migrate", name, "zero", verbosity=0)
                assert not tables & set(connection.introspection.table_names())
