"""What the parts of a server session share: its state, what is offered, its input lines, and replies.

`authorization` carries out the commands before the login, `transaction` those after it, and `session`,
which also reads them, the few that work in both states.  They all answer through `ServerConversation`:
`reply` and `reply_with_data` make every status line, and `send_body` sends every body.

`LineReader` splits octets into command lines.  Lines end in CRLF (RFC 1939 §3).  A bare LF is accepted
too, as by nearly every server, and reported; a CR elsewhere is an octet like any other.  A line that is
too long is discarded up to its end, so that its rest isn't taken for the next command, and memory stays
bounded.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from functools import lru_cache

from poptalk.pop3.capabilities import parse_capability
from poptalk.pop3.commands import State
from poptalk.pop3.replies import RESPONSE_CODES, stuff, terminate
from poptalk.pop3.server.events import EndReason, NegativeReply, SessionEnded
from poptalk.pop3.server.quirks import ErrorsCounted, LastError, LineEnds
from poptalk.pop3.server.texts import Occasion
from poptalk.pop3.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poptalk.pop3.capabilities import CapabilityLists
    from poptalk.pop3.commands import Command, Limits
    from poptalk.pop3.server.events import ServerEvent, SessionHooks, StlsAnswered
    from poptalk.pop3.server.quirks import Quirks
    from poptalk.pop3.server.texts import Field, Texts


class OverlongLine(Value):
    """A line that was discarded."""

    octets: int
    """How many have been discarded so far."""
    complete: bool
    """Whether its end has come; what follows an incomplete line makes no sense."""


def split_end(line: bytes) -> tuple[bytes, bytes]:
    """Split a line into its content and its end, which is CRLF or LF alone."""
    return (line[:-2], b"\r\n") if line.endswith(b"\r\n") else (line[:-1], b"\n")


class LineReader:
    """Splits octets into lines.

    Args:
        longest: octets of the longest line that is accepted, including its line end; may be changed
            between two lines.
        discarded: octets of an overlong line after which the reader stops waiting for its end.
        line_end: the octets that end a line; if they are LF alone, a CR before it belongs to them.
    """

    __slots__ = ("_at", "_discarded", "_limit", "_line_end", "_octets", "_searched", "longest")

    def __init__(self, *, longest: int, discarded: int, line_end: bytes = b"\n") -> None:
        self.longest = longest
        self._line_end = line_end
        self._limit = discarded
        self._octets: bytes | bytearray = b""
        self._at = 0
        """Where the next line begins: removing what is before it would copy the rest for each line."""
        self._searched = 0
        """Where to go on searching: no line end begins before, so slow input isn't searched twice."""
        self._discarded = 0

    @property
    def waiting(self) -> int:
        """Octets that haven't been returned as a line yet."""
        return len(self._octets) - self._at

    def feed(self, data: bytes) -> None:
        """Add octets, cut anywhere."""
        if self._at == len(self._octets):
            # A command usually comes alone and in one piece, and then it isn't copied.
            self._octets = data
            self._searched = 0
        else:
            if self._at or isinstance(self._octets, bytes):
                # If it grows octet by octet, it must not be copied each time.
                self._octets = bytearray(self._octets[self._at :])
                self._searched -= self._at
            self._octets += data
        self._at = 0

    def next_line(self) -> bytes | OverlongLine | None:
        """Return the next line with its line end; None until more has come."""
        octets, start = self._octets, self._at
        if start == len(octets):
            return None
        found = octets.find(self._line_end, self._searched)
        if found < 0:
            return self._without_end()
        stop = self._at = self._searched = found + len(self._line_end)
        if self._discarded or stop - start > self.longest:
            discarded, self._discarded = self._discarded, 0
            return OverlongLine(octets=discarded + stop - start, complete=True)
        return bytes(octets[start:stop])

    def _without_end(self) -> OverlongLine | None:
        if self._discarded or self.waiting >= self.longest:
            # Keep half of a line end, if that is what came last.
            half = self._line_end[:-1]
            kept = len(half) if half and self._octets.endswith(half) else 0
            self._discarded += self.waiting - kept
            self._octets, self._at = half[:kept], 0
        self._searched = max(self._at, len(self._octets) - len(self._line_end) + 1)
        if self._discarded > self._limit:
            return OverlongLine(octets=self._discarded, complete=False)
        return None

    def take_rest(self) -> bytes:
        """Return all octets that haven't been returned as a line, and forget them."""
        rest = bytes(self._octets[self._at :])
        self._octets, self._at, self._searched = b"", 0, 0
        return rest


if TYPE_CHECKING:
    Part = bytes | Iterator[bytes] | StlsAnswered | SessionEnded
    """What waits to be pulled: octets, a body, or an event that belongs after them."""

OK, ERR = b"+OK", b"-ERR"

_INDICATORS = {occasion: occasion.status.value.encode("ascii") for occasion in Occasion}

_CODES = {
    occasion: (occasion.code, RESPONSE_CODES[occasion.code].capability)
    for occasion in Occasion
    if occasion.code is not None
}
"""The response code of an occasion, and the capability that announces it."""


class AwaitedStep(Enum):
    """The answer that a session needs from its driver."""

    NOTHING = auto()
    GREETING = auto()
    LOGIN = auto()
    SIZES = auto()
    COMMIT = auto()
    TLS = auto()
    END = auto()
    """The last reply has been made, and nothing more will happen."""


_GREETING, _TRANSACTION, _IN_A_ROW = State.GREETING, State.TRANSACTION, ErrorsCounted.IN_A_ROW
"""Looked up once, as every reply needs them."""


