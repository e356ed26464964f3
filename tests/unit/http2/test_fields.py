"""Header fields on their way out, read back by the `hpack` library."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_push.http2 import Template, literal
from django_push.http2.fields import Encoder, integer

NAMES = st.text("abcxyz0123456789-_.", min_size=1, max_size=20)
VALUES = st.text(
    st.characters(min_codepoint=0x20, blacklist_characters="\x7f", blacklist_categories=["Cs"]),
    max_size=300,
).map(str.strip)


def visible(text: str) -> bool:
    return all(ord(letter) > 0x20 for letter in (text[:1] + text[-1:]))


@given(st.one_of(NAMES, st.sampled_from([":path", "content-type", "authorization"])), VALUES)
def test_a_literal_says_what_it_was_given(name, value):
    if not visible(value):
        value = "x" + value + "x"
    if name in ("connection", "upgrade"):
        name = "x"
    decoder = hpack.Decoder()
    decoder.header_table_size = 0
    decoder.max_allowed_table_size = 0

    assert list(decoder.decode(literal(name, value))) == [(name, value)]


def test_a_literal_of_bytes_is_that_of_text():
    assert literal(b":path", b"/3/device/ab") == literal(":path", "/3/device/ab")


def test_a_name_of_the_static_table_is_an_index():
    assert literal(":path", "/x") == b"\x04\x02/x"


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 256, 5_000, 20_000])
def test_a_value_may_have_any_length(size):
    assert list(hpack.Decoder().decode(literal("token", "x" * size))) == [("token", "x" * size)]


@pytest.mark.parametrize(
    "name", ["Apns-Id", "apns id", "", ":", "apns\nid", "näme", "a:b", "connection", "upgrade"]
)
def test_a_bad_name_is_refused(name):
    with pytest.raises(ValueError, match="HTTP/2"):
        literal(name, "x")


@pytest.mark.parametrize("value", ["a\r\nb", "a\x00", "\x7f", " a", "a ", "\t", "a\tb"])
def test_a_bad_value_is_refused_without_being_quoted(value):
    with pytest.raises(ValueError, match="control character") as caught:
        literal("authorization", "secret" + value if value[0] != " " else value + "secret")
    assert "secret" not in str(caught.value)


def test_a_template_wants_each_field_in_its_list():
    with pytest.raises(ValueError, match="put it into regular"):
        Template([("host", "x")])
    with pytest.raises(ValueError, match="put it into pseudo"):
        Template([], [(":path", "/")])


def test_templates_are_compared_by_identity():
    fields = [(":method", "POST")]
    assert Template(fields) != Template(fields)


@given(st.integers(0, 2**31), st.integers(1, 8))
def test_an_integer_can_be_read_again(number, bits):
    assert hpack.hpack.decode_integer(integer(number, bits, 0), bits)[0] == number


FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["authorization", "apns-topic", "x-one", "x-two", "content-type"]),
        st.sampled_from(["", "a", "b", "c" * 50, "d" * 500, "e" * 5_000]),
    ),
    max_size=8,
)
TEMPLATES = st.lists(FIELDS, min_size=1, max_size=4).map(
    lambda lists: [Template([(":method", "POST"), (":authority", "a.b")], each) for each in lists]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("resize"), st.sampled_from([0, 40, 100, 600, 4_096, 65_536])),
        st.tuples(st.just("encode"), st.integers(0, 3)),
    ),
    max_size=40,
)


@given(TEMPLATES, STEPS)
def test_blocks_are_understood_whatever_the_table_and_its_changes(templates, steps):
    encoder, decoder = Encoder(), hpack.Decoder()
    for step, number in steps:
        if step == "resize":
            encoder.resize(number)
            # The decoder of a server allows what it has announced, and checks after each block.
            decoder.max_allowed_table_size = number
            continue
        template = templates[number % len(templates)]
        (before, after), lasting = encoder.prefix(template)
        for _ in range(2 if lasting else 1):
            decoded = list(decoder.decode(before + after, raw=True))
            assert decoded == list(template.pseudo + template.regular)


def test_constant_fields_cost_one_byte_each_after_the_first_block():
    encoder = Encoder()
    template = Template([(":method", "POST"), (":authority", "push.test")], [("a", "b" * 200)])
    (first, rest), lasting = encoder.prefix(template)
    assert len(first + rest) > 200
    assert not lasting

    (first, rest), lasting = encoder.prefix(template)
    assert len(first + rest) == 3
    assert lasting


def test_templates_in_turns_settle_even_when_they_do_not_fit_together():
    encoder = Encoder()
    templates = [Template([], [("authorization", letter * 3_000)]) for letter in "ab"]
    sizes = [sum(map(len, encoder.prefix(templates[turn % 2])[0])) for turn in range(6)]
    assert all(size > 3_000 for size in sizes)


def test_a_template_larger_than_the_table_settles_too():
    encoder = Encoder()
    template = Template([], [("a", "x" * 2_500), ("b", "y" * 2_500), ("c", "z")])
    encoder.prefix(template)
    (before, after), lasting = encoder.prefix(template)
    assert lasting
    assert len(before + after) < 2_600


@pytest.mark.parametrize("token", ["token {}", "the same"])
def test_many_templates_are_forgotten(token):
    encoder = Encoder()
    for number in range(100):
        template = Template([], [("authorization", token.format(number))])
        encoder.prefix(template)
        encoder.prefix(template)
    assert len(encoder._prefixes) <= 16
