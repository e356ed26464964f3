"""Several threads that start together, each with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connections

__all__ = ["at_once"]


def at_once(number: int, do: Callable[[int], object]) -> None:
    """Run ``do(0)``, ``do(1)``, … in threads that start together; raise what they raised."""
    start = threading.Barrier(number)
    errors: list[Exception] = []

    def run(which: int) -> None:
        start.wait()
        try:
            do(which)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(which,)) for which in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    if errors:
        raise errors[0]