class ServerConversation:
    """The state of one session, and the replies that wait to be pulled.

    Args:
        texts: what the server says.
        capabilities: what is offered.
        limits: how much is tolerated.
        quirks: those of the server.
        hooks: change what this session does.
        encrypted: whether the session begins in TLS (RFC 8314 §3).

    Attributes:
        state: the state of the session.
        command: the one that is being answered; None if it could not be read.
        offered: the tags of the capabilities that are offered now.
        utf8: whether UTF8 was sent (RFC 6856 §2.1).
        reader: splits octets into lines.
        happened: the events that the driver hasn't taken yet.
        output: what waits to be pulled.
        output_waiting: octets of status lines in the output.
        tells_input: whether `CommandReceived`, `OverlongLineReceived`, `ResponseReceived` and
            `NegativeReply` are among the events; a driver without observers doesn't need them.
        waits_for: what it needs from its driver.
    """

    __slots__ = (
        *("capabilities", "command", "encrypted", "happened", "hooks", "limits", "offered"),
        *("output", "output_waiting", "quirks", "reader", "state", "tells_input", "texts", "utf8"),
        *("waits_for", "_errors"),
    )

    def __init__(
        self,
        *,
        texts: Texts,
        capabilities: CapabilityLists,
        limits: Limits,
        quirks: Quirks,
        hooks: SessionHooks,
        encrypted: bool,
    ) -> None:
        self.texts = texts
        self.capabilities = capabilities
        self.limits = limits
        self.quirks = quirks
        self.hooks = hooks
        self.encrypted = encrypted
        self.state = State.GREETING
        self.command: Command | None = None
        self.offered: frozenset[bytes] = frozenset()
        self.utf8 = False
        self.reader = LineReader(
            longest=limits.line,
            discarded=limits.discarded,
            line_end=b"\n" if quirks.line_ends is LineEnds.CRLF_OR_LF else b"\r\n",
        )
        self.happened: list[ServerEvent] = []
        self.output: deque[Part] = deque()
        self.output_waiting = 0
        self.tells_input = True
        self.waits_for = AwaitedStep.GREETING
        self._errors = 0
        self.learn_what_is_offered()

    # What is offered.

    def capability_lines(self) -> tuple[bytes, ...]:
        """Return the present answer to CAPA, without line ends."""
        logged_in = self.state is _TRANSACTION
        lines = self.capabilities.lines(encrypted=self.encrypted, logged_in=logged_in)
        return self.hooks.capabilities(lines, self.state)

    def learn_what_is_offered(self) -> None:
        """Look at the capabilities again, because TLS or the login may have changed them."""
        self.offered = _tags(self.capability_lines())

    # Replies.

    def reply(self, occasion: Occasion, **fields: Field) -> None:
        """Answer a command with the words for an occasion."""
        text = self.texts.fill(occasion, fields)
        if occasion in _CODES:
            code, capability = _CODES[occasion]
            if capability in self.offered:
                text = b"[%b] %b" % (code, text)
        self._send_line(_INDICATORS[occasion], text)

    def reply_with_data(self, data: bytes) -> None:
        """Answer a command with fields that the RFC defines, and no words (RFC 1939 §5)."""
        self._send_line(OK, data)

    def complain(self, occasion: Occasion, **fields: Field) -> None:
        """Refuse a command; end the session if that was one error too many."""
        logged_in = self.state is _TRANSACTION
        limit = self.limits.errors_after_login if logged_in else self.limits.errors_before_login
        self._errors += 1
        is_last = self._errors >= limit
        if not is_last or self.quirks.last_error is not LastError.TOLD:
            self.reply(occasion, **fields)
        if not is_last:
            return
        if self.quirks.last_error is not LastError.ANSWERED:
            self.reply(Occasion.TOO_MANY_ERRORS, limit=limit)
        self.end(EndReason.TOO_MANY_ERRORS)

    def _send_line(self, indicator: bytes, text: bytes) -> None:
        if indicator == OK and self.quirks.errors_counted is _IN_A_ROW:
            self._errors = 0
        self.queue_line(b"%b %b\r\n" % (indicator, text) if text else indicator + b"\r\n")

    def queue_line(self, line: bytes) -> None:
        """Send a line with its CRLF, as changed by the hooks."""
        if self.state is _GREETING:
            line = self.hooks.greeting(line)
        else:
            line = self.hooks.reply(self.command, line)
        if self.tells_input and line.startswith(ERR):
            self.happened.append(NegativeReply())
        self.output.append(line)
        self.output_waiting += len(line)

    def send_body(self, chunks: Iterable[bytes], *, dot_lines: bool = True) -> None:
        """Send the body of a multi-line reply, and the lone dot."""
        encode = stuff if dot_lines else terminate
        self.output.append(self.hooks.body(self.command, chunks, encode))

    def end(self, because: EndReason) -> None:
        """End the session once all output has been pulled."""
        self.waits_for = AwaitedStep.END
        self.output.append(SessionEnded(because=because))

    # The driver.

    def ask(self, event: ServerEvent, wait: AwaitedStep) -> None:
        """Report an event that the driver has to answer."""
        self.waits_for = wait
        self.happened.append(event)

    def answered(self, waited_for: AwaitedStep) -> None:
        """Take note that the driver has answered.

        Raises:
            RuntimeError: the session wasn't waiting for that answer.
        """
        if self.waits_for is not waited_for:
            raise RuntimeError(f"the session waits for {self.waits_for}, not for {waited_for}")
        self.waits_for = AwaitedStep.NOTHING


@lru_cache(maxsize=64)
def _tags(lines: tuple[bytes, ...]) -> frozenset[bytes]:
    """Return the tags of capabilities; all sessions share the same few lists."""
    return frozenset(parse_capability(line).tag for line in lines)
