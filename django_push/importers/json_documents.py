"""JSON documents out of a stream of bytes: one a line, or the elements of an array.

No more than one document is in memory, and none longer than :data:`LONGEST`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import orjson
from django.utils.translation import gettext as _

__all__ = ["LONGEST", "CutOff", "elements", "lines", "parsed"]

LONGEST = 1024 * 1024
"""Bytes of one row. A real one has about one thousand."""
CHUNK = 64 * 1024
_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')

Document = tuple[str, dict[str, object] | None, str]
"""Where it stood, itself, and the problem if there is one."""


class CutOff(ValueError):
    """The stream ends in the middle of a document."""


def lines(stream: BinaryIO) -> Iterator[Document]:
    """One document a line; lines that begin with ``#`` are comments."""
    number, words = 0, _("line %(number)s")
    while line := stream.readline(LONGEST + 1):
        number += 1
        place = words % {"number": number}
        if len(line) > LONGEST:
            _skip_line(stream, line)
            yield place, None, _too_long()
        elif (text := line.strip()) and not text.startswith(b"#"):
            yield parsed(place, text)


def _skip_line(stream: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = stream.readline(LONGEST)


def elements(stream: BinaryIO) -> Iterator[Document]:
    """The objects of one array, or objects that stand one after the other on several lines."""
    words = _("row %(number)s")
    for number, text in enumerate(_Splitter(stream).split(), 1):
        place = words % {"number": number}
        yield (place, None, _too_long()) if text is None else parsed(place, text)


def parsed(place: str, text: bytes) -> Document:
    """The object that ``text`` is, or what is wrong with it."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return place, None, _("it is not JSON: %(error)s") % {"error": error.msg}
    if not isinstance(document, dict):
        return place, None, _("it is not a JSON object")
    return place, document, ""


def _too_long() -> str:
    return _("it is longer than %(size)s bytes") % {"size": f"{LONGEST:,}"}


class _Splitter:
    """Finds where each object begins and ends, by its brackets, outside of its texts."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._depth = 0
        self._base: int | None = None
        """Depth of the objects: 1 in an array."""
        self._in_text = False
        self._escaped = 0
        """Bytes of the next chunk that a backslash at the end of this one escapes."""
        self._buffer = bytearray()
        self._too_long = False

    def split(self) -> Iterator[bytes | None]:
        """Each object's own bytes; ``None`` for one longer than :data:`LONGEST`."""
        while chunk := self._stream.read(CHUNK):
            yield from self._feed(chunk)
        if self._depth or self._in_text:
            raise CutOff(_("it ends in the middle of a row. It was cut off: get the file again"))

    def _feed(self, chunk: bytes) -> Iterator[bytes | None]:
        position, start = self._escaped, 0
        while found := (_INSIDE if self._in_text else _OUTSIDE).search(chunk, position):
            mark, position = found.group(), found.end()
            if mark == b"\\":
                position += 1
            elif mark == b'"':
                self._in_text = not self._in_text
            elif mark in b"{[":
                start = self._opened(mark, found.start(), start)
            elif self._closed():
                yield self._taken(chunk[start:position])
                start = position
        self._escaped = max(position - len(chunk), 0)
        if self._base is not None and self._depth > self._base:
            self._keep(chunk[start:])

    def _opened(self, mark: bytes, at: int, start: int) -> int:
        if self._base is None:
            self._base = 1 if mark == b"[" else 0
        begins = self._depth == self._base and mark == b"{"
        self._depth += 1
        return at if begins else start

    def _closed(self) -> bool:
        """Whether the bracket that closes ends an object."""
        self._depth = max(self._depth - 1, 0)
        return self._depth == self._base and (self._base == 0 or self._depth > 0)

    def _keep(self, part: bytes) -> None:
        self._too_long = self._too_long or len(self._buffer) + len(part) > LONGEST
        if self._too_long:
            self._buffer.clear()
        else:
            self._buffer += part

    def _taken(self, part: bytes) -> bytes | None:
        self._keep(part)
        text = None if self._too_long else bytes(self._buffer)
        self._buffer.clear()
        self._too_long = False
        return text
