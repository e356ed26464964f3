"""Our regular expressions: what is understood, what is refused, and that nothing can hang."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_push.exceptions import InvalidPush
from django_push.where.pattern import MAX_LENGTH, read_pattern
from django_push.where.pattern_sql import Plain, backtracking, plain, posix


def fits(source: str, text: str, options: str = "") -> bool:
    form = backtracking(read_pattern(source, options, "here"), python=True)
    return re.search(form, text) is not None


@pytest.mark.parametrize(
    ("source", "yes", "no"),
    [
        ("", ["", "a"], []),
        ("abc", ["abc", "xabcx"], ["ab", "ABC"]),
        ("^abc", ["abcd"], ["xabc"]),
        ("abc$", ["xabc"], ["abcx", "abc\n"]),
        ("^abc$", ["abc"], ["abcd", "xabc", "abc\n"]),
        ("^a|b$", ["ax", "xb"], ["xax", "bx"]),
        ("a.c", ["abc", "a\nc", "a😀c"], ["ac"]),
        ("^a.*c$", ["ac", "abbc", "acc"], ["ab", "acb"]),
        ("a.*b.*c", ["a_b_c", "abc"], ["cba", "ab"]),
        ("ba*$", ["b", "baa", "bab"], ["bac"]),
        ("^[ab]*$", ["", "abba"], ["abc"]),
        ("[a-c]", ["b"], ["d"]),
        ("[^a-c]", ["d"], ["b", ""]),
        ("[]a]", ["]", "a"], ["b"]),
        ("[a-]", ["-", "a"], ["b"]),
        (r"[\]\\]", ["]", "\\"], ["a"]),
        (r"[\d_]", ["7", "_"], ["a"]),
        (r"\d\w\s", ["1a ", "1_\t"], ["a1 ", "1a"]),
        (r"\D", ["a", "٣"], ["7"]),
        (r"\.\*\$\|", [".*$|"], ["a"]),
        (r"\Qa.b\E*", ["a.bbb", "a."], ["axb"]),
        (r"\Qa.b", ["a.b"], ["axb"]),
        (r"\Qa\E\\E\Qb\E", [r"a\Eb"], ["ab"]),
        ("x|", ["", "a"], []),
        (".*", ["", "a"], []),
        ("^.*a", ["ba"], ["b"]),
        ("é", ["é"], ["É", "e"]),
    ],
)
def test_what_a_pattern_fits(source, yes, no):
    assert [text for text in yes if not fits(source, text)] == []
    assert [text for text in no if fits(source, text)] == []


@pytest.mark.parametrize(
    ("source", "yes", "no"),
    [
        ("abc", ["ABC", "aBc"], ["ab"]),
        ("[a-c]", ["B"], ["D"]),
        ("[^a-c]", ["d", "D"], ["b", "B"]),
        ("é", ["É"], ["e"]),
        (r"\Qé%\E", ["É%"], ["é"]),
    ],
)
def test_with_the_option_i_case_does_not_count(source, yes, no):
    assert all(fits(source, text, "i") for text in yes)
    assert not any(fits(source, text, "i") for text in no)


@pytest.mark.parametrize(
    ("source", "construct"),
    [
        ("(a)", "( )"),
        ("(?=a)", "( )"),
        ("a)", "( )"),
        ("a+", "+"),
        ("a?", "?"),
        ("a{2}", "{ }"),
        ("a]", "]"),
        ("*a", "*"),
        ("a**", "*"),
        ("^*", "*"),
        ("a^", "… ^"),
        ("a$b", "$ …"),
        (r"\bword", r"\b"),
        (r"(a)\1", "( )"),
        (r"\x41", r"\x"),
        (r"a\p{L}", r"\p"),
        ("a\\", "\\"),
        ("[a", "["),
        ("[", "["),
        ("[z-a]", "z-"),
        ("[[:alpha:]]", "[: :]"),
    ],
)
def test_what_is_not_understood_is_named(source, construct):
    with pytest.raises(InvalidPush) as caught:
        read_pattern(source, "", "audience.where.x.$regex")
    assert caught.value.code == "regex_construct"
    assert f"“{construct}”" in caught.value.message
    assert caught.value.field == "audience.where.x.$regex"


@pytest.mark.parametrize("source", ["a*a", "a*b*a", "[ab]*[bc]", r"\w*1", "[^x]*y", "a*.b"])
def test_a_star_before_what_it_fits_itself_is_refused(source):
    with pytest.raises(InvalidPush, match=r"only \.\* may be"):
        read_pattern(source, "", "here")


@pytest.mark.parametrize(
    ("source", "options", "code"),
    [
        ("a" * (MAX_LENGTH + 1), "", "regex_too_long"),
        (7, "", "wrong_type"),
        (None, "", "wrong_type"),
        ("a", "x", "regex_option"),
        ("a", "im", "regex_option"),
        ("a", None, "regex_option"),
        ("[\u0100-\uffff]", "i", "regex_construct"),
    ],
)
def test_other_refusals(source, options, code):
    with pytest.raises(InvalidPush) as caught:
        read_pattern(source, options, "here")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        (r"^\Qa.b\E", Plain("a.b", True, False)),
        (r"\Qa.b\E$", Plain("a.b", False, True)),
        ("ab", Plain("ab", False, False)),
        ("^ab$", Plain("ab", True, True)),
        ("^.*ab", Plain("ab", False, False)),
        ("^ab.*", Plain("ab", True, False)),
        ("^ab.*$", Plain("ab", True, False)),
        ("", Plain("", False, False)),
        ("a.b", None),
        ("a|b", None),
        ("[ab]", None),
    ],
)
def test_plain_texts_need_no_regular_expression(source, meant):
    assert plain(read_pattern(source, "", "here")) == meant


HOSTILE = [
    ".*" * 95 + "x",
    ".*a" * 60 + "$",
    "^" + ".*a" * 60 + "b",
    "|".join([".*a.*b.*c"] * 20),
    "a*b" * 60,
    "[ab]*c" * 30,
    ".*[^a]b*d" * 20 + "c$",
]


@pytest.mark.parametrize("source", HOSTILE)
@pytest.mark.parametrize("text", ["a" * 1000, "ab" * 500, "abc" * 333, ""])
def test_nothing_hangs(source, text):
    """Two thousand characters go back and forth a thousand times at the most: a million steps."""
    form = re.compile(backtracking(read_pattern(source, "", "here"), python=True))
    began = time.process_time()
    form.search(text)
    assert time.process_time() - began < 2.0  # written naively, several of them take hours


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w"])
PARTS = st.lists(ATOMS | st.just(".*"), max_size=5) | st.sampled_from(
    [["a*", "b"], ["a", "b*", "a"], ["[ab]*"], [".*", "a*", "b"], ["a*", ".*", "b"], ["b*", "a*"]]
)
PATTERNS = st.lists(
    st.builds(
        lambda start, parts, end: start + "".join(parts) + end,
        st.sampled_from(["", "^"]),
        PARTS,
        st.sampled_from(["", "$"]),
    ),
    min_size=1,
    max_size=3,
).map("|".join)


@settings(max_examples=600, deadline=None, derandomize=True, database=None)
@given(PATTERNS, st.text("abc\n", max_size=8))
def test_the_safe_form_fits_what_the_plain_one_does(source, text):
    wanted = re.search(source.replace("$", r"\Z"), text, re.DOTALL) is not None
    assert fits(source, text) is wanted


def test_forms_for_the_other_databases():
    pattern = read_pattern(r"^a.*[^é]b*c|x\.$", "", "here")
    assert posix(pattern) == r"(?s)^a.*[^\u00e9]b*c|x\u002e$"
    assert backtracking(pattern, python=False) == (
        r"(?s)\A(?:(?>a)(?>.*?[^\x{e9}]b*+c)|.*?x\x{2e}\z)"
    )


@given(st.integers(0x80, 0x1F000), st.integers(0, 500), st.integers(0x80, 0x1F000))
@settings(max_examples=100, deadline=None)
def test_a_class_without_case_has_the_other_case_of_each_of_its_letters(first, more, single):
    letters = [chr(code) for code in (*range(first, first + more + 1), single)]
    wanted = {x for letter in letters for x in (letter, letter.lower(), letter.upper())}
    source = f"[{letters[0]}-{letters[-2]}{letters[-1]}]"
    found = read_pattern(source, "i", "here").alternatives[0].atoms[0].chars
    held = {chr(code) for a, b in found.ranges for code in range(a, b + 1)}
    assert held == {letter for letter in wanted if len(letter) == 1}
