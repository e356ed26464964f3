"""Wake-ups: telling workers that work is due, and hearing it.

NOTIFY on PostgreSQL, a loopback datagram elsewhere. A wake-up carries nothing and may be lost:
workers look every 250 ms anyway.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import zlib
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connections

__all__ = ["Ear", "wake"]

logger = logging.getLogger("django_push.worker")

CHANNEL = "django_push"


def wake(database: str) -> None:
    """Tell one or more workers that work is due. The default ``DISPATCHER``."""
    connection = connections[database]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto(b"due", ("127.0.0.1", _port(database)))


def _port(database: str) -> int:
    """The same for every process on this machine that uses this database."""
    name = str(connections[database].settings_dict["NAME"])
    return 40_000 + zlib.crc32(name.encode()) % 20_000


class Ear:
    """Hears :func:`wake` through a selector, and calls ``hear``.

    Its socket may fail, with the database that it listens to: then it is deaf until
    :meth:`open` is called again.
    """

    def __init__(
        self, database: str, selector: selectors.BaseSelector, hear: Callable[[], None]
    ) -> None:
        self._database, self._selector, self._hear = database, selector, hear
        self._close: Callable[[], None] | None = None
        self._clear: Callable[[], None] | None = None
        self._fd = -1
        self.client = self.owner = self  # what the sender calls for every socket

    def open(self) -> None:
        """Listen, unless it does already."""
        if self._close is not None:
            return
        if connections[self._database].vendor == "postgresql":
            self._listen_to_postgresql()
        else:
            self._listen_to_datagrams()

    def handle(self, key: selectors.SelectorKey, mask: int) -> None:
        """Something was said, or the connection ended: look in both cases."""
        try:
            if self._clear is not None:
                self._clear()
        except Exception:  # the driver's own errors: psycopg's are not Django's
            logger.warning(
                "The connection that listens for wake-ups ended; polling until it is back"
            )
            self.close()
        self._hear()

    def close(self) -> None:
        """Listen no more."""
        if self._close is not None:
            self._selector.unregister(self._fd)
            with contextlib.suppress(Exception):  # it may be broken, which is why it is closed
                self._close()
        self._close = self._clear = None

    def _use(self, fd: int, clear: Callable[[], None], close: Callable[[], None]) -> None:
        self._fd, self._clear, self._close = fd, clear, close
        self._selector.register(fd, selectors.EVENT_READ, self)

    def _listen_to_datagrams(self) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        if hasattr(socket, "SO_REUSEPORT"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            sock.bind(("127.0.0.1", _port(self._database)))
        except OSError:
            sock.close()  # somebody else's port: the poll finds the work
            return

        def clear() -> None:
            with contextlib.suppress(BlockingIOError):
                while sock.recv(16):
                    pass

        self._use(sock.fileno(), clear, sock.close)

    def _listen_to_postgresql(self) -> None:
        """A connection of its own, since the pipeline's is busy with transactions."""
        wrapper = connections[self._database].copy()
        try:
            wrapper.ensure_connection()
            with wrapper.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
        except DatabaseError:
            wrapper.close()
            return
        raw: Any = wrapper.connection

        def clear() -> None:
            if hasattr(raw, "poll"):  # psycopg 2
                raw.poll()
                raw.notifies.clear()
            else:
                for _ in raw.notifies(timeout=0):
                    pass

        self._use(raw.fileno(), clear, wrapper.close)
