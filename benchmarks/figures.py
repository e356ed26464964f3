"""A measured figure, the table people read and the JSON that programs read."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One measured quantity."""

    name: str
    value: float
    """The median of `runs`."""
    unit: str
    runs: tuple[float, ...]
    """What each run gave, in the order of the runs."""

    @classmethod
    def median(cls, name: str, unit: str, runs: Sequence[float]) -> "Figure":
        """The figure of several runs: noise on a shared machine is one-sided, a mean would move."""
        rounded = tuple(round(run, 3) for run in runs)
        return cls(name=name, value=round(statistics.median(rounded), 3), unit=unit, runs=rounded)


def table(figures: Sequence[Figure]) -> str:
    """The figures as lines of text, one figure a line, with the range of its runs."""
    header = ("figure", "value", "unit", "runs", "lowest", "highest")
    rows = [
        (
            f.name,
            f"{f.value:,.2f}",
            f.unit,
            str(len(f.runs)),
            f"{min(f.runs):,.2f}",
            f"{max(f.runs):,.2f}",
        )
        for f in figures
    ]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [_line(header, widths), _line(tuple("-" * width for width in widths), widths)]
    return "\n".join([*lines, *(_line(row, widths) for row in rows)])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    is_text = (0, 2)
    return "  ".join(
        cell.ljust(width) if i in is_text else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()


def write(figures: Sequence[Figure], path: Path) -> None:
    """Write a JSON list of objects with `name`, `value`, `unit` and `runs`."""
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
