"""A message in one row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.mail.header import Summary, parse_choice, summary
from poptalk.mail.view import summary_rows
from poptalk.terminal.render import plain_text
from poptalk.terminal.safe import cells

HEADER = (
    b"Received: from a by b; Tue, 6 Jan 2026 10:00:00 +0000\r\n"
    b"From: =?utf-8?Q?Zo=C3=AB?= <zoe@club.example>\r\n"
    b"Date: Mon, 5 Jan 2026 23:30:00 -0500\r\n"
    b"Subject: a\r\n folded subject\r\n\r\n"
)


NOW = datetime(2026, 2, 1, tzinfo=UTC)


def meant(choice: str, found: Summary, *, now: datetime = NOW) -> bool:
    """Return whether a message is selected."""
    return parse_choice(choice, now=now).takes(found)


def test_what_a_row_is_made_of() -> None:
    found = summary(3, HEADER, size=1903)
    assert (found.number, found.size) == (3, 1903)
    assert found.sender == "Zoë <zoe@club.example>"
    assert found.subject == "a folded subject"
    assert meant("from ZOE@club and subject FOLDED", found)
    assert not meant("from bob", found)
    assert not meant("from zoe and subject other", found)


def test_dates_compare_by_real_time() -> None:
    found = summary(3, HEADER, size=None)
    assert found.when == datetime(2026, 1, 6, 4, 30, tzinfo=UTC)
    berlin = timezone(timedelta(hours=1))
    assert meant("older than 1d", found, now=datetime(2026, 1, 7, 5, 31, tzinfo=berlin))
    assert not meant("older than 1d", found, now=datetime(2026, 1, 7, 5, 30, tzinfo=berlin))


@pytest.mark.parametrize("date", [b"", b"Date: some day\r\n"])
def test_without_a_date_that_of_the_last_host_counts(date: bytes) -> None:
    long_path = b"Received: from a by " + b"b" * 3000 + b"; Tue, 6 Jan 2026 10:00:00 +0000\r\n"
    found = summary(1, long_path + date + b"\r\n", size=None)
    assert found.when == datetime(2026, 1, 6, 10, tzinfo=UTC)


def test_without_any_date_nothing_is_older() -> None:
    found = summary(1, b"Date: some day\r\n\r\n", size=None)
    assert found.when is None
    assert found.date == "some day"
    assert not meant("older than 1d", found, now=datetime(9000, 1, 1, tzinfo=UTC))


def test_the_table_at_sixty_columns() -> None:
    here = datetime(2026, 1, 6, 4, 30, tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    hostile = b"From: \x1b[2J\r\nSubject: " + "漢字".encode() * 50 + b"\r\nDate: x\r\n\r\n"
    table = [
        summary(3, HEADER, size=1903),
        summary(12, hostile, size=None),
        summary(4, b"", size=1),
    ]
    rows = [plain_text(row) for row in summary_rows(table, columns=60)]
    assert rows[0] == f"|  3 {here}     1.9 kB Zoë <zo… a folded subject"
    assert rows[1].startswith(r"| 12 x                           \x1b[2J  漢字")
    assert max(map(cells, rows)) <= 60


@given(st.binary(max_size=300), st.integers(40, 200))
def test_any_octets_make_a_harmless_row(octets: bytes, columns: int) -> None:
    (row,) = summary_rows([summary(1, b"Date: " + octets, size=None)], columns=columns)
    assert plain_text(row).isprintable()
    assert cells(plain_text(row)) <= columns


@pytest.mark.parametrize(
    ("choice", "numbers"),
    [
        ("", [1, 2, 4, 7]),
        ("2", [2]),
        ("2-4, 7", [2, 4, 7]),
        ("3-", [4, 7]),
        ("4-2", []),
        ("2-0", []),
        ("last 2 and 1-4", [4]),
    ],
)
def test_which_numbers_are_meant(choice: str, numbers: list[int]) -> None:
    sizes = dict.fromkeys((1, 2, 4, 7), 100)
    assert parse_choice(choice, now=NOW).by_size(sizes) == numbers
