"""Splitting octets from a server into lines, wherever they are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poptalk.transcript.writer import MAX_LINE_LOGGED, ServerLines


@given(st.lists(st.sampled_from([b"+OK", b"\r", b"\n", b"\r\n", b".", b"\0"])), st.data())
def test_cuts_change_nothing(parts: list[bytes], data: st.DataObject) -> None:
    octets = b"".join(parts)
    cut = data.draw(st.integers(0, len(octets)))
    whole, in_two = ServerLines(), ServerLines()
    lines = whole.feed(octets)
    assert in_two.feed(octets[:cut]) + in_two.feed(memoryview(octets)[cut:]) == lines
    assert in_two.rest == whole.rest
    assert len(lines) == octets.count(b"\n")


def test_crlf_is_cut_off_and_lf_alone_stays() -> None:
    lines = ServerLines()
    assert lines.feed(b"+OK\r\none\n\r\n.\r\nre") == [b"+OK", b"one\n", b"", b"."]
    assert lines.rest == b"re"
    assert lines.feed(b"st\r\r\n") == [b"rest\r"]


def test_a_line_without_an_end_takes_no_more_memory_than_is_written_of_it() -> None:
    lines = ServerLines()
    for _ in range(5):
        assert lines.feed(b"x" * MAX_LINE_LOGGED) == []
        assert len(lines.rest) <= MAX_LINE_LOGGED + 1
