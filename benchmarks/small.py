"""Pushes to one device each, the everyday load: how many a second, what each costs, how long it
takes.

A worker process serves; other processes submit. Times are taken from the call of ``push`` until the
request has come to the provider, as its own clock saw it.

``python -m benchmarks.small serve`` and ``... submit KEY NUMBER HOW`` are the processes that are
measured; HOW is ``one`` (``submit`` for each), ``many`` (a hundred at a time) or ``pace`` (every
20 ms one).
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import postgres
from benchmarks.end_to_end import CPU, LARGE, SMALL, seeded
from benchmarks.figures import Figure
from benchmarks.harness import BenchmarkError, Counters, Server

KEY, CROWD = f"apns-{SMALL}", f"apns-{LARGE}"
SUBMITTERS = 2
TOGETHER = 100
"""Pushes in one call of ``submit_many``."""
PACE = 0.02
"""Seconds between two pushes whose time is taken."""
SECONDS_OF_BROADCAST = 5.0
ME = [sys.executable, "-m", "benchmarks.small"]


def small_pushes(number: int, runs: int) -> list[Figure]:
    """``number`` pushes in each run, submitted one by one and a hundred at a time."""
    with postgres.server() as database, seeded(database.url, [KEY, CROWD]):
        figures = []
        for how in ("one", "many"):
            found = [_throughput(number, how) for _ in range(runs)]
            figures += [
                Figure.median(f"small_{how}_{name}", unit, [each[name] for each in found])
                for name, unit in UNITS.items()
            ]
        idle = [_times(broadcast=False) for _ in range(runs)]
        busy = [_times(broadcast=True) for _ in range(runs)]
    return [
        *figures,
        *_percentiles("one_device_idle", idle),
        *_percentiles("one_device_in_broadcast", busy),
    ]


UNITS = {
    "pushes_per_s": "pushes/s",
    "worker_cpu_us_per_push": CPU,
    "submit_cpu_us_per_push": CPU,
    "statements_per_push": "of the worker",
}


def _percentiles(name: str, runs: list[list[float]]) -> list[Figure]:
    return [
        Figure.median(f"{name}_ms_p50", "ms", [_share(run, 0.50) for run in runs]),
        Figure.median(f"{name}_ms_p99", "ms", [_share(run, 0.99) for run in runs]),
    ]


def _share(times: list[float], share: float) -> float:
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


def _throughput(number: int, how: str) -> dict[str, float]:
    """Submit and deliver at the same time; every push must have arrived once."""
    share = number // SUBMITTERS
    with _served() as (worker, server):
        submitted = _together([[*ME, "submit", KEY, str(share), how]] * SUBMITTERS)
        last = _wait_for(share * SUBMITTERS, server)
        wall = last - min(each["began"] for each in submitted)  # not the start of the processes
        served = _end(worker)
    return {
        "pushes_per_s": share * SUBMITTERS / wall,
        "worker_cpu_us_per_push": served["cpu_seconds"] / (share * SUBMITTERS) * 1e6,
        "submit_cpu_us_per_push": sum(each["cpu_seconds"] for each in submitted)
        / (share * SUBMITTERS)
        * 1e6,
        "statements_per_push": served["statements"] / (share * SUBMITTERS),
    }


def _times(*, broadcast: bool) -> list[float]:
    """Milliseconds that each of some pushes to one device took."""
    number = str(int(SECONDS_OF_BROADCAST / PACE))
    with _served() as (worker, server):
        if broadcast:
            _together([[*ME, "submit", CROWD, "1", "crowd"]])
            _until(lambda: server.counters().requests > 0)
        (said,) = _together([[*ME, "submit", KEY, number, "pace"]])
        _until(lambda: len(server.counters().marked_at) >= len(said["called_at"]))
        came = server.counters().marked_at
        _end(worker)
    return [(came[mark] - called) * 1000 for mark, called in said["called_at"].items()]


@contextmanager
def _served() -> Iterator[tuple[subprocess.Popen[str], Server]]:
    """A worker and the server that it sends to."""
    with Server() as server:
        os.environ["BENCH_ORIGIN"] = server.origin
        os.environ["BENCH_CA_FILE"] = str(server.certificate)
        worker = subprocess.Popen(
            [*ME, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert worker.stdout is not None
            if worker.stdout.readline() != "ready\n":
                raise BenchmarkError(f"The worker ended with status {worker.wait()}.")
            yield worker, server
        finally:
            worker.kill()
            worker.communicate()


def _together(commands: list[list[str]]) -> list[dict[str, Any]]:
    """Run processes side by side; what each has printed."""
    started = [subprocess.Popen(each, stdout=subprocess.PIPE, text=True) for each in commands]
    outputs = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise BenchmarkError("A process that submits has failed.")
    return [json.loads(output) for output in outputs]


def _until(arrived: Callable[[], bool]) -> None:
    """Look every 20 ms; raises BenchmarkError after a minute: a push is lost, or nobody sends."""
    ends = time.monotonic() + 60
    while not arrived():
        if time.monotonic() > ends:
            raise BenchmarkError("Not all pushes arrived within a minute.")
        time.sleep(0.02)


def _wait_for(number: int, server: Server) -> float:
    """Until so many pushes have come to the server; when the last did."""
    ends = time.monotonic() + 60
    while True:
        counters: Counters = server.counters()
        if counters.accepted >= number:
            break
        if time.monotonic() > ends:
            raise BenchmarkError(f"Only {counters.accepted} of {number} pushes arrived.")
        time.sleep(0.01)
    if counters.accepted != number:
        raise BenchmarkError(f"{counters.accepted} pushes arrived, {number} were submitted.")
    return counters.last_at


def _end(worker: subprocess.Popen[str]) -> dict[str, float]:
    output, _ = worker.communicate("\n")
    found: dict[str, float] = json.loads(output)
    return found


def serve() -> dict[str, float]:
    """A worker until standard input says something."""
    import selectors

    from django.db import connection

    from benchmarks.pipeline import Statements
    from django_push.worker import Worker

    worker, statements, asked = Worker(), Statements(), selectors.DefaultSelector()
    worker.spare_the_collector()
    asked.register(sys.stdin, selectors.EVENT_READ)
    worker.step()
    print("ready", flush=True)
    cpu = time.process_time()
    with connection.execute_wrapper(statements):
        while worker.is_busy or not asked.select(0):
            worker.step()
    cpu = time.process_time() - cpu
    worker.close()
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu_seconds": cpu, "statements": statements.number, "max_rss_mb": rss}


def submit(key: str, number: int, how: str) -> dict[str, Any]:
    """Submit pushes to one device each."""
    from django_push.models import Application, Installation
    from django_push.submission import compose, push, submit_many

    application = Application.objects.get(key=key)
    if how == "crowd":
        push(application, audience={"everyone": True}, title="Winter sale", body="Until Sunday.")
        return {"cpu_seconds": 0.0}
    devices = Installation.objects.filter(application=application)
    ids = list(devices.order_by("pk").values_list("public_id", flat=True)[:number])
    told: list[dict[str, Any]] = [
        {
            "audience": {"installations": [ids[each % len(ids)]]},
            "title": "Your parcel",
            "body": f"Number {each} is on its way.",
        }
        for each in range(number)
    ]
    if how == "pace":
        return {"called_at": _paced(application, devices, told)}
    cpu, began = time.process_time(), time.monotonic()
    if how == "one":
        for each in told:
            push(application, **each)
    else:
        for start in range(0, number, TOGETHER):
            some = told[start : start + TOGETHER]
            submit_many([compose(application, **each) for each in some])
    return {"cpu_seconds": time.process_time() - cpu, "began": began}


def _paced(application: Any, devices: Any, told: list[dict[str, Any]]) -> dict[str, float]:
    """When each push was called for, by the mark of its device's token."""
    from django_push.submission import push

    for mark, pk in enumerate(devices.order_by("pk").values_list("pk", flat=True)[: len(told)]):
        devices.filter(pk=pk).update(address=f"facefeed{mark:04x}{pk:052x}")
    called = {}
    for mark, each in enumerate(told):
        called[str(mark)] = time.monotonic()
        push(application, **each)
        time.sleep(PACE)
    return called


def main() -> None:
    """See the module's docstring."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    import django

    django.setup()
    command, *arguments = sys.argv[1:]
    if command == "serve":
        print(json.dumps(serve()))
    elif command == "submit":
        key, number, how = arguments
        print(json.dumps(submit(key, int(number), how)))


if __name__ == "__main__":
    main()
