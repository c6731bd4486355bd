"""Showing as much of a long reply as the screen is worth."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.commands import VERBS
from poptalk.terminal.render import MAX_LINE_SHOWN, UNLIMITED, BodyView, Budget, plain_text


def view(rows: int = UNLIMITED, *, columns: int = 80, in_header: bool = False) -> BodyView:
    return BodyView(budget=Budget(row_count=rows, columns=columns), in_header=in_header)


def shown(view: BodyView, chunks: Iterable[bytes], *, complete: bool = True) -> list[str]:
    lines = [line for chunk in chunks for line in view.feed(chunk)]
    return [plain_text(line) for line in [*lines, *view.end(complete=complete)]]


def body(lines: int) -> bytes:
    return b"".join(b"line %d\r\n" % number for number in range(lines)) + b".\r\n"


def test_a_short_reply_is_shown_whole() -> None:
    one = view(10)
    assert shown(one, [body(3)]) == ["S: line 0", "S: line 1", "S: line 2", "S: ."]
    assert not one.folded
    assert one.shown_octets == 24


def test_a_reply_as_long_as_the_budget_is_not_folded() -> None:
    one = view(3)
    assert len(shown(one, [body(3)])) == 4
    assert not one.folded


def test_a_longer_one_is_folded_and_counted_without_its_dot() -> None:
    budget = Budget(row_count=3, columns=80)
    one = BodyView(budget=budget, in_header=False, advice="ask for them")
    lines = shown(one, [body(10)])
    assert lines == [
        *("S: line 0", "S: line 1", "S: line 2"),
        "# 7 more lines, 56 octets: ask for them",
        "S: .",
    ]
    assert (one.shown_octets, one.hidden_octets, one.hidden_lines) == (24, 56, 7)


def test_a_reply_that_was_cut_short_has_no_dot() -> None:
    assert shown(view(), [b"line 0\r\nhal"], complete=False) == ["S: line 0", "S: hal"]
    lines = shown(view(1), [b"line 0\r\nline 1\r\nhal"], complete=False)
    assert lines == [
        "S: line 0",
        "# 1 more line, 11 octets",
        "S: hal",
    ]


def test_an_empty_body_is_the_dot() -> None:
    assert shown(view(0), [b".\r\n"]) == ["S: ."]


def test_a_lone_dot_that_is_not_the_end() -> None:
    # A server that does not stuff, and ends in CRLF, while this line ends in LF alone.
    assert shown(view(), [b"a\r\n.\nb\r\n.\r\n"]) == ["S: a", "S: .", "S: b", "S: ."]


def test_long_lines_cost_rows_and_are_cut() -> None:
    folded = shown(view(3, columns=10), [b"x" * 27 + b"\r\ny\r\n.\r\n"])
    assert "S: y" not in folded
    assert "S: y" in shown(view(3, columns=11), [b"x" * 19 + b"\r\ny\r\n.\r\n"])
    cut = shown(view(), [b"z" * 10_000 + b"\r\n.\r\n"])[0]
    assert cut.startswith("S: zzz")
    assert cut.endswith(f"… {10_002 - MAX_LINE_SHOWN:,} octets more")
    assert len(cut) < MAX_LINE_SHOWN + 50


def test_the_header_ends_at_the_empty_line() -> None:
    one = view(2, in_header=True)
    shown(one, [b"Subject: x\r\n\r\nTo: not a header\r\n.\r\n"])
    assert not one.in_header
    other = view(1, in_header=True)
    shown(other, [b"Subject: x\r\n\r\nTo: not a header\r\n.\r\n"])
    assert other.in_header


def test_the_fields_of_a_listing_have_their_colours() -> None:
    one = BodyView(
        budget=Budget(row_count=5, columns=80), in_header=False, fields=VERBS[b"LIST"].fields
    )
    assert ("number", "1") in next(iter(one.feed(b"1 120\r\n")))


@pytest.mark.parametrize("rows", [0, 1, 3, 1000])
@given(st.lists(st.binary(max_size=12).filter(lambda b: b"\n" not in b)), st.data())
def test_the_cut_of_the_octets_does_not_matter(
    rows: int, lines: list[bytes], data: st.DataObject
) -> None:
    stuffed = [b"." + line if line.startswith(b".") else line for line in lines]
    octets = b"".join(line + b"\r\n" for line in stuffed) + b".\r\n"
    cut = data.draw(st.integers(min_value=0, max_value=len(octets)))
    whole, pieces, singles = view(rows), view(rows), view(rows)
    expected = shown(whole, [octets])
    assert shown(pieces, [octets[:cut], octets[cut:]]) == expected
    assert shown(singles, (octets[at : at + 1] for at in range(len(octets)))) == expected
    assert whole.shown_octets + whole.hidden_octets == len(octets) - 3
    assert whole.hidden_lines + len(expected) - 1 - whole.folded == len(lines)
