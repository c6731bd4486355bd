"""A session as lines, without a terminal: what is shown of each thing that can be said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from poptalk.net.errors import CLOSED_BY_SERVER, CLOSED_BY_US
from poptalk.net.tls import TlsFacts
from poptalk.session.session import Session
from poptalk.shell.view import UNSOLICITED_LINES_SHOWN, View, marked_stay
from poptalk.terminal.render import plain_text
from poptalk.terminal.safe import Fragments
from tests.session.transports import begin


@dataclass(kw_only=True)
class Talk:
    """A dialogue with its screen and its clock in hand."""

    lines: list[str] = field(default_factory=list)
    now: float = 0.0
    size: tuple[int, int] | None = None
    session: Session = field(init=False)
    view: View = field(init=False)

    def __post_init__(self) -> None:
        size = self.size
        self.session = Session(clock=lambda: self.now, tls_at_once=False)
        self.view = View(self.session, show=self._show, size=None if size is None else lambda: size)
        begin(self.session)

    def _show(self, lines: Iterable[Fragments]) -> None:
        self.lines += map(plain_text, lines)

    def say(self, *data: bytes) -> list[str]:
        """Let the server speak; return what is shown of it."""
        self.lines.clear()
        for piece in data:
            self.session.received(piece)
        return list(self.lines)

    def send(self, line: bytes) -> list[str]:
        """Send a line; return what is shown of it."""
        self.lines.clear()
        self.session.send(line + b"\r\n")
        return list(self.lines)


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Give a dialogue that has been greeted."""
    talk = Talk()
    talk.say(b"+OK ready\r\n")
    yield talk
    talk.session.close()


def logged_in(talk: Talk) -> None:
    talk.send(b"PASS jones")
    talk.say(b"+OK\r\n")


def test_a_command_and_its_reply(talk: Talk) -> None:
    assert talk.send(b"USER bob") == ["C: USER bob"]
    assert not talk.session.core.settled
    assert talk.say(b"+OK ", b"fine\r\n") == ["S: +OK fine"]
    assert talk.session.core.settled
    assert not talk.session.refused
    talk.send(b"USER eve")
    talk.say(b"-ERR no\r\n")
    assert talk.session.refused


def test_nothing_is_settled_before_the_greeting() -> None:
    talk = Talk()
    assert not talk.session.core.settled
    talk.say(b"+OK\r\n")
    assert talk.session.core.settled
    talk.session.close()


def test_a_challenge_settles(talk: Talk) -> None:
    talk.send(b"AUTH PLAIN")
    assert talk.say(b"+ \r\n") == ["S: + "]
    assert talk.session.core.settled
    assert talk.send(b"AGJvYgBqb25lcw==") == ["C: ****"]
    assert not talk.session.core.settled


def test_the_milliseconds_of_a_reply_count_to_its_end_and_to_its_first_line(talk: Talk) -> None:
    logged_in(talk)
    talk.send(b"LIST")
    talk.now += 0.25
    talk.say(b"+OK\r\n")
    talk.now += 60
    assert talk.session.exchanges.receiving is not None
    talk.say(b"1 120\r\n.\r\n")
    exchanges = talk.session.exchanges
    assert exchanges.milliseconds == 60250
    assert exchanges.last is not None
    assert exchanges.last.seconds == 0.25
    assert exchanges.receiving is None


def test_an_echo_of_a_secret_is_masked(talk: Talk) -> None:
    talk.send(b"PASS jones")
    assert talk.say(b"-ERR no user has jones for a password\r\n") == [
        "S: -ERR no user has **** for a password"
    ]
    assert talk.say(b"-ERR jones, goodbye\r\n")[-1] == "S: -ERR ****, goodbye"
    assert talk.say(b"jon", b"es, half") == []
    talk.view.show_partial()
    assert talk.lines == ["S: ****, half (the end of this line is missing)"]
    talk.view.reveal = True
    assert talk.say(b" and jones\r\n") == ["S: jones, half and jones"]


@pytest.mark.parametrize("words", ["# bob is logged in", "C: DELE 1", "S: +OK"])
def test_why_shows_no_words_of_the_server_as_a_line_of_its_own(talk: Talk, words: str) -> None:
    talk.send(b"NOOP")
    talk.say(b"-ERR " + words.encode() + b"\r\n")
    rows = list(map(plain_text, talk.view.explained_now()))
    assert not [row for row in rows if row.startswith(words)]
    assert [row for row in rows if row.startswith(f"S: {words}")]


def test_an_oddity_is_told_once_a_connection_but_a_wrong_state_every_time(talk: Talk) -> None:
    assert len(talk.send(b"XYZZY")) == 2
    assert talk.send(b"XYZZY") == ["C: XYZZY"]
    for _ in range(2):
        talk.say(b"-ERR\r\n")
    for _ in range(2):
        assert talk.send(b"STAT")[1].startswith("#! not legal in this state")
        talk.say(b"-ERR\r\n")
    begin(talk.session)
    talk.say(b"+OK\r\n")
    assert len(talk.send(b"XYZZY")) == 2


def test_unasked_lines_are_shown_up_to_a_number_whatever_the_cuts() -> None:
    lines = [b"* %d\r\n" % number for number in range(200)]
    for size in (1, 7, 200):
        talk = Talk()
        talk.say(b"+OK\r\n")
        pieces = [b"".join(lines[at : at + size]) for at in range(0, 200, size)]
        shown = [line for line in talk.say(*pieces) if line.startswith("S: ")]
        assert shown == [f"S: * {number}" for number in range(UNSOLICITED_LINES_SHOWN)]
        hidden = sum(map(len, lines[UNSOLICITED_LINES_SHOWN:]))
        assert talk.send(b"NOOP")[0] == (
            f"# {200 - UNSOLICITED_LINES_SHOWN} more unsolicited lines, {hidden:,} octets,"
            " were not shown"
        )
        talk.say(b"+OK\r\n")
        assert talk.say(b"* again\r\n")[-1] == "S: * again"
        talk.session.close()


