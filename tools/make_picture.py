"""Make docs/session.svg, the picture in the README, from a real session.

    python -m tools.make_picture

runs poptalk in a pseudo-terminal, types the session of the article into it, and draws what is on the
screen while QUIT is still half typed.  What differs from run to run, the free port and the
milliseconds, is drawn as a fixed number, so that a picture of the same session is the same file.

The picture brings its own background, because a page may be light or dark and an image cannot know.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path

from pyte.screens import Char

from tests.servers.terminal import Pty

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "session.svg"

COLUMNS = 92
ROWS = 15
"""Few enough that a letter is folded, as it is on a real screen."""

SESSION = (
    ("USER bob", "+OK name is a valid mailbox"),
    ("PASS jones", "+OK mailbox locked and ready"),
    ("LIST", "3 25"),
    ("RETR 2", "more lines"),
    ("TOP 3 10", "Call me."),
    ("DELE 3", "+OK message deleted"),
)
"""What is typed, and what then comes."""

HALF_TYPED = "QUIT"

VARYING = ((re.compile(r"practice:\d+"), "practice:1110"), (re.compile(r"\b\d+ ms"), "1 ms"))

CELL_WIDTH, CELL_HEIGHT, FONT_SIZE, BASELINE = 8.4, 18, 14, 13
"""Pixels; most monospaced fonts are 0.6 of their size wide."""

MARGIN = 16

BACKGROUND, FOREGROUND, BORDER = "#16181d", "#d8dee9", "#4c566a"

COLOURS = {"red": "#ff7b72", "green": "#7ee787", "magenta": "#d2a8ff", "cyan": "#76d9e6"}
"""The colours of the themes as a dark terminal has them; each readable on `BACKGROUND`."""

DESCRIPTION = "A session of poptalk with its practice server, typed by hand: " + ", ".join(
    line.partition(" ")[0] if line.startswith("PASS") else line for line, _ in SESSION
)

Row = list[Char]


def main() -> int:
    """Draw the picture; return the exit code."""
    rows, cursor = session()
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(
        "\n".join(picture(rows, cursor=cursor)) + "\n", encoding="utf-8", newline="\n"
    )
    print(PICTURE)
    return 0


def session() -> tuple[list[Row], tuple[int, int]]:
    """Run the session; return the rows that a person has seen, and row and column of the cursor."""
    argv = [sys.executable, "-m", "poptalk", "connect", "--color", "always"]
    with tempfile.TemporaryDirectory() as home:
        environment = {"HOME": home, "XDG_STATE_HOME": home}
        with Pty(argv, columns=COLUMNS, rows=ROWS, env=environment) as terminal:
            terminal.wait_for("+OK Microsoft Exchange")
            terminal.wait_for(":help")
            for line, answer in SESSION:
                terminal.send(f"{line}\r")
                terminal.wait_for(answer)
            terminal.send(HALF_TYPED)
            terminal.wait_for(f"practice> {HALF_TYPED}")
            terminal.wait_for("1 marked for deletion")
            rows, cursor = _drawn(terminal)
            terminal.send("\r")
            terminal.wait_for("+OK host closing connection")
            terminal.send("\x04")
            terminal.wait_exit()
    return rows, cursor


def _drawn(terminal: Pty) -> tuple[list[Row], tuple[int, int]]:
    """Return the rows that hold something: empty ones are where the prompt has been."""
    screen = terminal.screen
    past = [*screen.history.top]
    visible = [screen.buffer[number] for number in range(screen.lines)]
    rows = [[line[column] for column in range(COLUMNS)] for line in [*past, *visible]]
    filled = [number for number, row in enumerate(rows) if any(cell.data != " " for cell in row)]
    cursor_row = filled.index(len(past) + terminal.cursor.row)
    return [rows[number] for number in filled], (cursor_row, terminal.cursor.column)


def picture(rows: list[Row], *, cursor: tuple[int, int]) -> Iterator[str]:
    """Give the lines of the picture.

    Args:
        rows: cells, row by row.
        cursor: its row and column.
    """
    width = round(COLUMNS * CELL_WIDTH + 2 * MARGIN)
    height = len(rows) * CELL_HEIGHT + 2 * MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="title description">'
    )
    yield '<title id="title">A session of poptalk</title>'
    yield f'<desc id="description">{escape(DESCRIPTION)}</desc>'
    yield "<style>"
    yield (
        f"text {{ font: {FONT_SIZE}px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace;"
        f" fill: {FOREGROUND}; white-space: pre }}"
    )
    yield from (f".{name} {{ fill: {colour} }}" for name, colour in COLOURS.items())
    yield ".bold { font-weight: bold }"
    yield ".italics { font-style: italic }"
    yield ".underscore { text-decoration: underline }"
    yield "</style>"
    yield (
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" '
        f'fill="{BACKGROUND}" stroke="{BORDER}"/>'
    )
    row, column = cursor
    yield (
        f'<rect x="{_x(column)}" y="{MARGIN + row * CELL_HEIGHT}" width="{CELL_WIDTH}" '
        f'height="{CELL_HEIGHT - 1}" fill="{FOREGROUND}" opacity="0.5"/>'
    )
    for number, cells in enumerate(rows):
        spans = "".join(_spans(cells))
        if spans:
            y = MARGIN + number * CELL_HEIGHT + BASELINE
            yield f'<text y="{y}" xml:space="preserve">{spans}</text>'
    yield "</svg>"


def _spans(cells: Row) -> Iterator[str]:
    """Give the parts of a row that look alike; blanks are only distance."""
    column = 0
    for classes, group in groupby(cells, key=_classes):
        part = "".join(cell.data for cell in group)
        text = part.strip(" ")
        if text:
            for varying, fixed in VARYING:
                text = varying.sub(fixed, text)
            x = _x(column + len(part) - len(part.lstrip(" ")))
            attribute = f' class="{classes}"' if classes else ""
            yield f'<tspan x="{x}"{attribute}>{escape(text, quote=False)}</tspan>'
        column += len(part)


def _x(column: int) -> float:
    return round(MARGIN + column * CELL_WIDTH, 1)


def _classes(cell: Char) -> str:
    words = [cell.fg] if cell.fg in COLOURS else []
    words += [name for name in ("bold", "italics", "underscore") if getattr(cell, name)]
    return " ".join(words)


if __name__ == "__main__":
    sys.exit(main())
