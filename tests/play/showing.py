"""A demo in this process: keys in, a screen out, and a server that says what it was sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input

from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.server import LessonServer, PracticeLessonServer
from poptalk.play.controller import PlayController
from poptalk.play.demo import Demo
from poptalk.play.dialogue import DialogueServer, lesson_of
from poptalk.play.notes import NotesFile
from poptalk.play.pace import Pace, Tempo
from poptalk.play.stage import Stage
from poptalk.pop3.events import Event, Sent
from poptalk.shell.commands.general import LOCAL_COMMANDS
from poptalk.shell.live import LiveShell
from poptalk.terminal.theme import NEUTRAL
from tests.servers.terminal import Terminal
from tests.shell.shells import TIMEOUT, LiveTest, answering_output

if TYPE_CHECKING:
    from poptalk.terminal.theme import Theme

TAB, PAGE_UP, PAGE_DOWN = "\t", "\x1b[5~", "\x1b[6~"
F1, F2, F3, F4, F5 = "\x1bOP", "\x1bOQ", "\x1bOR", "\x1bOS", "\x1b[15~"

QUICK = Tempo(character=0, line=0, rest=0, row=0, again=0, look=0.001)


class Showing(LiveTest):
    """Somebody who shows a lesson, and the wall."""

    demo: Demo
    sent: list[bytes]
    """What was sent on the lesson's own connections, by the script or by hand."""

    @property
    def controller(self) -> PlayController:
        """The controller of the demo."""
        return self.demo.controller

    @property
    def words(self) -> str:
        """Everything that was ever shown, as one line with single blanks."""
        return " ".join(" ".join(self.terminal.history()).split())

    async def says(self, text: str) -> None:
        """Wait until words are on the screen, however they are wrapped."""
        await self.until(lambda: text in self.words)

    async def press(self, *keys: str) -> None:
        """Press keys one by one, each when the one before is done."""
        for key in keys:
            self.send(key)
            await self.drawn()
            await self.idle()

    async def idle(self) -> None:
        """Wait until a key can do something again."""
        await self.until(self.is_idle)

    def is_idle(self) -> bool:
        """Tell whether the script has a line to type, or is at its end."""
        controller = self.controller
        if self.shell.session.connecting:
            return False
        return controller.finished or controller.own_hands or controller.line is not None

    def at_rest(self) -> bool:
        """Tell whether nothing is under way: no reply, no end of a connection, no replay."""
        shell, controller = self.shell, self.controller
        settled = not shell.connected or shell.session.core.settled
        parting = shell.connected and shell.session.core.farewell
        return settled and not parting and controller.is_idle and not shell.session.connecting

    async def hold(self, key: str, until: Callable[[], bool]) -> None:
        """Hold a key down: it comes again and again, whatever happens meanwhile."""

        async def repeat() -> None:
            while True:
                self.send(key)
                await asyncio.sleep(0)

        held = asyncio.create_task(repeat())
        try:
            await self.terminal.settle(until, timeout=TIMEOUT * 4)
        finally:
            held.cancel()


@contextlib.asynccontextmanager
async def showing(
    path: Path,
    *,
    columns: int = 80,
    rows: int = 24,
    free_rows: int = 0,
    theme: Theme = NEUTRAL,
    start: str | None = None,
    bare: bool = False,
    pace: Pace = Pace.KEYS,
    loop: bool = False,
    notes: Path | None = None,
    server: LessonServer | None = None,
) -> AsyncIterator[Showing]:
    """Show a lesson or a dialogue; leave with Ctrl-D unless the test does."""
    terminal = Terminal(columns, rows)
    with contextlib.ExitStack() as opened:
        if path.suffix == ".md":
            lesson = load_lesson(path)
            server = server or opened.enter_context(PracticeLessonServer(lesson))
        else:
            lesson, dialogue = lesson_of(str(path))
            server = server or opened.enter_context(DialogueServer(dialogue, lesson))
        keys = opened.enter_context(create_pipe_input())
        stage = opened.enter_context(Stage(answering_output(terminal, keys), free_rows=free_rows))
        opened.enter_context(create_app_session(keys, stage.output))
        shell = LiveShell(
            theme=theme, color=True, timeout=TIMEOUT, history_path=None, commands=LOCAL_COMMANDS
        )
        demo = Demo(
            lesson,
            server,
            stage,
            is_dialogue=path.suffix != ".md",
            start=start,
            bare=bare,
            pace=pace,
            loop=loop,
            notes=NotesFile(notes) if notes is not None else None,
            tempo=QUICK,
        )
        test = Showing(shell=shell, terminal=terminal, keys=keys)
        test.demo, test.sent = demo, []

        def take(event: Event) -> None:
            if isinstance(event, Sent):
                test.sent.append(event.line)

        shell.session.listeners.append(take)
        demo.begin(shell)
        test.running = asyncio.create_task(shell.run())
        try:
            await test.see("> ")
            yield test
        finally:
            shell.leave()
            await asyncio.wait_for(asyncio.gather(test.running, return_exceptions=True), TIMEOUT)
