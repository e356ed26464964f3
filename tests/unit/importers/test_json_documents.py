"""Documents out of a stream, whatever its shape: none lost, none invented, none too large."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_push.importers import json_documents
from django_push.importers.json_documents import LONGEST, CutOff, elements, lines

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.lists(st.dictionaries(st.text(), values, max_size=4), max_size=6)


def read(function, data: bytes) -> list:
    return [document for _place, document, _problem in function(io.BytesIO(data))]


class TestElements:
    @given(objects, st.sampled_from([None, 2]), st.integers(1, 40), st.booleans())
    def test_every_object_of_an_array_whatever_the_chunks(self, rows, indent, chunk, plain):
        text = json.dumps(rows, indent=indent, ensure_ascii=plain)
        data = text.encode("utf-8", "surrogatepass")
        if b"\xed" in data:  # half of a surrogate pair, which no UTF-8 has
            data = json.dumps(rows, indent=indent).encode()
        before, json_documents.CHUNK = json_documents.CHUNK, chunk
        try:
            found = read(elements, data)
        finally:
            json_documents.CHUNK = before
        for wanted, got in zip(rows, found, strict=True):
            assert got == wanted or "\\ud" in json.dumps(wanted)

    @given(objects.filter(bool), st.integers(1, 5000))
    def test_what_is_cut_off_says_so(self, rows, cut):
        data = json.dumps(rows).encode()
        if cut >= len(data):
            return
        with pytest.raises(CutOff, match="cut off"):
            read(elements, data[:-cut])

    def test_objects_one_after_the_other_on_several_lines(self):
        data = b'{\n  "a": "}{"\n}\n{\n  "b": {"c": [1, {"d": 2}]}\n}\n'
        assert read(elements, data) == [{"a": "}{"}, {"b": {"c": [1, {"d": 2}]}}]

    @pytest.mark.parametrize("text", ['"\\\\"', '"\\""', '"\\\\\\""', '"a\\\\\\\\"'])
    @pytest.mark.parametrize("chunk", range(1, 12))
    def test_backslashes_at_the_end_of_a_chunk(self, monkeypatch, text, chunk):
        monkeypatch.setattr(json_documents, "CHUNK", chunk)
        data = f'[{{"a":{text}}},{{"b":1}}]'.encode()
        assert read(elements, data) == json.loads(data)

    def test_one_that_is_too_long_is_left_out_and_the_next_is_read(self):
        data = json.dumps([{"a": 1}, {"b": "x" * (LONGEST + 1)}, {"c": 3}]).encode()
        found = list(elements(io.BytesIO(data)))
        assert [document for _place, document, _problem in found] == [{"a": 1}, None, {"c": 3}]
        assert "longer than 1,048,576 bytes" in found[1][2]

    def test_brackets_without_end_cost_no_memory(self):
        with pytest.raises(CutOff):
            read(elements, b'[{"a":' + b"[" * 5_000_000)


class TestLines:
    def test_each_line_with_its_number_and_bad_ones_with_their_reason(self):
        data = b'#comment\n{"a":1}\n\n{"b":\n[1]\n{"c":\xff}\n{"d":4}'
        found = list(lines(io.BytesIO(data)))
        assert [(place, document) for place, document, _problem in found] == [
            ("line 2", {"a": 1}),
            ("line 4", None),
            ("line 5", None),
            ("line 6", None),
            ("line 7", {"d": 4}),
        ]
        assert all(problem for _place, document, problem in found if document is None)

    def test_a_line_of_a_hundred_megabytes_is_passed_over(self):
        class Endless(io.RawIOBase):
            left = 100_000_000

            def readable(self):
                return True

            def readinto(self, buffer):
                size = min(len(buffer), self.left)
                buffer[:size] = b"x" * size
                self.left -= size
                if not self.left and size:
                    buffer[size - 1 : size] = b"\n"
                return size

        found = list(lines(io.BufferedReader(Endless())))
        assert [document for _place, document, _problem in found] == [None]
        assert "longer than" in found[0][2]

    def test_deep_nesting_is_a_refusal_and_no_crash(self):
        found = list(lines(io.BytesIO(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")))
        assert "not JSON" in found[0][2]
