"""Patterns written for the engines of the databases, so that none of them can be made to hang.

PostgreSQL decides whether a pattern fits by an automaton, in linear time. Python's engine (which
SQLite calls) and PCRE and ICU (MariaDB, MySQL) go back and try again, so they are given a form in
which there is one way to try: every star is possessive, which is exact since nothing after it can
begin with what it fits; and each ``.*`` looks for the first place of what follows, and never again
(atomic), which is exact since an earlier place never ends later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import dropwhile
from typing import NamedTuple, TypeAlias

from .pattern import Atom, CharSet, Pattern, Sequence

__all__ = ["Plain", "backtracking", "plain", "posix"]

_Code: TypeAlias = Callable[[int], str]


class Plain(NamedTuple):
    """A pattern that is a text at a certain place."""

    text: str
    at_start: bool
    at_end: bool


def plain(pattern: Pattern) -> Plain | None:
    """What the pattern says, when LIKE can say it."""
    if len(pattern.alternatives) > 1:
        return None
    wanted = _trimmed(pattern.alternatives[0])
    text = wanted.literal
    return None if text is None else Plain(text, wanted.at_start, wanted.at_end)


def posix(pattern: Pattern) -> str:
    """For PostgreSQL."""
    return "(?s)" + "|".join(
        ("^" if wanted.at_start else "")
        + "".join(_one(atom.chars, _unicode) + ("*" if atom.many else "") for atom in wanted.atoms)
        + ("$" if wanted.at_end else "")
        for wanted in pattern.alternatives
    )


def backtracking(pattern: Pattern, *, python: bool) -> str:
    """For engines that try again: Python's, or PCRE and ICU."""
    code, end = (_unicode, r"\Z") if python else (_braced, r"\z")
    ways = [_one_way(_trimmed(wanted), code, end) for wanted in pattern.alternatives]
    return r"(?s)\A(?:" + "|".join(ways) + ")"


def _trimmed(wanted: Sequence) -> Sequence:
    """The same without ``.*`` at its ends, where it stands for a missing anchor."""
    atoms, at_start, at_end = wanted.atoms, wanted.at_start, wanted.at_end
    while atoms and _is_gap(atoms[0]):
        atoms, at_start = atoms[1:], False
    while atoms and _is_gap(atoms[-1]):
        atoms, at_end = atoms[:-1], False
    return replace(wanted, atoms=atoms, at_start=at_start, at_end=at_end)


def _is_gap(atom: Atom) -> bool:
    return atom.many and atom.chars.is_any


def _one_way(wanted: Sequence, code: _Code, end: str) -> str:
    pieces = _pieces(wanted)
    last = len(pieces) - 1
    written = []
    for place, piece in enumerate(pieces):
        free = place > 0 or not wanted.at_start
        # Before a piece that may begin anywhere, a star that may be empty says nothing.
        atoms = dropwhile(lambda atom: atom.many, piece) if free else piece
        text = (".*?" if free else "") + "".join(
            _one(atom.chars, code) + ("*+" if atom.many else "") for atom in atoms
        )
        closed = wanted.at_end and place == last
        written.append(f"{text}{end}" if closed else f"(?>{text})")
    return "".join(written)


def _pieces(wanted: Sequence) -> list[tuple[Atom, ...]]:
    """What stands between the ``.*``."""
    pieces: list[list[Atom]] = [[]]
    for atom in wanted.atoms:
        if _is_gap(atom):
            pieces.append([])
        else:
            pieces[-1].append(atom)
    return [tuple(piece) for piece in pieces]


def _one(chars: CharSet, code: _Code) -> str:
    if chars.is_any:
        return "."
    if chars.only is not None:
        return code(ord(chars.only))
    sign = ""
    if chars.outside().ranges and len(chars.outside().ranges) < len(chars.ranges):
        sign, chars = "^", chars.outside()
    return f"[{sign}{''.join(_range(*pair, code) for pair in chars.ranges)}]"


def _range(first: int, last: int, code: _Code) -> str:
    return code(first) if first == last else f"{code(first)}-{code(last)}"


def _unicode(number: int) -> str:
    """A character as Python and PostgreSQL write it."""
    letter = chr(number)
    if letter.isascii() and letter.isalnum():
        return letter
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _braced(number: int) -> str:
    """A character as PCRE and ICU write it."""
    letter = chr(number)
    return letter if letter.isascii() and letter.isalnum() else f"\\x{{{number:x}}}"
