"""The parts of the table of devices that one index serves in the order of their primary keys."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from ..conf import alias
from ..delivery.partition import kinds_of
from ..models import Application
from .keyset import Slices

__all__ = ["slices_of"]

MOST = 40
"""Slices of one page: each is a question of its own."""
MOST_APPLICATIONS = 8


def slices_of(mine: Iterable[Application], device_type: str, *, is_all: bool) -> Slices:
    """The devices of ``mine`` on ``device_type`` (empty: all), and no others.

    The index of planning leads with application, network and platform: without all three the
    database would read every device to find the few of a small application, or of a rare
    platform. ``is_all``: ``mine`` are all applications that there are.

    Everything where nothing is narrowed; not exact where there would be too many.
    """
    if is_all and not device_type:
        return Slices(is_exact=True)
    found: list[Q] = []
    for position, application in enumerate(mine):
        if position == MOST_APPLICATIONS or len(found) > MOST:
            return Slices()
        found += [
            Q(application=application, provider=network, device_type=kind)
            for network, kind in kinds_of(application, alias())
            if device_type in {"", kind}
        ]
    return Slices(found, is_exact=True)
