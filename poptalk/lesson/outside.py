"""Another program's connection to a lesson's practice server, followed on the server's side.

A `pop3 outside` block is done in another window, with telnet, ncat or `openssl s_client`.  The server's
thread reports what it sees (`Visitors`); the learner's thread makes a session of it, as if poptalk had
sent and received the octets itself (`VisitorSession`), so the tutor judges and explains as usual.  A
class works in the same way (`poptalk.classroom`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from poptalk.net.endpoint import Destination
from poptalk.net.errors import CLOSED_BY_SERVER, CLOSED_BY_US
from poptalk.pop3.events import Event
from poptalk.pop3.server.events import EndReason
from poptalk.practice.observers import DropReason, How, Observer, Peer
from poptalk.session.overheard import OverheardSession

POLL_SECONDS = 0.1
"""How often the learner's thread looks for news: no one notices so short a delay."""

PROGRAMS = (
    ("telnet", "telnet {host} {port}"),
    ("ncat", "ncat -C {host} {port}"),
    ("openssl", "openssl s_client -quiet -crlf -connect {host}:{tls_port}"),
)
"""Programs in which one can type POP3, and their command lines.

Without -C, ncat ends lines with LF alone; so does s_client without -crlf.  Without -quiet, s_client
takes a line that begins with R or Q for a command to itself, and RETR and QUIT never reach the server.
"""

WITHOUT_PROGRAM = "poptalk {host} {port}"
"""The command line if the machine has none of them."""


def ways_in(host: str, port: int, tls_port: int) -> list[str]:
    """Return the commands with which the programs of this machine reach a server.

    Args:
        host: its address.
        port: for connections in the clear.
        tls_port: for TLS from the beginning.
    """
    found = [command for program, command in PROGRAMS if shutil.which(program) is not None]
    return [
        command.format(host=host, port=port, tls_port=tls_port)
        for command in found or [WITHOUT_PROGRAM]
    ]


# In the server's thread.


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorCame:
    """A connection was made."""

    encrypted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorSent:
    """Octets came from the other program, decrypted."""

    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorReceived:
    """Octets went to the other program, not yet encrypted."""

    octets: bytes


class VisitorBeganTls:
    """TLS was established."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorLeft:
    """The connection is over."""

    how: How


News = VisitorCame | VisitorSent | VisitorReceived | VisitorBeganTls | VisitorLeft


class Visitors:
    """Follows one connection at a time; another one that comes meanwhile is served, and not followed."""

    def __init__(self) -> None:
        self._news: SimpleQueue[News] = SimpleQueue()
        self._awaited = False

    def follow(self) -> None:
        """Follow the next connection, and forget earlier ones."""
        self._news = SimpleQueue()
        self._awaited = True

    def stop(self) -> None:
        """Follow none."""
        self._news = SimpleQueue()
        self._awaited = False

    def begin(self, peer: Peer) -> Observer:
        """Return the observer of a connection; called by the server."""
        if not self._awaited:
            return Observer()
        self._awaited = False
        return Reporter(peer, self._news.put)

    def news(self) -> Iterator[News]:
        """Give what has happened since the last call, in order."""
        while True:
            try:
                yield self._news.get_nowait()
            except Empty:
                return


class Reporter(Observer):
    """Reports one connection.

    Args:
        peer: the connection.
        report: called with all news, in the server's thread.
    """

    def __init__(self, peer: Peer, report: Callable[[News], None]) -> None:
        self._report = report
        report(VisitorCame(encrypted=peer.implicit_tls))

    def tls_began(self) -> None:
        """Report that TLS was established."""
        self._report(VisitorBeganTls())

    def received(self, octets: bytes) -> None:
        """Report octets from the other program."""
        self._report(VisitorSent(octets=octets))

    def sent(self, octets: bytes | memoryview) -> None:
        """Report octets for it."""
        self._report(VisitorReceived(octets=bytes(octets)))

    def ended(self, how: How) -> None:
        """Report the end."""
        self._report(VisitorLeft(how=how))


# In the learner's thread.


_BY_THE_CLIENT = (EndReason.CLIENT_GONE, DropReason.CLIENT_VANISHED)
"""The ends that are the other program's doing."""


class VisitorSession(OverheardSession):
    """The other program's session, made from what the server saw.

    Args:
        destination: the practice server.
        hear: called with each event of the session.
        complain: says that its log can't be written; None to say it in the session.
    """

    def __init__(
        self,
        destination: Destination,
        hear: Callable[[Event], None],
        *,
        complain: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(destination, complain=complain)
        self.session.listeners.append(hear)

    def take(self, news: News) -> None:
        """Take note of what has happened."""
        match news:
            case VisitorCame(encrypted=encrypted):
                self.opened(encrypted=encrypted)
            case VisitorSent(octets=octets):
                self.client_said(octets)
            case VisitorReceived(octets=octets):
                self.server_said(octets)
            case VisitorBeganTls():
                self.tls_began()
            case VisitorLeft(how=how):
                self.ended(CLOSED_BY_US if how in _BY_THE_CLIENT else CLOSED_BY_SERVER)
