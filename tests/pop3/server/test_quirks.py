"""The quirks of servers, one by one: the default, and what other servers do."""

from __future__ import annotations

from typing import Any

import pytest

from poptalk.pop3.commands import Limits
from poptalk.pop3.server.events import EndReason, SessionEnded
from poptalk.pop3.server.quirks import (
    QUIRKS,
    AfterWrongPassword,
    BehindLogin,
    Capa,
    DeleAgain,
    ErrorsCounted,
    ExtraArguments,
    Last,
    LastError,
    LineEnds,
    Numbers,
    Quirks,
    StrayBlanks,
    UserName,
)
from tests.pop3.serving import Desk

LOGIN = b"USER mrose\r\nPASS tanstaaf\r\n"


def indicators(answer: bytes) -> str:
    """Return a sign for each status line, and leave the rest out."""
    signs = {b"+OK": "+", b"-ER": "-"}
    return "".join(signs.get(line[:3], "") for line in answer.splitlines())


DIALOGUES: list[tuple[dict[str, Any], bytes, str]] = [
    ({}, b"CAPA\r\n", "+"),
    ({"capa": Capa.UNKNOWN}, b"CAPA\r\n", "-"),
    ({"capa": Capa.UNKNOWN}, LOGIN + b"CAPA\r\nUIDL\r\nTOP 1 0\r\n", "++-++"),
    ({}, LOGIN + b"LAST\r\n", "++-"),
    ({"last": Last.ZERO}, b"LAST\r\n" + LOGIN + b"LAST\r\n", "-+++"),
    ({}, b"USER mrose\r\nNOOP\r\nPASS tanstaaf\r\n", "+--"),
    ({"user_name": UserName.KEPT}, b"USER mrose\r\nNOOP\r\nPASS tanstaaf\r\n", "+-+"),
    ({"user_name": UserName.KEPT}, b"USER bob\r\nUSER mrose\r\nPASS tanstaaf\r\n", "+++"),
    ({"user_name": UserName.KEPT}, b"USER mrose\r\nPASS x\r\nPASS tanstaaf\r\n", "+--"),
    ({"user_name": UserName.KEPT_AND_FINAL}, b"USER mrose\r\nUSER bob\r\nPASS tanstaaf\r\n", "+-+"),
    ({"user_name": UserName.KEPT_AND_FINAL}, b"USER bob\r\nPASS x\r\n" + LOGIN, "+-++"),
    ({}, b"USER mrose\r\nPASS x\r\nPASS tanstaaf\r\nNOOP\r\n", "+---"),
    (
        {"after_wrong_password": AfterWrongPassword.PASSWORD_ALONE},
        b"USER mrose\r\nPASS x\r\nPASS y\r\nPASS tanstaaf\r\nNOOP\r\n",
        "+--++",
    ),
    (
        {"after_wrong_password": AfterWrongPassword.CLOSED},
        b"USER mrose\r\nPASS x\r\n" + LOGIN,
        "+-",
    ),
    ({}, LOGIN + b"NOOP\r\nQUIT\r\n", "++++"),
    ({"behind_login": BehindLogin.LOST}, LOGIN + b"NOOP\r\nQUIT\r\n", "++"),
    ({"behind_login": BehindLogin.LOST}, b"USER mrose\r\nPASS x\r\nNOOP\r\n", "+--"),
    ({}, LOGIN + b"NOOP x\r\nLIST 1 2\r\nLIST 1\r\n", "++--+"),
    (
        {"extra_arguments": ExtraArguments.IGNORED_IF_BARE},
        LOGIN + b"NOOP x\r\nSTAT x y\r\nLIST 1 2\r\n",
        "+++" "+-",
    ),
    (
        {"extra_arguments": ExtraArguments.IGNORED},
        b"APOP bob x y\r\n" + LOGIN + b"NOOP x\r\nLIST 1 2\r\nTOP 1 0 x\r\n",
        "-+++++",
    ),
    ({}, LOGIN + b" NOOP\r\nNOOP \r\n\tNOOP\t\r\n", "+++++"),
    (
        {"stray_blanks": StrayBlanks.REFUSED_IN_FRONT},
        LOGIN + b" NOOP\r\nNOOP \r\n\tNOOP\r\nNOOP\t\r\n",
        "++-+-+",
    ),
    ({"stray_blanks": StrayBlanks.REFUSED}, LOGIN + b" NOOP\r\nNOOP \r\nNOOP\r\n", "++--+"),
    ({"stray_blanks": StrayBlanks.REFUSED}, b"USER mrose\r\nPASS tanstaaf \r\nPASS x\r\n", "+--"),
    ({}, LOGIN + b"LIST 2x\r\nLIST 4294967298\r\n", "++--"),
    (
        {"numbers": Numbers.LEADING_DIGITS},
        LOGIN + b"LIST 2x\r\nLIST x2\r\nLIST -2\r\nLIST 4294967298\r\nTOP 2x 0x\r\n",
        "+++---+",
    ),
    (
        {"numbers": Numbers.LEADING_DIGITS_32_BIT},
        LOGIN + b"LIST 2x\r\nLIST 4294967298\r\nLIST 4294967296\r\nLIST " + b"9" * 200 + b"\r\n",
        "++++--",
    ),
    ({}, b"USER mrose\nPASS tanstaaf\n", "++"),
    ({"line_ends": LineEnds.CRLF}, b"USER mrose\nPASS tanstaaf\n", ""),
    ({"line_ends": LineEnds.CRLF}, b"NOOP\nNOOP\r\n" + LOGIN, "-++"),
    ({}, LOGIN + b"DELE 1\r\nDELE 1\r\nRETR 1\r\n", "+++--"),
    ({"dele_again": DeleAgain.ACCEPTED}, LOGIN + b"DELE 1\r\nDELE 1\r\nRETR 1\r\n", "++++-"),
    ({"dele_again": DeleAgain.ACCEPTED}, LOGIN + b"DELE x\r\nDELE 9\r\n", "++--"),
]  # fmt: skip


