"""Replies, kept whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.pop3.commands import parse_command
from poptalk.pop3.events import Exchange
from poptalk.pop3.replies import parse_status_line, stuff
from poptalk.session import exchanges
from poptalk.session.exchanges import StoredReply
from poptalk.terminal.render import BodyView, Budget


def reply(line: bytes = b"RETR 1", *data: bytes, complete: bool = True) -> StoredReply:
    exchange = Exchange(number=1, command=parse_command(line))
    made = StoredReply(exchange=exchange, status_line=parse_status_line(b"+OK"), multi_line=True)
    for piece in data:
        made.append(piece)
    made.complete = complete
    return made


@given(st.lists(st.binary(max_size=20).filter(lambda b: b"\n" not in b)), st.integers(1, 9))
def test_the_content_is_the_message_again(lines: list[bytes], size: int) -> None:
    message = b"".join(line + b"\r\n" for line in lines)
    wire = b"".join(stuff([message]))
    one = reply(b"RETR 1", *(wire[at : at + size] for at in range(0, len(wire), size)))
    assert b"".join(one.content()) == message
    assert b"".join(one.chunks()) == wire == b"".join(one.raw_lines())
    assert list(one.listing()) == lines
    assert one.octets == len(wire)
    one.close()


def test_what_never_ended_is_kept_as_it_came() -> None:
    one = reply(b"RETR 1", b"a\r\n..b\r\nhalf", complete=False)
    assert b"".join(one.content()) == b"a\r\n.b\r\nhalf"
    one.close()


def test_a_reply_with_bare_lf() -> None:
    one = reply(b"RETR 1", b"a\nb\n.\n")
    assert b"".join(one.content()) == b"a\nb\n"
    assert list(one.listing()) == [b"a", b"b"]
    one.close()


def test_a_long_reply_goes_to_a_file_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "MEMORY_OCTETS", 1000)
    monkeypatch.setattr(exchanges, "_READ_OCTETS", 512)
    block = b"0123456789abcdef" * 4 + b"\r\n"
    one = reply(b"RETR 1", *[block] * 100, b".\r\n")
    assert one.octets == 100 * len(block) + 3
    assert b"".join(one.content()) == block * 100
    assert b"".join(one.chunks(start=len(block))) == block * 99 + b".\r\n"
    one.close()


def test_a_line_without_end_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "_READ_OCTETS", 1024)
    monkeypatch.setattr(exchanges, "MAX_LINE_OCTETS", 4096)
    one = reply(b"RETR 1", b"x" * 10_000 + b"\r\n.\r\n")
    pieces = list(one.raw_lines())
    assert b"".join(pieces) == b"x" * 10_000 + b"\r\n.\r\n"
    assert max(map(len, pieces)) <= 4096 + 1024
    one.close()


def test_at_most_so_many_lines_of_a_listing() -> None:
    one = reply(b"LIST", b"1 1\r\n2 2\r\n3 3\r\n.\r\n")
    assert list(one.listing(most=2)) == [b"1 1", b"2 2"]
    one.close()


def test_views_go_on_where_the_last_one_stopped() -> None:
    one = reply(b"RETR 1", b"A: 1\r\n\r\nB: 2\r\nlast\r\n.\r\n")
    assert one.is_message
    seen: list[str] = []
    view = BodyView(budget=Budget(row_count=0, columns=80), in_header=True)
    while view.shown_octets < one.octets - 3:
        view.go_on(Budget(row_count=1, columns=80))
        for chunk in one.chunks(view.shown_octets):
            seen += [text for line in view.feed(chunk) for _, text in line[1:]]
        list(view.end(complete=True))
    assert seen == ["A:", " 1", "B: 2", "last"]
    assert not view.folded
    view.go_on(Budget(row_count=1, columns=80), from_start=True)
    assert (view.shown_octets, view.folded, view.in_header) == (0, True, True)
    one.close()


def test_a_listing_is_no_message() -> None:
    one = reply(b"LIST", b".\r\n")
    assert not one.is_message
    one.close()
