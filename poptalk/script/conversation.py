"""Speaking with a server over a blocking link: lines out, events and whole replies in."""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence

from poptalk.net.errors import ConnectionLost, Ending
from poptalk.net.link import Link
from poptalk.net.stls import STLS, stls_refused
from poptalk.net.tls import TlsFacts
from poptalk.net.tls_settings import TlsSettings
from poptalk.protocol.client import ClientSession
from poptalk.protocol.events import BodyChunk, Event, Exchange, Sent, TlsRequested
from poptalk.protocol.replies import Status, parse_status_line
from poptalk.protocol.states import State
from poptalk.script.hearing import Heard, Hearing


class Conversation:
    """One connection, with all that is known of its session.

    Args:
        link: the open connection, owned by the conversation from now on.
        tls_settings: gives the terms on which TLS begins after STLS.
    """

    def __init__(self, link: Link, *, tls_settings: Callable[[], TlsSettings]) -> None:
        self.link = link
        self.session = ClientSession(encrypted=link.tls is not None)
        self.heard = Hearing()
        self._tls_settings = tls_settings
        self._tls_requested: TlsRequested | None = None
        self._bodies: dict[int, Callable[[bytes], object]] = {}
        """Who takes the octets of a reply, by the number of its exchange."""

    @property
    def ending(self) -> Ending | None:
        """How the connection ended; None while it stands."""
        return self.link.ending if self.session.state is State.CLOSED else None

    @property
    def tls_is_due(self) -> bool:
        """Whether STLS was answered with +OK, and TLS has not begun."""
        return self._tls_requested is not None

    def ask(self, line: bytes, *, body: Callable[[bytes], object] | None = None) -> Heard:
        """Send a line, and wait for its whole reply or for a challenge: `say`, then `answer`."""
        return self.answer(self.say(line, body=body))

    def say(self, line: bytes, *, body: Callable[[bytes], object] | None = None) -> Exchange:
        """Send a line.

        Args:
            line: octets without a line end.
            body: takes the octets behind the first line of a multi-line reply as they cross the
                wire, dots stuffed, lone dot included, cut anywhere; they are not kept then.

        Returns:
            What `answer` takes.

        Raises:
            ConnectionLost: the server takes nothing any more.
        """
        exchange = self.observe(line).exchange
        if body is not None:
            self._bodies[exchange.number] = body
        self.transmit(line)
        return exchange

    def answer(self, exchange: Exchange) -> Heard:
        """Wait for the whole reply to a command, or for a challenge.

        Args:
            exchange: the command.

        Returns:
            The reply; one that is not complete where the server hung up in the middle of it.

        Raises:
            ConnectionLost: the server hung up without a word of a reply, or fell silent.
        """
        while (reply := self.heard.reply_to(exchange)) is None:
            if self.ending is not None:
                raise ConnectionLost(f"{self.ending} and did not answer; connect again.")
            self.listen()
        self._bodies.pop(exchange.number, None)
        return reply

    def greeting(self) -> Heard:
        """Wait for the greeting.

        Raises:
            ConnectionLost: the server hung up without one, or said nothing in time.
        """
        while (greeting := self.heard.greeting()) is None:
            if self.ending is not None:
                raise ConnectionLost(f"{self.ending} before it greeted; is this a POP3 server?")
            self.listen()
        return greeting

    def observe(self, line: bytes) -> Sent:
        """Take note of a line that is about to be sent with `transmit`; return the core's event.

        Whoever shows the event first shows it before anything can answer it.
        """
        sent = None
        for event in self._noted(self.session.send(_with_end(line))):
            if isinstance(event, Sent):
                sent = event
        assert sent is not None
        return sent

    def transmit(self, line: bytes) -> None:
        """Send a line with CRLF after it, unless it ends in an LF of its own.

        Raises:
            ConnectionLost: the server takes nothing any more.
        """
        self.link.send(_with_end(line))

    def listen(self, *, patience: float | None = None) -> Sequence[Event] | None:
        """Take what the server says next, at least its end.

        Args:
            patience: seconds after which to give up; None waits as long as the link does.

        Returns:
            What it means, perhaps nothing; None when nothing came while patience lasted.

        Raises:
            ConnectionLost: nothing came while the link's own time-out ran.
        """
        if patience is not None and not self._speaks_within(patience):
            return None
        data = self.link.receive_once()
        if data is None:
            return ()
        if not data:
            return self._ended()
        return self._noted(self.session.receive_data(data))

    def begin_tls(self) -> TlsFacts:
        """Begin TLS, after STLS was answered with +OK (RFC 2595 §4).

        Raises:
            TlsFailed: TLS did not come about, perhaps because octets in clear stood behind that +OK,
                which no honest server sends; the connection is closed.
        """
        request, self._tls_requested = self._tls_requested, None
        residue = request.residue if request is not None else b""
        facts = self.link.start_tls(self._tls_settings(), residue=residue)
        self._noted(self.session.tls_established())
        return facts

    def require_tls(self) -> TlsFacts:
        """Send STLS, and begin TLS; nothing else is sent where that does not come about.

        Raises:
            ConnectionLost: the server hung up, or fell silent.
            TlsFailed: STLS was refused, or TLS did not come about; the connection is closed.
        """
        reply = parse_status_line(self.ask(STLS).lines[0])
        if reply.status is not Status.OK:
            self.close()
            raise stls_refused(reply)
        return self.begin_tls()

    def close(self) -> Sequence[Event]:
        """Close the connection without a word; again does no harm."""
        self.link.close()
        return self._ended()

    def _speaks_within(self, seconds: float) -> bool:
        return self.link.pending() or bool(select.select([self.link], [], [], seconds)[0])

    def _ended(self) -> Sequence[Event]:
        if self.session.state is State.CLOSED:
            return ()
        return self._noted(self.session.receive_eof())

    def _noted(self, events: Sequence[Event]) -> Sequence[Event]:
        for event in events:
            if isinstance(event, BodyChunk) and event.exchange.number in self._bodies:
                self._bodies[event.exchange.number](event.data)
            else:
                self.heard.take(event)
            if isinstance(event, TlsRequested):
                self._tls_requested = event
        return events


def _with_end(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\r\n"
