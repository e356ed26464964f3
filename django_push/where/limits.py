"""How large a where may be: enough for people and programs, too little to hurt a database."""

from __future__ import annotations

from django.utils.translation import gettext as _

from .refusal import refused

__all__ = ["Budget"]

MAX_DEPTH = 8
"""Conditions within conditions."""
MAX_TESTS = 200
"""Checks of fields, all together."""
MAX_VALUES = 10_000
"""Values in all lists together."""
MAX_CORNERS = 1000
"""Corners of all polygons together: each is a comparison."""
MAX_PATTERNS = 4000
"""Characters of all regular expressions together: an engine reads 200 of them, with classes of
letters whose case does not count, in up to 20 ms, and no time limit stops it there."""
MAX_TEXT = 4096
"""Characters of one value."""
MAX_TEXTS = 500_000
"""Characters of all values together."""


class Budget:
    """What is left of the limits while a where is read."""

    def __init__(self) -> None:
        self._tests, self._values, self._texts = MAX_TESTS, MAX_VALUES, MAX_TEXTS
        self._corners, self._patterns = MAX_CORNERS, MAX_PATTERNS

    def depth(self, depth: int, at: str) -> None:
        if depth > MAX_DEPTH:
            text = _("Conditions are nested more than %d levels deep.") % MAX_DEPTH
            raise refused(text, code="too_deep", at=at)

    def test(self, at: str) -> None:
        self._tests -= 1
        if self._tests < 0:
            text = _("There are more than %d conditions. Use a channel, or $in with a list.")
            raise refused(text % MAX_TESTS, code="too_many_conditions", at=at)

    def values(self, count: int, at: str) -> None:
        self._values -= count
        if self._values < 0:
            text = _("Lists hold more than %d values in all. Subscribe the devices to a channel.")
            raise refused(text % MAX_VALUES, code="too_many_items", at=at)

    def corners(self, count: int, at: str) -> None:
        self._corners -= count
        if self._corners < 0:
            text = _("All polygons together have more than %d corners. Draw them more simply.")
            raise refused(text % MAX_CORNERS, code="too_many_items", at=at)

    def pattern(self, pattern: str, at: str) -> None:
        self._patterns -= len(pattern)
        if self._patterns < 0:
            text = _(
                "All regular expressions together have more than %d characters. Use $in with a "
                "list, or subscribe the devices to a channel."
            )
            raise refused(text % MAX_PATTERNS, code="too_large", at=at)

    def text(self, text: str, at: str) -> None:
        self._texts -= len(text)
        if len(text) > MAX_TEXT or self._texts < 0:
            words = _("A text has more than %(one)d characters, or all have more than %(all)d.")
            limits = {"one": MAX_TEXT, "all": MAX_TEXTS}
            raise refused(words % limits, code="too_large", at=at)
