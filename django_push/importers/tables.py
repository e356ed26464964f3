"""Tables of another app, read page by page: whether its package is still installed or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.apps.registry import Apps
from django.db import DEFAULT_DB_ALIAS, connections, models, router

__all__ = ["Table"]

PAGE = 1000

_FIELDS: Mapping[str, type[models.Field[Any, Any]]] = {
    "active": models.BooleanField,
    "date_created": models.DateTimeField,
}
"""Columns whose values differ from database to database; all others are read as they are."""


class Table:
    """One table with a numeric primary key ``id``."""

    def __init__(self, app_label: str, model_name: str, columns: Sequence[str]) -> None:
        """Of ``columns`` those are read which this version of the package has."""
        self.label = model_name
        try:
            model = apps.get_model(app_label, model_name)
            self.label = model.__name__
            self.name, self.alias = model._meta.db_table, router.db_for_read(model)
        except LookupError:  # its package is gone, its table is not
            self.name = f"{app_label}_{model_name}".lower()
            self.alias = DEFAULT_DB_ALIAS
        self.columns = self._present(columns)

    @property
    def exists(self) -> bool:
        return bool(self.columns)

    def count(self) -> int:
        return self._rows().count()

    def read(self) -> Iterator[dict[str, Any]]:
        """All rows, the newest first, a page at a time: no transaction is held open."""
        rows = self._rows().order_by("-id").values("id", *self.columns)
        page = list(rows[:PAGE])
        while page:
            yield from page
            page = list(rows.filter(id__lt=page[-1]["id"])[:PAGE])

    def _present(self, columns: Sequence[str]) -> list[str]:
        connection = connections[self.alias]
        with connection.cursor() as cursor:
            if self.name not in connection.introspection.table_names(cursor):
                return []
            found = connection.introspection.get_table_description(cursor, self.name)
        present = {column.name for column in found}
        return [name for name in columns if name in present]

    def _rows(self) -> models.QuerySet[Any]:
        """A model of its own, in a registry of its own: nothing in the project sees it."""
        meta = type("Meta", (), {"managed": False, "db_table": self.name, "apps": Apps()})
        fields: dict[str, Any] = {
            name: _FIELDS.get(name, models.TextField)(null=True) for name in self.columns
        }
        fields |= {"id": models.BigIntegerField(primary_key=True), "Meta": meta}
        fields |= {"__module__": __name__}
        meta.app_label = "django_push_import"  # type: ignore[attr-defined]
        model = type("ImportedRow", (models.Model,), fields)
        return model._default_manager.using(self.alias)  # type: ignore[attr-defined,no-any-return]
