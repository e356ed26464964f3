"""Appends one JSON line per hand-over to ``DJANGO_PUSH["FILE"]``.

A line has ``provider`` (the device's own network), ``device_type``, ``token``, ``headers``,
``payload``, ``time`` (ISO 8601, UTC) and ``outcome`` (``sent``, ``rejected``, ``unregistered``).
"""

from __future__ import annotations

import os

import orjson

from ..conf import push_settings
from .redirect import Delivery, RedirectProvider

__all__ = ["FileProvider"]


class FileProvider(RedirectProvider):
    """One line, one write: lines of several processes do not mix (POSIX ``O_APPEND``).

    The file is opened for each line, so that it may be moved away while a worker runs.
    """

    name = "file"
    verbose_name = "File"

    def write(self, delivery: Delivery) -> None:
        line = orjson.dumps(delivery.as_json()) + b"\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(push_settings.FILE, flags, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
