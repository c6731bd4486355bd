"""What must be on the screen when a lesson asks for something."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from poptalk.lesson.actions import Awaiting
from poptalk.lesson.document.model import Prose
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.replay import items_at
from poptalk.terminal.markdown import MOST_COLUMNS, render_item, render_prose
from poptalk.terminal.render import plain_text
from poptalk.terminal.safe import Fragments
from tests.lesson.walk.learner import Walker
from tests.shell.learners import learning

_CODE = re.compile(r"`([^`]+)`")
_FENCE = re.compile(r"```text\n(.*?)```", re.DOTALL)


class Looker:
    """Goes through a lesson without a mistake, and looks at the screen wherever something is asked.

    Args:
        path: the lesson.
        columns: cells of a row.
        rows: rows of the screen.

    Attributes:
        found: what is missing on the screen: where, and what.
    """

    def __init__(self, path: Path, *, columns: int, rows: int) -> None:
        self.path = path
        self.columns = columns
        self.rows = rows
        self.found: list[str] = []

    async def run(self) -> None:
        """Go to the end."""
        lesson = load_lesson(self.path)
        async with learning(self.path, columns=self.columns, rows=self.rows) as learner:
            self.walker = walker = Walker(learner, lesson)
            await walker.begin()
            self.reply: Sequence[str] = ()
            while not walker.over:
                self._look()
                seen = await walker.type(walker.right)
                came = [row for row in seen.rows if row.startswith("S: ")]
                self.reply = came or self.reply

    def _look(self) -> None:
        tutor = self.walker.tutor
        step = tutor.step
        awaiting = tutor.awaiting
        if awaiting is Awaiting.PAUSE or step is None:
            return
        visible = self.walker.learner.terminal.lines()
        items = items_at(self.walker.lesson, tutor.cursor.step)[: tutor.cursor.item]
        prose = next((each for each in reversed(items) if isinstance(each, Prose)), None)
        if awaiting is Awaiting.CHOICE:
            missing = [*self._missing_of_question(visible, prose)]
        else:
            heading = any(row.startswith(f"Step {tutor.cursor.step + 1} of ") for row in visible)
            last = self._last_block(prose) if prose is not None else []
            missing = [] if heading or _stands(last, visible) else ["the task"]
        for what in missing:
            where = f"{self.walker.lesson.name}#{step.slug}"
            at = f"{awaiting.name.lower()} {tutor.cursor.item}.{tutor.cursor.turn}"
            self.found.append(f"{where} ({at}) at {self.columns}x{self.rows}: {what}")

    def _missing_of_question(self, visible: Sequence[str], prose: Prose | None) -> Iterator[str]:
        question = self.walker.question
        assert question is not None
        width = min(self.columns, MOST_COLUMNS)
        for letter, choice in zip("abcdefgh", question.choices, strict=False):
            if not _stands(_rows(render_item(f"{letter}) ", choice.text, columns=width)), visible):
                yield f"choice {letter}"
        if prose is None:
            return
        last = self._last_block(prose)
        if not _stands(last, visible):
            yield f"the question: {last}"
        for fence in _FENCE.findall(prose.source):
            lines = [line for line in fence.splitlines() if line]
            if not all(any(line in row for row in visible) for line in lines):
                yield f"what is quoted: {lines}"
        at = min((at for at, row in enumerate(visible) if row in last), default=len(visible))
        asked = " ".join((*last, *(choice.text for choice in question.choices)))
        sources = " ".join((prose.source.rpartition("\n\n")[2], *(c.text for c in question.choices)))
        for code in dict.fromkeys(_CODE.findall(sources)):
            came = [row for row in self.reply if code in row]
            if came and len(code) > 1 and not any(code in row for row in visible[:at]):
                yield f"of the reply: {came[0]!r} [{asked[:60]}]"

    def _last_block(self, prose: Prose) -> list[str]:
        """Return the rows of the last paragraph, or of the lines that are to be typed."""
        rows = _rows(render_prose(prose.source, columns=self.columns))
        while "" in rows:
            rows = rows[rows.index("") + 1 :]
        return rows


def _rows(lines: Sequence[Fragments]) -> list[str]:
    return [plain_text(line).rstrip() for line in lines]


def _stands(rows: Sequence[str], visible: Sequence[str]) -> bool:
    """Tell whether rows are on the screen, one below the other."""
    return any(list(visible[at : at + len(rows)]) == list(rows) for at in range(len(visible)))
