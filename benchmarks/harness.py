"""What every measurement needs: the server in its own process, h2load, and the machine's name."""

import contextlib
import json
import os
import platform
import re
import resource
import secrets
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks import build

DEVICE_TOKENS = 2_000
STREAMS_OF_APNS = 500

# A JWT of an APNs key is about 220 bytes. This one is made up, nothing checks it.
BEARER = f"bearer eyJhbGciOiJFUzI1NiJ9.{'c3ViamVjdA' * 9}.{'c2lnbmF0dXJl' * 7}"

APNS_HEADERS = {
    "apns-topic": "com.example.app",
    "apns-push-type": "alert",
    "apns-priority": "10",
    "apns-expiration": "0",
}

APNS_BODY = json.dumps(
    {
        "aps": {
            "alert": {
                "title": "Winter sale",
                "body": "Everything in the shop is a third cheaper until Sunday night, and the"
                " first hundred orders come with a scarf.",
            },
            "sound": "default",
            "badge": 1,
        },
        "push_id": "5f0c1a7b9d3e4f6081a2b3c4",
    },
    separators=(",", ":"),
).encode()


class BenchmarkError(RuntimeError):
    """A part of the benchmark did not do what it was started for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """How the server answers; see the head of server/server.c."""

    latency_ms: int = 0
    """Milliseconds between a whole request and its answer; other requests do not wait for it."""
    dead: float = 0.0
    """Percent of the devices that are gone: 410 from APNs, 404 from FCM."""
    streams: int = 1000
    """SETTINGS_MAX_CONCURRENT_STREAMS."""
    apns_streams: bool = False
    """1 stream until the first accepted push, then 500; 1 again after each rejected one."""
    window: int = 1 << 20
    """Bytes of the connection's flow-control window."""
    table_confirm: bool = True
    """Whether a smaller SETTINGS_HEADER_TABLE_SIZE is confirmed by a table size update."""
    indexed: bool = False
    """Whether the fields of answers go into the client's header table; an `apns-id` each time."""
    distinct: bool = False
    """Count different requests (path and body); costs the server up to 1 µs a request."""

    def arguments(self) -> list[str]:
        """The same as command line of the server."""
        numbers = {
            "--latency-ms": self.latency_ms,
            "--dead": self.dead,
            "--streams": self.streams,
            "--window": self.window,
        }
        flags = {
            "--apns-streams": self.apns_streams,
            "--no-table-confirm": not self.table_confirm,
            "--indexed": self.indexed,
            "--distinct": self.distinct,
        }
        return [f"{name}={value}" for name, value in numbers.items()] + [
            name for name, wanted in flags.items() if wanted
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Counters:
    """What the server has counted since its start or the last reset."""

    requests: int
    """Pushes that came completely; answered ones are `accepted` or `rejected`."""
    accepted: int
    rejected: int
    other: int
    """Requests to paths that nobody has."""
    tokens: int
    """Access tokens given out."""
    bytes: int
    """Of HTTP, without TLS; `body_bytes` of them in bodies."""
    body_bytes: int
    connections: int
    resets: int
    """Streams that ended with an error, whoever said so."""
    rst_sent: int
    goaway_sent: int
    max_streams: int
    """The most that were open at a time on one connection."""
    distinct: int
    """Pushes that differ in path or body, if `Behaviour.distinct`."""
    marked_at: dict[str, float]
    """When the pushes to tokens that begin with "facefeed" and four hex digits came, by number."""
    first_at: float
    """When the first push had come, in seconds of `time.monotonic()`, the same in all processes."""
    last_at: float
    cpu_seconds: float
    """CPU time of the server since its start; a reset does not clear it."""


class Server:
    """The server of benchmarks/server, running in its own process while the context is open."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()

    def __enter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="push-bench-")
        self.directory = Path(self._directory.name)
        self.certificate, key = make_certificate(self.directory)
        self._process = subprocess.Popen(
            [
                str(build.server()),
                f"--cert={self.certificate}",
                f"--key={key}",
                "--die-with-parent",
                *self.behaviour.arguments(),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self._read_line()
        self.port = int(line.rpartition(" ")[2])
        self.origin = f"https://localhost:{self.port}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.communicate()
        self._directory.cleanup()

    def counters(self) -> Counters:
        """What was counted so far."""
        self._process.send_signal(signal.SIGUSR1)
        return Counters(**json.loads(self._read_line()))

    def reset(self) -> Counters:
        """What was counted so far; counting begins again at zero."""
        self._process.send_signal(signal.SIGUSR2)
        return Counters(**json.loads(self._read_line()))

    def context(self) -> ssl.SSLContext:
        """A client's TLS settings that trust this server only."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.set_alpn_protocols(["h2"])
        return context

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError(f"The server ended with status {self._process.wait()}.")
        return line.strip()


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key, as PEM files in `directory`."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *subject, *files], check=True, capture_output=True)
    return certificate, key


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A child process that ended well."""

    output: str
    cpu_seconds: float
    """User and system time, threads included."""
    wall_seconds: float
    max_rss_mb: float


def run(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> Finished:
    """Run `command` to its end and measure it.

    Raises BenchmarkError when it ends with another status than 0.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | (environment or {})
    )
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchmarkError(f"{command[0]} ended with status {process.returncode}:\n{output}")
    return Finished(
        output=output,
        cpu_seconds=_cpu(usage),
        wall_seconds=time.monotonic() - began,
        max_rss_mb=usage.ru_maxrss / 1024,
    )


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


@dataclass(frozen=True, kw_only=True, slots=True)
class H2load:
    """One run of h2load."""

    requests_per_s: float
    cpu_us_per_request: float
    max_rss_mb: float


def h2load(
    server: Server, *, requests: int, headers: dict[str, str], connections: int = 2
) -> H2load:
    """Send `requests` pushes as APNs gets them, to 2,000 device tokens in turn.

    Its CPU includes the start of the program and the handshakes, a few milliseconds.
    Raises BenchmarkError when a request did not succeed.
    """
    uris, body = server.directory / "uris", server.directory / "body"
    uris.write_text(
        "".join(f"{server.origin}/3/device/{secrets.token_hex(32)}\n" for _ in range(DEVICE_TOKENS))
    )
    body.write_bytes(APNS_BODY)
    finished = run(
        ["h2load", f"--requests={requests}", f"--clients={connections}", "--threads=1"]
        + [f"--max-concurrent-streams={STREAMS_OF_APNS}", f"--data={body}"]
        + [f"--header={name}: {value}" for name, value in headers.items()]
        + [f"--input-file={uris}"]
    )
    return H2load(
        requests_per_s=_requests_per_s(finished.output, requests),
        cpu_us_per_request=finished.cpu_seconds / requests * 1e6,
        max_rss_mb=finished.max_rss_mb,
    )


def _requests_per_s(output: str, requests: int) -> float:
    rate = re.search(r"^finished in .*, ([\d.]+) req/s", output, re.MULTILINE)
    succeeded = re.search(r"(\d+) succeeded", output)
    if not rate or not succeeded or int(succeeded[1]) != requests:
        raise BenchmarkError(f"h2load did not get {requests} answers of 200:\n{output}")
    return float(rate[1])


def machine() -> dict[str, str]:
    """What the figures were measured on, for the head of the table."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "CPU": model[1] if model else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory:.1f} GiB",
        "system": f"{_distribution()}, {platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "OpenSSL": ssl.OPENSSL_VERSION,
        "load before": f"{os.getloadavg()[0]:.2f} (1 minute)",
    }


def _distribution() -> str:
    with contextlib.suppress(OSError):
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    return "unknown distribution"
