"""The session: what it does by itself, whoever drives it."""

from __future__ import annotations

import pytest

from poptalk.net.endpoint import Destination
from poptalk.net.errors import CLOSED_BY_SERVER, ConnectionLost, Injected, NetError, TlsFailed
from poptalk.net.tls import TlsFacts
from poptalk.session.exchanges import Note
from poptalk.session.session import PASSWORD_IN_THE_CLEAR, Session
from tests.session.transports import KeptTransport, begin

FACTS = TlsFacts(version="TLSv1.3", cipher="X", verified=True)
ELSEWHERE = Destination(host="192.0.2.1", port=110)


class Talk:
    """A session with its transport, and the sentences that it has noted."""

    def __init__(self, *, destination: Destination | None = None) -> None:
        self.notes: list[str] = []
        self.session = Session(clock=float)
        self.session.observe({Note: lambda note: self.notes.append(note.text)})
        self.transport = begin(self.session)
        if destination is not None:
            self.session.destination = destination
        self.session.received(b"+OK ready\r\n")


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_lines_after_stls_wait_and_go_through_tls(talk: Talk) -> None:
    for line in (b"STLS", b"USER bob", b"PASS jones"):
        assert talk.session.send_line(line)
    assert talk.transport.sent == b"STLS\r\n"
    talk.transport.tls = FACTS
    talk.session.received(b"+OK go on\r\n")
    assert talk.transport.sent == b"STLS\r\nUSER bob\r\nPASS jones\r\n"
    assert talk.session.core.encrypted
    assert talk.notes == ["what is typed after STLS waits until TLS has begun"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((b"PASS jones",), "the line that waited for TLS was not sent"),
        ((b"USER bob", b"PASS jones"), "the 2 lines that waited for TLS were not sent"),
    ],
)
def test_lines_after_stls_are_dropped_where_it_is_refused(
    talk: Talk, lines: tuple[bytes, ...], said: str
) -> None:
    for line in (b"STLS", *lines):
        talk.session.send_line(line)
    talk.session.received(b"-ERR no TLS here\r\n")
    assert talk.transport.sent == b"STLS\r\n"
    assert said in talk.notes[-1]
    assert not any("jones" in note for note in talk.notes)
    talk.session.send_line(b"NOOP")
    assert talk.transport.sent == b"STLS\r\nNOOP\r\n"


def test_octets_in_the_clear_after_stls_end_the_connection(talk: Talk) -> None:
    failures: list[NetError] = []
    talk.session.failed = failures.append
    talk.session.send_line(b"STLS")
    talk.session.received(b"+OK go on\r\n+OK injected\r\n")
    assert talk.transport.closed
    assert isinstance(failures[0], Injected)
    assert not talk.session.core.encrypted


def test_where_nobody_takes_failures_they_are_raised(talk: Talk) -> None:
    talk.transport.tls = TlsFailed("no")
    talk.session.send_line(b"STLS")
    with pytest.raises(TlsFailed):
        talk.session.received(b"+OK go on\r\n")
    assert talk.transport.closed


def test_a_password_in_the_clear_is_warned_of_once_and_before_it_is_sent() -> None:
    talk = Talk(destination=ELSEWHERE)
    sent: list[bytes] = []
    talk.session.observe({Note: lambda _note: sent.append(talk.transport.sent)})
    for line in (b"USER bob", b"PASS jones"):
        talk.session.send_line(line)
    assert talk.notes == [PASSWORD_IN_THE_CLEAR]
    assert sent == [b"USER bob\r\n"]
    talk.session.send_line(b"PASS again")
    assert talk.notes == [PASSWORD_IN_THE_CLEAR]


@pytest.mark.parametrize("line", [b"APOP bob 0123456789abcdef0123456789abcdef", b"USER bob"])
def test_what_hides_the_password_is_not_warned_of(line: bytes) -> None:
    talk = Talk(destination=ELSEWHERE)
    talk.session.send_line(line)
    assert talk.notes == []


def test_a_line_goes_nowhere_without_a_connection(talk: Talk) -> None:
    talk.session.ended(CLOSED_BY_SERVER)
    assert not talk.session.send_line(b"NOOP")
    with pytest.raises(ConnectionLost, match="has ended"):
        talk.session.send(b"NOOP\r\n")


def test_a_line_that_nobody_takes_is_shown_before_that_is_said() -> None:
    talk = Talk()
    order: list[str] = []
    talk.session.listeners.append(lambda event: order.append(type(event).__name__))
    talk.session.failed = lambda error: order.append(str(error))
    talk.transport.broken = True
    talk.session.send_line(b"USER bob")
    assert order == ["Sent", "Nothing can be sent any more."]


def test_an_echo_of_a_secret_is_known(talk: Talk) -> None:
    talk.session.send_line(b"PASS jones")
    assert talk.session.secrets.mask(b"-ERR not jones") == b"-ERR not ****"
    begin(talk.session)
    assert talk.session.secrets.mask(b"-ERR not jones") == b"-ERR not jones"


def test_the_transport_is_left_alone() -> None:
    session = Session(clock=float)
    transport = KeptTransport()
    session.opened(transport, None, where="nowhere", encrypted=True)
    assert (transport.sent, transport.closed) == (b"", False)
