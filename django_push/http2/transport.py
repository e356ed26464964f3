"""A TLS socket that never blocks: connecting, shaking hands, reading, writing."""

import errno
import os
import selectors
import socket
import ssl
from typing import Any, NamedTuple
from urllib.parse import urlsplit

Address = tuple[socket.AddressFamily, Any]
"""What `socket.socket` and `connect` want."""

READ_SIZE = 65_536


class TransportError(Exception):
    """The connection did not come about or is gone; the text says why."""


class Origin(NamedTuple):
    """Where to connect to."""

    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> "Origin":
        """Read `https://host[:port]`; anything else is a ValueError."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"{url!r} is not an origin: write it as https://host or with a port")
        if parts.path not in ("", "/") or parts.query or parts.username is not None:
            raise ValueError(f"{url!r} has more than an origin: leave out path, query and user")
        return cls(parts.hostname, parts.port or 443)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def addresses(self) -> list[Address]:
        """Ask the resolver. This blocks, as DNS does; raises TransportError."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            words = getattr(error, "strerror", None) or error
            raise TransportError(f"{self}: the name cannot be resolved: {words}") from error
        return [(family, address) for family, _, _, _, address in found]


class Transport:
    """One attempt at one address, and the connection that comes of it.

    Raises TransportError from every method when there is no connection (any more).
    """

    def __init__(self, origin: Origin, address: Address, context: ssl.SSLContext) -> None:
        self.up = False
        """TCP and TLS are established, and HTTP/2 is agreed on."""
        self.events = selectors.EVENT_WRITE
        """What to wait for before the next call of `advance`; once up it is the owner's affair."""
        self._origin = origin
        self._context = context
        self._tls: ssl.SSLSocket | None = None
        family, where = address
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise self._trouble("no connection", error) from error
        self._socket.setblocking(False)
        code = self._socket.connect_ex(where)
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            self._socket.close()
            raise TransportError(f"{origin}: no connection: {os.strerror(code)}")

    def fileno(self) -> int:
        """The descriptor to be watched; the same for the life of the transport."""
        return (self._tls or self._socket).fileno()

    def advance(self) -> None:
        """Go on with connecting: after an event, until `up`."""
        try:
            tls = self._tls or self._begin_tls()
            tls.do_handshake()
        except ssl.SSLWantReadError:
            self.events = selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            self.events = selectors.EVENT_WRITE
        except ssl.SSLCertVerificationError as error:
            text = f"{self._origin}: TLS certificate not accepted: {error.verify_message}"
            raise TransportError(text) from error
        except OSError as error:
            what = "TLS handshake failed" if self._tls else "no connection"
            raise self._trouble(what, error) from error
        else:
            self._check_agreement(tls)
            self.up = True

    def _begin_tls(self) -> ssl.SSLSocket:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        try:
            self._socket.getpeername()
        except OSError as error:  # an event that was meant for another socket: still connecting
            raise ssl.SSLWantWriteError from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls = self._context.wrap_socket(
            self._socket, do_handshake_on_connect=False, server_hostname=self._origin.host
        )
        return self._tls

    def _check_agreement(self, tls: ssl.SSLSocket) -> None:
        """HTTP/2 by ALPN over TLS 1.2 or later (RFC 9113, 3.2 and 9.2)."""
        if tls.selected_alpn_protocol() != "h2":
            raise TransportError(f"{self._origin}: the server does not offer HTTP/2 (ALPN h2)")
        if tls.version() not in ("TLSv1.2", "TLSv1.3"):
            raise TransportError(f"{self._origin}: {tls.version()} is too old, TLS 1.2 is needed")

    def read(self) -> bytes | None:
        """Bytes of the peer; None when there are none now. The end is a TransportError."""
        assert self._tls is not None
        try:
            data = self._tls.recv(READ_SIZE)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            raise self._trouble("connection lost", error) from error
        if not data:
            raise TransportError(f"{self._origin}: connection closed by the peer")
        return data

    def pending(self) -> bool:
        """Bytes are waiting inside TLS, of which a selector knows nothing."""
        return self._tls is not None and self._tls.pending() > 0

    def write(self, data: memoryview) -> int:
        """Write one TLS record; returns how many bytes it took, 0 when the socket is full."""
        assert self._tls is not None
        try:
            return self._tls.send(data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0
        except OSError as error:
            raise self._trouble("connection lost", error) from error

    def close(self) -> None:
        """Close the socket."""
        (self._tls or self._socket).close()

    def _trouble(self, what: str, error: OSError) -> TransportError:
        if isinstance(error, ssl.SSLError) and error.reason:
            words = error.reason.lower().replace("_", " ")
        else:
            words = error.strerror or str(error)
        return TransportError(f"{self._origin}: {what}: {words}")
