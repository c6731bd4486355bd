"""The screen of the tap: a thread of its own writes, so that a slow terminal holds nothing up.

Lines wait in a queue.  Where it has grown long, bodies are no longer shown (`behind`, for the view);
where it is full, lines are left out, and counted.  No octet that is relayed depends on it.
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
"""Lines that wait until bodies are no longer shown."""

MOST_LINES = 10_000
"""Lines that wait at most."""

LAST_SECONDS = 2.0
"""How long the screen may take at the end for what still waits."""


class Printer:
    """Writes lines in their order.

    Args:
        screen: where to.
        closed: called, in the thread, once nothing can be written any more.
    """

    def __init__(self, screen: LinearScreen, *, closed: Callable[[ScreenClosed], None]) -> None:
        self.columns = screen.columns
        """Cells in a row, as of the last lines that were written."""
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
        """Have lines written."""
        made = list(lines)
        if not made:
            return
        with self._news:
            room = MOST_LINES - len(self._waiting)
            self._waiting.extend(made[:room])
            self._left_out += max(0, len(made) - room)
            self._news.notify()

    def close(self) -> None:
        """Write what waits, as far as the screen takes it in time."""
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
