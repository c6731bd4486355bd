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
from poptalk.protocol.oddities import FACTS, OddityKind
from poptalk.protocol.replies import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from poptalk.net.link import Link
    from poptalk.session.client import Hand
    from poptalk.session.procedure import Plan
    from poptalk.shell.one_liner import GivenLines
    from poptalk.terminal.screen import RawOutput

_READ_OCTETS = 65536

FAREWELL_SECONDS = 2.0
"""How long a server may take to close after QUIT; the session is over, and some never do."""


NOT_SENT_IN_THE_CLEAR = (
    "the server refused STLS, so the lines after it were not sent in the clear; "
    "the session ends here"
)


class Pipe:
    """One piped session over an open link."""

    def __init__(
        self, hand: Hand, *, raw: RawOutput | None, complain: Callable[[str], None]
    ) -> None:
        """Make a pipe that has sent nothing.

        Args:
            hand: reads the connection.
            raw: takes the server's octets exactly; None where a view shows them.
            complain: says a sentence on standard error.
        """
        self.session = hand.session
        self._hand = hand
        self._raw = raw
        self._complain = complain
        self._stls_refused = False
        """Whether the line before was an STLS that the server did not take."""
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
        raw = self._raw.write if self._raw is not None else None
        self._hand.raw = None if self.after_login else raw
        self.settle()
        core = self.session.core
        if core.greeted is Status.OTHER:
            self._complain(FACTS[OddityKind.NOT_POP3].sentence)
        destination = self.session.destination
        if destination is not None and destination.starttls:
            self._hand.require_tls()
        if not self._logged_in():
            self._hand.close()
            return EXIT_NO
        self._hand.raw = raw
        answered = core.answered
        send = self._send_at_once if self.at_once else self._send_each
        if not send(lines, answered=answered):
            self._hand.close()
            return self._exit_code()
        hung_up = self._hand.link.ending not in (None, CLOSED_BY_US)
        if hung_up and not lines.ended and not core.farewell:
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
        link, core = self._hand.link, self.session.core
        while not self._is_enough(answered):
            line = lines.next(while_waiting=self._hand.listen, beside=link)
            if line is None:
                return True
            if self._stls_refused:
                self._complain(NOT_SENT_IN_THE_CLEAR)
                return False
            if self.local is not None and line.startswith(b":"):
                line = line[1:]
                if not line.startswith(b":"):
                    if not self.local(line.decode("utf-8", "surrogateescape")):
                        return True
                    continue
            if link.ending is not None:
                raise self._lost()
            self.session.send(line + b"\r\n")
            begins_tls = core.awaiting_tls
            self.settle()
            self._stls_refused = begins_tls and not core.encrypted
        return False

    def _send_at_once(self, lines: Lines | GivenLines, *, answered: int) -> bool:
        """Send all lines before anything is read; as `_send_each`."""
        from poptalk.shell.one_liner import joined

        hand = self._hand
        gathered: list[bytes] = []
        while (line := lines.next(while_waiting=hand.listen, beside=hand.link)) is not None:
            gathered.append(line)
        data = joined(gathered)
        if hand.link.ending is not None:
            raise self._lost()
        self.session.send(data)
        while not self._is_enough(answered):
            if self.session.core.settled:
                return True
            if not hand.listen():
                raise self._lost()
        return False

    def _is_enough(self, answered: int) -> bool:
        """Whether as many replies have come as were asked for."""
        wanted = self.drop_after
        return wanted is not None and self.session.core.answered >= answered + wanted

    def _logged_in(self) -> bool:
        """Log in if that was asked for; False if it was, and the server did not let the user in."""
        if self.log_in is None:
            return True
        entered = self.log_in()
        # A server without CAPA has refused poptalk something, and the script nothing.
        self.session.refused = False
        return entered

    def _finish(self) -> int:
        if self.session.core.farewell:
            self._hear_out()
        elif not self.session.core.settled:
            raise self._lost()
        self._hand.close()
        return self._exit_code()

    def _exit_code(self) -> int:
        refused = self.session.refused or self.session.core.greeted is not Status.OK
        return EXIT_NO if refused else 0

    def _hear_out(self) -> None:
        """Take what the server says after its +OK to QUIT, until it closes or has nothing to say."""
        link = self._hand.link
        while link.pending() or select.select([link], [], [], FAREWELL_SECONDS)[0]:
            if not self._hand.listen():
                return

    def settle(self) -> None:
        """Wait for the greeting, or for the complete reply, or for a challenge."""
        while not self.session.core.settled:
            if not self._hand.listen():
                raise self._lost()

    def carry_out(self, plan: Plan) -> None:
        """Carry out a procedure to its end.

        Raises:
            ConnectionLost: the server hung up, or fell silent.
            LocalError: what the procedure has raised.
        """
        try:
            self._hand.carry_out(plan)
        except ConnectionLost:
            if self.session.ending is None:
                raise
            raise self._lost() from None

    def finish_procedure(self) -> None:
        """Wait until the procedure that was begun is over."""
        while self.session.procedure is not None:
            if not self._hand.listen():
                raise self._lost()

    def _lost(self) -> ConnectionLost:
        if self.session.core.farewell:
            return ConnectionLost("lines that came behind QUIT were not sent: the session was over")
        ending = self._hand.link.ending
        return ConnectionLost(f"the session was not finished: {ending or 'no reply'}")


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
