"""The fixture ``push_outbox``, for every project that has django_push and pytest-django."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import Outbox

__all__ = ["push_outbox"]


@pytest.fixture
def push_outbox(db: None) -> Iterator[Outbox]:
    """An empty outbox that everything goes to. ``push_outbox.deliver()`` sends what is due."""
    from .testing import deliver_pushes  # noqa: PLC0415  (Django is not set up when plugins load)

    with deliver_pushes() as outbox:
        yield outbox
