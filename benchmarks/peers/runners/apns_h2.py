"""`h2` under asyncio, written by hand: what a careful author gets from the usual building block.

One connection, as many streams as the server allows, one write for each batch of answers, no task
or future for each request. No reconnecting, no timeouts: less than a library has to do.
"""

import asyncio
import json
import ssl

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RemoteSettingsChanged, ResponseReceived, StreamEnded

from benchmarks.peers.runner import APNS_PAYLOAD, BEARER, TOPIC, Task, measure


class Sender(asyncio.Protocol):
    """Sends everything as soon as streams are free; `done` holds how many were accepted."""

    def __init__(self, task: Task, bearer: str) -> None:
        self.http2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.body = json.dumps(APNS_PAYLOAD, separators=(",", ":")).encode()
        self.left = list(reversed(task.tokens))
        self.waiting = len(task.tokens)
        self.accepted = 0
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", task.host)]
        self.headers = [
            ("authorization", bearer),
            ("apns-topic", TOPIC),
            ("apns-push-type", "alert"),
            ("apns-priority", "10"),
        ]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.http2.initiate_connection()
        transport.write(self.http2.data_to_send())

    def data_received(self, data: bytes) -> None:
        is_ready = False
        for event in self.http2.receive_data(data):
            if isinstance(event, ResponseReceived):
                self.accepted += dict(event.headers)[b":status"] == b"200"
            elif isinstance(event, StreamEnded):
                self.waiting -= 1
                is_ready = True
            elif isinstance(event, RemoteSettingsChanged):
                is_ready = True
        if is_ready:
            self.fill()
        self.transport.write(self.http2.data_to_send())
        if not self.waiting and not self.done.done():
            self.done.set_result(self.accepted)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(self.accepted)

    def fill(self) -> None:
        """Open streams while the server's limit and its window allow it."""
        room = self.http2.remote_settings.max_concurrent_streams - self.http2.open_outbound_streams
        while self.left and room > 0 and self.http2.outbound_flow_control_window > len(self.body):
            path = (":path", f"/3/device/{self.left.pop()}")
            stream = self.http2.get_next_available_stream_id()
            self.http2.send_headers(stream, [*self.pseudo, path, *self.headers])
            self.http2.send_data(stream, self.body, end_stream=True)
            room -= 1


async def send(task: Task) -> int:
    """Push to every token; how many were accepted."""
    context = ssl.create_default_context(cafile=task.certificate)
    context.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    transport, sender = await loop.create_connection(
        lambda: Sender(task, BEARER), task.host, task.port, ssl=context
    )
    accepted = await sender.done
    transport.close()
    return accepted


def main() -> None:
    """See the module's docstring."""
    task = Task.from_environment()
    measure(lambda: asyncio.run(send(task)))


if __name__ == "__main__":
    main()
