"""An HTTP/2 client by hand on `h2`: it hides nothing that a server does."""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import ConnectionInputs, ConnectionState, H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes

from django_push.simulator import Identity

PATIENCE = 60.0


@dataclass
class Reply:
    """What came back on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    done: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.headers.get(":status", 0))

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection. `limits` are the stream limits that the server announced, in order."""

    def __init__(
        self, url: str, identity: Identity, certificate: Path | None = None, **config: Any
    ) -> None:
        self.host = urlsplit(url).netloc
        context = ssl.create_default_context(cafile=identity.ca_file)
        context.set_alpn_protocols(["h2"])
        if certificate is not None:
            context.load_cert_chain(certificate)
        address = (urlsplit(url).hostname, urlsplit(url).port)
        raw = socket.create_connection(address, timeout=PATIENCE)
        self.socket = context.wrap_socket(raw, server_hostname=address[0])
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8", **config))
        # h2 takes nothing more after a GOAWAY; the streams that it spares are still answered.
        machine = self.h2.state_machine
        machine._transitions = {
            **machine._transitions,
            (ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY): (
                None,
                ConnectionState.CLIENT_OPEN,
            ),
        }
        self.h2.initiate_connection()
        self.replies: dict[int, Reply] = {}
        self.limits: list[int] = []
        self.goaway: ConnectionTerminated | None = None
        self.closed = False
        self.flush()
        self.until(lambda: bool(self.limits))

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    @property
    def limit(self) -> int:
        return self.limits[-1]

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def start(self, path: str, body: bytes = b"", *headers: tuple[str, str]) -> int:
        """Send a request without waiting; return its stream."""
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", "POST"), (":scheme", "https"), (":path", path)]
        fields += [(":authority", self.host), *headers]
        self.h2.send_headers(stream, fields)
        self.h2.send_data(stream, body, end_stream=True)
        self.replies[stream] = Reply()
        return stream

    def request(self, path: str, body: bytes = b"", *headers: tuple[str, str]) -> Reply:
        """Send a request and wait for its end."""
        return self.finish([self.start(path, body, *headers)])[0]

    def finish(self, streams: Iterable[int]) -> list[Reply]:
        """Wait until these streams have ended, or the connection has."""
        self.flush()
        replies = [self.replies[stream] for stream in streams]
        self.until(lambda: self.closed or all(reply.done for reply in replies))
        return replies

    def until(self, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not self.read(remaining):
                break
        assert condition(), (self.replies, self.limits, self.goaway, self.closed)

    def settle(self, seconds: float = 0.2) -> None:
        """Read whatever comes within this time."""
        deadline = time.monotonic() + seconds
        while (remaining := deadline - time.monotonic()) > 0 and self.read(remaining):
            pass

    def read(self, patience: float) -> bool:
        self.socket.settimeout(patience)
        try:
            data = self.socket.recv(65_536)
        except TimeoutError:
            return True
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return False
        for event in self.h2.receive_data(data):
            self.take(event)
        if self.goaway is None:
            self.flush()
        return True

    def take(self, event: Any) -> None:
        reply = self.replies.get(getattr(event, "stream_id", None) or 0, Reply())
        if isinstance(event, ResponseReceived):
            reply.headers = {str(name): str(value) for name, value in event.headers}
        elif isinstance(event, DataReceived):
            reply.body += event.data or b""
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            reply.done = True
        elif isinstance(event, StreamReset):
            reply.done, reply.reset = True, int(event.error_code)
        elif isinstance(event, RemoteSettingsChanged):
            changed = event.changed_settings.get(SettingCodes.MAX_CONCURRENT_STREAMS)
            if changed is not None:
                self.limits.append(changed.new_value)
        elif isinstance(event, ConnectionTerminated):
            self.goaway = event


def write_pem(path: Path, *parts: bytes) -> Path:
    """Write PEM blocks to a file only the owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"".join(parts))
    return path
