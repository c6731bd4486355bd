"""The screen of the tap, written to by a thread of its own, so that a slow terminal holds nothing up.

Lines wait in a queue.  When it grows long, bodies are no longer shown (the view asks `behind`); when it
is full, lines are left out, and counted.  What is relayed never waits for it.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from poptalk.terminal.render import note
from poptalk.terminal.screen import ScreenClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from poptalk.terminal.safe import Fragments
    from poptalk.terminal.screen import LinearScreen

LINES_BEHIND = 2_000
"""If more lines wait, bodies are no longer shown."""

MOST_LINES = 10_000
"""Lines that wait at most."""

LAST_SECONDS = 2.0
"""How long the screen may take at the end for the lines that still wait."""


class Printer:
    """Writes lines in their order.

    Args:
        screen: where they go.
        closed: called, in the thread, when nothing can be written any more.
    """

    def __init__(self, screen: LinearScreen, *, closed: Callable[[ScreenClosed], None]) -> None:
        self.columns = screen.columns
        """Cells in a row, as they were when lines were last written."""
        self.is_terminal = screen.is_terminal
        self._screen = screen
        self._closed = closed
        self._waiting: deque[Fragments] = deque()
        self._left_out = 0
        self._news = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    @property
    def behind(self) -> bool:
        """Whether the screen takes lines more slowly than they come."""
        return len(self._waiting) > LINES_BEHIND

    def show(self, lines: Iterable[Fragments]) -> None:
        """Add lines to the queue."""
        made = list(lines)
        if not made:
            return
        with self._news:
            room = MOST_LINES - len(self._waiting)
            self._waiting.extend(made[:room])
            self._left_out += max(0, len(made) - room)
            self._news.notify()

    def close(self) -> None:
        """Write the lines that wait, as many as the screen takes in time."""
        with self._news:
            self._ending = True
            self._news.notify()
        self._thread.join(LAST_SECONDS)

    def _write(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._ending)
                lines = list(self._waiting)
                self._waiting.clear()
                if self._left_out:
                    text = f"{self._left_out:,} lines were left out: the screen was too slow"
                    lines += note(text, columns=self.columns)
                    self._left_out = 0
            if not lines:
                return
            try:
                self._screen.show(lines)
                self.columns = self._screen.columns
            except ScreenClosed as closed:
                self._closed(closed)
                return
