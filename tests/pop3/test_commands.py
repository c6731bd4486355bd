"""Parsing a command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.commands import VERBS, Span, parse_command


@pytest.mark.parametrize(
    ("line", "keyword", "arguments"),
    [
        (b"STAT", b"STAT", ()),
        (b"stat", b"STAT", ()),
        (b"LIST 1", b"LIST", (b"1",)),
        (b"  LIST\t 1  ", b"LIST", (b"1",)),
        (b"TOP 1 10", b"TOP", (b"1", b"10")),
        (b"TOP 1 10 x", b"TOP", (b"1", b"10", b"x")),
        (b"PASS jones", b"PASS", (b"jones",)),
        (b"PASS two  words ", b"PASS", (b"two  words ",)),
        (b"PASS  blank", b"PASS", (b" blank",)),
        (b"PASS", b"PASS", ()),
        (b"PASS ", b"PASS", ()),
        (b"APOP mrose c4c9", b"APOP", (b"mrose", b"c4c9")),
        (b"AUTH PLAIN AGJv =", b"AUTH", (b"PLAIN", b"AGJv =")),
        (b"XYZZY a b", b"XYZZY", (b"a", b"b")),
        (b"", b"", ()),
        (b" \t ", b"", ()),
        (b"\xff\x00 1", b"\xff\x00", (b"1",)),
    ],
)
def test_keyword_and_arguments(line: bytes, keyword: bytes, arguments: tuple[bytes, ...]) -> None:
    command = parse_command(line)
    assert (command.line, command.keyword, command.arguments) == (line, keyword, arguments)
    assert command.verb is VERBS.get(keyword)


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (b"PASS jones", b"jones"),
        (b"pass  jones ", b" jones "),
        (b" PASS jones", b"jones"),
        (b"APOP mrose c4c9 more", b"c4c9 more"),
        (b"APOP mrose", None),
        (b"AUTH PLAIN", None),
        (b"AUTH PLAIN AGJv =", b"AGJv ="),
        (b"USER bob", None),
        (b"PASS", None),
        (b"XYZZY PASS x", None),
        (b"", None),
    ],
)
def test_what_is_secret(line: bytes, secret: bytes | None) -> None:
    span = parse_command(line).secret
    found = None if span is None else line[span.start : span.stop]
    assert found == secret
    assert span is None or span.stop == len(line)


@pytest.mark.parametrize(
    ("line", "multi_line"),
    [
        (b"LIST", True),
        (b"LIST 1", False),
        (b"UIDL ", True),
        (b"RETR 1", True),
        (b"RETR", True),
        (b"AUTH", True),
        (b"AUTH PLAIN", False),
        (b"CAPA x", True),
        (b"STAT", False),
        (b"XYZZY", False),
    ],
)
def test_when_a_positive_reply_goes_on(line: bytes, multi_line: bool) -> None:
    assert parse_command(line).multi_line is multi_line


@pytest.mark.parametrize(
    ("line", "number"),
    [(b"RETR 12", 12), (b"RETR x", None), (b"RETR -1", None), (b"RETR", None), (b"RETR 007", 7)],
)
def test_message_numbers(line: bytes, number: int | None) -> None:
    assert parse_command(line).number() == number


def test_a_number_of_any_length_is_read_in_no_time() -> None:
    assert parse_command(b"RETR " + b"9" * 100_000).number() == 10**18 - 1


@given(st.binary(max_size=60))
def test_no_line_makes_it_raise_and_every_argument_stands_in_it(line: bytes) -> None:
    command = parse_command(line)
    assert command.line == line
    for argument in command.arguments:
        assert argument in line
    if command.secret is not None:
        assert 0 <= command.secret.start < command.secret.stop <= len(line)


@given(
    st.binary(min_size=1).filter(lambda b: b"\n" not in b), st.sampled_from([b"PASS ", b"pass "])
)
def test_all_that_follows_pass_is_secret(password: bytes, keyword: bytes) -> None:
    command = parse_command(keyword + password)
    assert command.secret == Span(start=5, stop=5 + len(password))
    assert command.arguments == (password,)
