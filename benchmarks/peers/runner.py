"""What every Python runner of a peer needs; imports the standard library only.

A runner is started in its peer's own environment as ``python -m benchmarks.peers.runners.NAME``
with the variables of `Task` set, sends one push to every device token and prints `Report`.
"""

import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

TITLE = "Winter sale"
BODY = "Everything in the shop is a third cheaper until Sunday night."
DATA = {"campaign": "winter"}
TOPIC = "com.example.bench"
TEAM_ID = KEY_ID = "ABCDE12345"
BEARER = f"bearer eyJhbGciOiJFUzI1NiJ9.{'c3ViamVjdA' * 9}.{'c2lnbmF0dXJl' * 7}"
"""For clients that do not sign: of the length of a real one, nothing checks it."""

APNS_PAYLOAD = {"aps": {"alert": {"title": TITLE, "body": BODY}}, **DATA}


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What a runner is asked to do, from its environment."""

    origin: str
    """Where the benchmark's server listens; it plays APNs, FCM and the token endpoint."""
    certificate: str
    """File of the only certificate authority to trust."""
    apns_key: str
    """File of a .p8 key."""
    service_account: str
    """File of a service account whose token endpoint is the server."""
    database: str
    """URL of an empty PostgreSQL database."""
    tokens: list[str]

    @classmethod
    def from_environment(cls) -> "Task":
        return cls(
            origin=os.environ["BENCH_ORIGIN"],
            certificate=os.environ["BENCH_CA_FILE"],
            apns_key=os.environ["BENCH_APNS_KEY"],
            service_account=os.environ["BENCH_SERVICE_ACCOUNT"],
            database=os.environ["BENCH_DATABASE"],
            tokens=Path(os.environ["BENCH_TOKENS"]).read_text().split(),
        )

    @property
    def host(self) -> str:
        return urlsplit(self.origin).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.origin).port or 443

    @property
    def fcm_url(self) -> str:
        """Where Google's https://fcm.googleapis.com/v1/projects/bench/messages:send is."""
        return f"{self.origin}/v1/projects/bench/messages:send"


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a runner says about itself; `benchmarks.peers.measure` compares it with the server."""

    accepted: int
    """Devices of which the library says that the provider took the push."""
    cpu_seconds: float
    """User and system time of this process and its children, while it sent."""
    wall_seconds: float
    peak_mb: float
    """The most memory that was resident, imports and tokens included."""


def measure(send: Callable[[], int]) -> None:
    """Call `send`, which returns how many devices were accepted, and print the `Report`.

    What happens before (imports, reading tokens, filling a database) is not measured.
    """
    cpu, wall = _cpu_seconds(), time.monotonic()
    accepted = send()
    report = Report(
        accepted=accepted,
        cpu_seconds=_cpu_seconds() - cpu,
        wall_seconds=time.monotonic() - wall,
        peak_mb=_peak_mb(),
    )
    print(json.dumps(asdict(report)), flush=True)


def chunks(tokens: Sequence[str], size: int) -> Iterator[list[str]]:
    """`tokens` in lists of at most `size`."""
    for start in range(0, len(tokens), size):
        yield list(tokens[start : start + size])


def _cpu_seconds() -> float:
    usages = [
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN),
    ]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_mb() -> float:
    """VmHWM, because ru_maxrss keeps what the parent had when it started this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status names no VmHWM: the benchmark needs Linux.")
