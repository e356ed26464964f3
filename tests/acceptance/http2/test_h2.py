"""The client against the `h2` library over TLS."""

import h2.config
import h2.connection
import h2.events
import h2.settings
import hpack
import pytest

from .servers import RawServer, connected, drive, request

CODES = h2.settings.SettingCodes
GONE = b'{"reason": "Unregistered"}'


class Stubborn(hpack.Encoder):
    """Goes on with a header table of 4,096 bytes though the client has asked for none."""

    header_table_size = property(lambda self: 4_096, lambda self, size: None)


class H2:
    """Serves one connection. Every tenth device is gone; each rejection lowers the limit to 1."""

    def __init__(self, raw, processed, *, stubborn, leave_after):
        self.socket = raw.socket
        self.processed = processed
        self.leave_after = leave_after
        self.connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        if stubborn:
            self.connection.encoder = Stubborn()
        self.connection.update_settings({CODES.MAX_CONCURRENT_STREAMS: 100})
        self.connection.initiate_connection()
        self.keys: dict[int, int] = {}
        self.count = 0

    def serve(self):
        self.write()
        while data := self.socket.recv(65_536):
            if self.count == self.leave_after:
                continue  # after its GOAWAY the library listens to nothing any more
            for event in self.connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    path = dict(event.headers)[":path"]
                    self.keys[event.stream_id] = int(path.rsplit("/", 1)[1])
                elif isinstance(event, h2.events.DataReceived):
                    size = event.flow_controlled_length
                    self.connection.acknowledge_received_data(size, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded) and self.leave_after != self.count:
                    self.answer(event.stream_id)
            self.write()

    def answer(self, stream):
        self.count += 1
        key = self.keys.pop(stream)
        self.processed.append(key)
        gone = key % 10 == 7
        fields = [(":status", "410" if gone else "200"), ("apns-id", f"id-{key}"), ("via", "h2")]
        self.connection.send_headers(stream, fields, end_stream=not gone)
        if gone:
            self.connection.send_data(stream, GONE, end_stream=True)
        if key % 10 in (7, 8):
            self.connection.update_settings({CODES.MAX_CONCURRENT_STREAMS: 1 if gone else 100})
        if self.count == self.leave_after:
            self.write()
            self.connection.close_connection(last_stream_id=stream)

    def write(self):
        self.socket.sendall(self.connection.data_to_send())


@pytest.mark.parametrize("stubborn", [False, True], ids=["table confirmed", "never confirmed"])
@pytest.mark.parametrize("leave_after", [-1, 150], ids=["stays", "leaves"])
def test_every_answer_arrives_at_its_key(tls, stubborn, leave_after):
    processed: list[int] = []

    def script(raw, number):
        H2(raw, processed, stubborn=stubborn, leave_after=leave_after).serve()

    with RawServer(tls, script) as server, connected(server.origin, tls) as client:
        outcome = drive(client, [request(key) for key in range(1_000)])
        assert server.count == (1 if leave_after < 0 else 7)
    assert sorted(processed) == list(range(1_000))
    assert sorted(outcome.ok) == [key for key in range(1_000) if key % 10 != 7]
    assert {(each.key, each.status, each.headers["apns-id"]) for each in outcome.answers} == {
        (key, 410, f"id-{key}") for key in range(7, 1_000, 10)
    }
    assert {(each.body, each.headers["via"]) for each in outcome.answers} == {(GONE, "h2")}
