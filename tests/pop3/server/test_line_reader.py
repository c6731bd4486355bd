"""Splitting octets into command lines."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.server.replies import LineReader, OverlongLine, split_end


def lines_of(
    pieces: list[bytes], *, longest: int = 20, line_end: bytes = b"\n"
) -> list[bytes | OverlongLine]:
    reader = LineReader(longest=longest, discarded=300, line_end=line_end)
    found = []
    for piece in pieces:
        reader.feed(piece)
        while (line := reader.next_line()) is not None:
            found.append(line)
    return found


def test_both_line_ends_are_told_apart() -> None:
    lines = lines_of([b"a\r\nb\n\r\n\n"])
    assert lines == [b"a\r\n", b"b\n", b"\r\n", b"\n"]
    assert [split_end(line) for line in lines if isinstance(line, bytes)] == [
        (b"a", b"\r\n"),
        (b"b", b"\n"),
        (b"", b"\r\n"),
        (b"", b"\n"),
    ]


def test_a_cr_elsewhere_is_an_octet_like_any_other() -> None:
    assert lines_of([b"a\rb\r\r\n"]) == [b"a\rb\r\r\n"]
    assert split_end(b"a\rb\r\r\n") == (b"a\rb\r", b"\r\n")


@given(
    st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b"abc", b"x" * 15]), max_size=12), st.data()
)
def test_cuts_change_nothing(parts: list[bytes], data: st.DataObject) -> None:
    octets = b"".join(parts)
    at = data.draw(st.integers(0, len(octets)))
    assert lines_of([octets[:at], octets[at:]]) == lines_of([octets])
    assert lines_of([bytes([octet]) for octet in octets]) == lines_of([octets])


def test_an_overlong_line_is_counted_whole_and_the_next_is_intact() -> None:
    overlong = OverlongLine(octets=32, complete=True)
    assert lines_of([b"x" * 30 + b"\r\nok\r\n"]) == [overlong, b"ok\r\n"]


def test_a_line_without_end_is_given_up() -> None:
    reader = LineReader(longest=20, discarded=100)
    for _ in range(6):
        reader.feed(b"x" * 19)
        last = reader.next_line()
        assert reader.waiting <= 20
    assert last == OverlongLine(octets=114, complete=False)


@given(
    st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b"abc", b"x" * 15]), max_size=12), st.data()
)
def test_where_only_crlf_ends_a_line_cuts_change_nothing(
    parts: list[bytes], data: st.DataObject
) -> None:
    octets = b"".join(parts)
    at = data.draw(st.integers(0, len(octets)))
    whole = lines_of([octets], line_end=b"\r\n")
    assert lines_of([octets[:at], octets[at:]], line_end=b"\r\n") == whole
    assert lines_of([bytes([octet]) for octet in octets], line_end=b"\r\n") == whole
    contents = [line[:-2] for line in whole if isinstance(line, bytes)]
    assert contents == [line for line in octets.split(b"\r\n")[:-1] if len(line) <= 18]


def test_the_rest_is_taken_whole() -> None:
    reader = LineReader(longest=20, discarded=100)
    reader.feed(b"STLS\r\nCA\r\nPA")
    reader.next_line()
    assert reader.take_rest() == b"CA\r\nPA"
    assert reader.next_line() is None


def test_octets_one_by_one_cost_no_more_than_their_number() -> None:
    reader = LineReader(longest=1_000_000, discarded=1)
    started = time.perf_counter()
    for _ in range(100_000):
        reader.feed(b"x")
        assert reader.next_line() is None
    # Searching from the beginning each time would take minutes.
    assert time.perf_counter() - started < 5
