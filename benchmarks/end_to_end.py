"""A push from the database through a worker to the server: what it costs by device."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks import postgres
from benchmarks.figures import Figure
from benchmarks.harness import Behaviour, BenchmarkError, Counters, Server, run
from benchmarks.pipeline import WorkerRun

CPU = "us of CPU"
SMALL, LARGE = 10_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """One push, as the worker and the server saw it."""

    worker: WorkerRun
    server: Counters

    @property
    def cpu_us(self) -> float:
        return self.worker.cpu_seconds / self.worker.devices * 1e6

    @property
    def per_second(self) -> float:
        return self.worker.devices / self.worker.wall_seconds

    @property
    def statements(self) -> float:
        return self.worker.statements / self.worker.devices * 1000

    @property
    def first_ms(self) -> float:
        return (self.server.first_at - self.worker.started_at) * 1000


def end_to_end(devices: int, runs: int) -> list[Figure]:
    """APNs and FCM at `devices`; memory and the first device at up to a million."""
    large = max(devices, LARGE)
    names = {f"apns-{devices}", f"fcm-{devices}", f"apns-{SMALL}", f"apns-{large}"}
    with postgres.server() as database, seeded(database.url, sorted(names)):
        apns = [send(f"apns-{devices}") for _ in range(runs)]
        fcm = [send(f"fcm-{devices}") for _ in range(runs)]
        small = send(f"apns-{SMALL}")
        million = [send(f"apns-{large}") for _ in range(runs)]
    growth = [each.worker.max_rss_mb - small.worker.max_rss_mb for each in million]
    return [
        *_figures("apns", apns),
        *_figures("fcm", fcm),
        Figure.median("sql_per_1000_devices", "statements", [each.statements for each in apns]),
        *_figures("apns_million", million),
        Figure.median("worker_rss_growth_mb", "MB, 10,000 to a million", growth),
    ]


def _figures(name: str, runs: list[Sent]) -> list[Figure]:
    return [
        Figure.median(f"{name}_end_to_end_cpu_us_per_device", CPU, [r.cpu_us for r in runs]),
        Figure.median(f"{name}_devices_per_s", "devices/s", [r.per_second for r in runs]),
        Figure.median(f"{name}_first_device_ms", "ms", [r.first_ms for r in runs]),
    ]


@contextmanager
def seeded(url: str, names: list[str]) -> Iterator[None]:
    """A database of this run's own, its address in the environment of the workers."""
    with postgres.fresh_database(url) as fresh:
        os.environ["BENCH_DATABASE"] = fresh
        print(f"Filling a database with {', '.join(names)} ...", file=sys.stderr)
        run([sys.executable, "-m", "benchmarks.pipeline", "seed", *names])
        yield


def send(name: str, behaviour: Behaviour | None = None) -> Sent:
    """Submit one push and let one worker send it; everything must have arrived once."""
    command = [sys.executable, "-m", "benchmarks.pipeline"]
    with Server(behaviour) as server:
        os.environ["BENCH_ORIGIN"] = server.origin
        os.environ["BENCH_CA_FILE"] = str(server.certificate)
        pk = run([*command, "submit", name]).output.strip()
        worker = WorkerRun(**json.loads(run([*command, "work", pk]).output))
        counters = server.counters()
    expected = int(name.split("-")[1])
    if worker.devices != expected or counters.accepted + counters.rejected != expected:
        raise BenchmarkError(f"Devices got lost: the worker says {worker}, the server {counters}.")
    return Sent(worker, counters)
