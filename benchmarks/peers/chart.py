"""The rows as a bar chart in SVG, readable on a light and on a dark page."""

import math
from collections.abc import Sequence
from html import escape

from benchmarks.peers.rows import Row, dearest_of_ours, percent, sections

WIDTH, LABELS, RIGHT = 940, 410, 120
TOP, BAR, STEP, HEADING = 94, 16, 24, 24
LOWEST, HIGHEST = 1.0, 10_000.0
"""Ends of the logarithmic axis, microseconds."""

SHOWN = {"ours", "ours-50ms", "ours-fcm", "ours-fcm-50ms", "http2-apns", "http2-fcm"}
"""Rows of ours in the chart, beside the dearest one; the table has all."""

TITLE = "CPU of the sending process for one push to one device"
NOTE = "Microseconds on a logarithmic scale: each line is ten times the one before."

LEGEND = {
    "ours": "ours",
    "library": "library for push",
    "client": "HTTP client",
    "pipeline": "another pipeline",
    "limit": "load generator in C",
    "library broken": "loses devices",
}

STYLE = """
  text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 17px; font-weight: 600 }
  .heading { font-weight: 600 }
  .note, .tick { font-size: 12px; fill: #59636e }
  .page { fill: #ffffff }
  .grid { stroke: #d1d9e0 }
  .ours { fill: #0969da; stroke: #0969da }
  .library { fill: #59636e; stroke: #59636e }
  .client { fill: #afb8c1; stroke: #afb8c1 }
  .pipeline { fill: #bc4c00; stroke: #bc4c00 }
  .limit { fill: #1a7f37; stroke: #1a7f37 }
  .broken { fill-opacity: .2; stroke-dasharray: 3 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note, .tick { fill: #9198a1 }
    .page { fill: #0d1117 }
    .grid { stroke: #3d444d }
    .ours { fill: #4493f8; stroke: #4493f8 }
    .library { fill: #9198a1; stroke: #9198a1 }
    .client { fill: #59636e; stroke: #59636e }
    .pipeline { fill: #f0883e; stroke: #f0883e }
    .limit { fill: #3fb950; stroke: #3fb950 }
  }
"""


def draw(rows: Sequence[Row]) -> str:
    """An SVG document: a bar for each sender that has figures, cheapest first in each section."""
    parts: list[str] = []
    y = TOP
    for heading, members in sections(rows):
        shown = _shown(rows, members)
        if not shown:
            continue
        parts.append(_text(20, y + 13, heading, "heading"))
        y += HEADING
        for row in shown:
            parts.append(_bar(row, y))
            y += STEP
        y += 14
    said = _description(rows)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 30}" width="{WIDTH}"'
        f' height="{y + 30}" role="img" aria-labelledby="title description">'
        f'<title id="title">{TITLE}</title><desc id="description">{escape(said)}</desc>'
        f'<style>{STYLE}</style><rect class="page" width="{WIDTH}" height="{y + 30}"/>'
    )
    titles = [_text(20, 30, TITLE, "title"), _text(20, 50, NOTE, "note")]
    return "\n".join([head, *titles, *_legend(), *_grid(y - 8), *parts, "</svg>\n"])


def _shown(rows: Sequence[Row], members: Sequence[Row]) -> list[Row]:
    """The bars of a section; in that of the worst conditions ours is one row and stays."""
    dearest = [dearest_of_ours(rows, kind) for kind in ("apns", "fcm")]
    chosen = [
        row
        for row in members
        if row.runs
        and (row.group != "ours" or row.name in SHOWN or row in dearest or row == members[0])
    ]
    return sorted(chosen, key=_cpu)


def _cpu(row: Row) -> float:
    return row.median("cpu_us")


def _x(microseconds: float) -> float:
    share = math.log(max(microseconds, LOWEST) / LOWEST) / math.log(HIGHEST / LOWEST)
    return LABELS + share * (WIDTH - LABELS - RIGHT)


def _legend() -> list[str]:
    parts, x = [], 20.0
    for style, meaning in LEGEND.items():
        parts.append(f'<rect class="{style}" x="{x}" y="64" rx="2" width="14" height="12"/>')
        parts.append(_text(x + 20, 74, meaning, "note"))
        x += 44 + 6.4 * len(meaning)
    return parts


def _grid(bottom: float) -> list[str]:
    lines, value = [], LOWEST
    while value <= HIGHEST:
        x = _x(value)
        lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom}"/>')
        lines.append(_text(x, bottom + 18, f"{value:,.0f} µs", "tick", anchor="middle"))
        value *= 10
    return lines


def _bar(row: Row, y: float) -> str:
    value, end = _cpu(row), _x(_cpu(row))
    lost = row.median("lost") / row.devices
    said = f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
    broken = " broken" if lost else ""
    label = f'{escape(row.title)}<tspan class="note" dx="6">{escape(row.mode)}</tspan>'
    return "".join(
        [
            f'<text x="{LABELS - 10}" y="{y + 13}" text-anchor="end">{label}</text>',
            f'<rect class="{row.group}{broken}" x="{LABELS}" y="{y}" rx="2"'
            f' width="{end - LABELS:.1f}" height="{BAR}"/>',
            _text(end + 6, y + 13, said + (f" · lost {percent(lost)}" if lost else "")),
        ]
    )


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    named = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named} text-anchor="{anchor}">{escape(text)}</text>'


def _description(rows: Sequence[Row]) -> str:
    """What the bars say, for those who do not see them."""
    return "; ".join(
        f"{heading}: {row.title}, {row.mode}, {_cpu(row):,.1f}"
        for heading, members in sections(rows)
        for row in _shown(rows, members)
    )
