"""The drivers that wait, for `run`, `diff`, the lessons' dry run and the pipe.

    with Link.open(destination.target, timeout=30) as link:
        client = Client(link, destination)
        client.greeting()
        reply = client.ask(b"STAT")              # a StoredReply, complete or a challenge

A driver reads the blocking link and passes what comes to the `Session`.  A `Client` keeps replies until
they are asked for, so that several commands may be sent before the first is answered.
"""

from __future__ import annotations

import select
from collections import deque
from time import monotonic

from poptalk.net.errors import ConnectionLost, failure
from poptalk.pop3.events import Challenge, Closed, Greeting, ReplyEnd, Sent, Unsolicited
from poptalk.pop3.replies import parse_status_line
from poptalk.session.exchanges import END_OCTETS, StoredReply, split_lines
from poptalk.session.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poptalk.net.connection import Link
    from poptalk.net.endpoint import Destination
    from poptalk.net.errors import Ending
    from poptalk.net.tls import TlsFacts
    from poptalk.pop3.events import Event, Exchange
    from poptalk.session.procedure import Plan

MOST_UNSOLICITED = 1000
"""Unsolicited lines kept until they are asked for; of a flood, the newest."""


class BlockingDriver:
    """Reads a blocking link, and passes what comes to a session.

    Args:
        link: the open connection, owned by the driver from now on.
        destination: where it leads.
        session: begun here.

    Attributes:
        raw: takes the server's octets before the session does; None if nothing does.
    """

    def __init__(self, link: Link, destination: Destination, session: Session) -> None:
        self.link = link
        self.session = session
        self.raw: Callable[[bytes], object] | None = None
        where, encrypted = str(link.target), link.tls is not None
        session.opened(link, destination, where=where, encrypted=encrypted)
        if link.tls is not None:
            session.tls_established(link.tls)

    @property
    def ending(self) -> Ending | None:
        """How the connection ended; None while it is open."""
        return self.session.ending

    def listen(self) -> bool:
        """Take what the server says next; False at the end of the connection.

        Raises:
            ConnectionLost: what is awaited took longer than the link's time-out allows (see
                `Session.time_left`).
            TlsFailed: TLS was to begin at once, and failed; or the server wants a client
                certificate.
        """
        link = self.link
        data = link.receive_once(within=self.session.time_left(link.timeout), awaited=self._came)
        if data:
            if self.raw is not None:
                self.raw(data)
            self.session.received(data)
        elif data is not None:
            self._end()
        return self.session.ending is None

    def _came(self) -> str:
        """Say how much has come of what is awaited; nothing if nothing has."""
        octets = self.session.octets_since
        return f"{octets:,} octets of {self.session.awaited}" if octets else ""

    def carry_out(self, plan: Plan) -> None:
        """Carry out a procedure to its end.

        Raises:
            ConnectionLost: the server hung up, or fell silent.
            LocalError: the procedure raised it; any NetError likewise.
        """
        outcome: list[Exception | None] = []
        procedure = self.session.run(plan, name="", then=outcome.append)
        try:
            while not outcome:
                try:
                    goes_on = self.listen()
                except ConnectionLost as error:
                    procedure.lose(error)
                else:
                    if not goes_on:
                        procedure.lose(ConnectionLost(f"{self.ending}."))  # perhaps once more
        finally:
            procedure.abandon()
        if outcome[0] is not None:
            raise outcome[0]

    def require_tls(self) -> None:
        """Send STLS, and begin TLS; if that fails, nothing else is sent.

        Raises:
            TlsFailed: STLS was refused, or TLS failed; the connection is closed.
        """
        from poptalk.session.procedure import require_tls

        try:
            self.carry_out(require_tls(self.session))
        except Exception as error:
            self.close()
            raise self.session.staged(failure(error, self.session.core)) from error

    def close(self) -> None:
        """Close the connection without QUIT; calling this again does no harm."""
        self.link.close()
        self._end()

    def _end(self) -> None:
        if self.link.ending is not None:
            self.session.ended(self.link.ending)


