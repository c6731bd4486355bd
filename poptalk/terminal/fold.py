"""Showing as much of a long reply as the screen is worth.

The octets of a reply arrive in chunks of any size; the first lines of them are shown, the rest is
counted.  Memory is bounded, whatever a server sends: a line is cut where it is longer than anybody
reads, and nothing that is not shown is kept here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poptalk.protocol.verbs import Field
from poptalk.terminal.render import body_line, lone_dot, note, plain_text
from poptalk.terminal.safe import Fragments
from poptalk.terminal.width import rows

MAX_LINE_SHOWN = 4000
"""Octets shown of one line: about fifty rows of a screen."""

UNLIMITED = 10**18
"""As many rows as there are: for transcripts, where nothing can be asked for later."""


class Budget:
    """How many rows of a screen may still be filled."""

    def __init__(self, *, row_count: int, columns: int) -> None:
        self.left = row_count
        self.columns = columns

    def spend(self, text: str) -> bool:
        """Take the rows that a line fills; False when there were none left."""
        if self.left <= 0:
            return False
        self.left -= rows(text, self.columns)
        return True


class BodyView:
    """Turns the octets of a multi-line reply into lines for the screen, up to a budget."""

    def __init__(
        self,
        *,
        budget: Budget,
        in_header: bool,
        fields: Sequence[Field] = (),
        advice: str = "",
    ) -> None:
        """Begin with the first line of a body, or go on with a later one.

        Args:
            budget: how much may be shown.
            in_header: whether the next line belongs to the header of a message.
            fields: what the words of a line are, where it holds data.
            advice: how to see what was left out, said behind its count.
        """
        self._advice = f": {advice}" if advice else ""
        self.shown_octets = 0
        self.hidden_octets = 0
        self.hidden_lines = 0
        self._budget = budget
        self._fields = fields
        self.in_header = in_header
        """Whether the next line belongs to the header of a message."""
        self._line = b""
        self._line_octets = 0
        self._dot_held = False
        self._full = False
        self._tail = b""
        """The last octets that were hidden, among them the lone dot."""

    @property
    def folded(self) -> bool:
        """Whether something was left out."""
        return self.hidden_octets > 0

    def feed(self, data: bytes) -> Iterator[Fragments]:
        """Take octets as they crossed the wire; give the lines that are shown of them."""
        at = 0
        while at < len(data):
            if self._full:
                self._hide(data[at:])
                return
            stop = data.find(b"\n", at) + 1 or len(data)
            self._line += data[at : min(stop, at + MAX_LINE_SHOWN + 1 - len(self._line))]
            self._line_octets += stop - at
            complete = data[stop - 1 : stop] == b"\n"
            at = stop
            if complete:
                yield from self._whole_line()

    def end(self, *, complete: bool) -> Iterator[Fragments]:
        """Take the end: give what was held back, say what was left out, and show the lone dot.

        Args:
            complete: whether the reply ended in its lone dot, and not with the connection.
        """
        if self._line_octets:
            yield from self._whole_line()
        if complete and not self._dot_held:
            self._count_hidden(-1, -len(self._tail.rpartition(b".")[2]) - 1)
        if self.folded:
            lines = "line" if self.hidden_lines == 1 else "lines"
            yield from note(
                f"{self.hidden_lines:,} more {lines}, {self.hidden_octets:,} octets{self._advice}",
                columns=self._budget.columns,
            )
        if complete:
            yield lone_dot()

    def _whole_line(self) -> Iterator[Fragments]:
        line, octets = self._line.removesuffix(b"\n").removesuffix(b"\r"), self._line_octets
        self._line, self._line_octets = b"", 0
        if self._dot_held:
            # A lone dot that was not the last line after all.
            self._dot_held = False
            yield from self._spend(b".", 3)
        if line == b".":
            self._dot_held = True
        else:
            yield from self._spend(line, octets)

    def _spend(self, line: bytes, octets: int) -> Iterator[Fragments]:
        shown = line[:MAX_LINE_SHOWN]
        fragments = body_line(shown, header=self.in_header, fields=self._fields)
        if len(line) > MAX_LINE_SHOWN:
            fragments = [*fragments, ("note", f" … {octets - MAX_LINE_SHOWN:,} octets more")]
        if not self._budget.spend(plain_text(fragments)):
            self._full = True
            self._count_hidden(1, octets)
            return
        self.in_header = self.in_header and bool(line)
        self.shown_octets += octets
        yield fragments

    def _hide(self, data: bytes) -> None:
        self._count_hidden(data.count(b"\n"), len(data))
        self._tail = (self._tail + data)[-5:]

    def _count_hidden(self, line_count: int, octets: int) -> None:
        self.hidden_lines += line_count
        self.hidden_octets += octets
