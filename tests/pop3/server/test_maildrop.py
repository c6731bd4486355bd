"""The part of a message that TOP returns."""

from __future__ import annotations

from collections.abc import Iterator

from poptalk.pop3.server.transaction import top

HEADER = b"A: 1\r\nB: 2\r\n\r\n"
BODY = b"one\r\n\r\nthree\r\n"
MESSAGE = HEADER + BODY


def test_every_number_of_lines_at_every_cut() -> None:
    wanted = [HEADER, HEADER + b"one\r\n", HEADER + b"one\r\n\r\n", MESSAGE, MESSAGE]
    for lines, part in enumerate(wanted):
        for cut in range(len(MESSAGE) + 1):
            pieces = [MESSAGE[:cut], MESSAGE[cut:]]
            assert b"".join(top(pieces, lines)) == part, (lines, cut)
        assert b"".join(top((bytes([octet]) for octet in MESSAGE), lines)) == part


def test_a_message_without_a_header_begins_with_the_empty_line() -> None:
    assert b"".join(top([b"\r\nbody\r\nmore\r\n"], 1)) == b"\r\nbody\r\n"


def test_a_message_without_an_empty_line_is_all_header() -> None:
    assert b"".join(top([b"A: 1\r\n", b"B: 2\r\n"], 0)) == b"A: 1\r\nB: 2\r\n"


def test_no_more_is_read_than_wanted() -> None:
    def chunks() -> Iterator[bytes]:
        yield MESSAGE
        raise AssertionError("the rest of the message was asked for")

    assert b"".join(top(chunks(), 2)) == HEADER + b"one\r\n\r\n"
