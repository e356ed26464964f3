"""Bringing devices along: an export of Parse Server into an empty registry, and once more.

``BENCH_DEVICES`` is its number of rows. The rows are as an app of Parse's SDK stores them: token,
installation id, two channels, a user, time zone, locale and three fields of its own, 600 bytes.
"""

import json
import os
import random
import re
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import postgres
from benchmarks.figures import Figure
from benchmarks.harness import BenchmarkError, Finished, run

KEY = "import"
CHANNELS = ("news", "sport", "music", "offers", "beta")
SEEN = datetime(2026, 11, 1, tzinfo=UTC)


def imports(devices: int, runs: int) -> list[Figure]:
    """Seconds, CPU and memory of an import, and of the same import again, on PostgreSQL."""
    first, again = [], []
    with tempfile.TemporaryDirectory(prefix="push-bench-") as directory:
        export = Path(directory) / "_Installation.json"
        write_export(export, devices)
        with postgres.server() as server:
            for _ in range(runs):
                with postgres.fresh_database(server.url, "push_benchmark_imports") as url:
                    os.environ["BENCH_DATABASE"] = url
                    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
                    _manage("migrate", "--verbosity=0")
                    _manage("shell", "--verbosity=0", "--command", _APPLICATION)
                    first.append(_import(export, f"{devices:,} created"))
                    again.append(_import(export, f"{devices:,} unchanged"))
    return [*_figures("import", devices, first), *_figures("import_again", devices, again)]


_APPLICATION = (
    "from django_push.models import Application; "
    f"Application.objects.register(None, 'Import', key='{KEY}')"
)


def write_export(path: Path, devices: int) -> None:
    """An export as ``mongoexport`` writes it, with made-up devices."""
    chance = random.Random(1)
    with path.open("w") as out:
        for number in range(devices):
            out.write(f"{json.dumps(_row(number, chance))}\n")


def _row(number: int, chance: random.Random) -> dict[str, Any]:
    seen = SEEN - timedelta(minutes=chance.randrange(100_000))
    apple = number % 2 == 0
    return {
        "_id": f"{number:010d}",
        "_created_at": {"$date": f"{seen - timedelta(days=90):%Y-%m-%dT%H:%M:%S.000Z}"},
        "_updated_at": {"$date": f"{seen:%Y-%m-%dT%H:%M:%S.000Z}"},
        "deviceType": "ios" if apple else "android",
        "pushType": None if apple else "fcm",
        "deviceToken": f"{number:064x}" if apple else f"made-up:{number:0142d}",
        "installationId": f"{number:08x}-0000-4000-8000-000000000000",
        "appIdentifier": "com.example.bench",
        "appVersion": f"1.{number % 9}",
        "localeIdentifier": "de-DE",
        "timeZone": "Europe/Berlin",
        "badge": number % 4,
        "channels": chance.sample(CHANNELS, 2),
        "_p_user": f"_User$u{number % 700_000:09d}",
        "level": number % 50,
        "favourites": ["a", "b"],
        "since": {"$date": "2026-01-01T00:00:00Z"},
    }


def _import(export: Path, expected: str) -> Finished:
    finished = _manage("push_import", "parse-server", str(export), "--application", KEY)
    if not re.search(rf"\b{expected}\b", finished.output):
        raise BenchmarkError(f"Expected {expected}; the import says: {finished.output}")
    return finished


def _manage(*arguments: str) -> Finished:
    return run([sys.executable, "-m", "django", *arguments])


def _figures(name: str, devices: int, runs: list[Finished]) -> list[Figure]:
    cpu = [each.cpu_seconds / devices * 1e6 for each in runs]
    return [
        Figure.median(f"{name}_seconds", "s", [each.wall_seconds for each in runs]),
        Figure.median(f"{name}_rows_per_s", "rows/s", [devices / e.wall_seconds for e in runs]),
        Figure.median(f"{name}_cpu_us_per_row", "us of CPU", cpu),
        Figure.median(f"{name}_max_rss_mb", "MB", [each.max_rss_mb for each in runs]),
    ]
