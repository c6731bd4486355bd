"""The escapes of `:send`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.shell.commands.registry import BadEscape, unescaped
from poptalk.terminal.render import plain_text
from poptalk.terminal.safe import octet_pieces


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("", b""),
        ("STAT", b"STAT"),
        (r"STAT\r\n", b"STAT\r\n"),
        (r"NOOP\n", b"NOOP\n"),
        (r"\x00\x9B\xff", b"\x00\x9b\xff"),
        (r"\0\t\e", b"\0\t\x1b"),
        (r"a\\n", b"a\\n"),
        (r"\\\n", b"\\\n"),
        (r"\\\\", b"\\\\"),
        (" é  ", " é  ".encode()),
        ("\udcff", b"\xff"),
    ],
)
def test_escapes_stand_for_octets(text: str, octets: bytes) -> None:
    assert unescaped(text) == octets
    assert unescaped(text, lenient=True) == octets


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("\\", "for a backslash"),
        (r"\x", "two hex digits"),
        (r"\x1", "two hex digits"),
        (r"\xg0", "two hex digits"),
        (r"\q", "isn't an escape; there are"),
        (r"\ ", "isn't an escape; there are"),
    ],
)
def test_what_is_no_escape_is_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(BadEscape, match=advice):
        unescaped(text)
    assert unescaped(text, lenient=True) == text.encode()


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("a\\\\\\", b"a\\\\"),
        (r"A\r\nB" + "\\", b"A\r\nB\\"),
        (r"A\qB\n", b"A\\qB\n"),
        (r"\x4\x41\x", rb"\x4A\x"),
    ],
)
def test_what_is_no_escape_does_not_spoil_the_others(text: str, octets: bytes) -> None:
    assert unescaped(text, lenient=True) == octets


@given(st.binary(max_size=200))
def test_what_raw_shows_can_be_sent(octets: bytes) -> None:
    assert unescaped(plain_text(octet_pieces(octets))) == octets


@given(st.text(st.characters(blacklist_characters="\\", blacklist_categories=["Cs"])))
def test_text_without_a_backslash_is_itself(text: str) -> None:
    assert unescaped(text) == text.encode()
