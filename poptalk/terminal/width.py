"""How much room text takes on a screen, in cells: wide characters take two, combining marks none.

What a reader sees as one character, such as a family of emoji, can be several code points: widths are
those of such graphemes, as wcwidth finds and measures them.  The texts are harmless ones (`safe`),
without control characters.
"""

from __future__ import annotations

from wcwidth import iter_graphemes, wcswidth


def cells(text: str) -> int:
    """Count the cells that a text takes in one row."""
    return len(text) if text.isascii() else sum(map(_width, iter_graphemes(text)))


def _width(grapheme: str) -> int:
    return max(0, wcswidth(grapheme))


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
    for width in map(_width, iter_graphemes(text)):
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
    for grapheme in iter_graphemes(text):
        columns -= _width(grapheme)
        if columns < 0:
            break
        end += len(grapheme)
    return text[:end]


def wrap(text: str, columns: int) -> list[str]:
    """Split a text into rows, at spaces where there are any.

    wcwidth's own `wrap` would begin a word that is longer than a row in the row before it, and a link
    is easier to read and to copy from the start of a row.

    Args:
        text: words; runs of spaces between them count as one.
        columns: cells in a row, at least 1.

    Returns:
        The rows without spaces at their ends, at least one.  A word that is longer than a row is
        broken; only a wide character alone in a row of one cell is wider than the row.
    """
    lines = [""]
    for word in text.split():
        gap = " " if lines[-1] else ""
        if cells(lines[-1]) + len(gap) + cells(word) <= columns:
            lines[-1] += gap + word
            continue
        if lines[-1]:
            lines.append("")
        while cells(word) > columns:
            # A wide character alone may be too wide for a row of one cell.
            lines[-1] = cut(word, columns) or next(iter_graphemes(word))
            word = word[len(lines[-1]) :]
            lines.append("")
        lines[-1] = word
        if not word:
            lines.pop()
    return lines
