"""``python -m benchmarks [measurement ...]``: measure, print a table, write latest.json.

``BENCH_DEVICES``, ``BENCH_REGISTERED``, ``BENCH_REQUESTS`` and ``BENCH_RUNS`` set the sizes of
`Plan`.
"""

import argparse
import sys
from pathlib import Path

from benchmarks import figures, harness
from benchmarks.build import MissingPackages
from benchmarks.measurements import MEASUREMENTS, Plan

LATEST = Path(__file__).parent / "latest.json"


def main() -> int:
    """Run the measurements named on the command line, or all of them."""
    names = _arguments().measurements or list(MEASUREMENTS)
    try:
        plan = Plan.from_environment()
        _print_machine(plan)
        found = []
        for name in names:
            measured = MEASUREMENTS[name](plan)
            print(figures.table(measured), flush=True)  # at once: a later one may fail
            found += measured
    except (MissingPackages, harness.BenchmarkError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if set(names) == set(MEASUREMENTS):
        figures.write(found, LATEST)
        print(f"\nWritten to {LATEST}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures what a push costs here. All measurements together write latest.json.",
    )
    parser.add_argument(
        "measurements", nargs="*", metavar="measurement", help=f"any of: {', '.join(MEASUREMENTS)}"
    )
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.measurements) - set(MEASUREMENTS))
    if unknown:
        parser.error(f"no measurement {unknown[0]!r}; there are: {', '.join(MEASUREMENTS)}")
    return arguments


def _print_machine(plan: Plan) -> None:
    for name, value in harness.machine().items():
        print(f"{name + ':':12} {value}")
    print(f"{'sizes:':12} {plan.runs} runs, {plan.requests:,} requests, {plan.devices:,} devices\n")


if __name__ == "__main__":
    sys.exit(main())
