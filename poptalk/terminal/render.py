"""What a dialogue looks like on a screen: lines of styled fragments, in the project's notation.

    C: PASS ****
    S: +OK mailbox locked and ready
    # what poptalk says itself

The marks in front say who speaks, with colour or without: a server cannot write a line that looks like
one of poptalk's own.  Everything from outside passes `safe` here; the terminal wraps long lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

from poptalk.pop3 import commands
from poptalk.pop3.commands import Field, Span
from poptalk.terminal import lexer, safe
from poptalk.terminal.lexer import Part
from poptalk.terminal.safe import Fragment, Fragments, harmless_pieces, octet_pieces

CLIENT_MARK: Fragment = ("client", "C: ")
SERVER_MARK: Fragment = ("server", "S: ")

MASK = commands.MASK.decode("ascii")
"""Shown in place of a secret."""

STUFFED_DOT_REMARK = "  # the first dot was stuffed"
FINAL_DOT_REMARK = "  # the final dot"


class NoteKind(Enum):
    """How much a note matters: the mark in front of it, a comment in the notation, and its style."""

    NOTE = "# "
    WARN = "#! "


def client_line(
    line: bytes,
    secret: Span | None,
    *,
    reveal: bool = False,
    stand_in: bytes | None = None,
    end: bytes = b"",
) -> Fragments:
    """Show a line of the client.

    Args:
        line: octets without the line end.
        secret: the part to hide.
        reveal: whether to show it all the same.
        stand_in: what to show in its place; None for `MASK`.
        end: the line end, if it is to be shown.

    Returns:
        One line with the mark `C:`.
    """
    fragments = [CLIENT_MARK]
    for style, octets in lexer.command_parts(line, secret):
        if style == "secret" and not reveal:
            octets = commands.MASK if stand_in is None else stand_in
        fragments += _shown([(style, octets)])
    fragments += octet_pieces(end)
    if secret is None and (remark := spaces_remark(line)):
        fragments.append(("note", remark))
    return fragments


def spaces_remark(line: bytes) -> str:
    """Return a remark on the spaces at the end of a line, which cannot be seen; empty for none."""
    count = len(line) - len(line.rstrip(b" "))
    return f"  # {count} space{'s' * (count > 1)} at the end" if count else ""


def typed_line(text: str) -> Fragments:
    """Colour what is typed at the prompt, including a secret, which the shell masks there.

    Args:
        text: the line so far.

    Returns:
        Fragments that, joined, are the text, unchanged: prompt_toolkit itself shows control characters
        in its input line as `^X`.
    """
    parts = lexer.typed_parts(text.encode("utf-8", "surrogatepass"))
    return [(style, octets.decode("utf-8", "surrogatepass")) for style, octets in parts]


def status_line(line: bytes, *, fields: Sequence[Field] | None = None) -> Fragments:
    """Show the first line of a reply, or any single line.

    Args:
        line: octets without the line end.
        fields: the data that the command defines for this line; None where the command is not known.

    Returns:
        One line with the mark `S:`.
    """
    return [SERVER_MARK, *_shown(lexer.status_parts(line, fields))]


def body_line(line: bytes, *, header: bool = False, fields: Sequence[Field] = ()) -> Fragments:
    """Show a line of a multi-line reply.

    Args:
        line: octets as they crossed the wire, without the line end: a stuffed dot is still there,
            and is marked.
        header: whether the line belongs to the header of a message.
        fields: for a line of data, what its words are.

    Returns:
        One line with the mark `S:`.
    """
    if line == b".":
        return lone_dot()
    fragments = [SERVER_MARK]
    if line.startswith(b"."):
        fragments.append(("dot", "."))
        line = line[1:]
    if fields:
        return fragments + _shown(lexer.data_parts(line, fields))
    return fragments + _shown(lexer.header_parts(line) if header else [("body", line)])


def lone_dot() -> Fragments:
    """Show the line that ends a multi-line reply (RFC 1939 §3)."""
    return [SERVER_MARK, ("dot", ".")]


def note(
    text: str, *, kind: NoteKind = NoteKind.NOTE, columns: int | None = None
) -> list[Fragments]:
    """Show poptalk's own words.

    Args:
        text: sentences, separated into paragraphs by line ends; made harmless here, since they may
            quote a stranger's name or certificate.
        kind: how much they matter.
        columns: cells of a row to wrap to; None leaves each paragraph in one line.

    Returns:
        Lines that begin with `#`.
    """
    style, mark = kind.name.lower(), kind.value
    lines: list[Fragments] = []
    for paragraph in text.split("\n"):
        words = safe.harmless(paragraph)
        rows = [words] if columns is None else safe.wrap(words, max(1, columns - len(mark)))
        lines += ([(style, mark + row)] for row in rows)
    return lines


def raw_line(line: bytes, *, in_body: bool = False) -> Fragments:
    r"""Show each octet of a line of the server, the line end included: `S: +OK\r\n`.

    Args:
        line: octets with their line end, if there was one.
        in_body: whether the line belongs to a multi-line reply, in which dots mean something.

    Returns:
        One line.  A stuffed dot and the final dot are marked, and explained in a remark at the end.
    """
    fragments = [SERVER_MARK]
    remark = spaces_remark(line.rstrip(b"\r\n"))
    if in_body and line.startswith(b"."):
        remark = FINAL_DOT_REMARK if line.rstrip(b"\r\n") == b"." else STUFFED_DOT_REMARK
        fragments.append(("dot", "."))
        line = line[1:]
    fragments += octet_pieces(line)
    if remark:
        fragments.append(("note", remark))
    return fragments


def plain_text(fragments: Iterable[Fragment]) -> str:
    """Return the text of a line without its styles."""
    return "".join(text for _, text in fragments)


def _shown(parts: Iterable[Part]) -> Fragments:
    """Make parts harmless; the text in each has the style of the part."""
    fragments = []
    for style, octets in parts:
        for kind, text in harmless_pieces(octets):
            fragments.append((style if kind == "text" else kind, text))
    return fragments


# Showing as much of a long reply as the screen has room for.
#
# The octets of a reply arrive in chunks of any size; the first lines are shown, the rest is counted.
# Memory is bounded, whatever a server sends: a line is cut where it is longer than anyone reads, and
# nothing that isn't shown is kept here.


MAX_LINE_SHOWN = 4000
"""Octets shown of one line: about fifty rows of a screen."""

UNLIMITED = 10**18
"""As many rows as there are: for transcripts, where nothing can be asked for later."""


class Budget:
    """The rows of a screen that may still be filled."""

    def __init__(self, *, row_count: int = UNLIMITED, columns: int) -> None:
        self.left = row_count
        self.columns = columns

    def spend(self, text: str) -> bool:
        """Spend the rows that a line fills; False when there were none left."""
        if self.left <= 0:
            return False
        self.left -= safe.rows(text, self.columns)
        return True


_TAIL_OCTETS = 200
"""Octets kept of the end of what is hidden: more than most lines have."""


class BodyView:
    """Turns the octets of a multi-line reply into lines for the screen, up to a budget."""

    def __init__(
        self,
        *,
        budget: Budget,
        in_header: bool,
        fields: Sequence[Field] = (),
        advice: str = "",
        raw: bool = False,
    ) -> None:
        """Begin with the first line of a body, or go on with a later one.

        Args:
            budget: how much may be shown.
            in_header: whether the next line belongs to the header of a message.
            fields: for lines of data, what their words are.
            advice: how to see the rest, said after its count.
            raw: whether to show each octet, line ends included.
        """
        self._raw = raw
        self._advice = f": {advice}" if advice else ""
        self._fields = fields
        self._begins_in_header = in_header
        self.go_on(budget, from_start=True)

    def go_on(self, budget: Budget, *, from_start: bool = False) -> None:
        """Go on after what has been shown, or begin with the first line again.

        Args:
            budget: how much may be shown.
            from_start: whether to begin again.
        """
        if from_start:
            self.shown_octets = 0
            """Octets of the body that have been shown, from its start."""
            self.in_header = self._begins_in_header
            """Whether the next line belongs to the header of a message."""
        self.hidden_octets = 0
        self.hidden_lines = 0
        self._budget = budget
        self._line = b""
        self._line_end = b""
        self._line_octets = 0
        self._dot_held = False
        self.full = False
        """Whether nothing more is shown; it is counted."""
        self.ended = False
        """Whether all of it has been shown or counted."""
        self._tail = b""
        """The last octets that were hidden, among them the lone dot, or the line that broke off."""

    @property
    def folded(self) -> bool:
        """Whether something has been left out."""
        return self.hidden_octets > 0 or not self.ended

    def feed(self, data: bytes) -> Iterator[Fragments]:
        """Take octets as they crossed the wire; yield those of their lines that are shown."""
        at = 0
        while at < len(data):
            if self.full:
                self._count_hidden(data.count(b"\n", at), len(data) - at)
                self._tail = (self._tail + data[at:][-_TAIL_OCTETS:])[-_TAIL_OCTETS:]
                return
            stop = data.find(b"\n", at) + 1 or len(data)
            self._line += data[at : min(stop, at + MAX_LINE_SHOWN + 1 - len(self._line))]
            self._line_octets += stop - at
            complete = data[stop - 1 : stop] == b"\n"
            at = stop
            if complete:
                yield from self._whole_line()

    def end(self, *, complete: bool) -> Iterator[Fragments]:
        """Take the end: show what was held back, say what was left out, and show the lone dot.

        Args:
            complete: whether the reply ended in its lone dot, and not with the connection.
        """
        self.ended = True
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
            end = self._line_end if self._dot_held else self._tail.rpartition(b".")[2]
            yield raw_line(b"." + end, in_body=True) if self._raw else lone_dot()
        elif self._tail:
            # It is worth seeing where a reply broke off, however much of it is folded.
            yield body_line(self._tail.rstrip(b"\r\n").rpartition(b"\n")[2], header=False)

    def _whole_line(self) -> Iterator[Fragments]:
        line, octets = self._line.removesuffix(b"\n").removesuffix(b"\r"), self._line_octets
        self._line_end = self._line[len(line) :]
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
        if self._raw:
            fragments = raw_line(shown + self._line_end, in_body=True)
        else:
            fragments = body_line(shown, header=self.in_header, fields=self._fields)
        if len(line) > MAX_LINE_SHOWN:
            fragments = [*fragments, ("note", f" … {octets - MAX_LINE_SHOWN:,} octets more")]
        if not self._budget.spend(plain_text(fragments)):
            self.full = True
            self._count_hidden(1, octets)
            return
        self.in_header = self.in_header and bool(line)
        self.shown_octets += octets
        yield fragments

    def _count_hidden(self, line_count: int, octets: int) -> None:
        self.hidden_lines += line_count
        self.hidden_octets += octets


_FEW_MILLISECONDS = 100
"""Fewer are shown with tenths."""


def milliseconds(seconds: float) -> str:
    """Write a duration as people read it."""
    count = seconds * 1000
    return f"{count:,.{1 if count < _FEW_MILLISECONDS else 0}f} ms"
