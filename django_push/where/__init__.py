"""The language of conditions: MongoDB's, as Parse Server takes it on installations.

``parse`` reads JSON into a small tree or refuses it by name; ``Where.compile`` makes one condition
of Django's ORM of it, with the same result on SQLite, PostgreSQL and MariaDB. It knows no model: a
:class:`FieldTable` says which fields there are. ``docs/audience.md`` is the page for users.
"""

from .fields import Field, FieldTable, Kind
from .parse import Where, parse

__all__ = ["Field", "FieldTable", "Kind", "Where", "parse"]
