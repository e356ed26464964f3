"""Pieces of SQL with their parameters, and how each database compares texts.

Every input is a parameter; the SQL itself is constant. Texts are compared and ordered by code
point, as MongoDB does, whatever the collation of a column says.
"""

from __future__ import annotations

from string import Formatter
from typing import Any, NamedTuple

from .pattern import Pattern
from .pattern_sql import Plain, backtracking, plain, posix
from .tree import Equals, Matches, OneOf, Ordered, Value

__all__ = ["FALSE", "SQL", "Texts", "fill", "joined", "listed", "parameter"]

MAX_MATCHED = 1000
"""Characters of a text that a pattern looks at; longer texts fit none."""


class SQL(NamedTuple):
    """A piece of SQL."""

    text: str
    parameters: tuple[Any, ...] = ()


FALSE = SQL("FALSE")


def parameter(value: object) -> SQL:
    return SQL("%s", (value,))


def fill(template: str, **pieces: SQL) -> SQL:
    """``template`` with its ``{names}`` replaced, and the parameters in their order."""
    text = ""
    parameters: list[Any] = []
    for literal, name, _form, _conversion in Formatter().parse(template):
        text += literal
        if name:
            text += pieces[name].text
            parameters += pieces[name].parameters
    return SQL(text, tuple(parameters))


def joined(pieces: list[SQL], by: str) -> SQL:
    """Pieces in a row; nothing is ``FALSE``."""
    if not pieces:
        return FALSE
    text = by.join(piece.text for piece in pieces)
    return SQL(f"({text})", tuple(each for piece in pieces for each in piece.parameters))


def listed(values: list[Any], form: str = "%s") -> SQL:
    """Values with commas between them."""
    return SQL(", ".join([form] * len(values)), tuple(values))


class Texts:
    """Checks of texts, in the words of one database."""

    def __init__(self, vendor: str) -> None:
        self._vendor = vendor

    def check(self, text: SQL, check: Equals | OneOf | Ordered | Matches) -> SQL:
        """A check of a text; for what is no text, FALSE. NULL where ``text`` is."""
        match check:
            case Equals(value):
                return self._one_of(text, (value,))
            case OneOf(values):
                return self._one_of(text, values)
            case Ordered(order, str(value)):
                template = f"{{text}} {order.value} {{value}}"
                return fill(template, text=self._exact(text), value=self._exact(parameter(value)))
            case Matches(pattern):
                return self._matches(text, pattern)
        return FALSE

    def is_empty(self, text: SQL) -> SQL:
        """Whether it has no character; a space is one."""
        return fill(f"{self._length}({{text}}) = 0", text=text)

    @property
    def _length(self) -> str:
        return "LENGTH" if self._vendor == "sqlite" else "CHAR_LENGTH"

    def _exact(self, text: SQL) -> SQL:
        match self._vendor:
            case "postgresql":
                return fill('({text})::text COLLATE "C"', text=text)
            case "mysql":
                return fill("CAST({text} AS BINARY)", text=text)
        return text

    def _one_of(self, text: SQL, values: tuple[Value, ...]) -> SQL:
        wanted = [value for value in values if isinstance(value, str)]
        if not wanted:
            return FALSE
        form = "CAST(%s AS BINARY)" if self._vendor == "mysql" else "%s"
        return fill("{text} IN ({wanted})", text=self._exact(text), wanted=listed(wanted, form))

    def _matches(self, text: SQL, pattern: Pattern) -> SQL:
        wanted = plain(pattern)
        if wanted is None:
            test = self._fits(text, pattern)
        elif wanted.at_start and wanted.at_end:
            test = self._one_of(text, (wanted.text,))
        else:
            test = self._like(text, wanted)
        size = f"{self._length}({{text}}) <= {MAX_MATCHED}"
        return fill(f"({size} AND {{test}})", text=text, test=test)

    def _like(self, text: SQL, wanted: Plain) -> SQL:
        """LIKE that minds case; SQLite's own does not."""
        special, any_text, word = (
            ("*?[", "*", "GLOB")
            if self._vendor == "sqlite"
            else ("%_\\", "%", "LIKE BINARY" if self._vendor == "mysql" else "LIKE")
        )
        quote = "[{}]" if word == "GLOB" else "\\{}"
        quoted = "".join(quote.format(x) if x in special else x for x in wanted.text)
        before, after = "" if wanted.at_start else any_text, "" if wanted.at_end else any_text
        form = parameter(f"{before}{quoted}{after}")
        return fill(f"{{text}} {word} {{form}}", text=text, form=form)

    def _fits(self, text: SQL, pattern: Pattern) -> SQL:
        match self._vendor:
            case "postgresql":
                return fill("{text} ~ {form}", text=text, form=parameter(posix(pattern)))
            case "mysql":
                words = "CONVERT({text} USING utf8mb4) COLLATE utf8mb4_bin REGEXP {form}"
                form = backtracking(pattern, python=False)
            case _:
                words, form = "{text} REGEXP {form}", backtracking(pattern, python=True)
        return fill(words, text=text, form=parameter(form))
