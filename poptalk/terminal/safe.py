r"""The one function that every octet of a server passes before it reaches a screen.

Strangers write mail, and a terminal obeys octets: ESC and U+009B begin sequences that set titles,
write clipboards or move the cursor; bidirectional controls show one text where another was sent;
characters without a shape hide text.  Here all of them become visible escapes in ASCII:

- ``\r`` ``\n`` ``\t``, and ``\x1b`` for other ASCII controls and for octets that are not UTF-8;
- ``\u{202e}`` for a character by its number: a C1 control that was sent as UTF-8 is ``\u{9b}``,
  while the bare octet is ``\x9b``.

A backslash that the server sent stays one backslash: the style of the pieces, "text" or "control",
tells the two apart.  Where colour is off, `octet_pieces` leaves no doubt, in the very escapes that
`:send` takes.

Right-to-left text is left as it is.  The isolates that would contain it (U+2068, U+2069) are shown as
boxes, or upset the count of cells, on terminals that do not know them; and a line of a dialogue begins
with `S:`, so terminals with bidirectional text treat it as left-to-right anyway.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from poptalk.transcript.octets import SHAPELESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Fragment = tuple[str, str]
"""The name of a style (see `theme`), and text without a line end."""

Fragments = list[Fragment]
"""One line, from left to right."""

MAX_SHOWN_OCTETS = 8192
"""Octets shown of one line: a hundred rows of eighty cells.  People write no longer lines, and ten
times as much would push the rest of the dialogue out of most scroll-back buffers."""

MAX_MARKS = 4
"""Combining marks shown in a row.  Living scripts need up to three or four on one letter; more of them
climb over the lines above."""

_JOINERS = "\u200c\u200d"
"""ZERO WIDTH NON-JOINER and ZERO WIDTH JOINER."""

_VIRAMA = 9
"""The canonical combining class of the signs that join consonants of Indic scripts."""

_NAMED = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}

_MARK = "mark"
"""Returned by `_escape_of` for a combining mark, which is shown or not by its neighbours."""


def harmless(data: bytes | str, *, limit: int = MAX_SHOWN_OCTETS, joiners: bool = False) -> str:
    """Make one line safe to print.

    Args:
        data: the line, without its line end.
        limit: octets (of a `str`: characters) to show; the text says how many were left out.
        joiners: whether to keep joiners where a script or an emoji needs them, and to show spaces of
            all kinds as spaces: for a message as people read it, never for a server's own words.

    Returns:
        Text that is printable (`str.isprintable`) except for joiners.
    """
    pieces = harmless_pieces(data, limit=limit, joiners=joiners)
    return pieces[0][1] if len(pieces) == 1 else "".join([text for _, text in pieces])


def harmless_pieces(
    data: bytes | str, *, limit: int = MAX_SHOWN_OCTETS, joiners: bool = False
) -> Fragments:
    """Make one line safe to print, and tell its escapes from its text.

    Args:
        data: the line, without its line end.
        limit: octets (of a `str`: characters) to show.
        joiners: as for `harmless`.

    Returns:
        Pieces with the styles "text" and "control", and at the end of a longer line a "note" that says
        how much was left out.  Empty for an empty line.
    """
    shown = _cut(data, limit) if len(data) > limit else data
    text = shown if isinstance(shown, str) else shown.decode("utf-8", "surrogateescape")
    if _is_plain(text):
        pieces = [("text", text)] if text else []
    else:
        pieces = joined(_character_pieces(text, joiners=joiners))
    if len(data) > limit:
        pieces.append(("note", _left_out(data, shown)))
    return pieces


def octet_pieces(data: bytes, *, limit: int = MAX_SHOWN_OCTETS) -> Fragments:
    r"""Show octets one by one: ASCII as it is, a backslash doubled, all others as escapes.

    Args:
        data: any octets, line ends included.
        limit: octets to show.

    Returns:
        Pieces as `harmless_pieces` makes them.  Their text can be typed after `:send`.
    """
    pieces = joined(map(_octet_piece, data[:limit]))
    if len(data) > limit:
        pieces.append(("note", _left_out(data, data[:limit])))
    return pieces


def _octet_piece(octet: int) -> Fragment:
    if octet == ord("\\"):
        return "control", r"\\"
    if 0x20 <= octet < 0x7F:
        return "text", chr(octet)
    return "control", _NAMED.get(chr(octet), f"\\x{octet:02x}")


def _cut(data: bytes | str, limit: int) -> bytes | str:
    """Cut a line, but not inside a UTF-8 sequence, half of which would look broken."""
    stop = limit
    if isinstance(data, bytes):
        longest_tail = 3
        while stop > max(0, limit - longest_tail) and 0x80 <= data[stop] < 0xC0:
            stop -= 1
        if 0x80 <= data[stop] < 0xC0:
            stop = limit
    return data[:stop]


def _left_out(data: bytes | str, shown: bytes | str) -> str:
    unit = "octets" if isinstance(data, bytes) else "characters"
    return f" [{len(data) - len(shown):,} more {unit}]"


def _is_plain(text: str) -> bool:
    """Tell whether nothing in the text needs an escape.

    ASCII, which is nearly all of nearly all mail, costs two scans in C.  In other text each distinct
    character is checked once.
    """
    if text.isascii():
        return text.isprintable()
    return text.isprintable() and not any(map(_escape_of, set(text)))


@lru_cache(maxsize=4096)
def _escape_of(character: str) -> str:
    """Return the escape of a character that cannot be shown, empty if it can.

    The cache is bounded, because a stranger chooses the characters.
    """
    if character.isprintable() and character not in SHAPELESS:
        return _MARK if unicodedata.category(character) in ("Mn", "Me") else ""
    return _NAMED.get(character) or _numbered(character)


def _numbered(character: str) -> str:
    number = ord(character)
    if number < 0x80:
        return f"\\x{number:02x}"
    if 0xDC80 <= number <= 0xDCFF:  # an octet that is not UTF-8, as "surrogateescape" keeps it
        return f"\\x{number - 0xDC00:02x}"
    return f"\\u{{{number:x}}}"


def _character_pieces(text: str, *, joiners: bool) -> Iterator[Fragment]:
    """Yield the characters one by one; a mark needs a character before it."""
    marks = MAX_MARKS
    for index, character in enumerate(text):
        escape = _escape_of(character)
        if escape == _MARK and marks < MAX_MARKS:
            marks += 1
            yield "text", character
        elif joiners and character in _JOINERS and _joins(text, index):
            yield "text", character
        elif joiners and unicodedata.category(character) == "Zs":
            yield "text", " "
        elif escape:
            marks = MAX_MARKS
            yield "control", _numbered(character) if escape == _MARK else escape
        else:
            marks = 0
            yield "text", character


def _joins(text: str, index: int) -> bool:
    """Tell whether a joiner is where a script or an emoji needs one, so that it hides nothing.

    RFC 5892 appendix A allows both after a virama, and the non-joiner between letters that join, as
    in Persian.  The joiner also comes before a virama (the ya-phalaa of Bengali) and between the
    pictures of an emoji.
    """
    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    if not before:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    if not after:
        return False
    if text[index] == "\u200c":
        # Letters of the scripts that join, Arabic, Syriac and Thaana, are those of class AL.
        return unicodedata.bidirectional(before) == unicodedata.bidirectional(after) == "AL"
    if unicodedata.combining(after) == _VIRAMA:
        return unicodedata.category(before) == "Lo"
    is_picture = unicodedata.category(before) == "So" or "\U0001f3fb" <= before <= "\U0001f3ff"
    return is_picture and unicodedata.category(after) == "So"


def joined(pieces: Iterable[Fragment]) -> Fragments:
    """Join neighbours of one style."""
    runs = groupby(pieces, key=itemgetter(0))
    return [(style, "".join(text for _, text in run)) for style, run in runs]


# The room that text takes on a screen, in cells: wide characters take two, combining marks none.
#
# One character to a reader, such as a family of emoji, can be several code points: wcwidth finds such
# graphemes and measures them.  The texts are harmless, without control characters.


def cells(text: str) -> int:
    """Count the cells that a text takes in one row."""
    return len(text) if text.isascii() else sum(width for _, width in _graphemes(text))


def _graphemes(text: str) -> Iterator[tuple[str, int]]:
    """Yield each grapheme with its width."""
    # Most sessions show only ASCII, and don't pay for the tables of widths.
    from wcwidth import iter_graphemes, wcswidth

    for grapheme in iter_graphemes(text):
        yield grapheme, max(0, wcswidth(grapheme))


def rows(text: str, columns: int) -> int:
    """Count the rows that a terminal needs for one line.

    Args:
        text: the line.
        columns: cells in a row, at least 1.

    Returns:
        At least 1.  A wide character that does not fit into the last cell goes to the next row.
    """
    if text.isascii():
        return max(1, -(-len(text) // columns))
    count, used = 1, 0
    for _, width in _graphemes(text):
        if used + width > columns:
            count, used = count + 1, 0
        used += width
    return count


def cut(text: str, columns: int) -> str:
    """Return the longest beginning of a text that fits into a row.

    Args:
        text: one line.
        columns: cells in the row; may be 0.

    Returns:
        The beginning; it ends between two graphemes.
    """
    if text.isascii():
        return text[: max(0, columns)]
    end = 0
    for grapheme, width in _graphemes(text):
        columns -= width
        if columns < 0:
            break
        end += len(grapheme)
    return text[:end]


def _pieces(text: str, first: int, columns: int) -> list[str]:
    """Break a text into pieces: one of at most `first` cells, then of `columns` cells."""
    if text.isascii():
        return [text[:first], *(text[n : n + columns] for n in range(first, len(text), columns))]
    pieces, room = [""], first
    for grapheme, width in _graphemes(text):
        # A wide character alone may be too wide for a row of one cell.
        if width > room and (pieces[-1] or first < columns):
            pieces.append("")
            room = columns
        pieces[-1] += grapheme
        room -= width
    return pieces


_MARKS = ("S: ", "C: ")
"""The marks of lines that others wrote, which may be longer than a row."""


def hanging(line: Fragments, columns: int, *, unmarked: bool = False) -> Fragments:
    """Break a line of a dialogue that is longer than a row, so that its further rows are indented.

    If the terminal broke it, a stranger would decide how a row begins, and could make it look like one
    of poptalk's own.

    Args:
        line: the fragments of one line.
        columns: cells in a row.
        unmarked: whether to break other lines too, as the terminal would in rows of its own.
    """
    # There may be a word before the mark that says whose dialogue it is.
    marked = next((at for at, (_, text) in enumerate(line[:2], 1) if text in _MARKS), 0)
    if not (marked or unmarked):
        return line
    width = 0
    for _, text in line:
        width += cells(text)
    indent = 0
    for _, text in line[:marked]:
        indent += len(text)
    # A wide character needs two cells.
    if width <= columns or columns < indent + 2:
        return line
    room = columns
    broken: Fragments = []
    for style, text in line:
        head, *others = _pieces(text, room, columns - indent)
        broken.append((style, head))
        for piece in others:
            broken += [("", "\n" + " " * indent), (style, piece)]
        room = columns - indent - cells(others[-1]) if others else room - cells(head)
    return broken


def wrap(text: str, columns: int) -> list[str]:
    """Wrap a text into rows, at spaces where there are any.

    wcwidth's own `wrap` would begin a word that is longer than a row in the row before it, and a link
    is easier to read and to copy from the start of a row.

    Args:
        text: words; runs of spaces between them count as one.
        columns: cells in a row, at least 1.

    Returns:
        The rows without trailing spaces, at least one.  A word that is longer than a row is broken;
        only a single wide character in a row of one cell is wider than the row.
    """
    lines = [""]
    for word in text.split():
        gap = " " if lines[-1] else ""
        if cells(lines[-1]) + len(gap) + cells(word) <= columns:
            lines[-1] += gap + word
            continue
        if lines[-1]:
            lines.append("")
        lines[-1:] = _pieces(word, columns, columns)
    return lines
