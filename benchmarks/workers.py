"""One broadcast and several worker processes on one machine: what adding workers brings.

PostgreSQL and the server that plays the provider run on the same cores, so their CPU is measured
beside the workers': the cores are shared out among the three.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil

from benchmarks import postgres
from benchmarks.end_to_end import CPU, seeded
from benchmarks.figures import Figure
from benchmarks.harness import Behaviour, BenchmarkError, Server, run
from benchmarks.pipeline import WorkerRun

PROCESSES = (1, 2, 4)
BEHAVIOURS = {"": Behaviour(), "50_ms_": Behaviour(latency_ms=50)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Together:
    """One push, sent by several workers."""

    workers_us: float
    """CPU of all workers, microseconds a device."""
    database_us: float
    """The same of PostgreSQL, all its processes."""
    provider_us: float
    """The same of the benchmark's server."""
    per_second: float
    """Devices a second, from the common start until the last push had come to the provider: an idle
    worker notices the end a quarter of a second late."""


def several_workers(devices: int, runs: int) -> list[Figure]:
    """1, 2 and 4 workers, against a provider that answers at once and one that takes 50 ms."""
    name, figures = f"apns-{devices}", []
    with postgres.server() as database, seeded(database.url, [name]):
        for prefix, behaviour in BEHAVIOURS.items():
            for number in PROCESSES:
                found = [_send_together(name, number, behaviour) for _ in range(runs)]
                figures += _figures(f"workers_{prefix}{number}", found)
    return figures


def _figures(name: str, runs: list[Together]) -> list[Figure]:
    return [
        Figure.median(f"{name}_devices_per_s", "devices/s", [each.per_second for each in runs]),
        Figure.median(f"{name}_cpu_us_per_device", CPU, [each.workers_us for each in runs]),
        Figure.median(f"{name}_postgres_us_per_device", CPU, [each.database_us for each in runs]),
        Figure.median(f"{name}_provider_us_per_device", CPU, [each.provider_us for each in runs]),
    ]


def _send_together(name: str, number: int, behaviour: Behaviour) -> Together:
    """Submit one push and let `number` workers send it; everything must have arrived once."""
    command = [sys.executable, "-m", "benchmarks.pipeline"]
    with Server(behaviour) as server:
        os.environ["BENCH_ORIGIN"] = server.origin
        os.environ["BENCH_CA_FILE"] = str(server.certificate)
        pk = run([*command, "submit", name]).output.strip()
        workers = [_start([*command, "work", pk, "together"]) for _ in range(number)]
        for worker in workers:
            _wait_until_ready(worker)
        provider, database = server.counters().cpu_seconds, _postgres_seconds()
        begin = time.monotonic()
        for worker in workers:
            _begin(worker)
        reports = [_report(worker) for worker in workers]
        database, counters = _postgres_seconds() - database, server.counters()
    devices = reports[0].devices
    if devices != int(name.split("-")[1]) or counters.accepted != devices:
        raise BenchmarkError(f"Devices got lost: the workers say {reports}, the server {counters}.")
    return Together(
        workers_us=sum(report.cpu_seconds for report in reports) / devices * 1e6,
        database_us=database / devices * 1e6,
        provider_us=(counters.cpu_seconds - provider) / devices * 1e6,
        per_second=devices / (counters.last_at - begin),
    )


def _start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _wait_until_ready(worker: subprocess.Popen[str]) -> None:
    assert worker.stdout is not None
    if worker.stdout.readline() != "ready\n":
        raise BenchmarkError(f"A worker ended with status {worker.wait()}.")


def _begin(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.write("\n")
    worker.stdin.flush()


def _report(worker: subprocess.Popen[str]) -> WorkerRun:
    output, _ = worker.communicate()
    if worker.returncode != 0:
        raise BenchmarkError(f"A worker ended with status {worker.returncode}.")
    return WorkerRun(**json.loads(output))


def _postgres_seconds() -> float:
    """CPU of every PostgreSQL process here so far; those that have ended count with their parent.

    Whatever else uses PostgreSQL on this machine is in it.
    """
    seconds = 0.0
    for process in psutil.process_iter(["name", "cpu_times"]):
        times = process.info["cpu_times"]
        if process.info["name"] == "postgres" and times is not None:
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
