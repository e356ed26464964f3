"""Our reading of header blocks against the `hpack` library's and the examples of RFC 7541."""

import time

import hpack
import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable
from hypothesis import given
from hypothesis import strategies as st

from django_push.http2 import huffman
from django_push.http2.decoder import Decoder
from django_push.http2.fields import Encoder, Template, integer
from django_push.http2.frames import COMPRESSION_ERROR, Fault
from django_push.http2.static_table import STATIC_TABLE

from .hostile import same_meaning

HUFFMAN = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
NAMES = st.one_of(
    st.sampled_from([b":status", b"apns-id", b"content-type", b"date", b"server", b"x"]),
    st.binary(max_size=30),
)
VALUES = st.one_of(
    st.sampled_from([b"", b"200", b"410", b"a" * 200, b"b" * 1_000, b"application/json"]),
    st.binary(max_size=60),
)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=6)


def test_the_tables_are_those_of_the_standard():
    assert tuple(HeaderTable.STATIC_TABLE) == STATIC_TABLE
    codes = zip(REQUEST_CODES[:256], REQUEST_CODES_LENGTH, strict=False)
    assert huffman._codes() == {
        f"{code:0{length}b}": bytes((value,)) for value, (code, length) in enumerate(codes)
    }


PAGE = [(b"cache-control", b"private"), (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT")]
LOCATION = (b"location", b"https://www.example.com")


def test_the_answers_of_appendix_c_6():
    decoder = Decoder()
    decoder.table_size = 256
    first = (
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff"
        "6e919d29ad171863c78f0b97c8e9ae82ae43d3"
    )
    assert decoder.decode(bytes.fromhex(first)) == [(b":status", b"302"), *PAGE, LOCATION]
    second = "4883640effc1c0bf"
    assert decoder.decode(bytes.fromhex(second)) == [(b":status", b"307"), *PAGE, LOCATION]
    third = (
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335"
        "dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"
    )
    cookie = b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
    assert decoder.decode(bytes.fromhex(third)) == [
        (b":status", b"200"),
        (b"cache-control", b"private"),
        (b"date", b"Mon, 21 Oct 2013 20:13:22 GMT"),
        LOCATION,
        (b"content-encoding", b"gzip"),
        (b"set-cookie", cookie),
    ]
    assert [name for name, _ in decoder._dynamic] == [b"set-cookie", b"content-encoding", b"date"]


# -- Huffman codes


@given(st.binary(max_size=300))
def test_any_string_is_read_back(text):
    assert huffman.decode(HUFFMAN.encode(text)) == text


def test_each_byte_is_read_back():
    for value in range(256):
        assert huffman.decode(HUFFMAN.encode(bytes((value,)) * 3)) == bytes((value,)) * 3


@given(st.binary(max_size=40))
def test_a_code_is_refused_when_the_library_refuses_it(coded):
    try:
        expected = bytes(hpack.huffman_table.decode_huffman(coded) or b"")
    except hpack.HPACKError:
        with pytest.raises(ValueError, match="Huffman"):
            huffman.decode(coded)
    else:
        assert huffman.decode(coded) == expected


@pytest.mark.parametrize(
    "coded",
    ["ff", "07ff", "00", "1e", "ffffffff", "fffffffc", "fffffffc1f"],
    ids=["padding of 8", "of 11", "of zeros", "of 0", "end of string", "cut", "end inside"],
)
def test_broken_codes_are_refused(coded):
    with pytest.raises(ValueError, match="Huffman"):
        huffman.decode(bytes.fromhex(coded))


# -- whole blocks


@given(
    st.lists(
        st.tuples(FIELDS, st.booleans(), st.sampled_from([None, None, 0, 60, 300, 4_096])),
        max_size=12,
    )
)
def test_what_the_library_encodes_is_read_as_it_was_meant(blocks):
    encoder, decoder = hpack.Encoder(), Decoder()
    for fields, coded, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        secret = [hpack.NeverIndexedHeaderTuple(*field) for field in fields[:1]]
        block = encoder.encode([*secret, *fields], huffman=coded)
        assert decoder.decode(block) == [*fields[:1], *fields]
        assert decoder.table_size == encoder.header_table_size
        assert decoder._used <= decoder.table_size


@given(st.lists(FIELDS, min_size=1, max_size=4))
def test_what_we_encode_we_can_read(fields):
    encoder, decoder = Encoder(), Decoder()
    templates = [
        Template(
            [(":method", "POST")], [(f"x-{len(name)}", f"{len(value)}") for name, value in each]
        )
        for each in fields
    ]
    for template in templates * 2:
        (before, after), _ = encoder.prefix(template)
        assert decoder.decode(before + after) == [*template.pseudo, *template.regular]


def string(text: bytes, coded: bool) -> bytes:
    if not coded:
        return integer(len(text), 7, 0) + text
    text = HUFFMAN.encode(text)
    return integer(len(text), 7, 0x80) + text


STRINGS = st.builds(string, VALUES, st.booleans())
INDICES = st.one_of(st.integers(1, 70), st.integers(0, 300))
FORMS = st.one_of(
    st.builds(lambda index: integer(index, 7, 0x80), INDICES),
    st.builds(
        lambda form, index, value: integer(index, *form) + value,
        st.sampled_from([(6, 0x40), (4, 0x00), (4, 0x10)]),
        INDICES,
        STRINGS,
    ),
    st.builds(
        lambda form, name, value: bytes((form,)) + name + value,
        st.sampled_from([0x40, 0x00, 0x10]),
        STRINGS,
        STRINGS,
    ),
)
UPDATES = st.builds(
    lambda size: integer(size, 5, 0x20), st.sampled_from([0, 40, 500, 4_096, 5_000])
)
BLOCKS = st.builds(
    lambda updates, forms: b"".join(updates + forms),
    st.lists(UPDATES, max_size=2),
    st.lists(st.one_of(FORMS, FORMS, FORMS, FORMS, UPDATES), max_size=8),
)


@given(st.lists(BLOCKS, max_size=8))
def test_any_sequence_of_forms_means_what_the_library_says(blocks):
    decoder, reference = Decoder(), hpack.Decoder(max_header_list_size=65_536)
    for block in blocks:
        if not same_meaning(decoder, reference, block):
            break


@given(st.lists(st.one_of(BLOCKS, st.binary(max_size=60)), max_size=5), st.data())
def test_broken_blocks_are_refused_and_nothing_else_happens(blocks, data):
    decoder, reference = Decoder(), hpack.Decoder(max_header_list_size=65_536)
    for block in blocks:
        broken = bytearray(block)
        for place in data.draw(st.lists(st.integers(0, max(0, len(block) - 1)), max_size=3)):
            broken[place : place + 1] = data.draw(st.binary(max_size=2))
        if not same_meaning(decoder, reference, bytes(broken)):
            break


# -- limits


@pytest.mark.parametrize("block", [b"\xff", b"\x7f", b"\x3f", b"\x0f", b"\x00\x7f", b"\x00\xff"])
def test_an_integer_that_does_not_end_is_refused_at_once(block):
    started = time.process_time()
    with pytest.raises(Fault, match="an integer that does not end"):
        Decoder().decode(block + b"\xff" * 65_000)
    assert time.process_time() - started < 1


def test_a_large_field_cannot_be_named_for_ever():
    """A field of 4 KB in the table, called a thousand times with a byte each."""
    block = b"\x40\x01a\x7f\x81\x1e" + b"x" * 3_968
    decoder = Decoder()
    assert len(decoder.decode(block)) == 1
    assert len(decoder.decode(b"\xbe" * 16)) == 16
    with pytest.raises(Fault, match="too many header fields"):
        decoder.decode(b"\xbe" * 1_000)


def test_the_table_holds_what_it_may_and_no_more():
    decoder = Decoder()
    for number in range(1_000):
        decoder.decode(b"\x40\x04%04d\x00" % number)
    assert len(decoder._dynamic) == 4_096 // 36
    decoder.decode(b"\x40\x01a\x7f\xff\x1f" + b"x" * 4_222)  # larger than the table: it is emptied
    assert not decoder._dynamic
    assert decoder._used == 0


def test_the_peer_may_not_choose_a_larger_table_than_we_allow():
    decoder = Decoder()
    decoder.decode(integer(4_096, 5, 0x20))
    with pytest.raises(Fault, match="a header table of 4097 bytes") as caught:
        decoder.decode(integer(4_097, 5, 0x20))
    assert caught.value.code == COMPRESSION_ERROR


def test_short_strings_are_remembered_and_ids_are_not(monkeypatch):
    """A peer must not be able to fill our memory with words that it makes up."""
    monkeypatch.setattr(huffman, "_short", {})  # other tests may have filled it
    coded = HUFFMAN.encode(b"content-type")
    assert huffman.decode(coded) == huffman.decode(coded) == b"content-type"
    assert huffman._short[coded] == b"content-type"
    long = HUFFMAN.encode(b"5f0c1a7b-9d3e-4f60-81a2-b3c4d5e6f708")
    huffman.decode(long)
    assert long not in huffman._short
    for number in range(3 * huffman._MOST_SHORT):
        word = b"w%d" % number
        assert huffman.decode(HUFFMAN.encode(word)) == word
    assert len(huffman._short) <= huffman._MOST_SHORT
