"""The last reply, kept whole: for `:more`, `:save`, `:raw`, `:why` and `:last`.

A reply of any length is kept: in memory up to 8 MiB, beyond that in a temporary file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice

from poptalk.protocol.events import Exchange
from poptalk.protocol.replies import StatusLine
from poptalk.protocol.stuffing import Unstuffer
from poptalk.terminal.fold import BodyView, Budget

MEMORY_OCTETS = 8 * 1024 * 1024
"""Octets of a reply that are kept in memory; a longer one goes to a temporary file."""

FOLD_ADVICE = ":more shows the next, :save FILE keeps them all"

_READ_OCTETS = 256 * 1024

MAX_LINE_OCTETS = 64 * 1024
"""Octets of a line that are held in one piece; no line of a listing or a letter comes near."""


class KeptReply:
    """A reply as it crossed the wire, with what it answers."""

    def __init__(self, *, exchange: Exchange | None, status_line: StatusLine) -> None:
        self.exchange = exchange
        """None for a greeting, and for lines that answer nothing."""
        self.status_line = status_line
        self.multi_line = False
        self.complete = False
        self.octets = 0
        """Octets of the body on the wire, the final dot included."""
        self.shown = 0
        """Octets of the body, from its start, that have been on the screen."""
        self._shown_in_header: bool | None = None
        self.folded = False
        """Whether lines were left out on the screen."""
        self.lost = False
        """Whether the disk had no room for all of it."""
        self._body = tempfile.SpooledTemporaryFile(max_size=MEMORY_OCTETS)  # noqa: SIM115 - see close

    @property
    def is_message(self) -> bool:
        """Whether the body is a mail, and not a listing with fields."""
        verb = self.exchange.command.verb if self.exchange else None
        return self.multi_line and verb is not None and not verb.fields

    def view(self, budget: Budget) -> BodyView:
        """Begin or go on showing the body, behind what was shown."""
        verb = self.exchange.command.verb if self.exchange else None
        in_header = self.is_message if self._shown_in_header is None else self._shown_in_header
        fields = verb.fields if verb else ()
        return BodyView(budget=budget, in_header=in_header, fields=fields, advice=FOLD_ADVICE)

    def viewed(self, view: BodyView) -> None:
        """Take note of how far a view has come."""
        self.shown += view.shown_octets
        self._shown_in_header = view.in_header
        self.folded = view.folded

    def show_again(self) -> None:
        """Begin anew with showing."""
        self.shown = 0
        self._shown_in_header = None
        self.folded = self.octets > 0

    def append(self, data: bytes) -> None:
        """Add octets of the body, as they crossed the wire.

        Raises:
            OSError: when the temporary file cannot grow.
        """
        self._body.seek(0, 2)
        self._body.write(data)
        self.octets += len(data)

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """Give the octets of the body from `start` on, as they crossed the wire."""
        at = start
        while True:
            self._body.seek(at)
            block = self._body.read(_READ_OCTETS)
            if not block:
                return
            at += len(block)
            yield block

    def content(self) -> Iterator[bytes]:
        """Give the body without byte-stuffing and without the final dot (RFC 1939 §3)."""
        unstuffer = Unstuffer()
        for block in self.chunks():
            yield unstuffer.feed(block)

    def raw_lines(self) -> Iterator[bytes]:
        """Give the lines of the body as they crossed the wire, each with its end.

        A line beyond `MAX_LINE_OCTETS` comes in pieces.
        """
        yield from _split(self.chunks())

    def lines(self, *, most: int = 1_000_000) -> Iterator[bytes]:
        """Give the lines of a listing without their ends and without the final dot.

        Args:
            most: lines after which to stop; a listing has one a message.
        """
        for line in islice(_split(self.content()), most):
            yield line.removesuffix(b"\n").removesuffix(b"\r")

    def close(self) -> None:
        """Give the memory or the temporary file back."""
        self._body.close()


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Part octets behind each LF, in pieces of bounded size."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > MAX_LINE_OCTETS:
            yield rest
            rest = b""
    if rest:
        yield rest
