"""What must be on the screen when a lesson asks for something."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from poptalk.lesson.actions import Awaiting
from poptalk.lesson.document.model import Prose
from poptalk.lesson.session import items_at
from poptalk.terminal.markdown import MOST_COLUMNS, render_item, render_prose
from poptalk.terminal.render import plain_text
from poptalk.terminal.safe import Fragments
from tests.lesson.walk.walk import LessonWalk

_CODE = re.compile(r"`([^`]+)`")
_FENCE = re.compile(r"```text\n(.*?)```", re.DOTALL)


SIZES = ((80, 24), (60, 18))
"""Columns and rows of the screens that a lesson is seen on."""


class ScreenWalk(LessonWalk):
    """Makes no mistake, and looks at the screen wherever something is asked."""

    async def run(self) -> None:
        """Go to the end."""
        async with self.arriving() as walker:
            while not walker.over:
                self._look()
                await self.type(walker.right)

    def _look(self) -> None:
        tutor = self.walker.tutor
        step = tutor.step
        awaiting = tutor.awaiting
        if awaiting is Awaiting.PAUSE or step is None:
            return
        visible = self.walker.learner.terminal.lines()
        items = items_at(self.lesson, tutor.cursor.step)[: tutor.cursor.item]
        prose = next((each for each in reversed(items) if isinstance(each, Prose)), None)
        if awaiting is Awaiting.CHOICE:
            missing = [*self._missing_of_question(visible, prose)]
        else:
            heading = any(row.startswith(f"Step {tutor.cursor.step + 1} of ") for row in visible)
            last = self._last_block(prose) if prose is not None else []
            missing = [] if heading or _stands(last, visible) else ["the task"]
        for what in missing:
            where = f"{self.lesson.name}#{step.slug}, next {self.walker.right!r}"
            self.found.append(f"{where}: not on {self.columns} columns: {what}")

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
            if "".join(fence.split()) not in "".join("".join(visible).split()):
                yield f"what is quoted: {fence}"
        below = visible.index(last[-1]) + 1 if last[-1] in visible else 0
        for code in dict.fromkeys(_CODE.findall(" ".join(each.text for each in question.choices))):
            came = [row for row in self._reply if code in row]
            if came and not any(code in row for row in visible[:below]):
                yield f"of the reply: {came[0]!r}"

    @property
    def _reply(self) -> Sequence[str]:
        """The lines of the last reply below its status line, shown or folded."""
        last = self.walker.learner.shell.session.exchanges.last
        lines = last.listing(most=1000) if last is not None else None
        return [line.decode("utf-8", "replace") for line in lines or ()]

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
