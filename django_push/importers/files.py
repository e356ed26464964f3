"""Opening an export: plain or gzip, whatever its format, and saying at once what it cannot be."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from django.utils.translation import gettext as _

from ..exceptions import DjangoPushError
from . import bson, csv_documents, json_documents

__all__ = ["DamagedExport", "ExportFile", "Found"]

PEEK = 64 * 1024
_LEANCLOUD_HEADER = b"#filetype:JSON-streaming"
_RESULTS = re.compile(rb'\s*\{\s*"results"\s*:\s*(?=\[)')
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


class DamagedExport(DjangoPushError, ValueError):
    """A file that is not what it should be, or ends too early. What was read before is good."""

    code = "damaged_export"


class Found(NamedTuple):
    """One document of an export, or why there is none."""

    place: str
    document: dict[str, object] | None
    problem: str = ""


class ExportFile:
    """One file of documents: JSON lines, a JSON array, ``{"results": […]}``, BSON or CSV."""

    def __init__(self, path: Path, class_name: str = "_Installation") -> None:
        """``class_name`` is the class that a file which names its own must be of."""
        self.path, self.class_name = path, class_name
        try:
            with path.open("rb"):  # told now, and not after the files before it
                self._size = max(path.stat().st_size, 1)
        except OSError as error:
            raise DamagedExport(
                _("%(path)s cannot be read: %(error)s.")
                % {"path": path, "error": error.strerror or error}
            ) from None
        self._read = 0

    def progress(self) -> float:
        """How much of it was read, 0 to 1."""
        return self._read / self._size

    def documents(self) -> Iterator[Found]:
        """Its documents, one after the other; at most one is in memory."""
        with io.BufferedReader(io.FileIO(self.path), PEEK) as raw:
            try:
                for found in self._reader(_unpacked(raw)):
                    self._read = raw.tell()
                    yield Found(*found)
            except (EOFError, zlib.error, gzip.BadGzipFile):
                raise self._damaged(
                    _("its compression ends too early or is broken. Get the file again")
                ) from None
            except (json_documents.CutOff, bson.Broken, csv_documents.Broken) as error:
                raise self._damaged(str(error)) from None
        self._read = self._size

    def _reader(
        self, stream: io.BufferedReader[Any]
    ) -> Iterator[tuple[str, dict[str, object] | None, str]]:
        """Chosen by what is in it, not by its name."""
        head = stream.peek(PEEK)[:PEEK]
        self._check(head)
        if bson.looks_like(head):
            return bson.documents(stream)
        if head.startswith(b"\xef\xbb\xbf"):
            stream.read(3)
            head = head[3:]
        if wrapped := _RESULTS.match(head):
            stream.read(wrapped.end())
            return json_documents.elements(stream)
        first, _newline, _rest = head.lstrip().partition(b"\n")
        if first.startswith(b"[") or first.strip() == b"{":
            return json_documents.elements(stream)
        if first.startswith((b"{", b"#")):
            return json_documents.lines(stream)
        return csv_documents.documents(stream)

    def _check(self, head: bytes) -> None:
        if not head.strip():
            raise self._damaged(_("it is empty"))
        if head.startswith(_WIDE):
            raise self._damaged(
                _("it is not UTF-8. Convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW")
            )
        if head.startswith(b"PK\x03\x04"):
            raise self._damaged(_("it is a ZIP archive. Unpack it and name the file in it"))
        if head.startswith(_LEANCLOUD_HEADER):
            self._check_class(head)
        elif not bson.looks_like(head) and not csv_documents.looks_like(head):
            raise self._damaged(
                _("it is neither JSON (lines, array), nor BSON, nor CSV with a line of names")
            )

    def _check_class(self, head: bytes) -> None:
        """LeanCloud's first line names the class of the file."""
        line = head[len(_LEANCLOUD_HEADER) :].partition(b"\n")[0]
        try:
            said = orjson.loads(line).get("class", self.class_name)
        except (ValueError, AttributeError):
            return
        if said != self.class_name:
            raise self._damaged(
                _("it holds the class “%(said)s”. The devices are in the file of %(wanted)s")
                % {"said": str(said)[:80], "wanted": self.class_name}
            )

    def _damaged(self, words: str) -> DamagedExport:
        return DamagedExport(_("%(path)s: %(words)s.") % {"path": self.path.name, "words": words})


def _unpacked(raw: io.BufferedReader[Any]) -> io.BufferedReader[Any]:
    if raw.peek(2)[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), PEEK)
    return raw
