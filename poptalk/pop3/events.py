"""Everything that the client core can tell.

The order of events is the order of the octets.  Cutting the input elsewhere changes nothing but how
the data of neighbouring `BodyChunk` and `Unsolicited` events is divided between them.
"""

from __future__ import annotations

from enum import Enum

from poptalk.pop3.commands import Clause, Command, Span, State, masked
from poptalk.pop3.replies import StatusLine
from poptalk.pop3.values import Value

# What is odd in a session: observed by the core, commented on by the screen, never corrected.
#
# Each oddity has a name, one sentence for people, and the clause that it touches.


class ViolationKind(Enum):
    """Every oddity that the client core can observe: in what the server sent, then in what we did."""

    LOWER_CASE_STATUS = "lower-case-status"
    NO_STATUS = "no-status"
    NEGATIVE_GREETING = "negative-greeting"
    NOT_POP3 = "not-pop3"
    LONG_REPLY_LINE = "long-reply-line"
    ENDLESS_LINE = "endless-line"
    BARE_LF = "bare-lf"
    BARE_LF_BEFORE_DOT = "bare-lf-before-dot"
    CHALLENGE_WITHOUT_BLANK = "challenge-without-blank"
    OK_FOR_CHALLENGE = "ok-for-challenge"
    MALFORMED_ANSWER = "malformed-answer"
    UNSOLICITED = "unsolicited"
    DATA_AFTER_QUIT = "data-after-quit"
    RESPONSE_INJECTION = "response-injection"
    REPLY_CUT_SHORT = "reply-cut-short"

    UNKNOWN_COMMAND = "unknown-command"
    RELIC = "relic"
    WRONG_STATE = "wrong-state"
    LONG_COMMAND = "long-command"
    SENT_BARE_LF = "sent-bare-lf"
    SENT_CONTROL = "sent-control"
    LOST_IN_TLS = "lost-in-tls"


class ViolationFact(Value):
    """What is always true of one kind of oddity."""

    sentence: str
    clause: Clause | None = None


_STATUS = Clause(rfc=1939, section="3")

FACTS: dict[ViolationKind, ViolationFact] = {
    ViolationKind.LOWER_CASE_STATUS: ViolationFact(
        sentence='the status indicator is not in upper case, as it MUST be: "+OK" or "-ERR"',
        clause=_STATUS,
    ),
    ViolationKind.NO_STATUS: ViolationFact(
        sentence='a reply begins with "+OK" or "-ERR"; this line begins with neither',
        clause=_STATUS,
    ),
    ViolationKind.NEGATIVE_GREETING: ViolationFact(
        sentence="the greeting should be positive; this server turns us away",
        clause=Clause(rfc=1939, section="4"),
    ),
    ViolationKind.NOT_POP3: ViolationFact(
        sentence=(
            'a POP3 greeting begins with "+OK", and this one does not; '
            "POP3 is port 110, with TLS 995"
        ),
        clause=Clause(rfc=1939, section="4"),
    ),
    ViolationKind.LONG_REPLY_LINE: ViolationFact(
        sentence="the first line of a reply may have 512 octets at most, its CRLF included",
        clause=_STATUS,
    ),
    ViolationKind.ENDLESS_LINE: ViolationFact(
        sentence="this line does not end; what comes beyond 8,192 octets of it is thrown away",
        clause=_STATUS,
    ),
    ViolationKind.BARE_LF: ViolationFact(
        sentence="the line ends in LF alone; POP3 lines end in CRLF", clause=_STATUS
    ),
    ViolationKind.BARE_LF_BEFORE_DOT: ViolationFact(
        sentence="the last line before the lone dot ends in LF alone; the reply is taken as ended",
        clause=_STATUS,
    ),
    ViolationKind.CHALLENGE_WITHOUT_BLANK: ViolationFact(
        sentence='a challenge is "+", one space, and base64; here the space is missing',
        clause=Clause(rfc=5034, section="4"),
    ),
    ViolationKind.OK_FOR_CHALLENGE: ViolationFact(
        sentence=(
            "this +OK cannot be a login, since AUTH still needs a response: it is taken for a "
            'challenge, which should begin with "+ ", and the next line is treated as a secret'
        ),
        clause=Clause(rfc=5034, section="4"),
    ),
    ViolationKind.MALFORMED_ANSWER: ViolationFact(
        sentence="this answer does not have the form that the RFC gives it", clause=_STATUS
    ),
    ViolationKind.UNSOLICITED: ViolationFact(
        sentence="the server speaks without having been asked", clause=_STATUS
    ),
    ViolationKind.DATA_AFTER_QUIT: ViolationFact(
        sentence="the server goes on talking after its answer to QUIT",
        clause=Clause(rfc=1939, section="6"),
    ),
    ViolationKind.RESPONSE_INJECTION: ViolationFact(
        sentence=(
            "response injection: octets in clear came behind the +OK to STLS, before TLS began; "
            "anybody on the way can have put them there, so they are not read as a reply"
        ),
        clause=Clause(rfc=2595, section="4"),
    ),
    ViolationKind.REPLY_CUT_SHORT: ViolationFact(
        sentence="the connection ended in the middle of a reply", clause=_STATUS
    ),
    ViolationKind.UNKNOWN_COMMAND: ViolationFact(
        sentence="not a command of POP3 that poptalk knows; sent all the same", clause=_STATUS
    ),
    ViolationKind.RELIC: ViolationFact(sentence="a relic; few servers know it"),
    ViolationKind.WRONG_STATE: ViolationFact(
        sentence="not legal in this state; sent all the same", clause=_STATUS
    ),
    ViolationKind.LONG_COMMAND: ViolationFact(
        sentence="longer than the 255 octets that a server has to take, CRLF included",
        clause=Clause(rfc=2449, section="4"),
    ),
    ViolationKind.SENT_BARE_LF: ViolationFact(
        sentence="sent with LF alone at its end; a strict server goes on waiting for CRLF",
        clause=_STATUS,
    ),
    ViolationKind.SENT_CONTROL: ViolationFact(
        sentence="sent with octets in it that are not printable ASCII", clause=_STATUS
    ),
    ViolationKind.LOST_IN_TLS: ViolationFact(
        sentence=(
            "commands that were sent behind STLS in clear get no answer: the server must forget "
            "them when TLS begins"
        ),
        clause=Clause(rfc=2595, section="4"),
    ),
}


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
    """Messages marked as deleted, where no QUIT was answered with +OK (RFC 1939 §6)."""
    quit_refused: bool = False
    """Whether QUIT was answered with something else than +OK."""


class Violation(Event):
    """Something that a reader should know: see `oddities`."""

    kind: ViolationKind
    detail: str = ""
    """What makes this case special, in words; never holds octets of the server."""

    @property
    def fact(self) -> ViolationFact:
        """The sentence and the clause."""
        return FACTS[self.kind]
