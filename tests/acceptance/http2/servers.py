"""Servers on loopback for the HTTP/2 client: nghttp2 (`ngh2`) behind asyncio, and bare frames."""

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ngh2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hyperframe import frame as frames

from django_push.http2 import Client, Outcome, Request, Template, literal

TEMPLATE = Template(
    [(":method", "POST"), (":scheme", "https"), (":authority", "localhost")],
    [("authorization", "bearer secret"), ("apns-topic", "com.example.app")],
)
BODY = b'{"aps": {"alert": "Hello"}}'


def request(key: int, body: bytes = BODY) -> Request:
    return key, literal(":path", f"/3/device/{key}"), literal("apns-id", f"id-{key}"), body


class Tls:
    """A certificate for a host, and contexts for both sides."""

    def __init__(self, directory: Path, host: str = "localhost") -> None:
        self.file = directory / f"{host}.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        now = datetime.datetime.now(datetime.UTC)
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host == "localhost":
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        private = key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.file.write_bytes(private + certificate.public_bytes(pem))

    def server(self, alpn: str = "h2") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        context.set_alpn_protocols([alpn])
        return context

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.file))


class Served(asyncio.Protocol):
    """One connection to nghttp2. Subclasses say what to do with a request."""

    configuration: ngh2.Configuration | None = None
    settings = {ngh2.Setting.MAX_CONCURRENT_STREAMS: 100}

    def __init__(self, server: "Ngh2Server") -> None:
        self.server = server
        self.paths: dict[int, str] = {}
        self.count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections.append(self)
        self.http = ngh2.Connection(ngh2.Role.SERVER, self.configuration)
        self.http.initiate_connection(self.settings)
        self.write()

    def data_received(self, data: bytes) -> None:
        try:
            self.http.receive_data(data)
        except ngh2.NGH2Error as error:
            self.server.complaints.append(repr(error))
        for event in self.http.events():
            self.on_event(event)
        self.write()

    def on_event(self, event: ngh2.Event) -> None:
        if isinstance(event, ngh2.RequestReceived):
            fields = {bytes(h[0]).decode(): bytes(h[1]).decode() for h in event.headers}
            self.paths[event.stream_id] = fields[":path"]
        if isinstance(event, ngh2.RequestReceived | ngh2.DataReceived) and event.end_stream:
            self.count += 1
            self.on_request(event.stream_id, int(self.paths[event.stream_id].rsplit("/", 1)[1]))

    def on_request(self, stream: int, key: int) -> None:
        self.answer(stream, key)

    def answer(self, stream: int, key: int, status: int = 200, body: bytes = b"") -> None:
        """Process the request: from here on it must not be repeated."""
        self.server.processed.append(key)
        fields = [(b":status", str(status).encode()), (b"apns-id", f"id-{key}".encode())]
        with contextlib.suppress(ngh2.ConnectionStateError):  # it is above our GOAWAY
            self.http.send_response(stream, fields, end_stream=not body)
            if body:
                self.http.send_data(stream, body, end_stream=True)

    def write(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.http.data_to_send())

    def close_after_goaway(self, last: int) -> None:
        """GOAWAY in APNs' words; the connection is closed a little later."""
        self.http.send_goaway(0, last_stream_id=last, debug_data=b'{"reason": "Shutdown"}')
        self.server.loop.call_later(0.05, self.transport.close)