@pytest.mark.parametrize(("quirks", "sent", "answered"), DIALOGUES)
def test_what_is_answered(quirks: dict[str, Any], sent: bytes, answered: str) -> None:
    assert indicators(Desk(quirks=Quirks(**quirks)).send(sent)) == answered


def test_every_value_of_every_habit_is_tested() -> None:
    tested = {value for quirks, _, _ in DIALOGUES for value in quirks.values()}
    tested |= {Last.HIGHEST, ErrorsCounted.IN_ALL, LastError.ANSWERED, LastError.ANSWERED_AND_TOLD}
    by_default = {getattr(Quirks(), habit) for habit in QUIRKS}
    assert tested | by_default == {value for kind in QUIRKS.values() for value in kind}


def test_last_is_the_highest_that_was_retrieved() -> None:
    desk = Desk(quirks=Quirks(last=Last.HIGHEST)).log_in()
    answers = [desk.send(b"LAST\r\n")]
    for line in (b"RETR 2\r\n", b"RETR 1\r\n", b"TOP 3 0\r\n", b"RETR 9\r\n", b"RSET\r\n"):
        desk.send(line)
        answers.append(desk.send(b"LAST\r\n"))
    assert [answer.split()[1] for answer in answers] == [b"0", b"2", b"2", b"2", b"2", b"0"]


@pytest.mark.parametrize(
    ("counted", "sent", "answered"),
    [
        (ErrorsCounted.IN_A_ROW, b"X\r\nX\r\nNOOP\r\nX\r\nX\r\nNOOP\r\n", "--+--+"),
        (ErrorsCounted.IN_ALL, b"X\r\nX\r\nNOOP\r\nX\r\nX\r\nNOOP\r\n", "--+-"),
    ],
)
def test_errors_are_counted(counted: ErrorsCounted, sent: bytes, answered: str) -> None:
    habits, limits = Quirks(errors_counted=counted), Limits(errors_after_login=3)
    assert indicators(Desk(quirks=habits, limits=limits).log_in().send(sent)) == answered


@pytest.mark.parametrize(
    ("last", "texts"),
    [
        (LastError.TOLD, [b"too many errors"]),
        (LastError.ANSWERED, [b"unknown command"]),
        (LastError.ANSWERED_AND_TOLD, [b"unknown command", b"too many errors"]),
    ],
)
def test_the_last_error(last: LastError, texts: list[bytes]) -> None:
    desk = Desk(quirks=Quirks(last_error=last), limits=Limits(errors_before_login=1))
    answers = desk.send(b"XYZZY\r\n").splitlines()
    assert [answer.removeprefix(b"-ERR ")[:15] for answer in answers] == texts
    assert desk.told[-1] == SessionEnded(because=EndReason.TOO_MANY_ERRORS)


def test_cuts_change_nothing_where_only_crlf_ends_a_line() -> None:
    octets = b"USER mr\nose\r\n\r\n" + b"x" * 30 + b"\r\nNOOP\r\r\n"
    habits, limits = Quirks(line_ends=LineEnds.CRLF), Limits(line=20, overlong_lines=9)
    whole = Desk(quirks=habits, limits=limits).send(octets)
    assert indicators(whole) == "+---"
    for cut in range(len(octets)):
        desk = Desk(quirks=habits, limits=limits)
        assert desk.send_cut(octets, [cut]) == whole
    assert Desk(quirks=habits, limits=limits).send_cut(octets, range(1, len(octets))) == whole
