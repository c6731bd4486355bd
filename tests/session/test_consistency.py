"""Replies that disagree with earlier ones: noticed as they come, and explained by `:why`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from poptalk.terminal.render import plain_text
from tests.session.transports import begin
from tests.shell.test_dialogue import Talk

LIST = (b"LIST", b"+OK\r\n1 40\r\n2 31\r\n.\r\n")
UIDL = (b"UIDL", b"+OK\r\n1 a\r\n2 b\r\n.\r\n")
DELE = (b"DELE 2", b"+OK\r\n")
MESSAGE = b"+OK\r\nSubject: a\r\n\r\none\r\ntwo\r\nthree\r\n.\r\n"
"""Of 31 octets, byte-stuffing undone."""

Dialogue = Sequence[tuple[bytes, bytes]]


@pytest.fixture
def talk() -> Iterator[Talk]:
    talk = Talk(size=(100, 500))
    talk.say(b"+OK ready\r\n")
    for line in (b"USER bob", b"PASS jones"):
        talk.send(line)
        talk.say(b"+OK\r\n")
    yield talk
    talk.session.close()


def said(talk: Talk, dialogue: Dialogue) -> list[str]:
    """Hold a dialogue; return what is warned of."""
    warnings = []
    for line, reply in dialogue:
        talk.send(line)
        warnings += [text for text in talk.say(reply) if text.startswith("#! ")]
    return warnings


@pytest.mark.parametrize(
    ("dialogue", "words"),
    [
        ([LIST, (b"STAT", b"+OK 3 70\r\n")], "STAT counts 3 messages, LIST has 2"),
        ([(b"STAT", b"+OK 3 70\r\n"), LIST], "STAT counts 3 messages, LIST has 2"),
        ([LIST, (b"STAT", b"+OK 2 72\r\n")], "STAT has 72 octets, the lines of LIST add up to 71"),
        ([LIST, DELE, (b"STAT", b"+OK 2 70\r\n")], "marked as deleted is counted or listed"),
        ([LIST, DELE, LIST], "message 2 is listed"),
        ([LIST, DELE, (b"RETR 2", MESSAGE)], "marked as deleted is an error"),
        ([LIST, DELE, (b"LIST 2", b"+OK 2 30\r\n")], "marked as deleted is an error"),
        ([LIST, DELE, DELE], "marked as deleted is an error"),
        ([LIST, (b"UIDL", b"+OK\r\n1 a\r\n.\r\n")], "message 2 is in LIST only"),
        ([(b"LIST", b"+OK\r\n1 40\r\n3 30\r\n.\r\n")], "numbered from 1, each number once"),
        ([LIST, (b"LIST 1", b"+OK 1 41\r\n")], "differs from its line in the whole listing"),
        ([UIDL, (b"UIDL 1", b"+OK 1 b\r\n")], "differs from its line in the whole listing"),
        (
            [(b"LIST", b"+OK\r\n1 29\r\n.\r\n"), (b"RETR 1", MESSAGE)],
            "message 1: 29 octets announced, 31 came; perhaps only its",
        ),
        ([LIST, (b"RETR 1", MESSAGE)], "message 1: 40 octets announced, 31 came"),
        (
            [(b"RETR 1", MESSAGE), (b"RETR 1", MESSAGE.replace(b"two", b"owt"))],
            "earlier in this session, the same message was different",
        ),
        ([(b"TOP 1 1", MESSAGE)], "3 lines of the body of message 1, and not 1"),
        ([(b"RETR 1", MESSAGE), (b"TOP 1 5", MESSAGE.replace(b"two", b"owt"))], "beginning of the"),
        ([(b"RETR 1", MESSAGE), (b"TOP 1 5", MESSAGE.replace(b"three\r\n", b""))], "the end is"),
        (
            [(b"CAPA", b"+OK\r\nUIDL\r\n.\r\n"), (b"CAPA", b"+OK\r\nTOP\r\n.\r\n")],
            "CAPA contradicts its earlier answer",
        ),
    ],
)
def test_what_two_replies_show_is_said_below_the_second(
    talk: Talk, dialogue: Dialogue, words: str
) -> None:
    assert said(talk, dialogue[:-1]) == []
    (warning,) = said(talk, dialogue[-1:])
    assert words in warning
    assert "[RFC " in warning
    explained = " ".join(map(plain_text, talk.view.explained_now()))
    assert words in explained


def test_a_server_that_is_right_is_not_warned_of(talk: Talk) -> None:
    dialogue = [
        (b"STAT", b"+OK 2 61\r\n"),
        (b"LIST", b"+OK\r\n1 31\r\n2 30\r\n.\r\n"),
        UIDL,
        (b"LIST 1", b"+OK 1 31\r\n"),
        (b"UIDL 1", b"+OK 1 a\r\n"),
        (b"RETR 1", MESSAGE),
        (b"TOP 1 0", b"+OK\r\nSubject: a\r\n\r\n.\r\n"),
        (b"TOP 1 1", b"+OK\r\nSubject: a\r\n\r\none\r\n.\r\n"),
        (b"TOP 1 9", MESSAGE),
        DELE,
        (b"STAT", b"+OK 1 31\r\n"),
        (b"LIST", b"+OK\r\n1 31\r\n.\r\n"),
        (b"UIDL", b"+OK\r\n1 a\r\n.\r\n"),
        (b"DELE 2", b"-ERR\r\n"),
        (b"RSET", b"+OK\r\n"),
        (b"STAT", b"+OK 2 61\r\n"),
        (b"LIST", b"+OK\r\n1 31\r\n2 30\r\n.\r\n"),
        UIDL,
    ]
    assert said(talk, dialogue) == []


def test_unique_ids_that_change_between_sessions_are_noticed(talk: Talk) -> None:
    said(talk, [LIST, UIDL])
    begin(talk.session)
    talk.say(b"+OK ready\r\n")
    login = [(b"USER bob", b"+OK\r\n"), (b"PASS jones", b"+OK\r\n")]
    changed = (b"UIDL", b"+OK\r\n1 a\r\n2 c\r\n.\r\n")
    (warning,) = said(talk, [*login, LIST, changed])
    assert "these differ from the last session's" in warning


def test_other_mail_has_other_unique_ids(talk: Talk) -> None:
    said(talk, [LIST, UIDL])
    begin(talk.session)
    talk.say(b"+OK ready\r\n")
    login = [(b"USER bob", b"+OK\r\n"), (b"PASS jones", b"+OK\r\n")]
    other = (b"LIST", b"+OK\r\n1 40\r\n2 32\r\n.\r\n")
    assert said(talk, [*login, other, (b"UIDL", b"+OK\r\n1 a\r\n2 c\r\n.\r\n")]) == []


def test_why_says_that_a_command_was_injected() -> None:
    talk = Talk(size=(100, 500))
    talk.say(b"+OK ready\r\n")
    talk.session.send(b"STLS\r\nCAPA\r\n")
    talk.say(b"+OK\r\n")
    talk.session.core.tls_established()
    assert any("command injection" in line for line in talk.say(b"+OK\r\n", b"USER\r\n.\r\n"))
    explained = " ".join(map(plain_text, talk.view.explained_now()))
    assert "answers, inside TLS, what was sent in the clear after STLS" in explained
    talk.session.close()
