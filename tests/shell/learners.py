"""Learners for the tests: a lesson in a live shell of this process, keys in and a screen out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input

from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.server import LessonServer
from poptalk.lesson.ui.controller import LessonController
from poptalk.lesson.ui.menu import LessonHost
from poptalk.shell.commands.general import LOCAL_COMMANDS
from poptalk.shell.live import LiveShell
from poptalk.terminal.theme import NEUTRAL
from tests.servers.terminal import Terminal
from tests.shell.shells import ENTER, TIMEOUT, LiveTest, answering_output

if TYPE_CHECKING:
    from poptalk.terminal.theme import Theme

LESSONS = Path(__file__).parent.parent / "lesson" / "lessons"
SHORT = LESSONS / "short.md"


class Learner(LiveTest):
    """Somebody who learns, and the screen they see."""

    @property
    def prompt(self) -> str:
        """What the prompt says."""
        return self.shell.prompt_within(self.terminal.screen.columns).strip()

    @property
    def controller(self) -> LessonController:
        """The coach of the lesson."""
        assert isinstance(self.shell.controller, LessonController)
        return self.shell.controller

    @property
    def words(self) -> str:
        """Everything that was ever shown, as one line with single blanks."""
        return " ".join(" ".join(self.terminal.history()).split())

    async def does(self, *lines: str) -> None:
        """Type lines, each when the one before has been answered and commented on."""
        for line in lines:
            self.send(line + ENTER)
            await self.until(lambda: not self.line)
            await self.drawn()
            await self.idle()

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        await self.until(lambda: self.shell.controller is None or self._is_idle())
        await self.drawn()

    def _is_idle(self) -> bool:
        controller = self.shell.controller
        if not isinstance(controller, LessonController):
            return True
        due = self.shell.connected and not self.shell.session.core.settled
        return controller.is_idle and not (due or controller.held or self.shell.session.connecting)

    async def says(self, text: str) -> None:
        """Wait until words are on the screen, however they are wrapped."""
        await self.until(lambda: " ".join(text.split()) in self.words)


@contextlib.asynccontextmanager
async def learning(
    lesson: Path | None = SHORT,
    *,
    columns: int = 80,
    rows: int = 24,
    color: bool = True,
    theme: Theme = NEUTRAL,
    lesson_server: LessonServer | None = None,
) -> AsyncIterator[Learner]:
    """Learn a lesson, or choose one from the menu; leave with Ctrl-D unless the test does."""
    terminal = Terminal(columns, rows)
    first = load_lesson(lesson) if lesson is not None else None
    with (
        create_pipe_input() as keys,
        create_app_session(keys, answering_output(terminal, keys)),
        LessonHost(first=first, lesson_server=lesson_server) as host,
    ):
        shell = LiveShell(
            theme=theme,
            color=color,
            timeout=TIMEOUT,
            history_path=None,
            commands=LOCAL_COMMANDS,
        )
        learner = Learner(shell=shell, terminal=terminal, keys=keys)
        host.begin(shell)
        learner.running = asyncio.create_task(shell.run())
        try:
            await learner.see("> ")
            await learner.idle()
            yield learner
        finally:
            shell.leave()
            await asyncio.wait_for(asyncio.gather(learner.running, return_exceptions=True), TIMEOUT)
