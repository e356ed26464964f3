"""What happens between two statements of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection

__all__ = ["BeforeStatement"]


class BeforeStatement:
    """A wrapper of execute that acts once, before a statement outside transactions, from 0."""

    def __init__(self, number: int, act: Callable[[], object]) -> None:
        self.act, self.done = act, False
        self._left = number

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self._left -= 1
        if self._left < 0 and not self.done and not connection.in_atomic_block:
            self.done = True
            self.act()
        return execute(sql, params, many, context)
