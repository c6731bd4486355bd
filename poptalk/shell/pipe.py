r"""Pipes: lines from standard input, one by one, each after the complete reply to the one before.

This is the path of `printf 'STAT\n' | poptalk HOST PORT > FILE`, a whole process each time, so it is
driven over a blocking socket without asyncio, and imports nothing that it does not need.  Where
standard output is no terminal it receives the server's octets exactly.
"""

from __future__ import annotations

import os
import select

from poptalk.exit_codes import EXIT_NO
from poptalk.net.errors import CLOSED_BY_US, ConnectionLost
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
    from poptalk.shell.one_liner import GivenLines
    from poptalk.terminal.screen import RawOutput

_READ_OCTETS = 65536

FAREWELL_SECONDS = 2.0
"""How long a server may take to close after QUIT; the session is over, and some never do."""


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

    def close(self) -> None:
        """As for `Dialogue`."""


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
        self.log_in: Callable[[], bool] | None = None
        """Logs in, before any line is read, and says whether that went well; None for no login."""
        self.local: Callable[[str], bool] | None = None
        """Carries out a local command and says whether to go on; None where `:` is nothing special."""
        self.after_login = False
        """Whether what comes before the lines, the login above all, is kept from the output."""
        self.at_once = False
        """Whether all lines are sent before anything is read (RFC 2449 §6.6)."""
        self.drop_after: int | None = None
        """After how many replies to the lines to hang up without a word; None for never."""

    def run(self, lines: Lines | GivenLines) -> int:
        """Send lines, and return the exit code.

        Raises:
            ConnectionLost: the connection ended, or fell silent, while something was still to do.
            TlsFailed: STLS was accepted, and TLS did not come about.
            ScreenClosed: standard output is gone.
        """
        raw, self._raw = self._raw, None if self.after_login else self._raw
        self.face.begin(where=str(self.link.target), encrypted=self.link.tls is not None)
        if self.link.tls is not None:
            self.face.tls_established(self.link.tls)
        self.settle()
        if self.face.session.greeted is Status.OTHER:
            self._complain(FACTS[OddityKind.NOT_POP3].sentence)
        if self._destination.starttls:
            self._require_tls()
        if not self._logged_in():
            self.link.close()
            self._note_ending()
            return EXIT_NO
        self._raw = raw
        go = self._send_at_once if self.at_once else self._send_each
        if not go(lines, answered=self.face.session.answered):
            self.link.close()
            self._note_ending()
            return self._exit_code()
        hung_up = self.link.ending not in (None, CLOSED_BY_US)
        if hung_up and not lines.ended and not self.face.session.farewell:
            raise self._lost()
        return self._finish()

    def _send_each(self, lines: Lines | GivenLines, *, answered: int) -> bool:
        """Send lines, each after the complete reply to the one before.

        Args:
            lines: what is sent.
            answered: how many commands were answered before.

        Returns:
            False where it is time to hang up without a word.
        """
        while not self._is_enough(answered):
            line = lines.next(while_waiting=self._listen, beside=self.link)
            if line is None:
                return True
            if self.local is not None and line.startswith(b":"):
                line = line[1:]
                if not line.startswith(b":"):
                    if not self.local(line.decode("utf-8", "surrogateescape")):
                        return True
                    continue
            self.send(line)
            self.settle()
        return False

    def _send_at_once(self, lines: Lines | GivenLines, *, answered: int) -> bool:
        """Send all lines before anything is read; as `_send_each`."""
        from poptalk.shell.one_liner import joined

        gathered: list[bytes] = []
        while (line := lines.next(while_waiting=self._listen, beside=self.link)) is not None:
            gathered.append(line)
        data = joined(gathered)
        if self.link.ending is not None:
            raise self._lost()
        for line in gathered:
            if self._warn_of_clear_password(line):
                break
        self.transmit(data)
        while not self._is_enough(answered):
            if self.face.settled:
                return True
            if not self._listen():
                raise self._lost()
        return False

    def _is_enough(self, answered: int) -> bool:
        """Whether as many replies have come as were asked for."""
        wanted = self.drop_after
        return wanted is not None and self.face.session.answered >= answered + wanted

    def _logged_in(self) -> bool:
        """Log in if that was asked for; False if it was, and the server did not let the user in."""
        if self.log_in is None:
            return True
        entered = self.log_in()
        # A server without CAPA has refused poptalk something, and the script nothing.
        self.face.refused = False
        return entered

    def _require_tls(self) -> None:
        """Have TLS begin before anything else is said.

        Raises:
            TlsFailed: the server does not offer it, or it did not come about.
        """
        from poptalk.net.stls import STLS, failure, not_greeted, stls_refused

        session = self.face.session
        if session.greeted is not Status.OK:
            raise not_greeted()
        try:
            self.transmit(STLS + b"\r\n")
            self.settle()
        except ConnectionLost as error:
            raise failure(error, session) from error
        if not session.encrypted:
            raise stls_refused()

    def _finish(self) -> int:
        if self.face.session.farewell:
            self._hear_out()
        elif not self.face.settled:
            raise self._lost()
        self.link.close()
        self._note_ending()
        return self._exit_code()

    def _exit_code(self) -> int:
        refused = self.face.refused or self.face.session.greeted is not Status.OK
        return EXIT_NO if refused else 0

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
            from poptalk.net.stls import injected

            self.link.close()
            raise injected(request.residue)
        self.face.tls_established(self.link.start_tls(self._destination.tls_settings()))

    def _note_ending(self) -> None:
        if self.link.ending is not None and self.face.session.state is not State.CLOSED:
            self.face.ended(self.link.ending)

    def _lost(self) -> ConnectionLost:
        if self.face.session.farewell:
            return ConnectionLost("lines that came behind QUIT were not sent: the session was over")
        return ConnectionLost(f"the session was not finished: {self.link.ending or 'no reply'}")

    def _warn_of_clear_password(self, line: bytes) -> bool:
        """Warn, where there is reason to; say whether there was."""
        session = self.face.session
        if session.encrypted or self._destination.is_loopback:
            return False
        if not session.answering_auth and parse_command(line).secret is None:
            return False
        self._complain("a password crosses the network in clear; --tls or STLS would protect it")
        return True


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
