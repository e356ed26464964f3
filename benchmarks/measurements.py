"""What is measured. Each measurement is a function from a Plan to its figures."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.audience import audiences
from benchmarks.client import ClientRun
from benchmarks.console import console
from benchmarks.end_to_end import end_to_end
from benchmarks.figures import Figure
from benchmarks.harness import (
    APNS_HEADERS,
    BEARER,
    Behaviour,
    BenchmarkError,
    Server,
    h2load,
    run,
)
from benchmarks.imports import imports as import_devices
from benchmarks.registering.measure import register as again
from benchmarks.small import small_pushes
from benchmarks.workers import several_workers

CPU = "us of CPU"
SMALL_LEAST = 200
"""Pushes to one device, in one run."""
RATE = "requests/s"

TABLE_KEPT = Behaviour(table_confirm=False, indexed=True)
"""A server that goes on using the client's header table: each of its answers must be decoded."""

SLOW_APNS = Behaviour(
    latency_ms=50, dead=1, apns_streams=True, table_confirm=False, indexed=True, window=65_535
)
"""The worst that APNs plausibly does: far away, a token dead here and there, each of which costs
the stream limit, and a header table that is never given up: each answer must be decoded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How much to measure."""

    runs: int = 3
    """How often each measurement is repeated; its figure is the median."""
    requests: int = 200_000
    """Requests of one run of a client without a database."""
    devices: int = 100_000
    """Installations of one push from the database to the server."""
    registered: int = 1_000_000
    """Installations of which some register again."""

    @classmethod
    def from_environment(cls) -> "Plan":
        """With ``BENCH_RUNS``, ``BENCH_REQUESTS``, ``BENCH_DEVICES`` and ``BENCH_REGISTERED``
        where they are set.

        Raises ValueError when one of them is no whole number from 1 up.
        """
        default = cls()
        return cls(
            runs=_size("BENCH_RUNS", default.runs),
            requests=_size("BENCH_REQUESTS", default.requests),
            devices=_size("BENCH_DEVICES", default.devices),
            registered=_size("BENCH_REGISTERED", default.registered),
        )


def _size(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default)).replace("_", "")
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{variable} is {text!r}; give a whole number from 1 up.")
    return int(text)


Measurement = Callable[[Plan], list[Figure]]


def h2load_reference(plan: Plan) -> list[Figure]:
    """A load generator in C on the same server: what the machine can do.

    nghttp2 never puts `authorization` into the header table, so with it h2load sends 220 bytes
    more a request than APNs clients need to. The reference is the cheaper request, in which a
    header of that length has another name; the dearer one is the third figure.
    """
    usual = APNS_HEADERS | {"x-authorization": BEARER}
    literal = APNS_HEADERS | {"authorization": BEARER}
    with Server() as server:
        runs = [h2load(server, requests=plan.requests, headers=usual) for _ in range(plan.runs)]
        dear = [h2load(server, requests=plan.requests, headers=literal) for _ in range(plan.runs)]
    return [
        Figure.median("h2load_cpu_us_per_request", CPU, [each.cpu_us_per_request for each in runs]),
        Figure.median("h2load_requests_per_s", RATE, [each.requests_per_s for each in runs]),
        Figure.median(
            "h2load_literal_jwt_cpu_us_per_request", CPU, [each.cpu_us_per_request for each in dear]
        ),
    ]


def http2_client(plan: Plan) -> list[Figure]:
    """`django_push.http2` alone, APNs and FCM, on 2 connections as h2load."""
    figures = []
    for kind in ("apns", "fcm"):
        runs = [client_run(kind, Behaviour(), plan.requests) for _ in range(plan.runs)]
        figures += _client_figures(f"{kind}_client", plan.requests, runs)
    return figures


def http2_client_dead(plan: Plan) -> list[Figure]:
    """The same with 5 % of the devices gone: their answers have to be decoded."""
    runs = [client_run("apns", Behaviour(dead=5), plan.requests) for _ in range(plan.runs)]
    return _client_figures("apns_client_5_percent_dead", plan.requests, runs)


def http2_client_table(plan: Plan) -> list[Figure]:
    """The same against `TABLE_KEPT`, APNs and FCM."""
    figures = []
    for kind in ("apns", "fcm"):
        runs = [client_run(kind, TABLE_KEPT, plan.requests) for _ in range(plan.runs)]
        figures += _client_figures(f"{kind}_client_table_kept", plan.requests, runs)
    return figures


def http2_client_slow(plan: Plan) -> list[Figure]:
    """The same against `SLOW_APNS`, on 4 connections; a fifth of the requests."""
    requests = max(1, plan.requests // 5)
    runs = [client_run("apns", SLOW_APNS, requests, connections=4) for _ in range(plan.runs)]
    return _client_figures("apns_client_slow", requests, runs)


def _client_figures(name: str, requests: int, runs: list[ClientRun]) -> list[Figure]:
    cpu = [each.cpu_seconds / requests * 1e6 for each in runs]
    rate = [requests / each.wall_seconds for each in runs]
    return [
        Figure.median(f"{name}_cpu_us_per_request", CPU, cpu),
        Figure.median(f"{name}_requests_per_s", RATE, rate),
    ]


def workers(plan: Plan) -> list[Figure]:
    """One broadcast sent by 1, 2 and 4 worker processes on this machine."""
    return several_workers(plan.devices, plan.runs)


def small(plan: Plan) -> list[Figure]:
    """Pushes to one device each: how many a second, and how long one takes."""
    return small_pushes(max(SMALL_LEAST, plan.devices // 20), plan.runs)


def register(plan: Plan) -> list[Figure]:
    """Devices that register again, beside django-push-notifications on the same server."""
    return again(plan.registered, plan.runs)


def audience(plan: Plan) -> list[Figure]:
    """Counting a channel and conditions among all devices of a registry."""
    return audiences(plan.registered, plan.runs)


def imports(plan: Plan) -> list[Figure]:
    """An export of Parse Server into an empty registry, and the same import again."""
    return import_devices(plan.devices, plan.runs)


def client_run(kind: str, behaviour: Behaviour, requests: int, connections: int = 2) -> ClientRun:
    """One process of benchmarks.client against a server of its own; every request answered."""
    with Server(behaviour) as server:
        command = [sys.executable, "-m", "benchmarks.client", kind, server.origin]
        finished = run([*command, server.certificate, str(requests), str(connections)])
        counted = server.counters()
    done = ClientRun(**json.loads(finished.output))
    if done.lost or (done.ok, done.answers) != (counted.accepted, counted.rejected):
        raise BenchmarkError(f"Requests got lost: the client says {done}, the server {counted}.")
    return done


def pipeline(plan: Plan) -> list[Figure]:
    """From the database through a worker to the server, beside h2load in the same run."""
    return end_to_end(plan.devices, plan.runs)


def admin(plan: Plan) -> list[Figure]:
    """The console's pages of devices, with a million of them."""
    return console(plan.devices)


MEASUREMENTS: dict[str, Measurement] = {
    "h2load": h2load_reference,
    "pipeline": pipeline,
    "client": http2_client,
    "client-dead": http2_client_dead,
    "client-table": http2_client_table,
    "client-slow": http2_client_slow,
    "workers": workers,
    "small": small,
    "register": register,
    "imports": imports,
    "audience": audience,
    "admin": admin,
}
