"""Lines in parts: the parts are the line, and have the right names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.commands import VERBS, Verb, parse_command
from poptalk.terminal.lexer import (
    Part,
    answer_parts,
    command_parts,
    data_parts,
    header_parts,
    status_parts,
    typed_parts,
)
from poptalk.terminal.theme import NEUTRAL

words = st.sampled_from(
    [*VERBS, b" ", b"\t", b"+OK", b"-ERR", b"+", b"[IN-USE]", b"<a@b>", b"12", b":", b".", b"bob"]
)
lines = st.one_of(
    st.binary(max_size=40), st.lists(words).map(b"".join), st.lists(words).map(b" ".join)
)


def told(parts: list[Part]) -> list[Part]:
    """Leave the blanks out."""
    return [(style, octets) for style, octets in parts if octets.strip()]


@given(lines)
def test_the_joined_parts_are_the_line(line: bytes) -> None:
    for parts in (
        command_parts(line, parse_command(line).secret),
        typed_parts(line),
        answer_parts(line),
        status_parts(line),
        status_parts(line, VERBS[b"STAT"].fields),
        status_parts(line, ()),
        data_parts(line, VERBS[b"CAPA"].fields),
        header_parts(line),
    ):
        assert b"".join(octets for _, octets in parts) == line
        assert all(octets for _, octets in parts)
        assert {style for style, _ in parts} <= NEUTRAL.keys()


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.keyword)
def test_every_command_of_the_table_has_its_keyword(verb: Verb) -> None:
    style = "relic" if verb.relic else "keyword"
    for word in (verb.name, verb.name.lower()):
        assert told(command_parts(b" " + word, None)) == [(style, word)]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"USER bob", [("keyword", b"USER"), ("argument", b"bob")]),
        (b"PASS a b ", [("keyword", b"PASS"), ("secret", b"a b ")]),
        (b"APOP bob c4", [("keyword", b"APOP"), ("argument", b"bob"), ("secret", b"c4")]),
        (b"TOP 1 2 x", [("keyword", b"TOP"), ("number", b"1"), ("number", b"2"), ("text", b"x")]),
        (b"XTND a b", [("relic", b"XTND"), ("argument", b"a"), ("argument", b"b")]),
        (b"HELP me", [("unknown", b"HELP"), ("text", b"me")]),
        (b":save a.txt", [("local", b":save"), ("text", b" a.txt")]),
        (b"::x", [("local", b":"), ("unknown", b":x")]),
    ],
)
def test_typed_lines(line: bytes, parts: list[Part]) -> None:
    assert told(typed_parts(line)) == parts


def test_answers_are_secret_but_for_the_cancel() -> None:
    assert answer_parts(b"Ym9i") == [("secret", b"Ym9i")]
    assert answer_parts(b"*") == [("unknown", b"*")]
    assert answer_parts(b"") == []


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"+OK 2 320", [("ok", b"+OK"), ("number", b"2"), ("number", b"320")]),
        (
            b"+ok hi <a@b>!",
            [("ok", b"+ok"), ("text", b"hi "), ("timestamp", b"<a@b>"), ("text", b"!")],
        ),
        (b"-ERR [IN-USE] no", [("err", b"-ERR"), ("code", b"[IN-USE]"), ("text", b"no")]),
        (b"+ PDE4", [("challenge", b"+"), ("text", b"PDE4")]),
        (b"HTTP/1.1 400", [("odd", b"HTTP/1.1 400")]),
    ],
)
def test_status_lines(line: bytes, parts: list[Part]) -> None:
    assert told(status_parts(line)) == parts


def test_fields_name_the_data_of_a_positive_reply_only() -> None:
    fields = VERBS[b"STAT"].fields
    assert told(status_parts(b"+OK 2 320 x 7", fields)) == [
        ("ok", b"+OK"),
        ("number", b"2"),
        ("octets", b"320"),
        ("text", b"x"),
        ("text", b"7"),
    ]
    assert told(status_parts(b"-ERR 2 320", fields)) == [("err", b"-ERR"), ("text", b"2 320")]
    assert told(status_parts(b"+OK two 320", fields))[1:] == [("text", b"two"), ("octets", b"320")]
    assert told(status_parts(b"+OK 2 messages", ())) == [("ok", b"+OK"), ("text", b"2 messages")]


def test_data_lines() -> None:
    assert told(data_parts(b"1 abc", VERBS[b"UIDL"].fields)) == [("number", b"1"), ("uid", b"abc")]
    assert told(data_parts(b"SASL PLAIN LOGIN", VERBS[b"CAPA"].fields)) == [
        ("keyword", b"SASL"),
        ("text", b"PLAIN"),
        ("text", b"LOGIN"),
    ]


def test_header_lines() -> None:
    assert header_parts(b"To: bob") == [("header", b"To:"), ("body", b" bob")]
    assert header_parts(b" folded: yes") == [("body", b" folded: yes")]
    assert header_parts(b"no colon") == [("body", b"no colon")]
