"""The board on a terminal, redrawn whenever something has happened, and every second."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING

from prompt_toolkit.application import Application
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.layout import FormattedTextControl, Layout, Window

from poptalk.classroom import board
from poptalk.classroom.board import BLOCKS, LETTERS, Looks
from poptalk.classroom.view import BoardView, PupilView
from poptalk.terminal.safe import Fragments, cut, harmless
from poptalk.terminal.theme import ptk_color_depth, ptk_style

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.key_binding import KeyPressEvent

    from poptalk.classroom.room import ClassRoom
    from poptalk.terminal.theme import Theme

LOOK_SECONDS = 0.5
"""How often to look for news: a mistake has to be on the board within a second."""

DRAW_SECONDS = 1.0
"""How often to redraw without news, because the times go on."""


class _Showing(Enum):
    """What is on the screen."""

    BOARD = "the board"
    JOIN = "how to join"
    PUPIL = "one pupil's dialogue"
    PAGE = "the address of the board as a web page"
    ASK = "whether to leave"


class BoardScreen:
    """The board on a terminal.

    Args:
        room: the class, which is running.
        join: the rows of the blackboard.
        board_page: the address of the board as a web page, for the teacher alone; empty for none.
        theme: the look of each style.
        color: whether to use colours, from `use_color`.
    """

    def __init__(
        self,
        room: ClassRoom,
        *,
        join: Sequence[str],
        board_page: str = "",
        theme: Theme,
        color: bool,
    ) -> None:
        self._room, self._join, self._board_page = room, join, board_page
        self._looks = Looks()
        self._showing = _Showing.BOARD
        self._view = room.pupils.board()
        self._news = ""
        """A sentence above the keys; empty for none."""
        control = FormattedTextControl(self._text, focusable=True, show_cursor=False)
        self._app: Application[None] = Application(
            layout=Layout(Window(control, wrap_lines=False)),
            key_bindings=self._bindings(),
            full_screen=True,
            style=ptk_style(theme),
            color_depth=ptk_color_depth(color=color),
        )
        if not _has_blocks(self._app.output.encoding(), os.environ):
            self._looks.blocks = LETTERS

    def complain(self, sentence: str) -> None:
        """Show a sentence at the bottom."""
        self._news = harmless(sentence)

    def run(self) -> None:
        """Show the board until the teacher leaves."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        watching = asyncio.create_task(self._watch())
        with suppress(NotImplementedError):
            # Windows has no handlers in the loop.
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self._app.exit)
        try:
            await self._app.run_async()
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        """Redraw when there is news, and every second."""
        drawn, version = 0.0, -1
        while True:
            now = time.monotonic()
            if self._room.pupils.version != version or now - drawn >= DRAW_SECONDS:
                drawn, version = now, self._room.pupils.version
                self._app.invalidate()
            await asyncio.sleep(LOOK_SECONDS)

    # Drawing.

    def _text(self) -> StyleAndTextTuples:
        size = self._app.output.get_size()
        looks, view = self._looks, self._room.pupils.board()
        self._view = view
        if self._showing is _Showing.PUPIL and self._selected is None:
            self._showing = _Showing.BOARD  # the pupil without a name has one now
        looks.columns, looks.rows = size.columns, max(1, size.rows - 1 - bool(self._news))
        rows = self._rows(view)
        rows += [[] for _ in range(looks.rows - len(rows))]
        if self._news:
            rows.append([("warn", cut(self._news, looks.columns))])
        rows.append(self._last_row())
        text: StyleAndTextTuples = []
        for row in rows:
            text += [(f"class:{style}", piece) for style, piece in row]
            text.append(("", "\n"))
        return text[:-1]

    def _rows(self, view: BoardView) -> list[Fragments]:
        looks, server = self._looks, self._room.server
        pupil = self._selected
        if self._showing is _Showing.JOIN:
            return board.joining(self._join, looks, has_page=bool(self._board_page))
        if self._showing is _Showing.PAGE:
            return board.as_page(self._board_page, looks)
        if self._showing is _Showing.PUPIL and pupil is not None:
            said = self._room.pupils.said_by(pupil.number)
            return board.exchange(pupil, said, view, looks)
        if not view.pupils:
            hosts = [listener.host for listener in server.listeners]
            return board.nobody(self._join, hosts, server.port, view.seconds, looks)
        return board.draw(view, looks)

    def _last_row(self) -> Fragments:
        columns = self._looks.columns
        if self._showing is _Showing.ASK:
            question = f"{self._view.connected} connected. Leave anyway? y or n "
            return [("prompt", cut(question, columns))]
        if self._showing is not _Showing.BOARD:
            return [("toolbar", cut("Any key goes back to the board", columns))]
        return board.keys(columns)

    @property
    def _selected(self) -> PupilView | None:
        found = [pupil for pupil in self._view.pupils if pupil.number == self._looks.selected]
        return found[0] if found else None

    # Keys.

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        bindings.add("<any>")(self._key)
        for key in ("up", "down", "pageup", "pagedown", "home", "end", "enter", "escape", "c-c"):
            bindings.add(key, eager=True)(self._key)
        return bindings

    def _key(self, event: KeyPressEvent) -> None:
        key = event.key_sequence[0].key
        name = getattr(key, "value", key)
        if self._showing is _Showing.ASK:
            if name in ("y", "Y", "c-c"):
                self._app.exit()
                return
            self._showing = _Showing.BOARD
        elif name in ("q", "c-c") and self._showing is _Showing.BOARD:
            self._leave()
        elif self._showing is not _Showing.BOARD:
            self._showing = _Showing.BOARD
        else:
            self._on_board(name)
        self._app.invalidate()

    def _leave(self) -> None:
        if self._view.connected:
            self._showing = _Showing.ASK
        else:
            self._app.exit()

    def _on_board(self, name: str) -> None:
        match name:
            case "j" | "w":
                page = name == "w" and self._board_page
                self._showing = _Showing.PAGE if page else _Showing.JOIN
            case "n":
                self._looks.hides_names = not self._looks.hides_names
            case "c-m":
                if self._selected is None:
                    self._move(0)
                if self._selected is not None:
                    self._showing = _Showing.PUPIL
            case "up" | "down":
                self._move(-1 if name == "up" else 1)
            case "pageup" | "pagedown":
                half = max(1, self._looks.rows // 2)
                self._move(-half if name == "pageup" else half)
            case "home" | "end":
                count = len(self._view.pupils)
                self._move(-count if name == "home" else count)
            case "escape":
                self._looks.selected = None

    def _move(self, by: int) -> None:
        """Select another pupil; the first if none was selected."""
        numbers = [pupil.number for pupil in self._view.pupils]
        if not numbers:
            return
        if self._looks.selected not in numbers:
            self._looks.selected = numbers[0]
            return
        at = numbers.index(self._looks.selected) + by
        self._looks.selected = numbers[min(max(at, 0), len(numbers) - 1)]


def _has_blocks(encoding: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a terminal can show blocks, as far as its encoding and locale say."""
    locales = (environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    if next(filter(None, locales), "") in ("C", "POSIX"):
        return False  # Python takes UTF-8 there all the same (PEP 540).
    try:
        "".join(BLOCKS.values()).encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True
