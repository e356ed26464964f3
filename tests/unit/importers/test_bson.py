"""BSON, against the reader and writer of MongoDB's own driver."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from datetime import UTC, datetime

import bson as pymongo
import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, ObjectId, Regex, Timestamp
from hypothesis import given
from hypothesis import strategies as st

from django_push.importers import bson

names = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=8)
texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
dates = st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | texts
    | dates,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)
documents = st.dictionaries(names, values, max_size=6)


class TestOneDocument:
    @given(documents)
    def test_the_same_as_the_driver_wrote(self, document):
        assert bson.decode(pymongo.encode(document)) == document

    def test_types_that_only_mongodb_has(self):
        key = ObjectId()
        written = {
            "_id": key,
            "long": Int64(2**40),
            "bytes": Binary(b"ab", 0x80),
            "pattern": Regex("^a"),
            "stamp": Timestamp(1, 2),
            "decimal": Decimal128("1.5"),
            "most": MaxKey(),
            "after": "read",
        }
        read = bson.decode(pymongo.encode(written))
        assert read["_id"] == str(key)
        assert read["bytes"] == {"__type": "Bytes", "base64": "YWI="}
        assert (read["long"], read["decimal"], read["after"]) == (2**40, None, "read")

    def test_code_is_no_value_of_a_device(self):
        with pytest.raises(bson.Broken, match="unknown type"):
            bson.decode(pymongo.encode({"a": Code("x", {"b": 1})}))

    def test_nesting_has_an_end(self):
        deep: dict = {}
        for _level in range(200):
            deep = {"a": deep}
        with pytest.raises(bson.Broken, match="nested deeper"):
            bson.decode(pymongo.encode(deep))

    @given(documents, st.integers(0, 400), st.binary(min_size=1, max_size=4))
    def test_any_damage_is_told_and_nothing_else_is_raised(self, document, at, damage):
        data = pymongo.encode(document)
        at %= len(data)
        damaged = data[:at] + damage + data[at + len(damage) :]
        with suppress(bson.Broken):  # or it is another good document
            bson.decode(damaged)

    @pytest.mark.parametrize("length", [5, 11, 18])
    def test_levels_that_share_their_bytes_are_no_second_reading(self, length):
        """Else each level would double the work: 400 bytes would take years."""
        levels = b"\x03x\x00".join([b"", *[struct.pack("<i", length)] * 60]) + b"\x00" * 20
        with pytest.raises(bson.Broken, match="length is wrong"):
            bson.decode(struct.pack("<i", len(levels) + 4) + levels)


class TestManyDocuments:
    def test_one_after_the_other(self):
        rows = [{"n": number} for number in range(3)]
        data = b"".join(map(pymongo.encode, rows))
        assert [found for _place, found, _problem in bson.documents(io.BytesIO(data))] == rows
        assert bson.looks_like(data)

    @pytest.mark.parametrize("cut", [1, 3, 10])
    def test_a_file_that_is_cut_off(self, cut):
        data = pymongo.encode({"a": 1}) + pymongo.encode({"b": "text"})
        reader = bson.documents(io.BytesIO(data[:-cut]))
        assert next(reader)[1] == {"a": 1}
        with pytest.raises(bson.Broken, match=r"cut off|damaged"):
            next(reader)

    def test_a_length_out_of_this_world_is_not_read(self):
        with pytest.raises(bson.Broken, match="damaged"):
            list(bson.documents(io.BytesIO(struct.pack("<i", 2**31 - 1) + b"x" * 100)))

    def test_a_document_that_is_too_long_is_left_out(self):
        data = pymongo.encode({"a": "x" * 2_000_000}) + pymongo.encode({"b": 1})
        found = list(bson.documents(io.BytesIO(data)))
        assert [document for _place, document, _problem in found] == [None, {"b": 1}]
