"""The rows as lines for the terminal, as tables in docs/benchmarks.md and as a chart."""

from collections.abc import Sequence

from benchmarks.peers import chart
from benchmarks.peers.environments import CHECKOUT
from benchmarks.peers.rows import Row, dearest_of_ours, named, percent, read, sections

PAGE = CHECKOUT / "docs" / "benchmarks.md"
CHART = CHECKOUT / "docs" / "images" / "benchmarks-peers.svg"
BEGIN = "<!-- peers: written by `python -m benchmarks.peers report` -->"
END = "<!-- peers: end -->"

KINDS = {"apns": "APNs", "fcm": "FCM"}


def line(row: Row) -> str:
    """A row for the terminal."""
    head = f"{KINDS[row.kind]:5} {row.title:31} {row.mode:45} {row.devices:>9,}"
    if not row.runs:
        return f"{head}  {row.failure}"
    return (
        f"{head} {row.median('cpu_us'):9,.1f} us {row.median('per_second'):9,.0f}/s"
        f" {row.median('peak_mb'):6,.0f} MB {lost(row)}"
    )


def lost(row: Row) -> str:
    """What a sender lost, sent twice and told wrongly, of its devices."""
    said = []
    for figure, word in (("lost", "lost"), ("doubled", "twice"), ("misreported", "misreported")):
        if share := row.median(figure) / row.devices:
            said.append(f"{percent(share)} {word}")
    return ", ".join(said) or "none"


def write() -> None:
    """Put the last run into the page and draw its chart.

    Raises FileNotFoundError before the first run, ValueError when the page lacks its marks.
    """
    machine, rows = read()
    page = PAGE.read_text()
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks {BEGIN!r} or {END!r}")
    tables = [_table(heading, rows, shown) for heading, shown in sections(rows) if shown]
    parts = [_machine(machine), *tables, _summary(rows)]
    PAGE.write_text("\n\n".join([head + BEGIN, *parts, END]) + tail)
    CHART.write_text(chart.draw(rows))
    print(f"Written: {PAGE.relative_to(CHECKOUT)}, {CHART.relative_to(CHECKOUT)}")


def _machine(machine: dict[str, str]) -> str:
    return (
        f"{machine['cores']} cores ({machine['CPU']}), {machine['memory']}, {machine['system']},"
        f" {machine['Python']}, PostgreSQL {machine['PostgreSQL']}, Node.js {machine['Node.js']};"
        f" {machine['sizes']}; {machine['date']}. Medians; load before the first: "
        f"{machine['load before']}."
    )


def _table(heading: str, rows: Sequence[Row], shown: Sequence[Row]) -> str:
    dearest = [dearest_of_ours(rows, kind) for kind in KINDS]
    lines = [
        f"| {heading} | mode | devices | CPU, µs/device | × ours | devices/s | MB | lost |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    return "\n".join([*lines, *(_cells(row, rows, row in dearest) for row in shown)])


def _cells(row: Row, rows: Sequence[Row], is_headline: bool) -> str:
    title = f"**{row.title}**" if row.group == "ours" else row.title
    head = f"| {title} | {row.mode} | {row.devices:,} |"
    if not row.runs:
        return f"{head} | | | | {row.failure.replace('|', '/')} |"
    bold = "**" if is_headline else ""
    return (
        f"{head} {bold}{row.median('cpu_us'):,.1f}{bold} | {_times_ours(row, rows)} |"
        f" {row.median('per_second'):,.0f} | {row.median('peak_mb'):,.0f} | {lost(row)} |"
    )


def _times_ours(row: Row, rows: Sequence[Row]) -> str:
    base = named(rows, row.against)
    if base is None or row.group == "ours":
        return ""
    ratio = row.median("cpu_us") / base.median("cpu_us")
    return f"{ratio:.2g}" if ratio < 10 else f"{ratio:,.0f}"


def _summary(rows: Sequence[Row]) -> str:
    """What was asked for and what was seen: our CPU beside the cheapest that lost nothing."""
    whole = [row for row in rows if row.against == "ours" and row.runs and lost(row) == "none"]
    ours = named(rows, "ours")
    python = [row for row in whole if row.language == "Python"]
    sorts = [
        ("≤ 2.2 × the load generator in C", [r for r in whole if r.group == "limit"]),
        ("≥ 40 × less than the best in Python", python),
        ("the same, libraries for push only", [r for r in python if r.group == "library"]),
        ("≥ 20 × less than another pipeline", [r for r in whole if r.group == "pipeline"]),
    ]
    lines = ["| CPU asked for | seen |", "|---|---|"]
    for asked, found in sorts:
        if ours and found:
            best = min(found, key=lambda row: row.median("cpu_us"))
            lines.append(f"| {asked} | {best.title}: {_ratio(ours, best)} |")
    return "\n".join(lines)


def _ratio(ours: Row, other: Row) -> str:
    """How the dearer one of the two compares with the cheaper."""
    mine, its = ours.median("cpu_us"), other.median("cpu_us")
    return f"{mine / its:.1f} × its CPU" if mine > its else f"{its / mine:,.0f} × less"
