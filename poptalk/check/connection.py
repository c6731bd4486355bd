"""A connection of a probe: it asks, never fails at what comes, and writes down what was said.

Of each line that was sent a `Spoken` is kept: the reply, what came after it, what was odd, and the
lines of the dialogue in the notation, with placeholders for secrets, so that `poptalk run` replays them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from poptalk.net.connection import Link
from poptalk.net.errors import ConnectFailed, ConnectionLost, TlsFailed
from poptalk.pop3.commands import parse_command
from poptalk.pop3.events import (
    Challenge,
    Event,
    Greeting,
    Reply,
    ReplyEnd,
    Sent,
    Unsolicited,
    Violation,
)
from poptalk.pop3.replies import Status, StatusLine, Unstuffer, timestamp_of
from poptalk.session.client import Client
from poptalk.session.consistency import Consistency
from poptalk.session.exchanges import ConnectionEnded, ConnectionOpened, Note, TlsEstablished
from poptalk.session.log import SessionWriter
from poptalk.session.login import Asker, log_in
from poptalk.session.session import Session
from poptalk.terminal.safe import harmless
from poptalk.transcript.octets import text_of
from poptalk.transcript.writer import ServerLines

if TYPE_CHECKING:
    from poptalk.net.endpoint import Destination
    from poptalk.net.tls import TlsFacts
    from poptalk.session.exchanges import StoredReply
    from poptalk.session.log import FileLog
    from poptalk.session.login import LoginRequest

CLOSE_SECONDS = 5.0
"""How long a server may take to close the connection after QUIT."""

_OR_TLS = (
    " A port that expects TLS stays silent until the client speaks TLS: if this is one (995 is), try "
    "--tls."
)

FAKE = b"poptalk-check"
"""In the names and passwords that are made up, which aren't secrets."""

MOST_LISTED = 12
"""Lines of a listing that are written down; messages are private, and none of theirs is."""

MOST_UNSOLICITED_LINES = 5
"""Lines written down of what comes unasked in one piece."""

MOST_UNSOLICITED_OCTETS = 60_000
"""Octets kept of what comes unasked after one reply."""

MOST_LINE_OCTETS = 600
"""Octets written down of a line."""

REFERRED_TO = (b"STAT", b"LIST", b"UIDL", b"DELE", b"CAPA", b"RETR")
"""Commands whose replies a later reply can contradict."""


