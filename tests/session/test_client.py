"""Whole replies out of events: in one piece or in many, finished or cut off, and never unbounded."""

from __future__ import annotations

from typing import cast

import pytest

from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination
from poptalk.net.errors import CLOSED_BY_SERVER
from poptalk.pop3.events import Exchange
from poptalk.session.client import MOST_UNSOLICITED, Client
from poptalk.session.exchanges import BEGINNING_OCTETS, END_OCTETS
from tests.session.transports import KeptTransport


class Talk:
    """A client without a socket: the test says what the server says."""

    def __init__(self) -> None:
        destination = Destination(host="127.0.0.1", port=110)
        self.client = Client(cast(Link, SilentLink()), destination)
        self.session = self.client.session
        self.receive(b"+OK ready\r\n")

    def send(self, line: bytes) -> Exchange:
        return self.client.say(line)

    def receive(self, data: bytes) -> None:
        self.session.received(data)

    def end(self) -> None:
        self.session.ended(CLOSED_BY_SERVER)


class SilentLink(KeptTransport):
    """A link that leads nowhere."""

    target = "nowhere"
    tls = None


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_the_greeting_is_taken_once(talk: Talk) -> None:
    greeting = talk.client.take_reply(None)
    assert greeting is not None
    assert greeting.lines == (b"+OK ready",)
    assert talk.client.take_reply(None) is None


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_reply_in_pieces_is_one_reply(talk: Talk, size: int) -> None:
    exchange = talk.send(b"LIST")
    data = b"+OK two\r\n1 120\r\n..\r\n2 200\n.\r\n"
    for at in range(0, len(data), size):
        assert talk.client.take_reply(exchange) is None
        talk.receive(data[at : at + size])
    heard = talk.client.take_reply(exchange)
    assert heard is not None
    assert heard.lines == (b"+OK two", b"1 120", b"..", b"2 200", b".")
    assert heard.complete


def test_replies_wait_until_they_are_asked_for(talk: Talk) -> None:
    first, second = talk.send(b"STAT"), talk.send(b"NOOP")
    talk.receive(b"+OK 2 320\r\n-ERR no\r\n")
    for exchange, line in ((second, b"-ERR no"), (first, b"+OK 2 320")):
        heard = talk.client.take_reply(exchange)
        assert heard is not None
        assert heard.lines == (line,)


def test_a_challenge_and_the_final_reply_belong_to_one_command(talk: Talk) -> None:
    exchange = talk.send(b"AUTH PLAIN")
    talk.receive(b"+ \r\n")
    challenge = talk.client.take_reply(exchange)
    assert talk.send(b"AGJvYgBqb25lcw==") is exchange
    talk.receive(b"+OK in\r\n")
    reply = talk.client.take_reply(exchange)
    assert challenge is not None
    assert reply is not None
    assert (challenge.lines, reply.lines) == ((b"+ ",), (b"+OK in",))


def test_lines_that_answer_nothing(talk: Talk) -> None:
    talk.receive(b"+OK again\r\nwhat\r\n")
    heard = [talk.client.take_unsolicited() for _ in range(3)]
    assert [h.lines for h in heard if h is not None] == [(b"+OK again",), (b"what",)]
    assert heard[2] is None


def test_a_flood_of_them_is_bounded(talk: Talk) -> None:
    talk.receive(b"x\r\n" * (MOST_UNSOLICITED + 500))
    count = 0
    while talk.client.take_unsolicited() is not None:
        count += 1
    assert count == MOST_UNSOLICITED


def test_what_has_come_so_far(talk: Talk) -> None:
    exchange = talk.send(b"RETR 1")
    assert talk.client.so_far(exchange) is None
    talk.receive(b"+OK\r\nSubject: hi\r\nhal")
    heard = talk.client.so_far(exchange)
    assert heard is not None
    assert heard.lines == (b"+OK", b"Subject: hi", b"hal")
    assert not heard.complete


def test_a_body_that_is_cut_off(talk: Talk) -> None:
    exchange = talk.send(b"RETR 1")
    talk.receive(b"+OK\r\nSubject: hi\r\n")
    talk.end()
    heard = talk.client.take_reply(exchange)
    assert heard is not None
    assert heard.lines == (b"+OK", b"Subject: hi")
    assert not heard.complete


def test_a_line_that_is_cut_off(talk: Talk) -> None:
    exchange = talk.send(b"STAT")
    talk.receive(b"+OK 2 3")
    talk.end()
    heard = talk.client.take_reply(exchange)
    assert heard is not None
    assert heard.lines == (b"+OK 2 3",)
    assert not heard.complete


def test_of_a_very_long_reply_the_beginning_and_the_end_are_kept(talk: Talk) -> None:
    exchange = talk.send(b"RETR 1")
    talk.receive(b"+OK\r\nfirst\r\n")
    block = b"an octet is an octet is an octet\r\n" * 10_000
    total = 0
    while total < BEGINNING_OCTETS + 3 * END_OCTETS:
        talk.receive(block)
        total += len(block)
    talk.receive(b"last\r\n.\r\n")
    heard = talk.client.take_reply(exchange)
    assert heard is not None
    assert heard.lines[:3] == (b"+OK", b"first", b"an octet is an octet is an octet")
    assert heard.lines[-3:] == (b"an octet is an octet is an octet", b"last", b".")
    assert set(heard.lines[2:-2]) == {b"an octet is an octet is an octet"}
    kept = sum(len(line) + 2 for line in heard.lines[1:])
    assert heard.octets_left_out == pytest.approx(total + 16 - kept, abs=100)
    assert kept <= BEGINNING_OCTETS + END_OCTETS
