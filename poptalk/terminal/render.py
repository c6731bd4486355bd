"""What a dialogue looks like on a screen: lines of styled fragments, in the project's notation.

    C: PASS ****
    S: +OK mailbox locked and ready
    # what poptalk says itself

The marks in front tell who speaks, with colour or without: a server cannot write a line that looks
like one of poptalk's own.  Everything that comes from outside passes `safe` here; long lines are left
to the terminal to wrap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from poptalk.protocol import commands
from poptalk.protocol.commands import Span
from poptalk.protocol.verbs import Field
from poptalk.terminal.anatomy import (
    Part,
    command_parts,
    data_parts,
    header_parts,
    status_parts,
    typed_parts,
)
from poptalk.terminal.safe import Fragment, Fragments, harmless, harmless_pieces, octet_pieces
from poptalk.terminal.width import wrap

CLIENT_MARK: Fragment = ("client", "C: ")
SERVER_MARK: Fragment = ("server", "S: ")

MASK = commands.MASK.decode("ascii")
"""What stands for a secret on a screen."""

STUFFED_DOT_REMARK = "  # the first dot was stuffed"
FINAL_DOT_REMARK = "  # the final dot"


class NoteKind(Enum):
    """How much a note matters; the value is the mark in front of it, a comment in the notation."""

    NOTE = "# "
    WARN = "#! "


_STYLE_OF_NOTE = {NoteKind.NOTE: "note", NoteKind.WARN: "warn"}


def client_line(
    line: bytes, secret: Span | None, *, reveal: bool = False, stand_in: bytes | None = None
) -> Fragments:
    """Show a line of the client.

    Args:
        line: octets without the line end.
        secret: what is not shown.
        reveal: whether to show it nevertheless.
        stand_in: what is shown in its place; None for `MASK`.

    Returns:
        One line with the mark `C:`.
    """
    fragments = [CLIENT_MARK]
    for style, octets in command_parts(line, secret):
        if style == "secret" and not reveal:
            fragments += [(style, MASK)] if stand_in is None else _shown(style, stand_in)
        else:
            fragments += _shown(style, octets)
    return fragments


def typed_line(text: str) -> Fragments:
    """Colour what stands at the prompt, a secret included: masking it there is the shell's part.

    Args:
        text: the line so far.

    Returns:
        Fragments that, joined, are the text, unchanged: prompt_toolkit shows control characters in
        its input line as `^X` by itself.
    """
    parts = typed_parts(text.encode("utf-8", "surrogatepass"))
    return [(style, octets.decode("utf-8", "surrogatepass")) for style, octets in parts]


def status_line(line: bytes, *, fields: Sequence[Field] | None = None) -> Fragments:
    """Show the first line of a reply, or any line that stands alone.

    Args:
        line: octets without the line end.
        fields: what the command defines as data of this line; None where that is not known.

    Returns:
        One line with the mark `S:`.
    """
    return [SERVER_MARK, *_shown_parts(status_parts(line, fields))]


def body_line(line: bytes, *, header: bool = False, fields: Sequence[Field] = ()) -> Fragments:
    """Show a line of a multi-line reply.

    Args:
        line: octets as they crossed the wire, without the line end: a stuffed dot is still there,
            and marked.
        header: whether the line belongs to the header of a message.
        fields: for a line that holds data, what its words are.

    Returns:
        One line with the mark `S:`.
    """
    if line == b".":
        return lone_dot()
    fragments = [SERVER_MARK]
    if line.startswith(b"."):
        fragments.append(("dot", "."))
        line = line[1:]
    return fragments + _shown_parts(_body_parts(line, header=header, fields=fields))


def _body_parts(line: bytes, *, header: bool, fields: Sequence[Field]) -> list[Part]:
    if fields:
        return data_parts(line, fields)
    return header_parts(line) if header else [("body", line)]


def lone_dot() -> Fragments:
    """Show the line that ends a multi-line reply (RFC 1939 §3)."""
    return [SERVER_MARK, ("dot", ".")]


def note(
    text: str, *, kind: NoteKind = NoteKind.NOTE, columns: int | None = None
) -> list[Fragments]:
    """Show what poptalk says itself.

    Args:
        text: sentences, parted into paragraphs by line ends; made harmless here, since a name or a
            certificate of a stranger may be quoted in it.
        kind: how much it matters.
        columns: cells of a row to wrap to; None leaves each paragraph in one line.

    Returns:
        Lines that begin with `#`.
    """
    style = _STYLE_OF_NOTE[kind]
    mark = kind.value
    lines: list[Fragments] = []
    for paragraph in text.split("\n"):
        words = harmless(paragraph)
        rows = [words] if columns is None else wrap(words, max(1, columns - len(mark)))
        lines += ([(style, mark + row)] for row in rows)
    return lines


def raw_line(
    line: bytes, *, mark: Fragment = SERVER_MARK, in_body: bool = False, secret: Span | None = None
) -> Fragments:
    r"""Show each octet of a line, the line end included: `S: +OK\r\n`.

    Args:
        line: octets with their line end, if there was one.
        mark: `SERVER_MARK` or `CLIENT_MARK`.
        in_body: whether the line belongs to a multi-line reply, where dots mean something.
        secret: what is not shown.

    Returns:
        One line.  A stuffed dot and the final dot are marked, and named in a remark at the end.
    """
    fragments = [mark]
    remark = ""
    if in_body and line.startswith(b"."):
        remark = FINAL_DOT_REMARK if line.rstrip(b"\r\n") == b"." else STUFFED_DOT_REMARK
        fragments.append(("dot", "."))
        line = line[1:]
    if secret is None:
        fragments += octet_pieces(line)
    else:
        fragments += octet_pieces(line[: secret.start])
        fragments.append(("secret", MASK))
        fragments += octet_pieces(line[secret.stop :])
    if remark:
        fragments.append(("note", remark))
    return fragments


def plain_text(fragments: Iterable[Fragment]) -> str:
    """Return the text of a line without its styles."""
    return "".join(text for _, text in fragments)


def _shown_parts(parts: Iterable[Part]) -> Fragments:
    return [fragment for style, octets in parts for fragment in _shown(style, octets)]


def _shown(style: str, octets: bytes) -> Fragments:
    """Make a part harmless; what is text in it has the style of the part."""
    return [
        (style if piece_style == "text" else piece_style, text)
        for piece_style, text in harmless_pieces(octets)
    ]
