"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emptying import empty_quickly


@pytest.fixture(scope="session", autouse=True)
def database_emptied_quickly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        empty_quickly(patch)
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell `.ci/run` which tests passed only the second time."""
    again = {report.nodeid for report in terminalreporter.stats.get("rerun", ())}
    failed = {
        report.nodeid
        for kind in ("failed", "error")
        for report in terminalreporter.stats.get(kind, ())
    }
    suite = Path(terminalreporter.config.option.xmlpath or "tests").stem
    if path := os.environ.get("UNSTEADY"):
        with open(path, "a") as names:
            names.writelines(f"{suite} {name}\n" for name in sorted(again - failed))
