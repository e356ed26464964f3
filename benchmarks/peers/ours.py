"""Our own rows: the whole pipeline on PostgreSQL, in the conditions that cost it most."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.end_to_end import Sent, seeded, send
from benchmarks.harness import APNS_HEADERS, BEARER, Behaviour, BenchmarkError, Server, h2load
from benchmarks.measurements import SLOW_APNS, client_run
from benchmarks.peers.measure import PLAIN
from benchmarks.peers.rows import WORST, Row, Run


@dataclass(frozen=True, slots=True)
class Condition:
    """How the provider behaves in a row of ours."""

    name: str
    kind: str
    mode: str
    behaviour: Behaviour = PLAIN

    def application(self, devices: int) -> str:
        """Rows in which devices die have an application of their own."""
        remark = f"-{self.name}" if self.behaviour.dead else ""
        return f"{self.kind}-{devices}{remark}"


def _plain(**changes: Any) -> Behaviour:
    return replace(PLAIN, **changes)


def _worst(dead: float) -> Behaviour:
    return replace(SLOW_APNS, distinct=True, dead=dead)


CONDITIONS = (
    Condition("ours", "apns", "answers at once"),
    Condition("ours-50ms", "apns", "answers after 50 ms", _plain(latency_ms=50)),
    Condition(
        "ours-unconfirmed", "apns", "header table never confirmed", _plain(table_confirm=False)
    ),
    Condition("ours-1-dead", "apns", "1 % dead", _plain(dead=1)),
    Condition("ours-5-dead", "apns", "5 % dead", _plain(dead=5)),
    Condition("ours-10-dead", "apns", "10 % dead", _plain(dead=10)),
    Condition(
        "ours-streams", "apns", "1 % dead, streams 1 ↔ 500", _plain(dead=1, apns_streams=True)
    ),
    Condition(
        "ours-streams-10", "apns", "10 % dead, streams 1 ↔ 500", _plain(dead=10, apns_streams=True)
    ),
    Condition("ours-worst-1", "apns", "all of these, 1 % dead", _worst(dead=1)),
    Condition(WORST, "apns", "all of these, 10 % dead", _worst(dead=10)),
    Condition("ours-fcm", "fcm", "answers at once"),
    Condition("ours-fcm-50ms", "fcm", "answers after 50 ms", _plain(latency_ms=50)),
    Condition("ours-fcm-5-dead", "fcm", "5 % dead", _plain(dead=5)),
)


BEHAVIOURS = {condition.name: condition.behaviour for condition in CONDITIONS}


def rows(names: set[str], database: str, devices: int, runs: int) -> Iterator[Row]:
    """The chosen rows of ours, one database for all of them."""
    chosen = [condition for condition in CONDITIONS if condition.name in names]
    if not chosen:
        return
    applications = sorted({condition.application(devices) for condition in chosen})
    with seeded(database, applications):
        for condition in chosen:
            yield _row(condition, devices, runs)


def _row(condition: Condition, devices: int, runs: int) -> Row:
    row = Row(
        name=condition.name,
        title="django_push + PostgreSQL",
        kind=condition.kind,
        group="ours",
        mode=condition.mode,
        against=condition.name,
        devices=devices,
    )
    try:
        return replace(row, runs=[_run(condition, devices) for _ in range(runs)])
    except BenchmarkError as error:
        return replace(row, failure=" ".join(str(error).split())[:300])


def _run(condition: Condition, devices: int) -> Run:
    name = condition.application(devices)
    if condition.behaviour.dead:
        command = [sys.executable, "-m", "benchmarks.pipeline", "revive", name]
        subprocess.run(command, check=True)
    return _figures(send(name, condition.behaviour), devices)


def _figures(sent: Sent, devices: int) -> Run:
    return Run(
        cpu_us=round(sent.cpu_us, 2),
        per_second=round(sent.per_second, 1),
        peak_mb=round(sent.worker.max_rss_mb, 1),
        lost=devices - sent.server.distinct,
        doubled=sent.server.requests - sent.server.distinct,
        misreported=abs(sent.worker.successes - sent.server.accepted),
    )


def limit(devices: int, runs: int) -> Row:
    """h2load: the same kind of request from memory, without a database, in C."""
    headers = APNS_HEADERS | {"x-authorization": BEARER}
    with Server() as server:
        loads = [h2load(server, requests=devices, headers=headers) for _ in range(runs)]
    return Row(
        name="h2load",
        title="h2load (C)",
        kind="apns",
        group="limit",
        mode="load generator, 2 connections",
        against="ours",
        devices=devices,
        runs=[
            Run(
                cpu_us=round(load.cpu_us_per_request, 2),
                per_second=round(load.requests_per_s, 1),
                peak_mb=round(load.max_rss_mb, 1),
                lost=0,  # h2load() raises when an answer is missing
                doubled=0,
                misreported=0,
            )
            for load in loads
        ],
    )


def client_alone(kind: str, devices: int, runs: int) -> Row:
    """`django_push.http2` without database and pipeline: what compares with a bare library."""
    clients = [client_run(kind, Behaviour(), devices) for _ in range(runs)]
    return Row(
        name=f"http2-{kind}",
        title="django_push.http2",
        kind=kind,
        group="ours",
        mode="the client alone, 2 connections",
        against="ours" if kind == "apns" else "ours-fcm",
        devices=devices,
        runs=[
            Run(
                cpu_us=round(each.cpu_seconds / devices * 1e6, 2),
                per_second=round(devices / each.wall_seconds, 1),
                peak_mb=round(each.max_rss_mb, 1),
                lost=0,  # client_run() raises when an answer is missing
                doubled=0,
                misreported=0,
            )
            for each in clients
        ],
    )
