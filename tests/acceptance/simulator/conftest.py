from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from django_push.simulator import Simulator, load_identity

TOPIC = "com.example.app"


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulator")
    load_identity(folder, topics=(TOPIC,))
    return folder


@pytest.fixture(scope="session", params=["ngh2", "h2"])
def shared_simulator(state_dir: Path, request: pytest.FixtureRequest) -> Iterator[Simulator]:
    with Simulator.run(state_dir, engine=request.param) as simulator:
        yield simulator


@pytest.fixture
def simulator(shared_simulator: Simulator) -> Iterator[Simulator]:
    """A running simulator in good health, with nothing delivered, on each engine in turn."""
    shared_simulator.clear()
    yield shared_simulator
    shared_simulator.behave(reset=True)
