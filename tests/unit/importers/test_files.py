"""A file is known by what is in it, and what it cannot be is said at once."""

from __future__ import annotations

import gzip
import json
import os

import bson as pymongo
import pytest

from django_push.importers.files import DamagedExport, ExportFile

ROWS = [{"objectId": f"id{number}", "deviceType": "ios"} for number in range(3)]
LINES = "".join(f"{json.dumps(row)}\n" for row in ROWS).encode()
BSON = b"".join(map(pymongo.encode, ROWS))
HEADER = b'#filetype:JSON-streaming {"type":"Class","class":"_Installation"}\n'

SHAPES = {
    "lines": LINES,
    "lines of Windows": LINES.replace(b"\n", b"\r\n"),
    "lines with a byte order mark": b"\xef\xbb\xbf" + LINES,
    "lines without a last newline": LINES.rstrip(),
    "lines of LeanCloud": HEADER + LINES,
    "array": json.dumps(ROWS).encode(),
    "array over lines": json.dumps(ROWS, indent=2).encode(),
    "pretty, one after the other": b"\n".join(json.dumps(r, indent=1).encode() for r in ROWS),
    "results": json.dumps({"results": ROWS, "count": 3}).encode(),
    "results over lines": json.dumps({"results": ROWS}, indent=4).encode(),
    "bson": BSON,
    "csv": b"objectId,deviceType\nid0,ios\nid1,ios\nid2,ios\n",
}


@pytest.fixture
def export(tmp_path):
    def write(data: bytes, name: str = "export") -> ExportFile:
        path = tmp_path / name
        path.write_bytes(data)
        return ExportFile(path)

    return write


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape(export, shape, packed):
    data = SHAPES[shape]
    opened = export(gzip.compress(data) if packed else data)
    assert [found.document for found in opened.documents()] == ROWS
    assert opened.progress() == 1.0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"  \n \n", "empty"),
        (LINES.decode().encode("utf-16"), "iconv"),
        (LINES.decode().encode("utf-16-be"), "neither JSON"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"<html>sign in</html>", "neither JSON"),
        (b"name,colour\na,b\n", "neither JSON"),
        (os.urandom(3) + b"\xff" + os.urandom(100), "neither JSON"),
        (b'#filetype:JSON-streaming {"type":"Class","class":"_User"}\n{}', "class “_User”"),
        (gzip.compress(LINES)[:-9], "compression"),
        (gzip.compress(LINES)[:15], "compression"),
        (b"\x1f\x8brubbish", "compression"),
        (json.dumps(ROWS).encode()[:-3], "cut off"),
        (BSON[:-3], "cut off"),
        (b"objectId\n\xff\n", "not UTF-8"),
        (b'objectId,deviceType\n"a,b\n', "no CSV"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(export, data, words):
    with pytest.raises(DamagedExport, match=words) as caught:
        list(export(data).documents())
    assert str(caught.value).startswith("export: ")


def test_what_came_before_the_damage_is_read(export):
    reader = export(BSON[:-3]).documents()
    assert [next(reader).document, next(reader).document] == ROWS[:2]
    with pytest.raises(DamagedExport):
        next(reader)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DamagedExport, match="No such file"):
        ExportFile(tmp_path / "nothing")
    with pytest.raises(DamagedExport, match="directory"):
        ExportFile(tmp_path)


def test_csv_of_postgresql(export):
    """As COPY (…) TO STDOUT CSV HEADER writes NULL, JSON, arrays, quotes and lines in fields."""
    data = (
        b"objectId,deviceType,channels,_rperm,note,badge\n"
        b'a1,ios,"[""news""]",{*},"two\nlines, ""quoted""",\n'
        b"a2,android,,,\n"
    )
    first, second = export(data).documents()
    assert first.document == {
        "objectId": "a1",
        "deviceType": "ios",
        "channels": ["news"],
        "_rperm": "{*}",
        "note": 'two\nlines, "quoted"',
    }
    assert second.document is None
    assert "5 fields instead of 6" in second.problem


def test_one_record_of_many_lines_is_not_read_for_ever(export):
    """Each line is short, and the record would fill the memory."""
    start = b"objectId,deviceType\nid0,ios\nid1,ios" + b',"\n"' * 500_000
    read = export(start + b"\n").documents()
    assert next(read).document == ROWS[0]
    with pytest.raises(DamagedExport, match="longer than 1,048,576 bytes"):
        next(read)


def test_many_records_are_no_long_one(export):
    rows = b"".join(b"id%d,ios\n" % number for number in range(150_000))
    assert sum(1 for _each in export(b"objectId,deviceType\n" + rows).documents()) == 150_000
