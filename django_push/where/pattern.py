"""Our own regular expressions: a subset that means the same in every database.

A pattern is alternatives of sequences of *atoms*. An atom is one character out of a set, once or
(``*``) any number of times. What can not be said so is refused by name. ``.`` and classes fit a
line break like any other character, ``$`` is the very end: MongoDB's option ``s``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeAlias

from django.utils.translation import gettext as _

from .refusal import refused

__all__ = ["Atom", "CharSet", "Pattern", "Sequence", "read_pattern"]

MAX_LENGTH = 200
"""Characters of a pattern."""

Ranges: TypeAlias = tuple[tuple[int, int], ...]
_LAST = 0x10FFFF
_SPECIAL = frozenset("()+?{}[]|*^$.\\")
_NAMES = {"(": "( )", ")": "( )", "+": "+", "?": "?", "{": "{ }", "}": "{ }", "]": "]"}
_DIGIT: Ranges = ((48, 57),)
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Ranges = ((9, 13), (32, 32))
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CASELESS = 0x20000
"""From here on no letter has another case: the planes of Chinese characters."""
_MOST_FOLDED = 512
"""Characters beyond ASCII in one range of a class, with the option i."""


@dataclass(frozen=True, slots=True)
class CharSet:
    """The characters within ``ranges`` of code points, which are sorted and do not touch."""

    ranges: Ranges

    @classmethod
    def of(cls, pairs: Ranges) -> CharSet:
        """In normal form, from ranges in any order."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(pairs):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = merged[-1][0], max(merged[-1][1], last)
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @property
    def is_any(self) -> bool:
        return self.ranges == ((0, _LAST),)

    @property
    def only(self) -> str | None:
        """Its character, when it is one."""
        (first, last), *more = self.ranges or ((1, 0),)
        return chr(first) if first == last and not more else None

    def outside(self) -> CharSet:
        """All other characters."""
        gaps, start = [], 0
        for first, last in self.ranges:
            if first > start:
                gaps.append((start, first - 1))
            start = last + 1
        if start <= _LAST:
            gaps.append((start, _LAST))
        return CharSet(tuple(gaps))

    def meets(self, other: CharSet) -> bool:
        """Whether a character is in both."""
        return any(a <= d and c <= b for a, b in self.ranges for c, d in other.ranges)


ANY = CharSet(((0, _LAST),))


