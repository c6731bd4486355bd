"""Status lines and response codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.replies import Status, parse_status_line, quoted, timestamp_of


@pytest.mark.parametrize(
    ("line", "status", "code", "text"),
    [
        (b"+OK", Status.OK, None, b""),
        (b"+OK ", Status.OK, None, b""),
        (b"+OK 2 320", Status.OK, None, b"2 320"),
        (b"+ok fine", Status.OK, None, b"fine"),
        (b"-ERR", Status.ERR, None, b""),
        (b"-ERR [IN-USE] locked", Status.ERR, b"IN-USE", b"[IN-USE] locked"),
        (b"-ERR [SYS/TEMP]", Status.ERR, b"SYS/TEMP", b"[SYS/TEMP]"),
        (b"+OK [X]y", Status.OK, b"X", b"[X]y"),
        (b"-ERR [] x", Status.ERR, None, b"[] x"),
        (b"-ERR [a b] x", Status.ERR, None, b"[a b] x"),
        (b"-ERR [a/] x", Status.ERR, None, b"[a/] x"),
        (b"-ERR [open", Status.ERR, None, b"[open"),
        (b"-ERR no [CODE]", Status.ERR, None, b"no [CODE]"),
        (b"+ Y2hhbGxlbmdl", Status.CHALLENGE, None, b"Y2hhbGxlbmdl"),
        (b"+", Status.CHALLENGE, None, b""),
        (b"", Status.OTHER, None, b""),
        (b"+OKAY", Status.OTHER, None, b"+OKAY"),
        (b"+ERR no", Status.OTHER, None, b"+ERR no"),
        (b"* OK IMAP", Status.OTHER, None, b"* OK IMAP"),
        (b"220 smtp", Status.OTHER, None, b"220 smtp"),
        (b" +OK", Status.OTHER, None, b" +OK"),
        (b"+OK\tx", Status.OTHER, None, b"+OK\tx"),
    ],
)
def test_the_parts_of_a_line(line: bytes, status: Status, code: bytes | None, text: bytes) -> None:
    parsed = parse_status_line(line)
    assert (parsed.line, parsed.status, parsed.code, parsed.text) == (line, status, code, text)


def test_the_words_leave_the_response_code_out() -> None:
    assert parse_status_line(b"+OK [X/Y] 2  320 octets").words == [b"2", b"320", b"octets"]
    assert parse_status_line(b"+OK").words == []


@given(st.binary())
def test_no_line_makes_it_raise(line: bytes) -> None:
    parsed = parse_status_line(line, end=b"\n")
    assert parsed.line == line
    assert parsed.end == b"\n"
    assert isinstance(parsed.words, list)


@pytest.mark.parametrize(
    ("greeting", "timestamp"),
    [
        (
            b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>",
            b"<1896.697170952@dbc.mtview.ca.us>",
        ),
        (b"+OK <a@b> and <c@d>", b"<a@b>"),
        (b"+OK ready", None),
        (b"+OK <>", None),
        (b"+OK <a@>", None),
        (b"+OK <@b>", None),
        (b"+OK <no at>", None),
        (b"+OK <a b@c>", None),
        (b"+OK <a<b@c>", None),
        (b"+OK > <a@b", None),
        (b"+OK <a@b\x00>", None),
        (b"+OK <\xc3\xa9@b>", None),
    ],
)
def test_only_a_sound_timestamp_is_one(greeting: bytes, timestamp: bytes | None) -> None:
    assert timestamp_of(greeting) == timestamp


@given(st.binary())
def test_a_timestamp_is_printable_and_stands_in_the_greeting(greeting: bytes) -> None:
    found = timestamp_of(greeting)
    if found is not None:
        assert found in greeting
        assert all(0x21 <= octet <= 0x7E for octet in found)


@pytest.mark.parametrize(
    ("words", "end"),
    [
        ("-ERR no", '"-ERR no".'),
        ("-ERR No.", '"-ERR No."'),
        ("-ERR Why?", '"-ERR Why?"'),
        ("", '"".'),
    ],
)
def test_words_at_the_end_of_a_sentence_have_one_full_stop(words: str, end: str) -> None:
    assert quoted(words) == end
