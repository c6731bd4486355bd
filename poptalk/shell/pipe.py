r"""Pipes: lines from standard input, one by one, each after the complete reply to the one before.

This is the path of `printf 'STAT\n' | poptalk HOST PORT > FILE`, a whole process each time, so it is
driven over a blocking socket without asyncio, and imports nothing that it does not need.  Where
standard output is no terminal it receives the server's octets exactly.
"""

from __future__ import annotations

import os
import select

from poptalk.net.errors import CLOSED_BY_US, ConnectionLost, TlsFailed
from poptalk.protocol.client import ClientSession
from poptalk.protocol.commands import parse_command
from poptalk.protocol.events import ReplyEnd, TlsRequested
from poptalk.protocol.oddities import FACTS, OddityKind
from poptalk.protocol.replies import Status
from poptalk.protocol.states import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from poptalk.net.destination import Destination
    from poptalk.net.errors import Ending
    from poptalk.net.link import Link
    from poptalk.net.tls import TlsFacts
    from poptalk.shell.dialogue import Dialogue
    from poptalk.terminal.screen import RawOutput

_READ_OCTETS = 65536

FAREWELL_SECONDS = 2.0
"""How long a server may take to close after QUIT; the session is over, and some never do."""

EXIT_REFUSED = 1
"""The answer is no: a command was answered with something else than +OK."""


class Tally:
    """What a pipe must know of a session, where nothing is shown and nothing is logged.

    It stands in for a `Dialogue`, of which it has the part that drivers use.
    """

    def __init__(self) -> None:
        self.session = ClientSession()
        self.refused = False
        self._tls_requested: TlsRequested | None = None

    @property
    def settled(self) -> bool:
        """As for `Dialogue`: whether the server owes nothing."""
        session = self.session
        if session.state is State.GREETING:
            return False
        return not session.outstanding or session.challenge_open

    def begin(self, *, where: str, encrypted: bool) -> None:  # noqa: ARG002 - as `Dialogue`
        """As for `Dialogue`."""
        self.session = ClientSession(encrypted=encrypted)

    def sent(self, data: bytes) -> None:
        """As for `Dialogue`."""
        self.session.send(data)

    def received(self, data: bytes) -> None:
        """As for `Dialogue`."""
        for event in self.session.receive_data(data):
            if isinstance(event, ReplyEnd):
                self.refused = self.refused or not event.ok
            elif isinstance(event, TlsRequested):
                self._tls_requested = event

    def take_tls_request(self) -> TlsRequested | None:
        """As for `Dialogue`."""
        request, self._tls_requested = self._tls_requested, None
        return request

    def tls_established(self, _facts: TlsFacts) -> None:
        """As for `Dialogue`."""
        if not self.session.encrypted:
            self.session.tls_established()

    def ended(self, _ending: Ending) -> None:
        """As for `Dialogue`."""
        self.session.receive_eof()


