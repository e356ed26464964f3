"""Reading BSON as ``mongodump`` writes it: documents one after the other.

https://bsonspec.org/spec.html. Values come out as in extended JSON's plain form: dates aware, ids
as hexadecimal text. Only reading, only what a database stores, with every length checked.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from .json_documents import LONGEST

__all__ = ["Broken", "decode", "documents", "looks_like"]

DEEPEST = 64
"""Levels; MongoDB itself stores at most 100."""
LARGEST = 16 * 1024 * 1024 + 16 * 1024
"""Bytes of one document that MongoDB stores."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT32, _INT64, _DOUBLE = struct.Struct("<i"), struct.Struct("<q"), struct.Struct("<d")


class Broken(ValueError):
    """Bytes that are no BSON."""


def looks_like(head: bytes) -> bool:
    """Whether a file begins with a document's length: its fourth byte is never a letter."""
    return len(head) >= 5 and head[3] in (0, 1) and _INT32.unpack_from(head)[0] >= 5


def documents(stream: BinaryIO) -> Iterator[tuple[str, dict[str, object] | None, str]]:
    """Each document with its place; one that cannot be read says why instead."""
    number, words = 0, _("document %(number)s")
    while head := stream.read(4):
        number += 1
        place = words % {"number": number}
        size = _INT32.unpack(head)[0] if len(head) == 4 else 0
        if not 5 <= size <= LARGEST:
            raise Broken(_("%(place)s is no BSON: the file is damaged") % {"place": place})
        body = stream.read(size - 4)
        if len(body) < size - 4:
            raise Broken(_("it ends in the middle of a row. It was cut off: get the file again"))
        if size > LONGEST:
            yield place, None, _("it is longer than %(size)s bytes") % {"size": f"{LONGEST:,}"}
            continue
        try:
            yield place, decode(head + body), ""
        except Broken as error:
            yield place, None, str(error)


def decode(data: bytes) -> dict[str, object]:
    """One document. Raises :class:`Broken`."""
    try:
        return _document(data, 0, 0)[0]
    except Broken:
        raise
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise Broken(_("it is no BSON: %(error)s") % {"error": error}) from None


def _document(data: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
    if depth > DEEPEST:
        raise Broken(_("it is nested deeper than %(deepest)s levels") % {"deepest": DEEPEST})
    end = at + _INT32.unpack_from(data, at)[0]
    if end > len(data) or end < at + 5:
        raise Broken(_("it is no BSON: a length is wrong"))
    at += 4
    found: dict[str, Any] = {}
    while kind := data[at]:
        stop = data.index(b"\0", at + 1)
        name = data[at + 1 : stop].decode()
        found[name], at = _value(kind, data, stop + 1, depth)
    if at + 1 != end:
        # What has bytes in common with its parent is read twice, and so on with each level.
        raise Broken(_("it is no BSON: a length is wrong"))
    return found, end


def _value(kind: int, data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if kind in (0x03, 0x04):
        inner, at = _document(data, at, depth + 1)
        return (inner if kind == 0x03 else list(inner.values())), at
    reader = _READERS.get(kind)
    if reader is None:
        raise Broken(_("it has a value of the unknown type %(kind)s") % {"kind": hex(kind)})
    return reader(data, at)


def _text(data: bytes, at: int) -> tuple[str, int]:
    size = _INT32.unpack_from(data, at)[0]
    if size < 1 or at + 4 + size > len(data):
        raise Broken(_("it is no BSON: a length is wrong"))
    return data[at + 4 : at + 3 + size].decode(), at + 4 + size


def _binary(data: bytes, at: int) -> tuple[Any, int]:
    size = _INT32.unpack_from(data, at)[0]
    if size < 0 or at + 5 + size > len(data):
        raise Broken(_("it is no BSON: a length is wrong"))
    value = base64.b64encode(data[at + 5 : at + 5 + size]).decode()
    return {"__type": "Bytes", "base64": value}, at + 5 + size


def _date(data: bytes, at: int) -> tuple[datetime, int]:
    return _EPOCH + timedelta(milliseconds=_INT64.unpack_from(data, at)[0]), at + 8


def _fixed(size: int, read: Callable[[bytes, int], Any]) -> Callable[[bytes, int], Any]:
    def reader(data: bytes, at: int) -> tuple[Any, int]:
        if at + size > len(data):
            raise IndexError("a value is cut off")
        return read(data, at), at + size

    return reader


def _pattern(data: bytes, at: int) -> tuple[str, int]:
    middle = data.index(b"\0", at)
    end = data.index(b"\0", middle + 1)
    return data[at:middle].decode(), end + 1


_READERS: dict[int, Callable[[bytes, int], tuple[Any, int]]] = {
    0x01: _fixed(8, lambda data, at: _DOUBLE.unpack_from(data, at)[0]),
    0x02: _text,
    0x05: _binary,
    0x06: _fixed(0, lambda data, at: None),
    0x07: _fixed(12, lambda data, at: data[at : at + 12].hex()),
    0x08: _fixed(1, lambda data, at: data[at] == 1),
    0x09: _date,
    0x0A: _fixed(0, lambda data, at: None),
    0x0B: _pattern,
    0x10: _fixed(4, lambda data, at: _INT32.unpack_from(data, at)[0]),
    0x11: _fixed(8, lambda data, at: _INT64.unpack_from(data, at)[0]),
    0x12: _fixed(8, lambda data, at: _INT64.unpack_from(data, at)[0]),
    0x13: _fixed(16, lambda data, at: None),
    0xFF: _fixed(0, lambda data, at: None),
    0x7F: _fixed(0, lambda data, at: None),
}
"""By type: double, text, binary, undefined, id, boolean, date, null, regular expression, int32,
timestamp, int64, decimal (nobody counts badges in it), smallest, largest."""
