"""Make docs/session.svg, the picture in the README, from a real lesson.

    python -m tools.make_picture

runs `poptalk learn` in a pseudo-terminal, makes a mistake, provokes an -ERR and asks `:why`, and draws
what is on the screen while the next line is half typed.  What differs from run to run is drawn as a
fixed number, so that a picture of the same session is the same file.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from pyte.screens import Char

from poptalk.export.svg import COLUMNS, LOOKS, Row, Window, picture
from tests.servers.terminal import Pty

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "session.svg"

LESSON = "3"

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

DESCRIPTION = (
    "A lesson in poptalk. The mistyped STTA gets -ERR, and poptalk asks whether STAT was meant. "
    "RETR 9 gets -ERR as well, and :why explains that reply with the place in RFC 1939."
)


def main() -> int:
    """Draw the picture; return the exit code."""
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw(*session()), encoding="utf-8", newline="\n")
    print(PICTURE)
    return 0


def draw(rows: Sequence[Sequence[Char]], cursor: tuple[int, int]) -> str:
    """Return the picture.

    Args:
        rows: cells, row by row.
        cursor: its row and column.
    """
    window = Window(
        title="A lesson in poptalk",
        bar=f"poptalk learn {LESSON}",
        description=DESCRIPTION,
        rows=[_row(row) for row in rows],
        cursor=cursor,
    )
    return "\n".join(picture(window)) + "\n"


def session() -> tuple[list[list[Char]], tuple[int, int]]:
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


def _drawn(terminal: Pty) -> tuple[list[list[Char]], tuple[int, int]]:
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


def _row(cells: Sequence[Char]) -> Row:
    """Give the parts of a row that look alike."""
    row = []
    for classes, group in groupby(cells, key=_classes):
        text = "".join(cell.data for cell in group)
        for varying, fixed in VARYING:
            text = varying.sub(fixed, text)
        row.append((classes, text))
    return row


def _classes(cell: Char) -> str:
    words = [cell.fg] if cell.fg in LOOKS else []
    words += [look for name, look in _LOOK_OF_ATTRIBUTE.items() if getattr(cell, name)]
    return " ".join(words)


_LOOK_OF_ATTRIBUTE = {"bold": "bold", "italics": "italic", "underscore": "underline"}


if __name__ == "__main__":
    sys.exit(main())
