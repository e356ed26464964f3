"""What was measured of one sender, and the file that keeps all of it."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "peers.json"

WORST = "ours-worst-10"
"""Name of the row of ours, and so of its conditions, that some of the peers meet too: answers after
50 ms, a tenth of the devices gone, each of which lowers the stream limit to 1, no confirmation of
the header table, a window of 64 kB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One push to all devices."""

    cpu_us: float
    """User and system time of the sending process and its children, microseconds a device."""
    per_second: float
    """Devices a second, from the first look to the last answer."""
    peak_mb: float
    lost: int
    """Devices whose push the server never got."""
    doubled: int
    """Pushes that the server got once more than once."""
    misreported: int
    """By how many the sender's count of accepted pushes differs from the server's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One sender in one mode."""

    name: str
    title: str
    kind: str
    """``apns`` or ``fcm``."""
    group: str
    """``ours``, ``library`` (for push), ``client`` (for HTTP), ``pipeline`` (somebody else's) or
    ``limit``."""
    mode: str
    against: str
    """Name of the row of ours that had the same conditions."""
    language: str = ""
    """In which a library is written, as far as the sending goes."""
    devices: int
    runs: Sequence[Run] = field(default=())
    failure: str = ""
    """Why there are no runs."""

    def median(self, figure: str) -> float:
        """The median of a figure of its runs, by its name in `Run`."""
        return statistics.median(getattr(run, figure) for run in self.runs)


def percent(share: float) -> str:
    """A share, 1.0 being all, as two or three digits."""
    return f"{share * 100:.0f} %" if share >= 0.1 else f"{share * 100:.2g} %"


def named(rows: Sequence[Row], name: str) -> Row | None:
    """The row of that name, if it has figures."""
    return next((row for row in rows if row.name == name and row.runs), None)


def sections(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The rows by what they may be compared with, each part with its heading."""
    worst = [row for row in rows if row.against == WORST]
    others = [row for row in rows if row not in worst or row.group == "ours"]
    return [
        ("APNs", [row for row in others if row.kind == "apns"]),
        ("FCM", [row for row in others if row.kind == "fcm"]),
        ("APNs at its worst: 50 ms, 10 % dead, 1 ↔ 500 streams", worst),
    ]


def dearest_of_ours(rows: Sequence[Row], kind: str) -> Row | None:
    """The figure that is quoted for us: our pipeline where it costs most CPU."""
    ours = [row for row in rows if row.group == "ours" and row.kind == kind and row.runs]
    return max(ours, key=lambda row: row.median("cpu_us"), default=None)


def write(machine: dict[str, str], rows: Sequence[Row]) -> None:
    """Keep the rows in `FILE`."""
    document = {"machine": machine, "rows": [asdict(row) for row in rows]}
    FILE.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def read() -> tuple[dict[str, str], list[Row]]:
    """The machine and the rows of the last run. Raises FileNotFoundError before the first."""
    document = json.loads(FILE.read_text())
    return document["machine"], [_row(each) for each in document["rows"]]


def _row(values: dict[str, Any]) -> Row:
    runs = [Run(**run) for run in values.pop("runs")]
    return Row(**values, runs=runs)
