"""What a dialogue looks like: marks, masks, notes and raw octets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.commands import VERBS, Span, parse_command
from poptalk.terminal.render import (
    MASK,
    NoteKind,
    body_line,
    client_line,
    lone_dot,
    note,
    plain_text,
    raw_line,
    status_line,
    typed_line,
)
from poptalk.terminal.safe import cells, harmless
from poptalk.terminal.theme import NEUTRAL


@given(st.binary())
def test_everything_from_outside_is_harmless(data: bytes) -> None:
    secret = parse_command(data).secret
    for line in (
        client_line(data, secret),
        client_line(data, secret, reveal=True),
        status_line(data),
        body_line(data),
        body_line(data, header=True),
        body_line(data, fields=VERBS[b"UIDL"].fields),
        raw_line(data),
        raw_line(data, in_body=True),
        *note(data.decode("latin-1")),
    ):
        assert plain_text(line).isprintable()
        assert {style for style, _ in line} <= NEUTRAL.keys()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_printable_lines_are_shown_as_they_are(text: str) -> None:
    line = text.encode()
    assert plain_text(status_line(line)) == f"S: {text}"
    assert plain_text(body_line(line, header=True)) == f"S: {text}"
    sent = plain_text(client_line(line, None))
    assert sent.startswith(f"C: {text}")
    assert ("at the end" in sent.removeprefix(f"C: {text}")) == text.endswith(" ")
    assert plain_text(typed_line(text)) == text


@given(st.text())
def test_a_typed_line_is_only_coloured(text: str) -> None:
    assert plain_text(typed_line(text)) == text


@pytest.mark.parametrize("password", [b"x", b"jones", b"a b c", b"\xff" * 30])
def test_a_mask_does_not_tell_how_long_the_secret_is(password: bytes) -> None:
    line = b"PASS " + password
    secret = parse_command(line).secret
    assert plain_text(client_line(line, secret)) == f"C: PASS {MASK}"
    assert plain_text(client_line(line, secret, reveal=True)) == f"C: {harmless(line)}"


def test_a_sasl_line_is_masked_as_a_whole() -> None:
    assert client_line(b"Ym9i", Span(start=0, stop=4)) == [("client", "C: "), ("secret", MASK)]


def test_status_lines_have_their_styles() -> None:
    assert status_line(b"+OK 2 320", fields=VERBS[b"STAT"].fields) == [
        ("server", "S: "),
        ("ok", "+OK"),
        ("text", " "),
        ("number", "2"),
        ("text", " "),
        ("octets", "320"),
    ]
    assert ("control", r"\x1b") in status_line(b"-ERR \x1b[2J")


def test_dots_are_marked() -> None:
    assert body_line(b".") == lone_dot() == [("server", "S: "), ("dot", ".")]
    assert body_line(b"..x") == [("server", "S: "), ("dot", "."), ("body", ".x")]
    assert body_line(b"x.") == [("server", "S: "), ("body", "x.")]


def test_header_names_are_marked() -> None:
    assert body_line(b"To: bob", header=True)[1:] == [("header", "To:"), ("body", " bob")]


def test_notes_are_comments_of_the_notation() -> None:
    assert note("three short words", columns=14) == [
        [("note", "# three short")],
        [("note", "# words")],
    ]
    assert note("beware", kind=NoteKind.WARN) == [[("warn", "#! beware")]]
    assert note("one\ntwo") == [[("note", "# one")], [("note", "# two")]]


@given(st.text(), st.integers(min_value=4, max_value=60))
def test_notes_fit_into_the_row(text: str, columns: int) -> None:
    assert all(cells(plain_text(line)) <= columns for line in note(text, columns=columns))


@pytest.mark.parametrize(
    ("line", "in_body", "shown"),
    [
        (b"+OK\r\n", False, r"S: +OK\r\n"),
        (b"+OK\n", False, r"S: +OK\n"),
        (b"a\rb", True, r"S: a\rb"),
        (b"\xc3\xa9\\\r\n", True, r"S: \xc3\xa9\\\r\n"),
        (b".\r\n", False, r"S: .\r\n"),
        (b".\r\n", True, r"S: .\r\n  # the final dot"),
        (b".\n", True, r"S: .\n  # the final dot"),
        (b"..x\r\n", True, r"S: ..x\r\n  # the first dot was stuffed"),
    ],
)
def test_raw_lines(line: bytes, in_body: bool, shown: str) -> None:
    assert plain_text(raw_line(line, in_body=in_body)) == shown


def test_raw_dots_have_a_style_of_their_own() -> None:
    assert raw_line(b".\r\n", in_body=True)[1] == ("dot", ".")
    assert ("dot", ".") not in raw_line(b".\r\n")
