"""What drills share: chances that can be repeated, and the rig."""

from __future__ import annotations

import logging
import os
import random
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from django_push.simulator import Simulator

from .rig import Rig

SEED = os.environ.get("PUSH_DRILL_SEED") or secrets.token_hex(4)
FIGURES = pytest.StashKey[list[str]]()


MARKERS = (
    "broker: a drill with Celery and a broker",
    "long: a drill with a hundred thousand devices, or of half a minute",
    "only_on(*vendors): a drill that makes no sense on other databases",
)


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    config.stash[FIGURES] = []
    # The provider's connections end in the middle of things all the time here.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what makes no sense here: a skipped drill would look like one that is missing."""
    elsewhere = []
    for item in items:
        marker = item.get_closest_marker("only_on")
        if marker is not None and connection.vendor not in marker.args:
            elsewhere.append(item)
    items[:] = [item for item in items if item not in elsewhere]
    config.hook.pytest_deselected(items=elsewhere)


def pytest_report_header() -> str:
    return f"drills: repeat this run's chances with PUSH_DRILL_SEED={SEED}"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What was measured, of the drills that passed too."""
    if config.stash[FIGURES]:
        terminalreporter.section(f"drills, PUSH_DRILL_SEED={SEED}")
        for line in config.stash[FIGURES]:
            terminalreporter.line(line)


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Chances of this drill, whatever ran before it."""
    print(f"PUSH_DRILL_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A line for the run's summary."""

    def write(line: str) -> None:
        request.config.stash[FIGURES].append(f"{connection.vendor:10} {request.node.name}: {line}")

    return write


@pytest.fixture
def rig(transactional_db: None, tmp_path: Path, settings: Any) -> Iterator[Rig]:
    log = tmp_path / "provider.jsonl"
    with Simulator.run(tmp_path / "simulator", log=log) as simulator:
        rig = Rig(simulator, log)
        settings.DJANGO_PUSH = {**settings.DJANGO_PUSH, **rig.settings}
        yield rig
