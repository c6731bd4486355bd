"""The events of the client core.

Events are in the order of the octets.  Cutting the input elsewhere only changes how data is divided
between neighbouring `BodyChunk` or `Unsolicited` events.
"""

from __future__ import annotations

from enum import Enum

from poptalk.pop3.commands import Clause, Command, Span, State, masked
from poptalk.pop3.replies import StatusLine
from poptalk.pop3.values import Value

_STATUS = Clause(rfc=1939, section="3")
_GREETING = Clause(rfc=1939, section="4")
_AUTH = Clause(rfc=5034, section="4")
_STLS = Clause(rfc=2595, section="4")
_TRANSACTION = Clause(rfc=1939, section="5")
_OPTIONAL = Clause(rfc=1939, section="7")


class ViolationKind(Enum):
    """Everything odd that can be observed in a session: first by the server, then by the client.

    The core observes, the screen comments, and neither corrects.  What needs two replies is found by
    `poptalk.session.consistency`; everything else, by the client core.

    Attributes:
        sentence: what is always true about it, for people.
        clause: the rule that it is about; None if there is no rule.
    """

    sentence: str
    clause: Clause | None

    def __init__(self, sentence: str, clause: Clause | None = _STATUS) -> None:
        self.sentence = sentence
        self.clause = clause

    LOWER_CASE_STATUS = 'the status indicator is not in upper case, as it MUST be: "+OK" or "-ERR"'
    NO_STATUS = 'a reply begins with "+OK" or "-ERR"; this line begins with neither'
    NEGATIVE_GREETING = "the greeting should be positive; this server turns us away", _GREETING
    NOT_POP3 = (
        'a POP3 greeting begins with "+OK", and this one does not; POP3 is port 110, with TLS 995',
        _GREETING,
    )
    LONG_REPLY_LINE = "the first line of a reply may have 512 octets at most, its CRLF included"
    ENDLESS_LINE = "this line does not end; what comes beyond 8,192 octets of it is thrown away"
    BARE_LF = "the line ends in LF alone; POP3 lines end in CRLF"
    BARE_LF_BEFORE_DOT = (
        "the last line before the lone dot ends in LF alone; the reply is taken as ended"
    )
    CHALLENGE_WITHOUT_BLANK = (
        'a challenge is "+", one space, and base64; here the space is missing',
        _AUTH,
    )
    OK_FOR_CHALLENGE = (
        "this +OK cannot be a login, since AUTH still needs a response: it is taken for a "
        'challenge, which should begin with "+ ", and the next line is treated as a secret',
        _AUTH,
    )
    MALFORMED_ANSWER = "this answer does not have the form that the RFC gives it"
    UNSOLICITED = "the server speaks without having been asked"
    DATA_AFTER_QUIT = (
        "the server goes on talking after its answer to QUIT",
        Clause(rfc=1939, section="6"),
    )
    MARKED_COUNTED = (
        "a message that was marked as deleted is counted or listed, and it must not be",
        _TRANSACTION,
    )
    MARKED_SERVED = (
        "a command for a message that was marked as deleted is an error, and this one was answered "
        "with +OK",
        _TRANSACTION,
    )
    COUNTS_DIFFER = "STAT does not count the messages that LIST has", _TRANSACTION
    TOTALS_DIFFER = "the octets of STAT are not the sum of those that LIST has", _TRANSACTION
    LISTINGS_DIFFER = "LIST and UIDL do not speak of the same messages", _OPTIONAL
    NUMBERS_SKIP = "messages are numbered from 1 on, each once, and these are not", _GREETING
    ROW_DIFFERS = (
        "the answer for one message is not what the whole listing has for it",
        _TRANSACTION,
    )
    SIZE_DIFFERS = "LIST has the exact size of a message, and what came has another", _TRANSACTION
    MESSAGE_CHANGES = "the same message was sent differently before, in this session", _GREETING
    TOP_TOO_LONG = (
        "TOP gives the header and as many lines as were asked for; here are more",
        _OPTIONAL,
    )
    TOP_DIFFERS = "TOP gives the beginning of the message, and RETR has sent another", _OPTIONAL
    IDS_CHANGE = (
        "the unique-id of a message persists across sessions, and these are other ones than in the "
        "session before, though number and sizes are the same",
        _OPTIONAL,
    )
    CAPABILITIES_DIFFER = (
        "CAPA does not agree with its answer before",
        Clause(rfc=2449, section="5"),
    )
    STLS_RESIDUE_OBEYED = (
        "command injection: this answers, inside TLS, what was sent in the clear after STLS; the "
        "server must forget it, since anybody on the way could have put it there (as CVE-2021-38084)",
        _STLS,
    )
    RESPONSE_INJECTION = (
        "response injection: octets in the clear came after the +OK to STLS, before TLS began; "
        "anybody on the way can have put them there, so they are not read as a reply",
        _STLS,
    )
    REPLY_CUT_SHORT = "the connection ended in the middle of a reply"

    UNKNOWN_COMMAND = "not a command of POP3 that poptalk knows; sent all the same"
    RELIC = "a relic; few servers know it", None
    WRONG_STATE = "not legal in this state; sent all the same"
    LONG_COMMAND = (
        "longer than the 255 octets that a server has to take, CRLF included",
        Clause(rfc=2449, section="4"),
    )
    SENT_BARE_LF = "sent with LF alone at its end; a strict server goes on waiting for CRLF"
    SENT_CONTROL = "sent with octets in it that are not printable ASCII"
    BEFORE_GREETING = "sent before the greeting; the server speaks first", _GREETING
    PIPELINED = (
        "sent before the reply to the command before it; only a server that lists PIPELINING has to "
        "take that",
        Clause(rfc=2449, section="6.6"),
    )
    LOST_IN_TLS = (
        "commands that were sent after STLS in the clear get no answer: the server must forget them "
        "when TLS begins",
        _STLS,
    )


