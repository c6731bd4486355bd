"""The part of the terminal that a demo takes: at most 60 columns, and not the last rows.

Heads are in front of the last rows, and a narrow screen can have large letters.  A `Stage` is an output
of prompt_toolkit that claims to be smaller than its terminal, and lets only its own rows scroll.  While
the screen is blank, it keeps what would be drawn until the screen comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, cast

from prompt_toolkit.data_structures import Size
from prompt_toolkit.output import Output

MOST_COLUMNS = 60
"""Cells of a row: no more fit on a wall in letters that can be read from the last row of seats."""

FEWEST_ROWS = 8
"""Rows that a demo needs: the heading, the task, a command with its reply, the prompt."""

_ASKED_FOR = frozenset(
    {
        "encoding",
        "fileno",
        "get_default_color_depth",
        "get_rows_below_cursor_position",
        "responds_to_cpr",
        "stdout",
    }
)
"""What prompt_toolkit asks of an output; everything else draws."""

# ECMA-48 and the DEC terminals: DECSTBM sets the rows that scroll, and moves the cursor, which DECSC and
# DECRC save and restore; 1049 is the second screen of xterm.
_KEEP_CURSOR, _CURSOR_BACK = "\x1b7", "\x1b8"
_ALL_ROWS = "\x1b[r"
_BLANK, _BACK = "\x1b[?1049h\x1b[2J\x1b[?25l", "\x1b[?1049l\x1b[?25h"
_WHERE_IS_THE_CURSOR = "\x1b[6n"


class Stage:
    """An output that is smaller than its terminal; a context manager that gives the terminal back.

    Args:
        output: that of the whole terminal.
        free_rows: how many rows at the bottom are left alone.
    """

    def __init__(self, output: Output, *, free_rows: int = 0) -> None:
        self.is_blank = False
        self._output = output
        self._free_rows = free_rows
        self._whole: Size | None = None
        """The size of the terminal for which the rows that scroll were set."""
        self._kept: list[Callable[[], object]] = []
        """What is drawn while the screen is blank."""

    @property
    def output(self) -> Output:
        """The stage for prompt_toolkit: it has all that an output has."""
        return cast(Output, self)

    def __enter__(self) -> Stage:
        self._output.erase_screen()
        self._output.cursor_goto(0, 0)
        self._whole = None
        self.get_size()
        self._output.flush()
        return self

    def __exit__(self, *_failure: object) -> None:
        # The terminal may be gone by now.
        with suppress(OSError, ValueError):
            self.come_back()
            if self._free_rows:
                self._output.write_raw(f"{_KEEP_CURSOR}{_ALL_ROWS}{_CURSOR_BACK}")
                self._output.flush()

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """Give the whole terminal back for a while: the program is stopped, and continued."""
        self.__exit__()
        try:
            yield
        finally:
            if self._free_rows:
                # The cursor may be anywhere by now, below the rows that scroll as well.
                self.__enter__()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._output, name)
        if not self.is_blank or name in _ASKED_FOR:
            return found
        return lambda *given: self._kept.append(partial(found, *given))

    def get_size(self) -> Size:
        """Return the rows and columns of the stage; after a change, set the rows that scroll again."""
        whole = self._output.get_size()
        rows = max(whole.rows - self._free_rows, min(whole.rows, FEWEST_ROWS))
        if self._free_rows and whole != self._whole:
            # Terminals forget the rows that scroll when their size changes.
            self._whole = whole
            self.write_raw(f"{_KEEP_CURSOR}\x1b[1;{rows}r{_CURSOR_BACK}")
        return Size(rows=rows, columns=min(whole.columns, MOST_COLUMNS))

    def ask_for_cpr(self) -> None:
        """Ask the terminal where the cursor is, after all that is drawn before."""
        self.write_raw(_WHERE_IS_THE_CURSOR)
        self.flush()

    def go_blank(self) -> None:
        """Show nothing until `come_back`."""
        if not self.is_blank:
            self._output.write_raw(_BLANK)
            self._output.flush()
            self.is_blank = True

    def come_back(self) -> None:
        """Show what was there, and what was drawn since."""
        if not self.is_blank:
            return
        self.is_blank = False
        self._output.write_raw(_BACK)
        kept, self._kept = self._kept, []
        for draw in kept:
            draw()
        self._output.flush()


Output.register(Stage)
