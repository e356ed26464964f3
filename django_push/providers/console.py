"""Writes pushes to standard output, for a first look while developing."""

from __future__ import annotations

import sys
import threading

import orjson

from .redirect import Delivery, RedirectProvider

__all__ = ["ConsoleProvider"]

_lock = threading.Lock()


class ConsoleProvider(RedirectProvider):
    """One readable block per hand-over."""

    name = "console"
    verbose_name = "Console"

    def write(self, delivery: Delivery) -> None:
        text = orjson.dumps(delivery.as_json(), option=orjson.OPT_INDENT_2).decode()
        with _lock:
            sys.stdout.write(f"{text}\n{'-' * 79}\n")
            sys.stdout.flush()
