"""The views of a message, as rows on the screen."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.mail.header import header_fields, read_header
from poptalk.mail.message import parse, parts, trace
from poptalk.mail.view import (
    header_rows,
    people_size,
    people_time,
    structure_rows,
    text_rows,
    trace_rows,
)
from poptalk.terminal.render import plain_text
from poptalk.terminal.safe import cells
from tests.mail.test_message import LETTER


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        (0, "0 octets"),
        (1, "1 octet"),
        (999, "999 octets"),
        (1903, "1.9 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (12_345_678, "12 MB"),
        (5_000_000_000_000, "5,000 GB"),
    ],
)
def test_sizes(octets: int, shown: str) -> None:
    assert people_size(octets) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (-0.2, "0 s"),
        (59.4, "59 s"),
        (125, "2 min 5 s"),
        (3600, "1 h 0 min"),
        (90_000, "1 d 1 h"),
        (-61, "-1 min 1 s"),
    ],
)
def test_times(seconds: float, shown: str) -> None:
    assert people_time(timedelta(seconds=seconds)) == shown


def test_the_tree_at_forty_columns() -> None:
    rows = [plain_text(row) for row in structure_rows(parts(parse(LETTER)), columns=40)]
    assert rows[0].startswith("| multipart/mixed, ")
    assert any(row.startswith("|     1.1 text/plain utf-8") for row in rows)
    assert any(row.startswith("|     1.2 text/html utf-8") for row in rows)
    assert any('"café.png"' in row for row in rows)
    assert max(map(cells, rows)) <= 40


def test_a_deep_tree_keeps_its_room() -> None:
    depth = 60
    octets = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
        for level in range(depth)
    )
    rows = [plain_text(row) for row in structure_rows(parts(parse(octets)), columns=40)]
    assert len(rows) > depth
    assert max(map(cells, rows)) <= 40


def test_headers_are_folded_again_for_the_screen() -> None:
    message = read_header(
        b"Subject: " + b"word " * 20 + b"\r\nContent-Transfer-Encoding: quoted-printable\r\n"
        b"From: =?utf-8?Q?Zo=C3=AB?= <zoe@club.example>\r\n\r\n"
    )
    rows = [plain_text(row) for row in header_rows(header_fields(message), columns=40)]
    assert rows[0] == "| Subject: word word word word word word"
    assert rows[1].startswith("|   word word")
    assert rows[-3:] == [
        "| Content-Transfer-Encoding: ",
        "|   quoted-printable",
        "| From: Zoë <zoe@club.example> (decoded)",
    ]


def test_the_way_a_message_came() -> None:
    message = read_header(
        b"Received: from b.example by c.example with ESMTPS id 1; Tue, 3 Feb 2026 04:05:00 +0000\r\n"
        b"Received: from a.example by b.example with ESMTP id 2; Tue, 3 Feb 2026 04:06:01 +0000\r\n"
        b"Received: nonsense\r\n\r\n"
    )
    rows = [plain_text(row) for row in trace_rows(trace(message), columns=60)]
    assert rows == [
        "| 1 a host that does not say its name",
        "|   no date to be read",
        "| 2 b.example",
        "|   from a.example with ESMTP id 2",
        "|   2026-02-03 04:06:01 +0000",
        "| 3 c.example",
        "|   from b.example with ESMTPS id 1",
        "|   2026-02-03 04:05:00 +0000",
        "|   -1 min 1 s: a clock is wrong, or a field is forged",
    ]


def test_a_text_keeps_its_lines_and_its_blanks() -> None:
    text = "one\r\n  two\tthree\n\n" + "long " * 10
    rows = [plain_text(row) for row in text_rows(text, columns=24)]
    assert rows == [
        "| one",
        "|   two   three",
        "|",
        "| long long long long",
        "| long long long long",
        "| long long",
    ]


@given(st.binary(max_size=300), st.integers(min_value=2, max_value=60))
def test_anything_is_harmless_and_begins_with_a_bar(octets: bytes, columns: int) -> None:
    message = parse(octets)
    rows = [
        *header_rows(header_fields(message.header), columns=columns),
        *structure_rows(parts(message), columns=columns),
        *text_rows(octets.decode("utf-8", "surrogateescape"), columns=columns),
        *trace_rows(trace(message.header), columns=columns),
    ]
    for row in rows:
        assert plain_text(row).isprintable()
        assert plain_text(row).startswith("|")