def test_an_unasked_line_is_not_the_last_reply(talk: Talk) -> None:
    last = talk.session.exchanges.last
    talk.say(b"-ERR idle\r\n")
    assert talk.session.exchanges.last is last
    assert talk.session.exchanges.unsolicited is not None
    assert talk.session.exchanges.unsolicited.line == b"-ERR idle"
    talk.send(b"NOOP")
    talk.say(b"+OK\r\n")
    assert talk.session.exchanges.unsolicited is None


def test_the_end_of_a_connection_is_told_with_what_it_means(talk: Talk) -> None:
    logged_in(talk)
    for line in (b"DELE 1", b"DELE 2"):
        talk.send(line)
        talk.say(b"+OK\r\n")
    talk.send(b"LIST")
    talk.say(b"+OK\r\n1 120\r\n2 2")
    talk.lines.clear()
    talk.session.ended(CLOSED_BY_SERVER)
    text = " ".join(talk.lines)
    assert "S: 2 2 (the end of this line is missing)" in text or "S: 2 2" in text
    assert "messages 1, 2 were marked as deleted" in text
    assert "#! the server closed the connection" in text
    assert "S: ." not in talk.lines
    talk.lines.clear()
    talk.session.ended(CLOSED_BY_US)
    assert talk.lines == []


def test_a_farewell_makes_the_end_a_matter_of_course(talk: Talk) -> None:
    logged_in(talk)
    talk.send(b"DELE 1")
    talk.say(b"+OK\r\n")
    talk.send(b"QUIT")
    talk.say(b"+OK bye\r\n")
    talk.lines.clear()
    talk.session.ended(CLOSED_BY_SERVER)
    assert talk.lines == ["# the server closed the connection"]


@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ((3,), "message 3 was marked as deleted and stays in the maildrop"),
        ((1, 2), "messages 1, 2 were marked as deleted and stay in the maildrop"),
    ],
)
def test_how_many_stay(marked: tuple[int, ...], words: str) -> None:
    assert words in marked_stay(marked)


def test_stls_asks_for_tls_once_and_forgets_what_was_learnt(talk: Talk) -> None:
    talk.send(b"CAPA")
    talk.say(b"+OK\r\nSASL PLAIN\r\n.\r\n")
    assert list(talk.session.exchanges.facts.mechanisms) == ["PLAIN"]
    talk.send(b"STLS")
    talk.say(b"+OK begin\r\n")
    assert talk.session.tls_request is not None
    assert talk.session.tls_request.residue == b""
    talk.lines.clear()
    talk.session.tls_established(TlsFacts(version="TLSv1.3", cipher="X", verified=False))
    assert talk.lines == ["#! TLSv1.3, X, certificate NOT verified"]
    assert list(talk.session.exchanges.facts.mechanisms) == []
    assert talk.session.core.encrypted


def test_an_injection_is_shown_as_what_it_is(talk: Talk) -> None:
    talk.send(b"STLS")
    lines = talk.say(b"+OK\r\n-ERR injected\r\n+OK more\r\n")
    assert lines[-2:] == ["S: -ERR injected", "S: +OK more"]
    assert "RFC 2595 §4" in " ".join(lines)


@pytest.mark.parametrize(
    ("sent", "said", "words"),
    [
        (None, b"", "no greeting yet"),
        (b"LIST", b"+OK\r\n+OK\r\n1 2\r\n", "a line with a lone dot is still to come"),
        (b"STAT", b"+OK\r\n", "no answer to STAT yet"),
        (b"jones", b"+OK\r\n", "no answer to this line yet"),
    ],
)
def test_silence_is_explained(sent: bytes | None, said: bytes, words: str) -> None:
    talk = Talk()
    greeting, _, reply = said.partition(b"\n")
    if greeting:
        talk.say(greeting + b"\n")
    if sent is not None:
        talk.send(sent)
    if reply:
        talk.say(reply)
    talk.lines.clear()
    talk.view.explain_silence()
    assert words in " ".join(talk.lines)
    assert "jones" not in " ".join(talk.lines)
    talk.session.close()


def test_no_silence_where_nothing_is_due(talk: Talk) -> None:
    talk.lines.clear()
    talk.view.explain_silence()
    talk.session.ended(CLOSED_BY_SERVER)
    talk.lines.clear()
    talk.view.explain_silence()
    assert talk.lines == []


def test_without_a_size_nothing_is_folded_and_with_one_everything_long() -> None:
    reply = b"+OK\r\n" + b"".join(b"%d\r\n" % number for number in range(300)) + b".\r\n"
    for size, shown in ((None, 302), ((24, 80), 21)):
        talk = Talk(size=size)
        talk.say(b"+OK\r\n")
        logged_in(talk)
        talk.send(b"RETR 1")
        assert len(talk.say(reply)) == shown
        talk.session.close()


@pytest.mark.parametrize("rows", [1, 5, 10])
def test_the_smallest_screen_shows_something(rows: int) -> None:
    talk = Talk(size=(rows, 40))
    talk.say(b"+OK\r\n")
    logged_in(talk)
    talk.send(b"RETR 1")
    lines = talk.say(b"+OK\r\n" + b"x\r\n" * 300 + b".\r\n")
    assert lines.count("S: x") >= 8
    talk.session.close()


def test_the_body_of_a_mail_is_no_echo(talk: Talk) -> None:
    logged_in(talk)
    talk.send(b"RETR 1")
    assert "S: jones writes" in talk.say(b"+OK\r\njones writes\r\n.\r\n")