class Spoken:
    """A line that was sent, and what came of it; the greeting has an empty line.

    Args:
        connection: where it was sent.
        number: which line of the connection it is, from 1; 0 is the greeting.
        name: what a sentence calls it: the command, harmless and without its secret.
    """

    def __init__(self, connection: CheckConnection, number: int, name: str) -> None:
        self.connection = connection
        self.number = number
        self.name = name
        self.sent = b""
        """The line without its end."""
        self.is_line = True
        """Whether it ended in CRLF, and had no other line end in it."""
        self.reply: StoredReply | None = None
        self.raw = b""
        """The body as it came; empty unless the answer was +OK and complete."""
        self.unsolicited = b""
        """What came after the reply and before the next line was sent."""
        self.violations: list[Violation] = []
        self.silent = False
        """Whether nothing came in time."""
        self.closed = False
        """Whether the server hung up, before the reply or after it."""
        self.failure = ""
        """Why a login or TLS did not come about; empty where it did."""
        self.lines: list[str] = []
        """Its part of the dialogue."""
        self.context: tuple[Spoken, ...] = ()
        """Earlier exchanges that have to be shown with it."""

    @property
    def line(self) -> StatusLine | None:
        """The first line of the reply."""
        return self.reply.status_line if self.reply is not None else None

    @property
    def status(self) -> Status | None:
        """The status of the reply; None where none came."""
        return self.line.status if self.line is not None else None

    @property
    def ok(self) -> bool:
        """Whether it was answered with +OK, and in full."""
        return self.status is Status.OK and self.reply is not None and self.reply.complete

    @property
    def refused(self) -> bool:
        """Whether it was refused: with -ERR, or at least by hanging up."""
        if self.line is None:
            return self.closed
        # That this isn't a status at all is another check's business.
        return self.status is Status.ERR or self.line.line[:4].upper() == b"+ERR"

    @property
    def is_message(self) -> bool:
        """Whether the reply brings a message, or the beginning of one."""
        return self.reply is not None and self.reply.is_message

    @property
    def outcome(self) -> str:
        """What came of it, in words for a sentence."""
        if self.line is None:
            return "not answered: the server hangs up" if self.closed else "not answered"
        cut = "" if self.reply is not None and self.reply.complete else ", which does not end"
        said = harmless(self.connection.mask(self.line.line), limit=60)
        return f'answered with "{said}"{cut}'

    @property
    def timestamp(self) -> bytes | None:
        """The APOP timestamp of a greeting, which a session forgets when TLS begins."""
        return timestamp_of(self.line.line) if self.line is not None else None

    @property
    def words(self) -> list[bytes]:
        """The words after +OK; none if it was not answered with +OK."""
        return self.line.words if self.ok and self.line is not None else []

    @property
    def rows(self) -> list[bytes]:
        """The lines of a listing, without their ends; none if it was not answered with +OK."""
        return [line.removesuffix(b"\r") for line in self.content.split(b"\n")[:-1]]

    @property
    def content(self) -> bytes:
        """The body, byte-stuffing undone."""
        return Unstuffer().feed(self.raw)

    @property
    def data(self) -> list[bytes]:
        """What programs read of it: the lines of a listing, or the two numbers of STAT."""
        return self.rows if self.reply and self.reply.multi_line else self.words[:2]

    @property
    def with_context(self) -> tuple[Spoken, ...]:
        """It, and what has to be shown with it."""
        return (*self.context, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How connections are made, and how long they wait."""

    destination: Destination
    timeout: float
    """Seconds for a reply."""
    patience: float
    """Seconds to wait for what should not come, such as a second greeting."""
    open_log: Callable[[Session], FileLog] | None
    """Opens the log, to which each connection adds."""
    warn: Callable[[str], None]
    """Takes the session's warnings, such as of a password in the clear."""


class CheckConnection:
    """One connection.

    Args:
        manners: how it is made.
        starttls: whether STLS is sent first; None for what the destination says.
        trusting: whether any certificate will do, because nothing secret is said.

    Raises:
        NetError: there is no connection, no greeting, or no TLS.
    """

    def __init__(
        self, manners: Manners, *, starttls: bool | None = None, trusting: bool = False
    ) -> None:
        destination = manners.destination
        if trusting:
            destination = destination.replaced(verify=False, pins=())
        if destination.save_chain is not None and os.path.lexists(destination.save_chain):
            # The first connection has written it.
            destination = destination.replaced(save_chain=None)
        starttls = destination.starttls if starttls is None else starttls
        self.manners = manners
        self.spoken: list[Spoken] = []
        self._writer = SessionWriter(self._write)
        settings = destination.tls_settings() if destination.tls else None
        link = Link.open(destination.target, timeout=manners.timeout, tls=settings)
        session = Session(clock=time.monotonic, whole=True, tls_at_once=False)
        self.consistency = Consistency(session.exchanges)
        self._begin("the greeting")
        session.observe({Note: self._on_note})
        if manners.open_log is not None:
            session.log = manners.open_log(session)
        session.listeners.append(self._take)
        self.client = Client(link, destination, session=session)
        self._hear(self.spoken[0], lambda: self.client.take_reply(None))
        self.greeting = self.spoken[0]
        if self.greeting.silent and self.greeting.reply is None:
            self.drop()
            raise ConnectFailed(
                f"{destination} took the connection, but sent no greeting in {manners.timeout:g} s."
                + (_OR_TLS if settings is None else "")
            )
        self.setup = {0}
        """The exchanges that are part of every dialogue that is shown: greeting, STLS and login."""
        if starttls and self.greeting.ok:
            self.setup.add(self._begin("STLS").number)
            self.client.require_tls()

    def log_in(self, request: LoginRequest, secret: str) -> None:
        """Log in.

        Raises:
            NetError: the connection was lost.
            LocalError: the server did not let the user in, or offers no way to log in.
        """
        # Sent by itself, so that it is not shown with every login.
        self.ask(b"CAPA")
        self.setup.add(self._begin("the login").number)
        plan = log_in(self.client.session, request, asker=Asker(at_prompt=False), secret=secret)
        self.client.carry_out(plan)
        self.client.take_events()

    # Talking.

    @property
    def open(self) -> bool:
        """Whether neither end has hung up."""
        return self.client.ending is None

    @property
    def usable(self) -> bool:
        """Whether the server owes nothing, so that its next reply is to the next command."""
        core = self.client.session.core
        waits_for_tls = self.client.session.tls_request is not None
        return self.open and core.settled and not core.unfinished and not waits_for_tls

    def ask(self, line: bytes, *, patience: float | None = None) -> Spoken:
        """Send a line, and take what comes.

        Args:
            line: the octets; CRLF is added, unless they end in LF.
            patience: seconds to wait for the reply; None for the usual time.
        """
        octets = line if line.endswith(b"\n") else line + b"\r\n"
        return self.ask_all(octets, count=1, patience=patience)[0]

    def ask_all(
        self, octets: bytes, *, count: int, patience: float | None = None
    ) -> Sequence[Spoken]:
        """Send several lines in one piece, and take a reply for each.

        Args:
            octets: the lines, with their ends, and perhaps the beginning of another.
            count: how many replies are due; with 1, all octets count as one line.
            patience: as for `ask`.
        """
        self._poll()
        whole = octets.rstrip(b"\r\n")
        lines = [whole] if count == 1 else [line.rstrip(b"\r") for line in whole.split(b"\n")]
        asked = [self._begin(_name_of(line)) for line in lines]
        for each, line in zip(asked, lines, strict=True):
            each.sent = line
            each.is_line = octets.endswith(b"\r\n") and not set(line) & set(b"\r\n")
        first = asked[0].number
        try:
            session = self.client.session
            events = session.prepare(octets)
            exchanges = session.core.outstanding[:count]
            session.send(octets, events)
        except ConnectionLost:
            asked[0].closed = True
            return asked
        for offset, each in enumerate(asked):
            self._now = first + offset
            exchange = exchanges[offset] if offset < len(exchanges) else None
            if exchange is not None:
                self._hear(each, partial(self.client.take_reply, exchange), patience)
        self._now = len(self.spoken) - 1
        self._poll()
        return asked

    def send(self, octets: bytes) -> Spoken:
        """Send octets, and wait for nothing."""
        spoken = self._begin(_name_of(octets.rstrip(b"\r\n")))
        spoken.sent = octets
        with suppress(ConnectionLost):
            self.client.session.send(octets)
        return spoken

    def linger(self, seconds: float | None = None) -> bytes:
        """Wait for what should not come; return it."""
        spoken = self.spoken[-1]
        before = len(spoken.unsolicited)
        self._listen_for(self.manners.patience if seconds is None else seconds)
        return spoken.unsolicited[before:]

    def begin_tls(self) -> TlsFacts:
        """Begin TLS after STLS was answered.

        Raises:
            TlsFailed: it did not come about.
        """
        if not self.open:
            raise TlsFailed(f"after its answer to STLS, {self.client.ending}")
        return self.client.begin_tls()

    def quit(self) -> Spoken | None:
        """End with QUIT, so that the server unlocks the maildrop; hang up where that is too late.

        Returns:
            What came of QUIT; None if it was not sent.
        """
        spoken = None
        if self.usable:
            spoken = self.ask(b"QUIT", patience=self.manners.timeout)
            self.linger_for_end()
        self.drop()
        return spoken

    def linger_for_end(self) -> None:
        """Give the server time to hang up."""
        self._listen_for(CLOSE_SECONDS)

    def drop(self) -> None:
        """Hang up without QUIT."""
        self.client.close()
        log, self.client.session.log = self.client.session.log, None
        if log is not None:
            log.close()

    def mask(self, line: bytes) -> bytes:
        """Return octets of the server without an echo of a secret."""
        return self.client.session.secrets.mask(line)

    def dialogue(self, *shown: Spoken) -> str:
        """Write down the beginning of the connection, and some of its exchanges."""
        numbers = self.setup | {each.number for each in shown}
        lines = [line for each in self.spoken if each.number in numbers for line in each.lines]
        return "".join(lines)

    # Hearing.

    def _begin(self, name: str) -> Spoken:
        spoken = Spoken(self, len(self.spoken), name)
        self.spoken.append(spoken)
        self._now = spoken.number
        return spoken

    def _hear(
        self,
        spoken: Spoken,
        take: Callable[[], StoredReply | None],
        patience: float | None = None,
    ) -> None:
        link = self.client.link
        link.timeout = self.manners.timeout if patience is None else patience
        try:
            while (reply := take()) is None and self.open:
                self.client.listen()
        except ConnectionLost:
            spoken.silent = True
            reply = self.client.session.exchanges.receiving
        finally:
            link.timeout = self.manners.timeout
        spoken.reply = reply if reply is not None else take()
        spoken.closed = not self.open

    def _listen(self) -> None:
        """Take what is there, however overdue it is."""
        link = self.client.link
        link.timeout = None
        try:
            with suppress(ConnectionLost):
                self.client.listen()
        finally:
            link.timeout = self.manners.timeout
        self.spoken[self._now].closed = not self.open

    def _poll(self) -> None:
        """Take what has come already."""
        # After the answer to STLS every octet belongs to TLS.
        while self.client.session.tls_request is None and self.open:
            if not self.client.speaks_within(0):
                break
            self._listen()

    def _listen_for(self, seconds: float) -> None:
        """Take what comes in some time, or until the server hangs up."""
        deadline = time.monotonic() + seconds
        while self.open and (left := deadline - time.monotonic()) > 0:
            if not self.client.speaks_within(left):
                break
            self._listen()

    def _take(self, event: Event) -> None:
        take = self._takers.get(type(event))
        if take is not None:
            take(self, event)

    def _opened(self, event: ConnectionOpened) -> None:
        self.consistency.begin(event.where)
        self._writer.open()

    def _was_sent(self, event: Sent) -> None:
        if FAKE in event.line:
            # It isn't a secret, and a replay would send the right password for a placeholder.
            self._writer.client(text_of(event.line), end=event.end)
        else:
            self._writer.sent(event, most=MOST_LINE_OCTETS)

    def _tls(self, event: TlsEstablished) -> None:
        if event.upgraded:
            self._writer.negotiate_tls()

    def _status(self, event: Greeting | Reply | Challenge) -> None:
        line = self.mask(event.status_line.line)
        own_end = event.status_line.end.removeprefix(b"\r\n")
        self._writer.received(line[:MOST_LINE_OCTETS] + own_end)

    def _unasked(self, event: Unsolicited) -> None:
        spoken = self.spoken[self._now]
        spoken.unsolicited = (spoken.unsolicited + event.data)[:MOST_UNSOLICITED_OCTETS]
        for line in self.mask(event.data).split(b"\n")[:MOST_UNSOLICITED_LINES]:
            if line:
                self._writer.received(line.removesuffix(b"\r")[:MOST_LINE_OCTETS])

    def _violated(self, event: Violation) -> None:
        self.spoken[self._now].violations.append(event)

    def _ended(self, event: ConnectionEnded) -> None:
        self._writer.ended(event.ending, ServerLines())

    def _replied(self, event: ReplyEnd) -> None:
        """Write a body down, and compare the reply with earlier ones."""
        reply = self.client.session.exchanges.last
        if reply is None or reply.exchange is not event.exchange:
            return
        if reply.multi_line:
            lines = () if reply.is_message else reply.raw_lines()
            listed = [line.rstrip(b"\r\n") for line in islice(lines, MOST_LISTED + 1)]
            for line in listed[:-1] if listed else ():
                self._writer.received(line[:MOST_LINE_OCTETS])
            if listed[-1:] != [b"."]:
                self._writer.any_lines(f"the server sends {reply.octets:,} octets")
            self._writer.server(".")
        spoken = self.spoken[self._now]
        # Kept here, since a session keeps no long body when the next one comes.
        spoken.raw = b"".join(reply.chunks())
        spoken.violations += self.consistency.look(reply)
        if reply.contradictions:
            earlier = self.spoken[: self._now]
            spoken.context = tuple(
                each for each in earlier if parse_command(each.sent).keyword in REFERRED_TO
            )

    _takers: ClassVar[Mapping[type[Event], Callable[..., None]]] = {
        ConnectionOpened: _opened,
        Sent: _was_sent,
        TlsEstablished: _tls,
        Greeting: _status,
        Reply: _status,
        Challenge: _status,
        ReplyEnd: _replied,
        Unsolicited: _unasked,
        Violation: _violated,
        ConnectionEnded: _ended,
    }

    def _write(self, text: str) -> None:
        self.spoken[self._now].lines.append(text)

    def _on_note(self, note: Note) -> None:
        if note.warning:
            self.manners.warn(note.text)


def _name_of(line: bytes) -> str:
    command = parse_command(line)
    if command.secret is not None:
        line = line[: command.secret.start] + b"***"
    return harmless(line, limit=60) or "an empty line"
