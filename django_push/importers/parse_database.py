"""Parse Server on PostgreSQL: its table, read through a database of this project's settings."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from django.db import connections
from django.db.utils import DatabaseError
from django.utils.connection import ConnectionDoesNotExist
from django.utils.translation import gettext as _

from .files import DamagedExport
from .parse import Documents, ParseServer, read_row
from .rows import Refused, Row, Source

__all__ = ["ParseServerDatabase"]

PAGE = 1000
_COUNT = 'SELECT count(*) FROM "_Installation"'
_READ = """
    SELECT row_to_json(device)::text FROM "_Installation" device
    WHERE "objectId" > %s ORDER BY "objectId" LIMIT %s
"""


class ParseServerDatabase(Source):
    """The table ``_Installation``; nothing is written to it."""

    name = ParseServer.name

    def __init__(self, alias: str, documents: Documents | None = None) -> None:
        """Raises :class:`~.files.DamagedExport` when there is no such table."""
        self._alias, self._documents = alias, documents or Documents()
        self._seen = 0
        try:
            vendor = connections[alias].vendor
        except ConnectionDoesNotExist:
            raise DamagedExport(_("DATABASES has no “%(alias)s”.") % {"alias": alias}) from None
        if vendor != "postgresql":
            raise DamagedExport(
                _("“%(alias)s” is no PostgreSQL, on which alone Parse Server has tables.")
                % {"alias": alias}
            )
        self._total = max(int(self._fetch(_COUNT)[0][0]), 1)

    def rows(self) -> Iterator[Row | Refused]:
        last = ""
        while texts := self._fetch(_READ, last, PAGE):
            for (text,) in texts:
                document = orjson.loads(text)
                last = document["objectId"]
                self._seen += 1
                yield read_row(self._documents, f"objectId {last}", document)

    def progress(self) -> float:
        return min(self._seen / self._total, 1.0)

    def _fetch(self, sql: str, *parameters: str | int) -> list[tuple[str]]:
        try:
            with connections[self._alias].cursor() as cursor:
                cursor.execute(sql, parameters or None)
                return list(cursor.fetchall())
        except DatabaseError as error:
            words = _("The table _Installation of “%(alias)s” cannot be read: %(error)s")
            values = {"alias": self._alias, "error": str(error).strip().splitlines()[0]}
            raise DamagedExport(words % values) from None