class Client(BlockingDriver):
    """A driver for callers that ask and wait for the answer.

    Args:
        link: the open connection, owned by the client from now on.
        destination: where it leads.
        session: as for `BlockingDriver`; None makes one with bounded memory that begins TLS when
            told to.
    """

    def __init__(
        self, link: Link, destination: Destination, *, session: Session | None = None
    ) -> None:
        if session is None:
            session = Session(clock=monotonic, whole=False, tls_at_once=False)
        self._events: list[Event] = []
        self._prepared: Sequence[Event] = ()
        self._answers: deque[StoredReply] = deque()
        self._unsolicited: deque[StoredReply] = deque(maxlen=MOST_UNSOLICITED)
        session.listeners.append(self._take)
        super().__init__(link, destination, session)

    def ask(self, line: bytes, *, body: Callable[[bytes], object] | None = None) -> StoredReply:
        """Send a line, and wait for its whole reply or for a challenge: `say`, then `answer`."""
        return self.answer(self.say(line, body=body))

    def say(self, line: bytes, *, body: Callable[[bytes], object] | None = None) -> Exchange:
        """Send a line.

        Args:
            line: octets without a line end.
            body: takes the octets after the first line of a multi-line reply as they crossed the
                wire, dots stuffed, lone dot included, cut anywhere; they are not kept.

        Returns:
            What `answer` takes.

        Raises:
            ConnectionLost: the server takes nothing any more.
        """
        exchange = self.observe(line).exchange
        if body is not None:
            self.session.exchanges.divert(exchange, body)
        self.transmit(line)
        return exchange

    def observe(self, line: bytes) -> Sent:
        """Take note of a line that `transmit` will send, unless it is held back."""
        self._prepared = self.session.prepare(_with_end(line))
        return next(event for event in self._prepared if isinstance(event, Sent))

    def transmit(self, line: bytes) -> None:
        """Send the line that was observed, with CRLF unless it ends in an LF of its own.

        Raises:
            ConnectionLost: the server takes nothing any more.
        """
        self.session.send(_with_end(line), self._prepared)

    def answer(self, exchange: Exchange) -> StoredReply:
        """Wait for the whole reply to a command, or for a challenge.

        Returns:
            The reply; incomplete if the server hung up in the middle of it.

        Raises:
            ConnectionLost: the server hung up without replying, or fell silent.
        """
        while (reply := self.take_reply(exchange)) is None:
            if self.ending is not None:
                raise ConnectionLost(f"{self.ending} and did not answer; connect again.")
            self.listen()
        return reply

    def greeting(self) -> StoredReply:
        """Wait for the greeting.

        Raises:
            ConnectionLost: the server hung up without one, or sent none in time.
        """
        while (greeting := self.take_reply(None)) is None:
            if self.ending is not None:
                raise ConnectionLost(f"{self.ending} before it greeted; is this a POP3 server?")
            self.listen()
        return greeting

    def hear(self, *, patience: float | None = None) -> Sequence[Event] | None:
        """Take what the server says next, perhaps its end, as `listen` does; return the events.

        Args:
            patience: seconds after which to give up; None waits as long as the link does.

        Returns:
            The events, perhaps none; None if nothing came in time.
        """
        if patience is not None and not self.speaks_within(patience):
            return None
        self._events.clear()
        self.listen()
        return self.take_events()

    def begin_tls(self) -> TlsFacts:
        """Begin TLS, after STLS was answered with +OK (RFC 2595 §4).

        Raises:
            TlsFailed: TLS failed; the connection is closed.
        """
        self.session.begin_tls()
        assert self.link.tls is not None
        return self.link.tls

    def take_events(self) -> Sequence[Event]:
        """Return the events since the last call."""
        events, self._events = tuple(self._events), []
        return events

    def speaks_within(self, seconds: float) -> bool:
        """Tell whether the server says something, or hangs up, within a time."""
        return self.link.pending() or bool(select.select([self.link], [], [], seconds)[0])

    # Replies that wait to be asked for.

    def take_reply(self, exchange: Exchange | None) -> StoredReply | None:
        """Take the oldest reply to a command, or for None the greeting; None if it isn't complete."""
        for reply in self._answers:
            if reply.exchange is exchange:
                self._answers.remove(reply)
                return reply
        return None

    def take_unsolicited(self) -> StoredReply | None:
        """Take the oldest unsolicited line; None if there is none."""
        return self._unsolicited.popleft() if self._unsolicited else None

    def so_far(self, exchange: Exchange) -> StoredReply | None:
        """Return the reply to a command if it has begun and not ended."""
        reply = self.session.exchanges.receiving
        return reply if reply is not None and reply.exchange is exchange else None

    def _take(self, event: Event) -> None:
        """Keep what callers will ask for."""
        self._events.append(event)
        match event:
            case Greeting() | Challenge() | ReplyEnd():
                reply = self.session.exchanges.last
                assert reply is not None
                self._answers.append(reply)
            case Unsolicited():
                lines = split_lines(event.data[-END_OCTETS:])[-MOST_UNSOLICITED:]
                self._unsolicited.extend(map(_lone_line, lines))
            case Closed():
                # What came of a reply whose end was never sent.
                reply = self.session.exchanges.cut_off
                if reply is not None:
                    self._answers.append(reply)
                elif event.partial:
                    due = event.unanswered[0] if event.unanswered else None
                    self._answers.append(_lone_line(event.partial, exchange=due, complete=False))


def _with_end(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\r\n"


def _lone_line(
    line: bytes, *, exchange: Exchange | None = None, complete: bool = True
) -> StoredReply:
    return StoredReply(
        exchange=exchange, status_line=parse_status_line(line), complete=complete, whole=False
    )
