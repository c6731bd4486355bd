"""How much room text takes on a screen, in cells: wide characters take two, combining marks none.

The texts are harmless ones (`safe`), without control characters.
"""

from __future__ import annotations

from wcwidth import wcwidth


def cells(text: str) -> int:
    """Count the cells that a text takes in one row."""
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    return max(0, wcwidth(character))


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
    for character in text:
        width = _cells_of(character)
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
        The beginning; marks stay with the character that they belong to.
    """
    if text.isascii():
        return text[: max(0, columns)]
    used = 0
    for index, character in enumerate(text):
        used += _cells_of(character)
        if used > columns:
            return text[:index]
    return text


def wrap(text: str, columns: int) -> list[str]:
    """Part a text into rows, at blanks where there are any.

    Args:
        text: words; runs of blanks between them count as one.
        columns: cells in a row, at least 1.

    Returns:
        The rows without blanks at their ends, at least one.  A word that is longer than a row is
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
        lines[-1:] = _broken(word, columns)
    return lines


def _broken(word: str, columns: int) -> list[str]:
    """Break a word that is longer than a row."""
    pieces = []
    while word:
        piece = cut(word, columns) or word[0]
        pieces.append(piece)
        word = word[len(piece) :]
    return pieces
