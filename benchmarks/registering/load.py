"""Phones that register again: connections that are kept, one request after the other on each."""

import json
import random
import socket
import threading
import time
from dataclasses import dataclass

from benchmarks.harness import BenchmarkError
from benchmarks.registering import APPLICATION, KEY, token

CONNECTIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How one of the two wants to be asked."""

    name: str
    path: str
    scheme: str
    """Before the key in ``Authorization``."""
    status: int
    """Of a device that was known and is as it was."""
    fields: tuple[str, ...]
    """Names of the token's field, and of others with their values, in turn."""

    def request(self, n: int) -> bytes:
        """The whole request that registers device ``n`` again."""
        name, *others = self.fields
        body = {name: token(n), **dict(zip(others[::2], others[1::2], strict=True))}
        data = json.dumps(body).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: {self.scheme} {KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data


OURS = Target(
    name="ours",
    path=f"/push/{APPLICATION}/register-device",
    scheme="Bearer",
    status=204,
    fields=("deviceId", "platform", "ios", "locale", "de"),
)
THEIRS = Target(
    name="django_push_notifications",
    path="/apns/",
    scheme="Token",
    status=200,
    fields=("registration_id", "active", "true"),
)


def requests_per_second(target: Target, port: int, devices: int, seconds: float) -> float:
    """Answers in a second, all of them ``target.status``. Raises BenchmarkError for any other."""
    chance = random.Random(17)
    requests = [target.request(chance.randrange(1, devices + 1)) for _ in range(5_000)]
    counts: list[int] = []
    ends = time.monotonic() + seconds
    shares = [requests[start::CONNECTIONS] for start in range(CONNECTIONS)]
    threads = [
        threading.Thread(target=_ask, args=(share, target, port, ends, counts)) for share in shares
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(counts) < CONNECTIONS:
        raise BenchmarkError(f"{target.name} answered something other than {target.status}.")
    return sum(counts) / (time.monotonic() - began)


def _ask(requests: list[bytes], target: Target, port: int, ends: float, counts: list[int]) -> None:
    wanted = f"HTTP/1.1 {target.status} ".encode()
    count = 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        while time.monotonic() < ends:
            connection.sendall(requests[count % len(requests)])
            if not _answer(connection).startswith(wanted):
                return
            count += 1
    counts.append(count)


def _answer(connection: socket.socket) -> bytes:
    """One whole answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [line.lower() for line in head.split(b"\r\n")]
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length")), 0)
    while len(body) < length:
        body += connection.recv(65_536)
    return head
