from __future__ import annotations

import time

import pytest

from django_push.simulator import Identity, load_identity


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return load_identity(tmp_path_factory.mktemp("simulator"), topics=("com.example.app",))


@pytest.fixture
def clock() -> Clock:
    return Clock()
