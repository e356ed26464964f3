"""The server with both apps, and what it answers in a second."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from benchmarks import postgres
from benchmarks.figures import Figure
from benchmarks.harness import BenchmarkError
from benchmarks.peers.environments import CHECKOUT, Python, gist
from benchmarks.registering.load import OURS, THEIRS, Target, requests_per_second

SECONDS = 5.0
"""Of one run of one target."""
WARM_UP = 1.0


def register(devices: int, runs: int) -> list[Figure]:
    """Devices that register again unchanged, among ``devices`` of PostgreSQL, in both apps."""
    environment = Python("register")
    environment.prepare()
    with (
        postgres.server() as database,
        postgres.fresh_database(database.url) as url,
        _served(environment, url, devices) as server,
    ):
        for target in (OURS, THEIRS):
            requests_per_second(target, server.port, devices, WARM_UP)
        # In turn: what else the machine does meets both.
        rounds = [[_run(server, target, devices) for target in (OURS, THEIRS)] for _ in range(runs)]
    ours, theirs = zip(*rounds, strict=True)
    return _figures({OURS: list(ours), THEIRS: list(theirs)})


def _figures(found: dict[Target, list[tuple[float, float]]]) -> list[Figure]:
    figures = []
    for target, runs in found.items():
        rates, costs = zip(*runs, strict=True)
        name = f"register_{target.name}"
        figures += [
            Figure.median(f"{name}_per_s", "requests/s", rates),
            Figure.median(f"{name}_cpu_us", "us of CPU", costs),
        ]
    pairs = zip(found[OURS], found[THEIRS], strict=True)
    times = [ours[0] / theirs[0] for ours, theirs in pairs]
    return [*figures, Figure.median("register_times_as_many", "times", times)]


class _Server:
    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    def cpu_seconds(self) -> float:
        """Of its worker processes; PostgreSQL's own is not in it."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return sum(sum(child.cpu_times()[:2]) for child in children)


def _run(server: _Server, target: Target, devices: int) -> tuple[float, float]:
    """Requests a second, and microseconds of the server's CPU for each."""
    before = server.cpu_seconds()
    rate = requests_per_second(target, server.port, devices, SECONDS)
    return rate, (server.cpu_seconds() - before) / (rate * SECONDS) * 1e6


@contextmanager
def _served(environment: Python, url: str, devices: int) -> Iterator[_Server]:
    """gunicorn with two processes of two threads, as its documentation advises for two cores."""
    variables = {**os.environ, "BENCH_DATABASE": url}
    program = str(environment.directory / "bin" / "python")
    fill = [program, "-m", "benchmarks.registering.site", str(devices)]
    try:
        subprocess.run(
            fill, check=True, cwd=CHECKOUT, env=variables, capture_output=True, text=True
        )
    except subprocess.CalledProcessError as error:
        raise BenchmarkError(f"The tables were not made: {gist(error.stderr)}") from error
    port = _free_port()
    command = [program, "-m", "gunicorn", "benchmarks.registering.site:application"]
    options = ["--workers=2", "--threads=2", "--keep-alive=60", "--log-level=error"]
    process = subprocess.Popen(
        [*command, *options, f"--bind=127.0.0.1:{port}"], cwd=CHECKOUT, env=variables
    )
    try:
        _wait_for(port, process)
        yield _Server(process, port)
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _try in range(200):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise BenchmarkError("gunicorn did not start.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
