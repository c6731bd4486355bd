"""The server core and its maildrop: sizes are requested when needed, and messages may vanish."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from poptalk.pop3.server.events import SizesRequested
from poptalk.pop3.server.texts import Occasion, Texts
from poptalk.pop3.server.transaction import MessageUnavailable
from tests.pop3.serving import LETTERS, Desk, MemoryMaildrop

WITHOUT_SIZES = Texts({Occasion.LOGGED_IN: "in", Occasion.LISTING_FOLLOWS: "{messages} follow"})


class RecordingMaildrop(MemoryMaildrop):
    """Messages that can vanish; it records which sizes were requested."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.vanished: set[int] = set()

    def _look(self, number: int) -> None:
        if number in self.vanished:
            raise MessageUnavailable("gone")

    def octets(self, number: int) -> int:
        self.asked.append(number)
        self._look(number)
        return super().octets(number)

    def octets_in_all(self) -> int | None:
        return None

    def unique_id(self, number: int) -> bytes:
        self._look(number)
        return super().unique_id(number)

    def chunks(self, number: int) -> Iterable[bytes]:
        self._look(number)
        return super().chunks(number)


def logged_in(texts: Texts | None = None, *, vanished: int | None = None) -> Desk:
    desk = Desk(texts=texts)
    maildrop = RecordingMaildrop()
    desk.maildrop = maildrop
    desk.log_in()
    if vanished is not None:
        maildrop.vanished.add(vanished)
    return desk


def asked(desk: Desk) -> list[int]:
    assert isinstance(desk.maildrop, RecordingMaildrop)
    return desk.maildrop.asked


SIZES = [len(letter) for letter in LETTERS]


def test_no_size_is_asked_for_unless_a_reply_says_it() -> None:
    desk = logged_in(WITHOUT_SIZES)
    desk.send(b"NOOP\r\nUIDL\r\nDELE 3\r\nRSET 1\r\nTOP 1 0\r\n")
    assert asked(desk) == []
    desk.send(b"LIST 2\r\n")
    assert asked(desk) == [2]
    assert desk.send(b"LIST\r\n").startswith(b"+OK 2 messages follow\r\n1 ")
    assert asked(desk) == [2, 1, 2]
    assert desk.send(b"STAT\r\n") == b"+OK 2 %d\r\n" % sum(SIZES[:2])
    assert asked(desk) == [2, 1, 2, 1, 2]
    # The sum is kept.
    assert desk.send(b"STAT\r\nDELE 1\r\nSTAT\r\n").endswith(b"+OK 1 %d\r\n" % SIZES[1])
    assert asked(desk)[5:] == [1]
    assert desk.send(b"RSET\r\nSTAT\r\n").endswith(b"+OK 3 %d\r\n" % sum(SIZES))


WANTING_SIZES = Texts(
    {
        Occasion.LOGGED_IN: "in",
        Occasion.UNIQUE_IDS_FOLLOW: "{octets} octets",
        Occasion.FAREWELL: "{octets} octets left",
        Occasion.NO_SUCH_MESSAGE: "there are {octets} octets of others",
    }
)


@pytest.mark.parametrize(
    ("texts", "command"),
    [
        (WITHOUT_SIZES, b"STAT"),
        (WITHOUT_SIZES, b"LIST"),
        (Texts({Occasion.LOGGED_IN: "in"}), b"RSET"),
        *((WANTING_SIZES, command) for command in (b"UIDL", b"QUIT", b"RETR 9", b"LIST 9")),
    ],
)
def test_an_answer_with_all_sizes_waits_until_they_are_counted(
    texts: Texts, command: bytes
) -> None:
    desk = logged_in(texts)
    desk.counts = False
    assert desk.send(command + b"\r\nSTAT\r\n") == b""
    assert desk.told[-1] == SizesRequested()
    assert asked(desk) == []
    desk.session.sizes_counted()
    assert desk.pull()
    # Once is enough, even if a message could not be read.
    desk.send(b"STAT\r\n")
    assert desk.told.count(SizesRequested()) == 1


