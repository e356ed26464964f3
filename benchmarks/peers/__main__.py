"""``python -m benchmarks.peers [SENDER ...]`` measures, ``... report`` writes it into the docs.

All senders together write benchmarks/peers.json. Some of them, named, are only printed: figures of
two runs are not to be compared. ``BENCH_DEVICES`` and ``BENCH_RUNS`` set the sizes.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from benchmarks import harness, postgres
from benchmarks.build import MissingPackages
from benchmarks.harness import BenchmarkError
from benchmarks.measurements import Plan
from benchmarks.peers import ours, report
from benchmarks.peers.environments import NotInstallable
from benchmarks.peers.measure import run_peer, workshop
from benchmarks.peers.roster import PEERS, Peer
from benchmarks.peers.rows import FILE, Row, write

NAMES = [
    "h2load",
    "http2-apns",
    "http2-fcm",
    *(condition.name for condition in ours.CONDITIONS),
    *(peer.name for peer in PEERS),
]


def main() -> int:
    """Measure what the command line names, or everything, or write the report."""
    names = _names()
    try:
        if names == ["report"]:
            report.write()
            return 0
        return _measure(names)
    except (MissingPackages, BenchmarkError, ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _names() -> list[str]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Compares what a push costs here with what it costs elsewhere.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="sender", help=f"report, or: {', '.join(NAMES)}"
    )
    names: list[str] = parser.parse_args().names
    unknown = sorted(set(names) - {*NAMES, "report"})
    if unknown or ("report" in names and len(names) > 1):
        parser.error(f"give report alone, or any of: {', '.join(NAMES)}")
    return names


def _measure(names: list[str]) -> int:
    plan, found = Plan.from_environment(), []
    with postgres.server() as database:
        machine = _machine(plan, database)
        for row in _rows(set(names or NAMES), database.url, plan):
            print(report.line(row), flush=True)
            found.append(row)
            if not names:
                write(machine, found)  # what an interrupted run has measured is kept
    if not names:
        print(f"\nWritten to {FILE}; `python -m benchmarks.peers report` puts it into the docs")
    return 0


def _rows(names: set[str], database: str, plan: Plan) -> Iterator[Row]:
    if "h2load" in names:
        yield ours.limit(plan.devices, plan.runs)
    for kind in ("apns", "fcm"):
        if f"http2-{kind}" in names:
            yield ours.client_alone(kind, plan.devices, plan.runs)
    yield from ours.rows(names, database, plan.devices, plan.runs)
    for peer in PEERS:
        if peer.name in names:
            yield _peer_row(peer, database, plan)


def _peer_row(peer: Peer, database: str, plan: Plan) -> Row:
    """A peer that cannot be installed or that breaks is a row that says so."""
    devices = max(1, plan.devices // peer.divisor)
    row = Row(
        name=peer.name,
        title=peer.title,
        kind=peer.kind,
        group=peer.group,
        mode=peer.mode,
        against=peer.against,
        language=peer.language,
        devices=devices,
    )
    try:
        peer.environment.prepare()
        with workshop(devices) as files:
            behaviour = ours.BEHAVIOURS[peer.against]
            runs = [run_peer(peer.command(), files, database, behaviour) for _ in range(plan.runs)]
    except (NotInstallable, BenchmarkError) as error:
        return replace(row, failure=" ".join(str(error).split()))
    return replace(row, runs=runs)


def _machine(plan: Plan, database: postgres.Database) -> dict[str, str]:
    machine = harness.machine() | {
        "PostgreSQL": database.version.split()[0],
        "Node.js": _node_version(),
        "sizes": f"runs of each: {plan.runs}; devices: {plan.devices:,}",
        "date": datetime.now(UTC).date().isoformat(),
    }
    for name, value in machine.items():
        print(f"{name + ':':12} {value}")
    print()
    return machine


def _node_version() -> str:
    try:
        done = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return done.stdout.strip().removeprefix("v")


if __name__ == "__main__":
    sys.exit(main())
