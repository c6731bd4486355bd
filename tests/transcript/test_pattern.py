"""Placeholders: what they match, what they capture, what they send."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.transcript.pattern import (
    FillError,
    Pattern,
    PatternError,
    Placeholder,
    PlaceholderKind,
    make_pattern,
    parse_pattern,
    unwritable,
)
from tests.transcript.strategies import CLIENT_PATTERNS, TEXTS, WORDS


@pytest.mark.parametrize(
    ("source", "text", "captured"),
    [
        ("+OK", "+OK", {}),
        ("+OK", "+OK ", None),
        ("+OK.*", "+OK maildrop", None),
        ("+OK {n:int} {size:int}", "+OK 2 320", {"n": "2", "size": "320"}),
        ("+OK {n:int}", "+OK two", None),
        ("+OK {n:int}", "+OK \u0662", None),
        ("+OK {word}", "+OK two words", None),
        ("+OK {word}", "+OK ", None),
        ("+OK {rest...}", "+OK two words", {"rest": "two words"}),
        ("+OK {rest...}", "+OK ", {"rest": ""}),
        ("+OK {...}", "+OK two words", {}),
        ("+OK {...} octets", "+OK 2 of 320 octets", {}),
        ("<{pid}.{clock}@{host}>", "<1896.697170952@dbc.mtview.ca.us>",
         {"pid": "1896", "clock": "697170952", "host": "dbc.mtview.ca.us"}),
        ("+OK {name}'s maildrop", "+OK o'brien's maildrop", {"name": "o'brien"}),
        ("{n:int}00", "10000", {"n": "100"}),
        ("{n} {n}", "2 2", {"n": "2"}),
        ("{n} {n}", "2 3", None),
        ("{a}{b...}", "one two", {"a": "one", "b": " two"}),
        ("{n:int}{unit}", "12kB", {"n": "12", "unit": "kB"}),
        ("{{n}}", "{n}", {}),
        ("{{{n}}}", "{2}", {"n": "2"}),
        ("{}...", "...", {}),
        ("{}", "", {}),
        ("", "", {}),
        ("", " ", None),
        ("RETR {n:int=2}", "RETR 3", {"n": "3"}),
    ],
)  # fmt: skip
def test_match(source: str, text: str, captured: dict[str, str] | None) -> None:
    assert parse_pattern(source).match(text, {}) == captured


def test_a_bound_name_must_be_equal_and_bindings_are_not_changed() -> None:
    bindings = {"n": "2"}
    pattern = parse_pattern("LIST {n} {size}")
    assert pattern.match("LIST 3 x", bindings) is None
    assert pattern.match("LIST 2 x", bindings) == {"n": "2", "size": "x"}
    assert bindings == {"n": "2"}


def test_bound_placeholders_may_touch() -> None:
    pattern = parse_pattern("{user}{host}{rest...}")
    assert pattern.match("bobmail.example!", {"user": "bob", "host": "mail.example"}) == {
        "user": "bob",
        "host": "mail.example",
        "rest": "!",
    }


def test_fill() -> None:
    pattern = parse_pattern("TOP {n:int=2} {lines:int=10} {{{word}}}")
    assert pattern.fill({"word": "x", "lines": "0"}) == "TOP 2 0 {x}"


@pytest.mark.parametrize(
    ("source", "bindings", "said"),
    [
        ("PASS {password}", {}, "no password was given"),
        ("APOP bob {apop}", {}, "<timestamp>"),
        ("LIST {n}", {}, "no line before this one captured it"),
        ("LIST {...}", {}, "give it a name"),
        ("PASS {password}", {"password": "x\r\nDELE 1"}, "line end"),
    ],
)
def test_fill_refuses(source: str, bindings: dict[str, str], said: str) -> None:
    with pytest.raises(FillError) as caught:
        parse_pattern(source).fill(bindings)
    assert said in str(caught.value)
    assert "DELE" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "problem", "advice"),
    [
        ("a { b", "lone '{'", "'{{'"),
        ("a } b", "lone '}'", "'}}'"),
        ("{two words}", "'{two words}' is no placeholder", "double the braces"),
        ("{n:word}", "no placeholder", "'{name:int}'"),
        ("{n:}", "no placeholder", "'{name:int}'"),
        ("{n...:int}", "no placeholder", "'{name...}'"),
        ("{2n}", "no placeholder", "'{name}'"),
        ("{:int}", "without a name", "'{...}'"),
        ("{=3}", "without a name", "'{...}'"),
        ("{n:int=two}", "no value", "digits after ':int='"),
        ("{n=}", "no value", "one word"),
        ("{n...=x}", "no value", "one word"),
    ],
)
def test_faults(source: str, problem: str, advice: str) -> None:
    with pytest.raises(PatternError) as caught:
        parse_pattern(source)
    assert problem in caught.value.problem
    assert advice in caught.value.advice


def test_a_placeholder_checks_its_name() -> None:
    with pytest.raises(PatternError, match="begin with a letter"):
        Placeholder(name="two words")


def test_a_hostile_line_costs_one_pass() -> None:
    """A regular expression with the same meaning would backtrack for ever."""
    pattern = parse_pattern("{a}@{b}@{c}@{d}>{e}")
    began = time.perf_counter()
    assert pattern.match("@" * 1_000_000, {}) is None
    assert time.perf_counter() - began < 1


@given(CLIENT_PATTERNS)
def test_source_round_trip(pattern: Pattern) -> None:
    assert parse_pattern(pattern.source) == pattern


@given(TEXTS)
def test_text_stands_for_itself(text: str) -> None:
    pattern = make_pattern(text)
    assert pattern.text == pattern.fill({}) == text
    assert pattern.match(text, {}) == {}


@given(st.lists(st.tuples(st.sampled_from("abc"), WORDS), max_size=4))
def test_what_is_filled_in_matches(drawn: list[tuple[str, str]]) -> None:
    bindings = dict(drawn)
    pattern = make_pattern(
        *(
            part
            for name, _ in drawn
            for part in (" ", Placeholder(name=name, kind=PlaceholderKind.WORD))
        )
    )
    assert pattern.match(pattern.fill(bindings), {}) == bindings


def test_unwritable() -> None:
    assert unwritable("a\tb é \U0001f4ec") is None
    for strange in "\x00\n\r\x1b\x7f\x9b\udcff":
        assert unwritable(f"a{strange}b") == strange