@pytest.mark.parametrize("command", [b"NOOP", b"UIDL", b"DELE 1", b"LIST 2", b"RETR 1", b"QUIT"])
def test_an_answer_without_them_does_not_wait(command: bytes) -> None:
    desk = logged_in(WITHOUT_SIZES)
    desk.counts = False
    assert desk.send(command + b"\r\n").startswith(b"+OK")


def test_a_welcome_that_says_the_sum_waits_too() -> None:
    desk = Desk()
    desk.maildrop = RecordingMaildrop()
    desk.counts = False
    assert desk.send(b"USER mrose\r\nPASS tanstaaf\r\nSTAT\r\n").count(b"\r\n") == 1
    desk.session.sizes_counted()
    assert desk.pull().count(b"+OK") == 2


def test_a_maildrop_that_is_counted_is_not_counted_again() -> None:
    desk = Desk().log_in()
    assert desk.send(b"STAT\r\nLIST\r\n").count(b"+OK") == 2
    assert SizesRequested() not in desk.told


def test_a_reply_that_says_the_sum_has_it() -> None:
    assert asked(logged_in()) == [1, 2, 3]


def test_marks_before_and_after_the_sum_was_first_asked_for_count_alike() -> None:
    desk = logged_in(WITHOUT_SIZES)
    desk.send(b"DELE 1\r\nDELE 2\r\n")
    assert desk.send(b"STAT\r\n") == b"+OK 1 %d\r\n" % SIZES[2]
    assert desk.send(b"RSET\r\nDELE 3\r\nSTAT\r\n").endswith(b"+OK 2 %d\r\n" % sum(SIZES[:2]))


def test_a_message_that_vanished_before_it_was_counted_is_left_out() -> None:
    left = SIZES[0] + SIZES[2]
    desk = logged_in(WITHOUT_SIZES, vanished=2)
    assert desk.send(b"STAT\r\n") == b"+OK 2 %d\r\n" % left
    assert desk.send(b"LIST\r\n").split(b"\r\n")[1:3] == [b"1 %d" % SIZES[0], b"3 %d" % SIZES[2]]
    assert desk.send(b"UIDL\r\n").split(b"\r\n")[1:3] == [b"1 id-1", b"3 id-3"]
    # It never comes back.
    assert desk.send(b"RSET\r\nSTAT\r\n").endswith(b"+OK 2 %d\r\n" % left)
    for command in (b"RETR 2", b"TOP 2 0", b"LIST 2", b"UIDL 2", b"DELE 2"):
        assert desk.send(command + b"\r\n").startswith(b"-ERR the message cannot be read")


def test_a_listing_leaves_out_what_it_cannot_ask() -> None:
    desk = logged_in(WITHOUT_SIZES, vanished=2)
    assert desk.send(b"UIDL\r\n") == b"+OK\r\n1 id-1\r\n3 id-3\r\n.\r\n"
    assert desk.send(b"STAT\r\n").startswith(b"+OK 2 ")


def test_a_message_that_vanished_after_it_was_counted_keeps_its_line() -> None:
    desk = logged_in()
    maildrop = desk.maildrop
    assert isinstance(maildrop, RecordingMaildrop)
    maildrop.vanished.add(2)
    assert desk.send(b"STAT\r\n") == b"+OK 3 %d\r\n" % sum(SIZES)
    assert desk.send(b"RETR 2\r\nNOOP\r\n") == (
        b"-ERR the message cannot be read: somebody else removed or changed it; log in again\r\n+OK\r\n"
    )


def test_a_message_that_breaks_in_the_middle_is_the_driver_s_affair() -> None:
    class Breaking(RecordingMaildrop):
        def chunks(self, number: int) -> Iterable[bytes]:
            yield b"Subject: half a message\r\n\r\n"
            raise MessageUnavailable("changed")

    desk = Desk()
    desk.maildrop = Breaking()
    desk.log_in()
    desk.session.receive_data(b"RETR 1\r\n")
    with pytest.raises(MessageUnavailable):
        desk.pull()
