"""Observers see what happens in a session; what changes it is a fault (`poptalk.practice.faults`).

A server has any number of makers of observers, each called once for every connection; without one,
nothing is kept and nothing costs time.  `record_in` keeps what clients sent, for tests, and
`SessionLines` prints a line about each session; the log is in `poptalk.practice.log`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from poptalk.pop3.server import events
from poptalk.pop3.server.events import EndReason
from poptalk.terminal.screen import ScreenClosed

if TYPE_CHECKING:
    from poptalk.practice.accounts import Account


class DropReason(Enum):
    """Why a connection ended without the session ending it; no message is removed then."""

    CLIENT_VANISHED = "the connection broke"
    NETWORK_BROKE = "the network broke the connection"
    NO_LOGIN = "no login in time"
    IDLE = "silent for too long"
    NO_HANDSHAKE = "no TLS handshake in time"
    TLS_FAILED = "TLS failed"
    MESSAGE_BROKE = "a message could not be read to its end"
    FAULT = "cut off by a fault"
    STOPPED = "the server was stopped"


How = EndReason | DropReason
"""How a session ended; the values are for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A connection that has come.

    Args:
        number: counted from 1, in the order in which they came.
        host: the client's address.
        port: its port.
        implicit_tls: whether TLS begins at once (RFC 8314 §3).
    """

    number: int
    host: str
    port: int
    implicit_tls: bool

    @property
    def address(self) -> str:
        """Address and port, as a URL writes them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Observer:
    """Observes one session; this one ignores it all."""

    def told(self, event: events.ServerEvent) -> None:
        """Take note of an event of the server core, before the driver acts on it."""

    def logged_in(self, account: Account) -> None:
        """Take note of a successful login."""

    def tls_began(self) -> None:
        """Take note of the end of the TLS handshake."""

    def received(self, octets: bytes) -> None:
        """Take note of octets from the client, decrypted."""

    def sent(self, octets: bytes | memoryview) -> None:
        """Take note of octets for the client, not yet encrypted, cut anywhere."""

    def ended(self, how: How) -> None:
        """Take note of the end; nothing follows."""


MakeObserver = Callable[[Peer], Observer]
"""Makes the observer of a connection that has come."""


@dataclass(slots=True, kw_only=True)
class RecordedSession:
    """One session so far: a server in another thread adds to it.

    Args:
        address: address and port of the client.
        tls: whether the session is inside TLS.
        user: the name of the account, None before the login.
        commands: the lines that the client sent, in order, without line ends and with the responses
            within AUTH.  Nothing is masked.  A line is here before its answer is sent.
        ended: how the session ended, None while it lasts.
    """

    address: str
    tls: bool = False
    user: str | None = None
    commands: list[bytes] = field(default_factory=list)
    ended: str | None = None


class _SessionRecorder(Observer):
    """Writes down what a client sends, in a record that goes on growing."""

    def __init__(self, session: RecordedSession) -> None:
        self._session = session

    def told(self, event: events.ServerEvent) -> None:
        match event:
            case events.CommandReceived():
                self._session.commands.append(event.command.line)
            case events.ResponseReceived():
                self._session.commands.append(event.line)

    def logged_in(self, account: Account) -> None:
        self._session.user = account.name

    def tls_began(self) -> None:
        self._session.tls = True

    def ended(self, how: How) -> None:
        self._session.ended = how.value


def record_in(session: RecordedSession) -> Observer:
    """Return an observer that writes down a session."""
    return _SessionRecorder(session)


class SessionLines:
    """Prints a line about each session at its end; for a teacher, a short one and another at the login.

    Args:
        say: prints a line, made harmless; may raise ScreenClosed.
        for_a_class: whether a teacher reads the lines.
    """

    def __init__(self, say: Callable[[str], None], *, for_a_class: bool = False) -> None:
        self._say: Callable[[str], None] | None = say
        self._make = _PupilTally if for_a_class else _Tally

    def begin(self, peer: Peer) -> Observer:
        """Observe a session."""
        return self._make(peer, self._report)

    def _report(self, line: str) -> None:
        if self._say is None:
            return
        try:
            self._say(f"{time.strftime('%H:%M:%S')}  {line}")
        except ScreenClosed:
            # Whoever read our output has gone; clients keep their server.
            self._say = None


class _Tally(Observer):
    """Counts what happens in one session."""

    def __init__(self, peer: Peer, report: Callable[[str], None]) -> None:
        self._address = peer.address
        self._report = report
        self._user: str | None = None
        self._tls = False
        self._commands = 0
        self._refused = 0
        self._octets_in = 0
        self._octets_out = 0

    def told(self, event: events.ServerEvent) -> None:
        # A response within AUTH is part of a command.
        self._commands += isinstance(event, events.CommandReceived | events.OverlongLineReceived)
        self._refused += isinstance(event, events.NegativeReply)

    def logged_in(self, account: Account) -> None:
        self._user = account.name

    def tls_began(self) -> None:
        self._tls = True

    def received(self, octets: bytes) -> None:
        self._octets_in += len(octets)

    def sent(self, octets: bytes | memoryview) -> None:
        self._octets_out += len(octets)

    def ended(self, how: How) -> None:
        self._report(
            f"{self._address}  {self._user or '-'}  {self._counted()}, "
            f"{self._octets_in:,} octets in, {self._octets_out:,} out"
            f"{', TLS' if self._tls else ''}: {how.value}"
        )

    def _counted(self) -> str:
        commands = "1 command" if self._commands == 1 else f"{self._commands:,} commands"
        return f"{commands}, {self._refused:,} -ERR" if self._refused else commands


class _PupilTally(_Tally):
    """The same in words for a teacher: who came, and how it went."""

    def logged_in(self, account: Account) -> None:
        super().logged_in(account)
        self._report(f"{account.name} is logged in ({self._address})")

    def ended(self, how: How) -> None:
        if self._user is None:
            self._report(f"{self._address}: no login, {self._counted()}")
        else:
            self._report(f"{self._user}: {self._counted()}, {_LEFT.get(how, how.value)}")


_LEFT: dict[How, str] = {
    EndReason.QUIT: "left with QUIT",
    EndReason.CLIENT_GONE: "left without QUIT",
    DropReason.CLIENT_VANISHED: "left without QUIT",
}
"""How most sessions end, in words short enough for a projector."""
