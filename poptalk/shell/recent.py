"""The last things that were said, in the notation, for `:report`: a few lines, and no letters."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from poptalk.net.errors import EndedBy
from poptalk.notation.directions import Action, Side, write_direction
from poptalk.notation.mask import mask_sent
from poptalk.notation.pattern import Literal
from poptalk.notation.writer import DialogueWriter
from poptalk.shell.log import Log
from poptalk.terminal.safe import harmless

if TYPE_CHECKING:
    from poptalk.net.errors import Ending
    from poptalk.net.tls import TlsFacts
    from poptalk.protocol.events import Exchange, ReplyEnd, Sent

MOST_LINES = 80
"""Lines that are kept: enough to see what led to the trouble, short enough to be read."""

MOST_LINES_OF_A_LISTING = 20

MOST_LINES_UNASKED = 5

MOST_OCTETS = 600
"""Octets kept of a line; RFC 1939 §3 allows 512."""


class Recent(Log):
    """Keeps the last lines of a session; of a letter it keeps the size alone."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._writer = DialogueWriter(self._lines.append)
        self._exchanges: deque[Exchange] = deque()
        """What was sent and is not answered."""
        self._body = b""
        """The beginning of a listing that is coming in."""
        self._octets = 0
        """Of the reply that is coming in, behind its first line."""

    def lines(self) -> tuple[str, ...]:
        """Return the lines from the first one that a client or a connection began."""
        kept = list(self._lines)
        while kept and not kept[0].startswith(("C: ", "#")):
            del kept[0]
        return tuple(line.rstrip("\n") for line in kept)

    def opened(self, where: str, *, encrypted: bool) -> None:
        """Take note of a new connection."""
        self._exchanges.clear()
        self._octets = 0
        self._writer.direction(Side.CLIENT, write_direction(Action.OPEN))
        self._writer.comment(f"connected to {harmless(where)}{', TLS' if encrypted else ''}")

    def tls(self, facts: TlsFacts, *, upgraded: bool) -> None:
        """Take note of TLS."""
        if upgraded:
            self._writer.direction(Side.CLIENT, write_direction(Action.NEGOTIATE_TLS))
        self._writer.comment(harmless(facts.summary))

    def client(self, event: Sent, *, stand_in: bytes | None = None) -> None:
        """Keep the line with placeholders in place of secrets."""
        del stand_in
        if not event.sasl:
            self._exchanges.append(event.exchange)
        parts = mask_sent(event, step=max(event.step, 1))
        self._writer.client(
            *(p.text[:MOST_OCTETS] if isinstance(p, Literal) else p for p in parts), end=event.end
        )

    def server_line(self, line: bytes) -> None:
        """Keep the line."""
        self._writer.received(line[:MOST_OCTETS])

    def server_data(self, data: bytes) -> None:
        """Keep the beginning of a listing, and count a letter."""
        self._octets += len(data)
        if self._is_listing():
            self._body += data[: MOST_OCTETS * MOST_LINES_OF_A_LISTING - len(self._body)]

    def unasked(self, data: bytes) -> None:
        """Keep the first lines."""
        for line in data[: MOST_OCTETS * MOST_LINES_UNASKED].splitlines()[:MOST_LINES_UNASKED]:
            self._writer.received(line[:MOST_OCTETS])

    def _is_listing(self) -> bool:
        verb = self._exchanges[0].command.verb if self._exchanges else None
        return verb is not None and bool(verb.fields)

    def reply_end(self, event: ReplyEnd) -> None:
        """Write what is kept of the reply."""
        self._write_body()
        if self._exchanges and self._exchanges[0] is event.exchange:
            self._exchanges.popleft()

    def _write_body(self) -> None:
        octets, self._octets = self._octets, 0
        body, self._body = self._body, b""
        if not octets:
            return
        lines = body.splitlines()
        for line in lines[:MOST_LINES_OF_A_LISTING]:
            self._writer.received(line[:MOST_OCTETS])
        if len(lines) > MOST_LINES_OF_A_LISTING or len(body) < octets:
            self._writer.any_lines(f"the server sends {octets:,} octets")
            self._writer.server(".")

    def ended(self, ending: Ending) -> None:
        """Take note of the end."""
        self._write_body()
        side = Side.SERVER if ending.by is EndedBy.SERVER else Side.CLIENT
        self._writer.direction(side, write_direction(Action.CLOSE))
        self._writer.comment(harmless(str(ending)))