@dataclass(frozen=True, slots=True)
class Atom:
    """One character of ``chars``; with ``many`` any number of them, also none."""

    chars: CharSet
    many: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """One alternative."""

    atoms: tuple[Atom, ...]
    at_start: bool = False
    at_end: bool = False

    @property
    def literal(self) -> str | None:
        """Its text, when it has no classes and no stars."""
        letters = [None if atom.many else atom.chars.only for atom in self.atoms]
        return "".join(map(str, letters)) if None not in letters else None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, read. It fits a text that one of its alternatives fits somewhere."""

    source: str
    alternatives: tuple[Sequence, ...]
    folded: bool = False
    """Whether upper and lower case are the same (option i)."""


def read_pattern(source: object, options: object, at: str) -> Pattern:
    """Read a pattern and its options.

    Raises :class:`~django_push.exceptions.InvalidPush` that names what it does not understand.
    """
    if not isinstance(source, str):
        raise refused(_("$regex must be a text."), code="wrong_type", at=at)
    if len(source) > MAX_LENGTH:
        text = _("The regular expression has %(length)d characters; at most %(limit)d are allowed.")
        raise refused(
            text % {"length": len(source), "limit": MAX_LENGTH}, code="regex_too_long", at=at
        )
    if not isinstance(options, str) or set(options) - {"i"}:
        text = _("$options may be “i” only, not “%s”.")
        raise refused(text % str(options)[:40], code="regex_option", at=at)
    reader = _Reader(source, at, folded="i" in options)
    return Pattern(source, reader.read(), folded="i" in options)


class _Reader:
    """Walks over a pattern once."""

    def __init__(self, source: str, at: str, *, folded: bool) -> None:
        self._text, self._at, self._folded = source, at, folded
        self._pos = 0

    def read(self) -> tuple[Sequence, ...]:
        alternatives = [self._sequence()]
        while self._take("|"):
            alternatives.append(self._sequence())
        return tuple(alternatives)

    def _sequence(self) -> Sequence:
        at_start = self._take("^")
        atoms: list[Atom] = []
        while not self._over() and not self._sees("|"):
            if self._sees("$"):
                return self._ended(at_start, atoms)
            if self._take("\\Q"):
                atoms += self._quoted()
            elif self._take("*"):
                self._star(atoms)
            else:
                atoms.append(Atom(self._one()))
        _check_stars(atoms, self._at)
        return Sequence(tuple(atoms), at_start)

    def _ended(self, at_start: bool, atoms: list[Atom]) -> Sequence:
        self._take("$")
        if not self._over() and not self._sees("|"):
            raise self._refused("$ …", _("“$” may stand at the end only; write \\$ for the sign."))
        _check_stars(atoms, self._at)
        return Sequence(tuple(atoms), at_start, at_end=True)

    def _quoted(self) -> list[Atom]:
        r"""Everything up to ``\E``, or to the end."""
        end = self._text.find("\\E", self._pos)
        text = self._text[self._pos : end if end >= 0 else None]
        self._pos += len(text) + (2 if end >= 0 else 0)
        return [Atom(self._folds(_just(letter))) for letter in text]

    def _star(self, atoms: list[Atom]) -> None:
        if not atoms or atoms[-1].many:
            raise self._refused("*", _("“*” has nothing to repeat; write \\* for the sign."))
        atoms[-1] = Atom(atoms[-1].chars, many=True)

    def _one(self) -> CharSet:
        letter = self._next()
        if letter == ".":
            return ANY
        if letter == "[":
            return self._class()
        if letter == "\\":
            return self._escape()
        if letter in _NAMES:
            text = _("Only literals, ^ $ . * classes [a-z] and | are understood; write \\%s for")
            raise self._refused(_NAMES[letter], f"{text % letter} “{letter}”.")
        if letter == "^":
            raise self._refused(
                "… ^", _("“^” may stand at the start only; write \\^ for the sign.")
            )
        return self._folds(_just(letter))

    def _escape(self) -> CharSet:
        letter = self._next()
        if letter.lower() in _CLASSES:
            chars = CharSet(_CLASSES[letter.lower()])
            return chars.outside() if letter.isupper() else chars
        if letter.isalnum() or not letter:
            raise self._refused(
                f"\\{letter}", _("Of these only \\d \\w \\s and \\Q…\\E are known.")
            )
        return _just(letter)  # no letter, so without upper case

    def _class(self) -> CharSet:
        outside = self._take("^")
        pairs: list[tuple[int, int]] = []
        whole: list[tuple[int, int]] = []
        while not (pairs or whole) or not self._take("]"):  # a “]” that comes first is a letter
            if self._over():
                raise self._refused("[", _("A class [ ] is not closed."))
            item = self._class_item()
            # \W has letters whose other case is one of \w: it stays as it is.
            (whole if item[-1][1] == _LAST else pairs).extend(item)
        chars = CharSet.of((*whole, *self._folds(CharSet.of(tuple(pairs))).ranges))
        return chars.outside() if outside else chars

    def _class_item(self) -> Ranges:
        if self._sees("[:") or self._sees("[.") or self._sees("[="):
            raise self._refused("[: :]", _("Named classes are not understood."))
        first = self._class_letter()
        ends = self._text[self._pos + 1 : self._pos + 2]
        single = first.only
        if single is None or not self._sees("-") or ends in {"]", ""}:
            return first.ranges
        self._take("-")
        last = self._class_letter().only
        if last is None or last < single:
            raise self._refused(f"{single}-", _("A range goes from one character to a later one."))
        letters = ord(last) - max(ord(single), 128)
        if self._folded and letters > _MOST_FOLDED and ord(last) != _LAST:
            raise self._refused("[ ]", _("A range of so many letters has no upper case."))
        return ((ord(single), ord(last)),)

    def _class_letter(self) -> CharSet:
        return self._escape() if self._take("\\") else _just(self._next())

    def _folds(self, chars: CharSet) -> CharSet:
        """With the option i: the upper and lower case of each character too."""
        return _folded(chars) if self._folded else chars

    def _over(self) -> bool:
        return self._pos >= len(self._text)

    def _sees(self, text: str) -> bool:
        return self._text.startswith(text, self._pos)

    def _take(self, text: str) -> bool:
        if not self._sees(text):
            return False
        self._pos += len(text)
        return True

    def _next(self) -> str:
        letter = self._text[self._pos : self._pos + 1]
        self._pos += 1
        return letter

    def _refused(self, construct: str, why: str) -> Exception:
        text = _("The regular expression has “%(construct)s” at character %(place)d. %(why)s")
        return refused(
            text % {"construct": construct, "place": self._pos, "why": why},
            code="regex_construct",
            at=self._at,
        )


@lru_cache(maxsize=1024)
def _folded(chars: CharSet) -> CharSet:
    codes, others = _other_case()
    pairs = list(chars.ranges)
    for first, last in chars.ranges:
        for more in others[bisect_left(codes, first) : bisect_right(codes, last)]:
            pairs += more
    return CharSet.of(tuple(pairs))


@cache
def _other_case() -> tuple[list[int], list[Ranges]]:
    """The letters that have another case, ascending, and what each is there: few enough to look
    only at those of a range."""
    found: dict[int, Ranges] = {}
    for code in range(_CASELESS):
        letter = chr(code)
        more = {x for x in (letter.lower(), letter.upper()) if len(x) == 1} - {letter}
        if more:
            found[code] = tuple((ord(x), ord(x)) for x in sorted(more))
    return list(found), list(found.values())


def _just(letter: str) -> CharSet:
    return CharSet(((ord(letter), ord(letter)),))


def _check_stars(atoms: list[Atom], at: str) -> None:
    """A star before what it may fit itself can be matched in many ways: that is what hangs."""
    for place, atom in enumerate(atoms):
        if atom.many and not atom.chars.is_any and _may_go_on(atom.chars, atoms[place + 1 :]):
            text = _(
                "In the regular expression a “*” is followed by what it fits itself, as in a*a; "
                "only .* may be. Write it without the star, or with .*"
            )
            raise refused(text, code="regex_construct", at=at)


def _may_go_on(chars: CharSet, rest: list[Atom]) -> bool:
    """Whether what comes next may fit a character of ``chars``."""
    for atom in rest:
        if atom.many and atom.chars.is_any:
            return False  # .* takes what the star leaves
        if chars.meets(atom.chars):
            return True
        if not atom.many:
            return False
    return False
