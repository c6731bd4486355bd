"""The output of the server core: long replies need no memory, and wait until they are pulled."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

from poptalk.pop3.server.session import MAX_INPUT_WAITING, MAX_REPLIES_AT_ONCE
from tests.pop3.serving import Desk

MEGABYTE = 1024 * 1024


class HugeMaildrop:
    """One message that is made while it is read, and many more that are only listed."""

    def __init__(self, *, megabytes: int = 1, count: int = 1, dot_lines: bool = True) -> None:
        self.block = (b".dotted\r\n" if dot_lines else b"a line.\r\n") * (MEGABYTE // 4 // 9)
        self.blocks = megabytes * 4
        self.count = count
        self.dot_lines = dot_lines
        self.read = 0

    def octets(self, number: int) -> int:
        return len(self.block) * self.blocks

    def octets_in_all(self) -> int | None:
        return self.count * self.octets(1)

    def unique_id(self, number: int) -> bytes:
        return b"id%d" % number

    def chunks(self, number: int) -> Iterator[bytes]:
        for _ in range(self.blocks):
            self.read += 1
            yield self.block

    def has_dot_lines(self, number: int) -> bool:
        return self.dot_lines


def logged_in_to(maildrop: HugeMaildrop) -> Desk:
    desk = Desk()
    desk.maildrop = maildrop  # type: ignore[assignment]
    return desk.log_in()


def pulled(desk: Desk) -> tuple[int, int]:
    """Pull all output; return its octets and the peak memory."""
    tracemalloc.start()
    try:
        octets = 0
        while (chunk := desk.session.next_chunk()) is not None:
            octets += len(chunk)
        return octets, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_large_message_is_streamed() -> None:
    for dot_lines in (True, False):
        maildrop = HugeMaildrop(megabytes=50, dot_lines=dot_lines)
        desk = logged_in_to(maildrop)
        desk.session.receive_data(b"RETR 1\r\n")
        octets, memory = pulled(desk)
        stuffed = maildrop.block.count(b"\n") * maildrop.blocks if dot_lines else 0
        status = b"+OK %d octets\r\n" % maildrop.octets(1)
        assert octets == len(status) + maildrop.octets(1) + stuffed + len(b".\r\n")
        assert memory < 3 * MEGABYTE


def test_many_large_replies_asked_for_at_once_are_made_one_by_one() -> None:
    maildrop = HugeMaildrop(megabytes=2)
    desk = logged_in_to(maildrop)
    desk.session.receive_data(b"RETR 1\r\n" * 20)
    desk.session.next_chunk()
    assert maildrop.read <= 2
    _, memory = pulled(desk)
    assert maildrop.read == 20 * maildrop.blocks
    assert memory < 3 * MEGABYTE


def test_a_listing_of_100_000_messages_needs_no_memory() -> None:
    desk = logged_in_to(HugeMaildrop(count=100_000))
    desk.session.receive_data(b"LIST\r\nUIDL\r\n")
    octets, memory = pulled(desk)
    assert octets > 2_000_000
    assert memory < 3 * MEGABYTE


def test_commands_behind_a_long_reply_wait_and_the_driver_is_told_to_stop_reading() -> None:
    desk = logged_in_to(HugeMaildrop())
    desk.session.receive_data(b"RETR 1\r\n" + b"NOOP\r\n" * 10)
    assert desk.session.wants_input
    noops = MAX_INPUT_WAITING // len(b"NOOP\r\n")
    desk.session.receive_data(b"NOOP\r\n" * noops)
    assert not desk.session.wants_input
    answer = desk.pull()
    assert answer.endswith(b"\r\n.\r\n" + b"+OK\r\n" * (noops + 10))
    assert desk.session.wants_input


def test_replies_that_nobody_pulls_do_not_pile_up() -> None:
    desk = Desk().log_in()
    desk.session.receive_data(b"LIST 1\r\n" * 100_000)
    assert desk.session.output_waiting < 70_000
    assert desk.pull().count(b"+OK 1 42\r\n") == 100_000


def test_few_of_many_commands_are_answered_in_one_go() -> None:
    desk = Desk()
    desk.session.receive_data(b"NOOP\r\n" * 10_000)
    chunks = iter(desk.session.next_chunk, None)
    assert all(bytes(chunk).count(b"\r\n") <= MAX_REPLIES_AT_ONCE for chunk in chunks)
