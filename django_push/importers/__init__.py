"""Importers: the devices of another push back end, into the registry of this one.

A :class:`~.rows.Source` reads rows where they are (a file, tables of the same project), one after
the other; :func:`~.running.run_import` stores them in chunks, each in one transaction, and
:class:`~.report.Report` says what became of them. Running the same import again changes nothing.
"""

from .django_apps import DjangoPushNotifications, FcmDjango
from .files import DamagedExport
from .leancloud import LeanCloud
from .parse import ParseServer
from .parse_database import ParseServerDatabase
from .report import Report
from .rows import Refused, Row, Source
from .running import Plan, run_import
from .users import Users

__all__ = [
    "DamagedExport",
    "DjangoPushNotifications",
    "FcmDjango",
    "LeanCloud",
    "ParseServer",
    "ParseServerDatabase",
    "Plan",
    "Refused",
    "Report",
    "Row",
    "Source",
    "Users",
    "run_import",
]
