"""JSON from people and programs: bounded in depth, and storable on every database."""

from __future__ import annotations

import math
from typing import Any

import orjson
from django.utils.translation import gettext as _

__all__ = ["MAX_DEPTH", "UnfitJSON", "read_json"]

MAX_DEPTH = 32
"""Levels of nesting. Python's own encoder gives up near 1,000, which would be a 500."""


class UnfitJSON(ValueError):
    """``code`` is for machines: ``not_json``, ``too_deep``, ``nul_character``,
    ``number_too_large``; ``message`` for people."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message, self.code = message, code


def read_json(text: str | bytes) -> Any:
    """The value that ``text`` is (RFC 8259: so neither NaN nor halves of surrogate pairs).

    Raises :class:`UnfitJSON`, also for what one of the databases cannot hold.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnfitJSON(_("This is not JSON: %s.") % error, "not_json") from None
    _check(value, MAX_DEPTH)
    return value


def _check(value: object, depth: int) -> None:
    if depth == 0:
        raise UnfitJSON(
            _("The JSON is nested more than %d levels deep.") % MAX_DEPTH, code="too_deep"
        )
    if isinstance(value, str) and "\x00" in value:
        raise UnfitJSON(_("Texts must not hold NUL characters."), code="nul_character")
    if isinstance(value, float) and not math.isfinite(value):
        raise UnfitJSON(_("A number is too large."), code="number_too_large")
    if isinstance(value, dict):
        for name, item in value.items():
            _check(name, depth)
            _check(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