class Exchange(Value):
    """A command, and a handle for its reply: the same object in every event that concerns it."""

    number: int
    """Counted from 1 in each connection."""
    command: Command


class Event(Value):
    """Base of all events."""


class Sent(Event):
    """A line was sent: a command, or a response within AUTH."""

    line: bytes
    """Without its line end."""
    end: bytes
    """The line end as it was sent: CRLF, or LF alone."""
    secret: Span | None
    exchange: Exchange
    """The exchange of this command, or of the AUTH that this line belongs to."""
    sasl: bool
    """Whether the line answers (or, sent ahead, will answer) a challenge of AUTH."""
    step: int = 0
    """Which response of AUTH the line has, counting an initial one as 1; 0 if it has none."""

    def __repr__(self) -> str:
        """Show the line without its secret: a repr ends up in tracebacks."""
        return f"Sent({masked(self.line, self.secret)!r})"


class Greeting(Event):
    """The first line that the server sent (RFC 1939 §4)."""

    status_line: StatusLine
    timestamp: bytes | None
    """For APOP, with its angle brackets; None if the greeting doesn't have one."""


class Reply(Event):
    """The first line of the reply to a command."""

    exchange: Exchange
    status_line: StatusLine
    multi_line: bool
    """Whether `BodyChunk` events and a final dot follow."""


class BodyChunk(Event):
    """Octets of a multi-line reply as they were received: byte-stuffed, with the final dot."""

    exchange: Exchange
    data: bytes


class ReplyEnd(Event):
    """The reply to a command is complete."""

    exchange: Exchange
    ok: bool
    body_octets: int
    """Octets on the wire after the first line, including the lone dot and its line end."""


class Challenge(Event):
    """A SASL challenge: the server waits for a line (RFC 5034 §4)."""

    exchange: Exchange
    status_line: StatusLine


class Unsolicited(Event):
    """One or more whole lines, line ends included, that answer nothing that was sent."""

    data: bytes


class StateChanged(Event):
    """The session has entered another state."""

    new: State


class TlsRequested(Event):
    """STLS was answered with +OK: all further octets belong to TLS (RFC 2595 §4).

    The core takes no more octets until `ClientSession.tls_established` is called.
    """

    residue: bytes
    """Octets that came in the clear after the +OK: a response injection.  Never parsed as a reply."""


class Closed(Event):
    """The server's side of the connection has ended."""

    partial: bytes
    """An incomplete last line."""
    unanswered: tuple[Exchange, ...]
    marked: tuple[int, ...]
    """Messages that are still marked as deleted, because no QUIT was answered with +OK (RFC 1939 §6)."""
    quit_refused: bool = False
    """Whether QUIT was answered with something other than +OK."""


class Violation(Event):
    """Something odd that a reader should know about."""

    kind: ViolationKind
    detail: str = ""
    """What is particular to this case, in words; never octets from the server."""