class Pipe:
    """One piped session over an open link."""

    def __init__(
        self,
        *,
        link: Link,
        destination: Destination,
        face: Tally | Dialogue,
        raw: RawOutput | None,
        complain: Callable[[str], None],
    ) -> None:
        """Make a session that has not begun.

        Args:
            link: the connection.
            destination: what it leads to.
            face: who observes the dialogue.
            raw: takes the server's octets exactly; None where `face` shows them.
            complain: says a sentence on standard error.
        """
        self.link = link
        self.face = face
        self._destination = destination
        self._raw = raw
        self._complain = complain
        self.local: Callable[[str], bool] | None = None
        """Carries out a local command and says whether to go on; None where `:` is nothing special."""

    def run(self, stdin: int) -> int:
        """Send the lines of a file descriptor, and return the exit code.

        Raises:
            ConnectionLost: the connection ended, or fell silent, while something was still to do.
            TlsFailed: STLS was accepted, and TLS did not come about.
            ScreenClosed: standard output is gone.
        """
        self.face.begin(where=str(self.link.target), encrypted=self.link.tls is not None)
        if self.link.tls is not None:
            self.face.tls_established(self.link.tls)
        self.settle()
        if self.face.session.greeted is Status.OTHER:
            self._complain(FACTS[OddityKind.NOT_POP3].sentence)
        lines = Lines(stdin)
        while (line := lines.next(while_waiting=self._listen, beside=self.link)) is not None:
            if self.local is not None and line.startswith(b":"):
                line = line[1:]
                if not line.startswith(b":"):
                    if not self.local(line.decode("utf-8", "surrogateescape")):
                        return self._finish()
                    continue
            self.send(line)
            self.settle()
        hung_up = self.link.ending not in (None, CLOSED_BY_US)
        if hung_up and not lines.ended and not self.face.session.farewell:
            raise self._lost()
        return self._finish()

    def _finish(self) -> int:
        if self.face.session.farewell:
            self._hear_out()
        elif not self.face.settled:
            raise self._lost()
        self.link.close()
        self._note_ending()
        refused = self.face.refused or self.face.session.greeted is not Status.OK
        return EXIT_REFUSED if refused else 0

    def _hear_out(self) -> None:
        """Take what the server says behind its +OK to QUIT, until it closes or has nothing to say."""
        while self.link.pending() or select.select([self.link], [], [], FAREWELL_SECONDS)[0]:
            if not self._listen():
                return

    def send(self, line: bytes) -> None:
        """Send a line with CRLF."""
        if self.link.ending is not None:
            raise self._lost()
        self._warn_of_clear_password(line)
        self.transmit(line + b"\r\n")

    def transmit(self, data: bytes) -> None:
        """Send octets as they are."""
        self.face.sent(data)
        self.link.send(data)

    def settle(self) -> None:
        """Wait for the greeting, or for the complete reply, or for a challenge."""
        while not self.face.settled:
            if not self._listen():
                raise self._lost()

    def _listen(self) -> bool:
        """Take what the server says next; False when it has hung up."""
        data = self.link.receive_once()
        if data is None:
            return True
        if not data:
            self._note_ending()
            return False
        if self._raw is not None:
            self._raw.write(data)
        self.face.received(data)
        request = self.face.take_tls_request()
        if request is not None:
            self._start_tls(request)
        return True

    def _start_tls(self, request: TlsRequested) -> None:
        if request.residue:
            self.link.close()
            raise TlsFailed(
                f"response injection: {len(request.residue):,} octets came in clear behind the +OK "
                "to STLS [RFC 2595 §4]; the connection is closed, as nothing on it can be trusted"
            )
        self.face.tls_established(self.link.start_tls(self._destination.tls_settings()))

    def _note_ending(self) -> None:
        if self.link.ending is not None and self.face.session.state is not State.CLOSED:
            self.face.ended(self.link.ending)

    def _lost(self) -> ConnectionLost:
        if self.face.session.farewell:
            return ConnectionLost("lines that came behind QUIT were not sent: the session was over")
        return ConnectionLost(f"the session was not finished: {self.link.ending or 'no reply'}")

    def _warn_of_clear_password(self, line: bytes) -> None:
        session = self.face.session
        if session.encrypted or self._destination.is_loopback:
            return
        if session.answering_auth or parse_command(line).secret is not None:
            self._complain(
                "a password crosses the network in clear; --tls or STLS would protect it"
            )


LOOK_UP_SECONDS = 1.0
"""How long is waited at a time.  A Ctrl-C that comes between Python's last look for signals and the
call of select does not interrupt that call: it is seen when select returns."""


class Lines:
    """Lines of a file descriptor, read while something else is listened to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._whole: list[bytes] = []
        self._rest = b""
        self.ended = False
        """Whether the last line has been read."""

    def next(self, *, while_waiting: Callable[[], bool], beside: Link) -> bytes | None:
        """Return the next line without its LF or CRLF.

        Args:
            while_waiting: called when `beside` has something to read; returns False once it ended.
            beside: what is listened to until a line is there.

        Returns:
            None at the end, and when `beside` has ended and no line is there: nothing that is still
            to be written could be sent.
        """
        while not self._whole and not self.ended:
            if beside.ending is not None and not select.select([self._descriptor], [], [], 0)[0]:
                return None
            if _something_is_said(beside, self._descriptor):
                while_waiting()
            else:
                self._read()
        return self._whole.pop(0) if self._whole else None

    def _read(self) -> None:
        data = os.read(self._descriptor, _READ_OCTETS)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data:
            self.ended = True
            if self._rest:
                lines.append(self._rest)
        self._whole = [line.removesuffix(b"\r") for line in lines]


def _something_is_said(link: Link, descriptor: int) -> bool:
    """Wait for the link and the descriptor; True when it is the link that has something."""
    if link.ending is not None:
        return False
    if link.pending():
        return True
    ready: list[int] = []
    while not ready:
        ready, _, _ = select.select([descriptor, link.fileno()], [], [], LOOK_UP_SECONDS)
    return descriptor not in ready