class Ngh2Server:
    """Serves with a `Served` class in a thread of its own."""

    def __init__(self, tls: Tls, served: type[Served], *, context: ssl.SSLContext | None = None):
        self.processed: list[int] = []
        """Keys in the order they were answered, from all connections."""
        self.complaints: list[str] = []
        self.connections: list[Served] = []
        self._context = context or tls.server()
        self._served = served
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Ngh2Server":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"

    def call(self, function: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(function)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self.loop.create_server(
            lambda: self._served(self), "127.0.0.1", 0, ssl=self._context
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        # A closed server drops, without closing it, a socket that was accepted in the same turn of
        # the loop (python/cpython#109564): accept no more, let those become transports, then close.
        for listener in server.sockets:
            self.loop.remove_reader(listener.fileno())
        await asyncio.sleep(0)
        server.close()
        for connection in self.connections:
            connection.transport.abort()
        # Those in the middle of their TLS handshake are known to nobody but the loop.
        for transport in list(getattr(self.loop, "_transports", {}).values()):
            transport.abort()
        await asyncio.sleep(0.01)


class Raw:
    """One TLS connection of a `RawServer`: frames in, frames out, blocking."""

    def __init__(self, tls_socket: ssl.SSLSocket) -> None:
        self.socket = tls_socket
        self._in = b""

    def greet(self, **values: int) -> None:
        """Read the client's preface and SETTINGS, say ours and acknowledge."""
        self._need(24)
        self._in = self._in[24:]
        numbers = {"streams": 3, "initial_window": 4}
        settings = {numbers[name]: value for name, value in values.items()}
        self.send(frames.SettingsFrame(0, settings=settings))
        self.send(frames.SettingsFrame(0, flags=["ACK"]))

    def send(self, *some: frames.Frame) -> None:
        self.socket.sendall(b"".join(frame.serialize() for frame in some))

    def answer(self, stream: int, block: bytes = b"\x88") -> None:
        self.send(frames.HeadersFrame(stream, block, flags=["END_HEADERS", "END_STREAM"]))

    def read(self) -> frames.Frame:
        """The next frame; EOFError when the client has gone."""
        self._need(9)
        frame, length = frames.Frame.parse_frame_header(memoryview(self._in[:9]))
        self._need(9 + length)
        frame.parse_body(memoryview(self._in[9 : 9 + length]))
        self._in = self._in[9 + length :]
        return frame

    def wait_for(self, kind: type[frames.Frame], flag: str = "") -> frames.Frame:
        while True:
            frame = self.read()
            if isinstance(frame, kind) and (not flag or flag in frame.flags):
                return frame

    def reset(self) -> None:
        """Close with a TCP reset."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def _need(self, size: int) -> None:
        while len(self._in) < size:
            data = self.socket.recv(65_536)
            if not data:
                raise EOFError
            self._in += data


class RawServer:
    """Runs `script(connection, number)` in a thread for each connection, the first being 0."""

    def __init__(
        self,
        tls: Tls,
        script: Callable[[Raw, int], None],
        *,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._context = context or tls.server()
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.origin = f"https://localhost:{self.port}"
        self.count = 0
        self.done = threading.Event()
        """Set when the test is over: scripts that only hold a connection wait for it."""
        self.troubles: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "RawServer":
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        assert not self.troubles

    def _start(self, target: Callable[..., None], *args: object) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            number, self.count = self.count, self.count + 1
            self._start(self._serve, plain, number)

    def _serve(self, plain: socket.socket, number: int) -> None:
        plain.settimeout(60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with self._context.wrap_socket(plain, server_side=True) as tls_socket:
                self._script(Raw(tls_socket), number)
        except (EOFError, OSError):
            pass  # the client has gone
        except AssertionError as trouble:
            self.troubles.append(trouble)
        finally:
            plain.close()


def drive(client: Client, requests: list[Request], seconds: float = 60.0) -> Outcome:
    """Send everything as room allows and wait until each key is reported, exactly once."""
    everything, end = Outcome(), time.monotonic() + seconds
    left = list(requests)
    while len(everything) < len(requests):
        assert time.monotonic() < end, (client.error, client.in_flight, len(everything))
        room = client.room()
        if room and left:
            client.send(TEMPLATE, left[:room])
            del left[:room]
        everything.extend(client.poll(0.05))
    assert sorted(keys(everything)) == sorted(each[0] for each in requests)
    assert client.in_flight == 0
    return everything


def keys(outcome: Outcome) -> list[int]:
    return outcome.ok + [each.key for each in (*outcome.answers, *outcome.lost)]


@contextlib.contextmanager
def connected(origin: str, tls: Tls, **options: object) -> Iterator[Client]:
    client = Client(origin, context=tls.client(), **options)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        client.close()


def poll_until(client, condition, seconds=60.0):
    """Poll until the condition holds; returns what was reported meanwhile."""
    everything, end = Outcome(), time.monotonic() + seconds
    while not condition(client):
        assert time.monotonic() < end, (client.error, client.in_flight)
        everything.extend(client.poll(0.02))
    return everything


def has_room(client):
    return client.room() > 0


def has_error(client):
    return not client.room() and client.error
