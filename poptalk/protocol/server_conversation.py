"""What all parts of a server session share: where it stands, what is offered, and the replies.

Commands before the login are carried out by `authorization`, those after it by `transaction`, and the
few that work in both states by `server`, which also reads them.  Each of them answers through here:
every status line is made by `ServerConversation.reply` or `ServerConversation.reply_with_data`, and
every body leaves through `ServerConversation.send_body`.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from functools import lru_cache

from poptalk.protocol.capabilities import parse_capability
from poptalk.protocol.codes import RESPONSE_CODES
from poptalk.protocol.habits import ErrorsCounted, LastError, LineEnds
from poptalk.protocol.intake import LineReader
from poptalk.protocol.server_events import EndReason, SessionEnded
from poptalk.protocol.states import State
from poptalk.protocol.stuffing import stuff, terminate
from poptalk.protocol.texts import Occasion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poptalk.protocol.capabilities import CapabilityLists
    from poptalk.protocol.commands import Command
    from poptalk.protocol.habits import Quirks
    from poptalk.protocol.limits import Limits
    from poptalk.protocol.seam import SessionHooks
    from poptalk.protocol.server_events import ServerEvent, StlsAnswered
    from poptalk.protocol.texts import Field, Texts

    Part = bytes | Iterator[bytes] | StlsAnswered | SessionEnded
    """What waits to be pulled: octets, a body, and events that belong behind them."""

OK = b"+OK"

_INDICATORS = {occasion: occasion.status.value.encode("ascii") for occasion in Occasion}

_CODES = {
    occasion: (occasion.code, RESPONSE_CODES[occasion.code].capability)
    for occasion in Occasion
    if occasion.code is not None
}
"""The response code of an occasion, and the capability with which it may be sent."""


class Awaiting(Enum):
    """What a session waits for from its driver."""

    NOTHING = auto()
    GREETING = auto()
    LOGIN = auto()
    SIZES = auto()
    COMMIT = auto()
    TLS = auto()
    END = auto()
    """The last reply has been made; after that nothing is waited for any more."""


_GREETING, _TRANSACTION, _IN_A_ROW = State.GREETING, State.TRANSACTION, ErrorsCounted.IN_A_ROW
"""Looked up once, as every reply asks for them."""


class ServerConversation:
    """One session's state, and the replies that wait to be pulled.

    Args:
        texts: what is said.
        capabilities: what is offered.
        limits: how much is put up with.
        quirks: what is done differently from server to server.
        hooks: changes what this session does.
        encrypted: whether the session began inside TLS (RFC 8314 §3).

    Attributes:
        state: where the session stands.
        command: what is being answered, None where it could not be read.
        offered: the tags of the capabilities that are offered here and now.
        utf8: whether UTF8 was sent (RFC 6856 §2.1).
        reader: makes lines of octets.
        events: what has happened and was not told yet.
        output: what waits to be pulled.
        output_waiting: octets of replies among it, bodies not counted.
        waits_for: what it waits for from its driver.
    """

    __slots__ = (
        *("capabilities", "command", "encrypted", "events", "hooks", "limits", "offered"),
        *("output", "output_waiting", "quirks", "reader", "state", "texts", "utf8", "waits_for"),
        "_errors",
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
        self.events: list[ServerEvent] = []
        self.output: deque[Part] = deque()
        self.output_waiting = 0
        self.waits_for = Awaiting.GREETING
        self._errors = 0
        self.learn_what_is_offered()

    # What is offered.

    def capability_lines(self) -> tuple[bytes, ...]:
        """Return the answer to CAPA here and now, without line ends."""
        logged_in = self.state is _TRANSACTION
        lines = self.capabilities.lines(encrypted=self.encrypted, logged_in=logged_in)
        return self.hooks.capabilities(lines, self.state)

    def learn_what_is_offered(self) -> None:
        """Look at the capabilities anew, because TLS or the login has changed them."""
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
        """Answer a command in the negative; end the session if it was wrong too often in a row."""
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
        """Send a line with its CRLF, as the hooks want it."""
        if self.state is _GREETING:
            line = self.hooks.greeting(line)
        else:
            line = self.hooks.reply(self.command, line)
        self.output.append(line)
        self.output_waiting += len(line)

    def send_body(self, chunks: Iterable[bytes], *, dot_lines: bool = True) -> None:
        """Send the lines behind a status line, and the lone dot."""
        encode = stuff if dot_lines else terminate
        self.output.append(self.hooks.body(self.command, chunks, encode))

    def end(self, because: EndReason) -> None:
        """End the session once everything said so far has been pulled."""
        self.waits_for = Awaiting.END
        self.output.append(SessionEnded(because=because))

    # The driver.

    def ask(self, event: ServerEvent, wait: Awaiting) -> None:
        """Tell an event that the driver has to answer."""
        self.waits_for = wait
        self.events.append(event)

    def answered(self, waited_for: Awaiting) -> None:
        """Check that an answer of the driver was waited for.

        Raises:
            RuntimeError: it was not.
        """
        if self.waits_for is not waited_for:
            raise RuntimeError(f"the session waits for {self.waits_for}, not for {waited_for}")
        self.waits_for = Awaiting.NOTHING


@lru_cache(maxsize=64)
def _tags(lines: tuple[bytes, ...]) -> frozenset[bytes]:
    """Return the tags of capabilities; the same few lists serve every session."""
    return frozenset(parse_capability(line).tag for line in lines)
