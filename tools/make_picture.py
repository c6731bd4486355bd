"""Make docs/session.svg, the picture in the README, from a real lesson.

    python -m tools.make_picture

runs `poptalk learn` in a pseudo-terminal, makes a mistake, provokes an -ERR and asks `:why`, and draws
what is on the screen while the next line is half typed.  What differs from run to run is drawn as a
fixed number, so that a picture of the same session is the same file.

The picture is a window with a background of its own, because a page may be light or dark and an image
cannot know.
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

LESSON = "3"

COLUMNS = 88
ROWS = 40

LOGIN = (
    ("USER bob", "hoopy frood"),
    ("PASS jones", "maildrop has"),
    ("", "Step 2 of"),
)
"""What is typed before the picture begins, and what then comes."""

SESSION = (
    ("STTA", "Did you mean STAT?"),
    ("RETR 9", "-ERR no such message"),
    (":why", "RFC 1939"),
)
"""What is typed in the picture, and what then comes."""

HALF_TYPED = "STAT"

FIRST = "Step 2 of"
"""How the first row of the picture begins."""

VARYING = ((re.compile(r"practice:\d+"), "practice:1110"), (re.compile(r"\b\d+ ms"), "1 ms"))

CELL_WIDTH, CELL_HEIGHT, FONT_SIZE, BASELINE = 8.4, 18, 14, 13
"""Pixels; most monospaced fonts are 0.6 of their size wide."""

MARGIN = 18

BAR = 32
"""Height of the window's title bar."""

TITLE = f"poptalk learn {LESSON}"

BACKGROUND, FOREGROUND, BORDER = "#16181d", "#d8dee9", "#4c566a"
TITLE_BACKGROUND, TITLE_FOREGROUND = "#242830", "#9aa5b8"

BUTTONS = ("#ff5f57", "#febc2e", "#28c840")
"""The buttons in the title bar."""

COLOURS = {
    "red": "#ff7b72",
    "green": "#7ee787",
    "brown": "#e3b341",
    "blue": "#79c0ff",
    "magenta": "#d2a8ff",
    "cyan": "#76d9e6",
}
"""The colours of the themes as a dark terminal has them; each readable on `BACKGROUND`."""

DESCRIPTION = (
    "A lesson in poptalk. The mistyped STTA gets -ERR, and poptalk asks whether STAT was meant. "
    "RETR 9 gets -ERR as well, and :why explains that reply with the place in RFC 1939."
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
    argv = [sys.executable, "-m", "poptalk", "learn", LESSON, "--color", "always"]
    with tempfile.TemporaryDirectory() as home:
        environment = {"HOME": home, "XDG_STATE_HOME": home}
        with Pty(argv, columns=COLUMNS, rows=ROWS, env=environment) as terminal:
            terminal.wait_for("+OK POP3 server ready")
            for line, answer in (*LOGIN, *SESSION):
                terminal.wait_for("practice>" if line.startswith("USER") else "/6")
                terminal.send(f"{line}\r")
                terminal.wait_for(answer)
            terminal.send(HALF_TYPED)
            terminal.wait_for(f"practice> {HALF_TYPED}")
            rows, cursor = _drawn(terminal)
            terminal.send("\x15:quit\r")
            terminal.wait_exit()
    return rows, cursor


def _drawn(terminal: Pty) -> tuple[list[Row], tuple[int, int]]:
    """Return the rows that hold something: empty ones are where the prompt has been."""
    screen = terminal.screen
    past = [*screen.history.top]
    visible = [screen.buffer[number] for number in range(screen.lines)]
    rows = [[line[column] for column in range(COLUMNS)] for line in [*past, *visible]]
    texts = ["".join(cell.data for cell in row).strip() for row in rows]
    first = next(number for number, text in enumerate(texts) if text.startswith(FIRST))
    cursor_row = len(past) + terminal.cursor.row
    # Below the prompt there is the bottom line, and above that only empty rows.
    kept = [*range(first, cursor_row + 1)]
    return [rows[number] for number in kept], (cursor_row - first, terminal.cursor.column)


def picture(rows: list[Row], *, cursor: tuple[int, int]) -> Iterator[str]:
    """Give the lines of the picture.

    Args:
        rows: cells, row by row.
        cursor: its row and column.
    """
    width = round(COLUMNS * CELL_WIDTH + 2 * MARGIN)
    height = BAR + len(rows) * CELL_HEIGHT + 2 * MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="title description">'
    )
    yield '<title id="title">A lesson in poptalk</title>'
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
    right = width - 0.5
    yield (
        f'<path d="M0.5 {BAR}V8.5a8 8 0 0 1 8 -8H{right - 8}a8 8 0 0 1 8 8V{BAR}Z" '
        f'fill="{TITLE_BACKGROUND}"/>'
    )
    for number, colour in enumerate(BUTTONS):
        yield f'<circle cx="{MARGIN + 4 + 18 * number}" cy="{BAR // 2}" r="5.5" fill="{colour}"/>'
    yield (
        f'<text x="{width // 2}" y="{BAR // 2 + 5}" text-anchor="middle" '
        f'style="fill: {TITLE_FOREGROUND}">{TITLE}</text>'
    )
    row, column = cursor
    yield (
        f'<rect x="{_x(column)}" y="{BAR + MARGIN + row * CELL_HEIGHT}" width="{CELL_WIDTH}" '
        f'height="{CELL_HEIGHT - 1}" fill="{FOREGROUND}" opacity="0.5"/>'
    )
    for number, cells in enumerate(rows):
        spans = "".join(_spans(cells))
        if spans:
            y = BAR + MARGIN + number * CELL_HEIGHT + BASELINE
            yield f'<text y="{y}" xml:space="preserve">{spans}</text>'
    yield "</svg>"


def _spans(cells: Row) -> Iterator[str]:
    """Give the parts of a row that look alike; spaces are only distance."""
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
