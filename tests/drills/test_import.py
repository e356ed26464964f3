"""An import killed at random moments, beside live registrations: run again, it is whole."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from django_push.models import Application, Installation, Subscription
from tests.support.imports import document, token
from tests.support.processes import LoggedProcess, environment_for, wait_until

DEVICES = 20_000
NUMBERS = range(1, DEVICES + 1)
KILLS = 5
ALIVE = 50
"""Devices whose app registers while their rows are imported."""


def row(number: int) -> dict[str, Any]:
    return document(number, channels=["news", f"team-{number % 7}"])


@pytest.fixture
def application(transactional_db: None) -> Application:
    return Application.objects.register(None, "Concert Hall", key="hall")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "_Installation.json"
    with path.open("w") as file:
        file.writelines(f"{json.dumps(row(number))}\n" for number in NUMBERS)
    return path


@pytest.fixture
def begin(export: Path, tmp_path: Path) -> Iterator[Callable[[], LoggedProcess]]:
    """A function that starts the command as a process of its own."""
    begun: list[LoggedProcess] = []

    def start() -> LoggedProcess:
        command = [sys.executable, "manage.py", "push_import", "parse-server", str(export)]
        options = ["--application", "hall", "--report", str(tmp_path / "report.json")]
        begun.append(LoggedProcess([*command, *options], environment_for({})))
        return begun[-1]

    yield start
    for process in begun:
        process.end()


def test_kills_lose_and_double_nothing(
    application: Application,
    begin: Callable[[], LoggedProcess],
    tmp_path: Path,
    dice: Random,
    note: Callable[[str], None],
) -> None:
    killed_at = []
    while len(killed_at) < KILLS:
        kill_in_the_middle(begin(), dice)
        killed_at.append(Installation.objects.count())
        _register(application, dice)
    last = begin()
    assert last.wait() == 0, last.output
    note(f"killed at {', '.join(f'{number:,}' for number in killed_at)} of {DEVICES:,} devices")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["read"] == DEVICES
    assert report["created"] <= DEVICES - killed_at[-1]
    addresses = Installation.objects.values_list("address", flat=True)
    assert sorted(addresses) == [token(number) for number in NUMBERS]
    assert Subscription.objects.count() == 2 * DEVICES


def kill_in_the_middle(process: LoggedProcess, dice: Random) -> None:
    enough = Installation.objects.count() + dice.randrange(1, DEVICES // KILLS - 1_500)
    wait_until(lambda: Installation.objects.count() >= enough or process.poll() is not None)
    time.sleep(dice.uniform(0.0, 0.05))
    assert process.poll() is None, f"it ended before the kill:\n{process.output}"
    process.kill()
    process.wait()


def _register(application: Application, dice: Random) -> None:
    """Apps that start meanwhile, some of them before their row was read."""
    for number in dice.sample(NUMBERS, ALIVE):
        said = {"address": token(number), "channels": row(number)["channels"]}
        Installation.objects.register(application, device_type="ios", **said)
