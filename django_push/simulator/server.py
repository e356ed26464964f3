"""Opening the ports and closing them again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from .certificates import Identity, StateError, load_identity
from .connection import Connection, Door
from .control import Control, ControlConnection
from .engines import http2_engine
from .recorder import Recorder
from .service import GOOGLE_LIMIT, Service

HOST = "127.0.0.1"
LOG_FLUSH = 0.25
"""Seconds after which the log file has what has happened."""
TLS_GOODBYE = 1.0
"""Seconds for which a closing connection waits for the client's part of TLS's goodbye."""
_APNS = Door(name="apns")
_SANDBOX = Door(name="sandbox", environment="sandbox")
_FCM = Door(name="fcm", first_limit=GOOGLE_LIMIT, full_limit=GOOGLE_LIMIT)


class PortError(Exception):
    """A port can not be opened. The message names it."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a simulator is to be started. Port 0 is any free one."""

    state_dir: Path
    apns_port: int = 0
    sandbox_port: int = 0
    fcm_port: int = 0
    control_port: int = 0
    topics: tuple[str, ...] | None = None
    """Bundle ids; None for those of the state directory."""
    engine: str = "auto"
    """``ngh2``, ``h2``, or ``auto`` for the first of them that is installed."""
    log: Path | None = None
    """A file that gets one JSON line per push."""


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where a running simulator is reached; all on loopback."""

    apns_url: str
    sandbox_url: str
    fcm_url: str
    token_url: str
    control_url: str


class Server:
    """A running simulator. To be used from inside its event loop only."""

    def __init__(self, options: Options) -> None:
        """Bind the ports and make the identity if there is none.

        Raises PortError, StateError or EngineMissingError.
        """
        self._make_engine = http2_engine(options.engine)
        self._sockets = contextlib.ExitStack()
        with contextlib.ExitStack() as sockets:
            self._apns = sockets.enter_context(_bind(options.apns_port))
            self._sandbox = sockets.enter_context(_bind(options.sandbox_port))
            self._fcm = sockets.enter_context(_bind(options.fcm_port))
            self._controls = sockets.enter_context(_bind(options.control_port))
            self.addresses = self._addresses()
            self.identity = load_identity(
                options.state_dir, topics=options.topics, token_uri=self.addresses.token_url
            )
            recorder = _recorder(options.log)
            self._sockets = sockets.pop_all()
        self.service = Service(self.identity, recorder, self._audiences())
        facts = {"engine": self._make_engine().name, **asdict(self.addresses)}
        self.control = Control(self.service, facts)
        self._servers: list[asyncio.Server] = []
        self._control_connections: set[ControlConnection] = set()
        self._flusher: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Serve."""
        tls = _tls(self.identity)
        for door, listener in (
            (_APNS, self._apns),
            (_SANDBOX, self._sandbox),
            (_FCM, self._fcm),
        ):
            await self._serve(self._connections(door), listener, tls)
        await self._serve(
            lambda: ControlConnection(self.control, self._control_connections), self._controls
        )
        self._flush_log()

    async def stop(self) -> None:
        """Close all ports and connections."""
        if self._flusher is not None:
            self._flusher.cancel()
        await self._accept_no_more()
        for server in self._servers:
            server.close()
        for channel in list(self.service.channels):
            channel.cut()
        for connection in list(self._control_connections):
            connection.cut()
        # A connection in the middle of its TLS handshake is known to nobody but the loop.
        for transport in list(getattr(asyncio.get_running_loop(), "_transports", {}).values()):
            transport.abort()
        self._sockets.close()
        self.service.recorder.close()
        # Transports that were cut report their end in the next turns of the loop.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _accept_no_more(self) -> None:
        """A closed server drops, without closing it, a socket that was accepted in the same turn
        of the loop (python/cpython#109564): let those become transports before it is closed."""
        for server in self._servers:
            for listener in server.sockets:
                asyncio.get_running_loop().remove_reader(listener.fileno())
        await asyncio.sleep(0)

    async def _serve(
        self,
        factory: Callable[[], asyncio.Protocol],
        listener: socket.socket,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        server = await asyncio.get_running_loop().create_server(
            factory,
            sock=listener,
            ssl=tls,
            backlog=1024,
            ssl_shutdown_timeout=TLS_GOODBYE if tls else None,
        )
        self._servers.append(server)

    def _connections(self, door: Door) -> Callable[[], Connection]:
        return lambda: Connection(self.service, door, self._make_engine)

    def _flush_log(self) -> None:
        self.service.recorder.flush()
        self._flusher = asyncio.get_running_loop().call_later(LOG_FLUSH, self._flush_log)

    def _addresses(self) -> Addresses:
        fcm_url = f"https://{HOST}:{_port(self._fcm)}"
        return Addresses(
            apns_url=f"https://{HOST}:{_port(self._apns)}",
            sandbox_url=f"https://{HOST}:{_port(self._sandbox)}",
            fcm_url=fcm_url,
            token_url=f"{fcm_url}/token",
            control_url=f"http://{HOST}:{_port(self._controls)}",
        )

    def _audiences(self) -> list[str]:
        listeners = (self._apns, self._sandbox, self._fcm)
        return [
            f"https://{host}:{_port(listener)}/token"
            for host in (HOST, "localhost")
            for listener in listeners
        ]


def _recorder(log: Path | None) -> Recorder:
    try:
        return Recorder(log)
    except OSError as error:
        raise StateError(
            f"The log {log} can not be opened ({error.strerror or error}). Name a file in a "
            "directory that exists and that this user may write to."
        ) from error


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise PortError(
            f"Port {port} on {HOST} can not be opened: {error.strerror or error}. Stop what uses "
            "it, or choose another one (0 for any free one)."
        ) from error
    listener.setblocking(False)
    return listener


def _port(listener: socket.socket) -> int:
    port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port


def _tls(identity: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(identity.server_certificate, identity.server_key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    # One port for clients with a token and with a certificate: a certificate is asked for, and
    # Python shows one only if it was verified against this authority.
    context.load_verify_locations(identity.ca_file)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context
