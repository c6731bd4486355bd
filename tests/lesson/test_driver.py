"""What the tutor is told of a connection."""

from __future__ import annotations

import pytest

from poptalk.lesson.actions import Answered, Connected, LessonEvent
from poptalk.lesson.driver import ReplyBuffer
from poptalk.net.errors import CLOSED_BY_SERVER
from poptalk.pop3.commands import State
from poptalk.session.session import Session
from tests.session.transports import begin


class Talk:
    """A client session, and the reply buffer of it."""

    def __init__(self) -> None:
        self.session = Session(clock=float, tls_at_once=False)
        self.replies = ReplyBuffer(self.session.exchanges, encrypted=False)
        self.session.listeners.append(self.replies.take)
        begin(self.session)

    def sends(self, *lines: bytes) -> None:
        for line in lines:
            self.session.send(line + b"\r\n")

    def hears(self, data: bytes) -> None:
        self.session.received(data)

    def ends(self) -> None:
        self.session.ended(CLOSED_BY_SERVER)

    def heard(self) -> list[LessonEvent]:
        heard = list(self.replies.events)
        self.replies.events.clear()
        return heard


@pytest.fixture
def talk() -> Talk:
    talk = Talk()
    talk.hears(b"+OK ready\r\n")
    assert talk.heard() == [Connected(greeting=b"+OK ready")]
    return talk


def log_in(talk: Talk) -> None:
    for line in (b"USER bob", b"PASS jones"):
        talk.sends(line)
        talk.hears(b"+OK\r\n")
    talk.heard()


def test_an_answer_with_the_states_on_both_sides_of_it(talk: Talk) -> None:
    talk.sends(b"PASS jones")
    talk.hears(b"+OK in\r\n")
    assert talk.heard() == [
        Answered(
            line=b"PASS jones",
            lines=(b"+OK in",),
            before=State.AUTHORIZATION,
            after=State.TRANSACTION,
        )
    ]


def test_a_long_reply_is_told_when_it_is_complete(talk: Talk) -> None:
    log_in(talk)
    talk.sends(b"LIST")
    talk.hears(b"+OK\r\n1 120\r\n2 ")
    assert talk.heard() == []
    assert talk.replies.lines_so_far == 3
    talk.hears(b"200\r\n.\r\n")
    (answered,) = talk.heard()
    assert isinstance(answered, Answered)
    assert list(answered.lines) == [b"+OK", b"1 120", b"2 200", b"."]
    assert talk.replies.lines_so_far == 0


def test_pipelined_lines_get_their_own_answers(talk: Talk) -> None:
    log_in(talk)
    talk.sends(b"STAT", b"XYZ", b"NOOP")
    talk.hears(b"+OK 1 2\r\n-ERR what\r\n+OK\r\n")
    answers = [(a.line, a.lines[0]) for a in talk.heard() if isinstance(a, Answered)]
    assert answers == [(b"STAT", b"+OK 1 2"), (b"XYZ", b"-ERR what"), (b"NOOP", b"+OK")]


def test_a_challenge_is_an_answer_too(talk: Talk) -> None:
    talk.sends(b"AUTH PLAIN")
    talk.hears(b"+ \r\n")
    talk.sends(b"AGJvYgBqb25lcw==")
    talk.hears(b"+OK in\r\n")
    first, second = talk.heard()
    assert isinstance(first, Answered)
    assert isinstance(second, Answered)
    assert (first.line, first.sasl, first.lines[0]) == (b"AUTH PLAIN", False, b"+ ")
    assert (second.sasl, second.lines[0], second.after) == (True, b"+OK in", State.TRANSACTION)


def test_a_reply_that_is_cut_off(talk: Talk) -> None:
    log_in(talk)
    talk.sends(b"DELE 1")
    talk.hears(b"+OK\r\n")
    talk.heard()
    talk.sends(b"LIST", b"STAT")
    talk.hears(b"+OK\r\n1 120\r\n")
    talk.ends()
    answers = [(a.line, list(a.lines), a.complete) for a in talk.heard() if isinstance(a, Answered)]
    assert answers == [(b"LIST", [b"+OK", b"1 120"], False), (b"STAT", [], False)]
    assert talk.replies.marked == (1,)
    assert talk.replies.state is State.TRANSACTION


def test_patience_that_ends(talk: Talk) -> None:
    log_in(talk)
    talk.sends(b"STAT")
    talk.replies.give_up()
    (answered,) = talk.heard()
    assert isinstance(answered, Answered)
    assert not answered.complete
    talk.hears(b"+OK 1 2\r\n")
    assert talk.heard() == [], "what comes too late answers nothing any more"


def test_what_was_sent_behind_stls_gets_no_answer(talk: Talk) -> None:
    talk.sends(b"STLS", b"CAPA")
    talk.hears(b"+OK\r\n")
    talk.heard()
    talk.replies.tls_begun()
    talk.ends()
    assert talk.heard() == []
