"""CSV with a first line of names, as PostgreSQL's ``COPY … CSV HEADER`` writes it.

An empty field that is not quoted is NULL there, and Python's reader cannot tell it from an empty
text: both are left out. What begins as JSON is read as JSON.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO

import orjson
from django.utils.translation import gettext as _

from .json_documents import LONGEST

__all__ = ["Broken", "documents", "looks_like"]

_NAMES = ("deviceType", "deviceToken", "objectId", "installationId")


class Broken(ValueError):
    """A line that is no CSV."""


def looks_like(head: bytes) -> bool:
    """Whether it is text that may be JSON, or CSV with names of ours in its first line."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith((b"{", b"[", b"#")):
        return True
    first = start.partition(b"\n")[0]
    return any(name.encode() in first for name in _NAMES)


def documents(stream: BinaryIO) -> Iterator[tuple[str, dict[str, object] | None, str]]:
    """Each record as a document."""
    lines = _Lines(stream)
    reader, words = csv.reader(lines, strict=True), _("line %(number)s")
    try:
        names = next(reader)
        for record in reader:
            lines.begin_record()
            place = words % {"number": reader.line_num}
            if len(record) == len(names):
                pairs = zip(names, record, strict=True)
                yield place, {name: _value(text) for name, text in pairs if text}, ""
            elif record:
                yield (
                    place,
                    None,
                    _("it has %(found)s fields instead of %(wanted)s")
                    % {
                        "found": len(record),
                        "wanted": len(names),
                    },
                )
    except csv.Error as error:
        problem = _("line %(number)s is no CSV: %(error)s")
        raise Broken(problem % {"number": reader.line_num, "error": error}) from None


class _Lines:
    """Lines of text; a field may have several, so that one which is wrong ends the reading."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._number = self._size = 0

    def begin_record(self) -> None:
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._stream.readline(LONGEST + 1):
            self._number += 1
            self._size += len(line)
            if self._size > LONGEST:  # many short lines in quotes may be one record
                words = _("line %(number)s is longer than %(size)s bytes")
                raise Broken(words % {"number": self._number, "size": f"{LONGEST:,}"})
            try:
                yield line.decode()
            except UnicodeDecodeError:
                words = _("line %(number)s is not UTF-8")
                raise Broken(words % {"number": self._number}) from None


def _value(text: str) -> object:
    if text[:1] in "[{" and text[-1:] in "]}":
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # an array of PostgreSQL, {a,b}, or simply a text
    return text
