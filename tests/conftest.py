"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.emptying import empty_quickly


@pytest.fixture(scope="session", autouse=True)
def database_emptied_quickly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        empty_quickly(patch)
        yield
