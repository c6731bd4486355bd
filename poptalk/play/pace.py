"""Who presses the keys of a demo, and how a demo plays by itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poptalk.play.demo import Demo


class Pace(Enum):
    """Who presses the keys."""

    KEYS = "keys"
    """Any key types, Enter sends."""
    CLICKER = "clicker"
    """A clicker: PageDown types the line, and sends it."""
    AUTO = "auto"
    """Nobody: a stand at a fair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """How fast a demo plays by itself, in seconds."""

    character: float = 0.08
    """Between two characters: as a good typist types."""
    line: float = 0.8
    """Between the end of a line and Enter."""
    rest: float = 1.5
    """After Enter."""
    row: float = 0.35
    """For each row that has come: about as long as it takes to read."""
    most: float = 12.0
    """The longest time to read."""
    again: float = 8.0
    """From the end to the next beginning."""
    look: float = 0.1
    """Between two looks to see if the server has answered."""


class SelfPlaying:
    """Presses the keys of a demo.

    Args:
        demo: the demo; it waits while a person types.
        tempo: how fast.
        loop: whether it begins again at its end.
    """

    def __init__(self, demo: Demo, tempo: Tempo, *, loop: bool) -> None:
        self._demo = demo
        self._tempo = tempo
        self._loop = loop
        self._rows = 0
        """How many rows had been shown at the last key."""
        self._at_end = False

    def begin(self) -> None:
        """Begin to play."""
        self._demo.shell.after(self._tempo.rest, self._play)

    def _play(self) -> None:
        """Press the next key, and another after a while."""
        app = self._demo.shell.prompt_session.app
        if app.is_done:
            return
        after = self._next_key()
        app.invalidate()
        if after is not None:
            self._demo.shell.after(after, self._play)

    def _next_key(self) -> float | None:
        """Press a key; return the seconds to wait after it, None at the end."""
        demo, controller, tempo = self._demo, self._demo.controller, self._tempo
        line = controller.line
        if controller.begun and controller.finished:
            return self._begin_again() if self._loop else None
        if line is None or not controller.plays or demo.stage.is_blank:
            return tempo.look
        # What has come since the last key is read first.
        shown = demo.shell.shown()
        rows, self._rows = shown - self._rows, shown
        if rows:
            return min(rows * tempo.row, tempo.most)
        if controller.buffer.text == line:
            controller.press_enter()
            return tempo.rest
        controller.type_next()
        return tempo.line if controller.buffer.text == line else tempo.character

    def _begin_again(self) -> float:
        """Let the end be read, then begin again."""
        self._at_end = not self._at_end
        if self._at_end:
            return self._tempo.again
        self._demo.again()
        return self._tempo.rest
