"""Whole replies out of events: in one piece or in many, finished or cut off, and never unbounded."""

from __future__ import annotations

import pytest

from poptalk.protocol.client import ClientSession
from poptalk.protocol.events import Exchange, Sent
from poptalk.script.hearing import BEGINNING_OCTETS, END_OCTETS, MOST_UNASKED, Hearing


class Session:
    """A client core whose events a hearing takes."""

    def __init__(self) -> None:
        self.core = ClientSession()
        self.hearing = Hearing()
        self.receive(b"+OK ready\r\n")

    def send(self, line: bytes) -> Exchange:
        (sent,) = [e for e in self.core.send(line + b"\r\n") if isinstance(e, Sent)]
        return sent.exchange

    def receive(self, data: bytes) -> None:
        for event in self.core.receive_data(data):
            self.hearing.take(event)

    def end(self) -> None:
        for event in self.core.receive_eof():
            self.hearing.take(event)


@pytest.fixture
def session() -> Session:
    return Session()


def test_the_greeting_is_taken_once(session: Session) -> None:
    greeting = session.hearing.greeting()
    assert greeting is not None
    assert greeting.lines == (b"+OK ready",)
    assert session.hearing.greeting() is None


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_reply_in_pieces_is_one_reply(session: Session, size: int) -> None:
    exchange = session.send(b"LIST")
    data = b"+OK two\r\n1 120\r\n..\r\n2 200\n.\r\n"
    for at in range(0, len(data), size):
        assert session.hearing.reply_to(exchange) is None
        session.receive(data[at : at + size])
    heard = session.hearing.reply_to(exchange)
    assert heard is not None
    assert heard.lines == (b"+OK two", b"1 120", b"..", b"2 200", b".")
    assert heard.complete


def test_replies_wait_until_they_are_asked_for(session: Session) -> None:
    first, second = session.send(b"STAT"), session.send(b"NOOP")
    session.receive(b"+OK 2 320\r\n-ERR no\r\n")
    for exchange, line in ((second, b"-ERR no"), (first, b"+OK 2 320")):
        heard = session.hearing.reply_to(exchange)
        assert heard is not None
        assert heard.lines == (line,)


def test_a_challenge_and_the_final_reply_belong_to_one_command(session: Session) -> None:
    exchange = session.send(b"AUTH PLAIN")
    session.receive(b"+ \r\n")
    challenge = session.hearing.reply_to(exchange)
    assert session.send(b"AGJvYgBqb25lcw==") is exchange
    session.receive(b"+OK in\r\n")
    reply = session.hearing.reply_to(exchange)
    assert challenge is not None
    assert reply is not None
    assert (challenge.lines, reply.lines) == ((b"+ ",), (b"+OK in",))


def test_lines_that_answer_nothing(session: Session) -> None:
    session.receive(b"+OK again\r\nwhat\r\n")
    heard = [session.hearing.unasked() for _ in range(3)]
    assert [h.lines for h in heard if h is not None] == [(b"+OK again",), (b"what",)]
    assert heard[2] is None


def test_a_flood_of_them_is_bounded(session: Session) -> None:
    session.receive(b"x\r\n" * (MOST_UNASKED + 500))
    count = 0
    while session.hearing.unasked() is not None:
        count += 1
    assert count == MOST_UNASKED


def test_what_has_come_so_far(session: Session) -> None:
    exchange = session.send(b"RETR 1")
    assert session.hearing.so_far(exchange) is None
    session.receive(b"+OK\r\nSubject: hi\r\nhal")
    heard = session.hearing.so_far(exchange)
    assert heard is not None
    assert heard.lines == (b"+OK", b"Subject: hi", b"hal")
    assert not heard.complete


def test_a_body_that_is_cut_off(session: Session) -> None:
    exchange = session.send(b"RETR 1")
    session.receive(b"+OK\r\nSubject: hi\r\n")
    session.end()
    heard = session.hearing.reply_to(exchange)
    assert heard is not None
    assert heard.lines == (b"+OK", b"Subject: hi")
    assert not heard.complete


def test_a_line_that_is_cut_off(session: Session) -> None:
    exchange = session.send(b"STAT")
    session.receive(b"+OK 2 3")
    session.end()
    heard = session.hearing.reply_to(exchange)
    assert heard is not None
    assert heard.lines == (b"+OK 2 3",)
    assert not heard.complete


def test_of_a_very_long_reply_the_beginning_and_the_end_are_kept(session: Session) -> None:
    exchange = session.send(b"RETR 1")
    session.receive(b"+OK\r\nfirst\r\n")
    block = b"an octet is an octet is an octet\r\n" * 10_000
    total = 0
    while total < BEGINNING_OCTETS + 3 * END_OCTETS:
        session.receive(block)
        total += len(block)
    session.receive(b"last\r\n.\r\n")
    heard = session.hearing.reply_to(exchange)
    assert heard is not None
    assert heard.lines[:3] == (b"+OK", b"first", b"an octet is an octet is an octet")
    assert heard.lines[-3:] == (b"an octet is an octet is an octet", b"last", b".")
    assert set(heard.lines[2:-2]) == {b"an octet is an octet is an octet"}
    kept = sum(len(line) + 2 for line in heard.lines[1:])
    assert heard.octets_left_out == pytest.approx(total + 16 - kept, abs=100)
    assert kept <= BEGINNING_OCTETS + END_OCTETS
