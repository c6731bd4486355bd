"""Everything that the client core can tell.

The order of events is the order of the octets.  Cutting the input elsewhere changes nothing but how
the data of neighbouring `BodyChunk` and `Unsolicited` events is divided between them.
"""

from __future__ import annotations

from poptalk.protocol.commands import Command, Span, masked
from poptalk.protocol.oddities import FACTS, OddityFact, OddityKind
from poptalk.protocol.replies import StatusLine
from poptalk.protocol.states import State
from poptalk.protocol.values import Value


class Exchange(Value):
    """A command and the handle of its reply: the same object in every event that concerns it."""

    number: int
    """Counts from 1 in a connection."""
    command: Command


class Event(Value):
    """Base of all events."""


class Sent(Event):
    """A line has left: a command, or an answer within AUTH."""

    line: bytes
    """Without its line end."""
    end: bytes
    """CRLF, or LF where the line was sent so."""
    secret: Span | None
    exchange: Exchange
    """The command that this is, or the AUTH that this line answers."""
    sasl: bool
    """Whether the line answers (or, sent ahead, will answer) a challenge of AUTH."""
    step: int = 0
    """Which response of AUTH the line holds, from 1, an initial one included; 0 where it holds none."""

    def __repr__(self) -> str:
        """Show the line without its secret: a repr ends up in tracebacks."""
        return f"Sent({masked(self.line, self.secret)!r})"


class Greeting(Event):
    """The first line of the server (RFC 1939 §4)."""

    status_line: StatusLine
    timestamp: bytes | None
    """For APOP, angle brackets included; None where the server offers none."""


class Reply(Event):
    """The first line of the reply to a command."""

    exchange: Exchange
    status_line: StatusLine
    multi_line: bool
    """Whether `BodyChunk` events and a final dot follow."""


class BodyChunk(Event):
    """Octets of a multi-line reply, as they crossed the wire: dots stuffed, final dot included."""

    exchange: Exchange
    data: bytes


class ReplyEnd(Event):
    """The reply to a command is complete."""

    exchange: Exchange
    ok: bool
    body_octets: int
    """Octets on the wire after the first line, the lone dot and its line end included."""


class Challenge(Event):
    """A SASL challenge: the server waits for a line (RFC 5034 §4)."""

    exchange: Exchange
    status_line: StatusLine


class Unsolicited(Event):
    """One or more whole lines, line ends included, that answer nothing that was sent."""

    data: bytes


class StateChanged(Event):
    """The session has moved on."""

    old: State
    new: State


class TlsRequested(Event):
    """STLS was answered with +OK: all further octets belong to TLS (RFC 2595 §4).

    The core takes no octet until `ClientSession.tls_established` was called.
    """

    residue: bytes
    """Octets that came in clear behind the +OK: a response injection.  Never read as a reply."""


class Closed(Event):
    """The server's side of the connection has ended."""

    partial: bytes
    """The beginning of a line that never ended."""
    unanswered: tuple[Exchange, ...]
    marked: tuple[int, ...]
    """Messages marked as deleted that stay, since no QUIT was answered (RFC 1939 §6)."""


class Oddity(Event):
    """Something that a reader should know: see `oddities`."""

    kind: OddityKind
    detail: str = ""
    """What makes this case special, in words; never holds octets of the server."""

    @property
    def fact(self) -> OddityFact:
        """The sentence and the clause."""
        return FACTS[self.kind]
