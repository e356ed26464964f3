"""Stacked bars as SVG: widths are attributes there, so no inline style is needed (CSP)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Bar", "Segment"]

WIDTH = 1000
"""Units of the drawing; the page stretches it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar: the colour's name in push.css, and how much of the whole it is."""

    tone: str
    value: int


@dataclass(frozen=True, slots=True)
class Bar:
    segments: Sequence[Segment]

    def __iter__(self) -> Iterator[tuple[str, float, float]]:
        """Tone, start and width of each part. One that is not nothing is always to be seen."""
        shown = [segment for segment in self.segments if segment.value > 0]
        total = sum(segment.value for segment in shown)
        widths = [max(segment.value * WIDTH / total, 4.0) for segment in shown]
        shrink = WIDTH / sum(widths) if widths else 1.0
        start = 0.0
        for segment, width in zip(shown, widths, strict=True):
            yield segment.tone, round(start, 1), round(width * shrink, 1)
            start += width * shrink
