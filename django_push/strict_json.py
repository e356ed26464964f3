"""JSON from people and programs: bounded in depth, and storable on every database."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import orjson
from django.utils.translation import gettext as _

__all__ = ["MAX_DEPTH", "UnfitJSON", "check_json", "check_text", "is_storable", "read_json"]

MAX_DEPTH = 32
"""Levels of nesting. Python's own encoder gives up near 1,000, which would be a 500."""
_LEAST, _MOST = -(2**63), 2**64 - 1
_HALF = re.compile("[\ud800-\udfff]")


class UnfitJSON(ValueError):
    """``code`` is for machines: ``not_json``, ``too_deep``, ``nul_character``,
    ``half_character``, ``number_too_large``; ``message`` for people."""

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
    check_json(value)
    return value


def check_json(value: object) -> None:
    """Raises :class:`UnfitJSON` for a value that :func:`read_json` would not return.

    What is of no type of JSON is passed over: whoever writes it will say so.
    """
    _check(value, MAX_DEPTH)


def check_text(text: str) -> None:
    """Raises :class:`UnfitJSON` for a text that not every database holds."""
    if "\x00" in text:
        raise UnfitJSON(_("Texts must not hold NUL characters."), code="nul_character")
    if not text.isascii() and _HALF.search(text):
        raise UnfitJSON(
            _("Texts must not hold halves of characters (lone surrogates)."), code="half_character"
        )


def is_storable(text: str) -> bool:
    """Whether every database holds it."""
    try:
        check_text(text)
    except UnfitJSON:
        return False
    return True


def _check(value: object, depth: int) -> None:
    if depth == 0:
        raise UnfitJSON(
            _("The JSON is nested more than %d levels deep.") % MAX_DEPTH, code="too_deep"
        )
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, int | float):
        _check_number(value)
    elif isinstance(value, dict):
        _check_names(value)
        for item in value.values():
            _check(item, depth - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item, depth - 1)


def _check_names(names: Iterable[object]) -> None:
    for name in names:
        if not isinstance(name, str):
            raise UnfitJSON(_("Names in an object must be texts."), code="not_json")
        check_text(name)


def _check_number(value: float) -> None:
    """Whole numbers as :mod:`orjson` writes them; none that is not a number."""
    fits = _LEAST <= value <= _MOST if isinstance(value, int) else math.isfinite(value)
    if not fits:
        raise UnfitJSON(_("A number is too large."), code="number_too_large")
