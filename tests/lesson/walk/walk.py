"""A walk through a lesson with the likely mistakes at every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from poptalk.lesson.actions import Awaiting
from poptalk.lesson.document.parser import load_lesson
from poptalk.transcript.model import Send
from tests.lesson.walk.learner import Place, Seen, Walker
from tests.lesson.walk.mistakes import (
    Mistake,
    mistakes_at_question,
    mistakes_for,
    mistakes_in_response,
    right_answers,
)
from tests.lesson.walk.rules import findings, is_asked_for
from tests.shell.learners import learning

MOST_TRIES = 12
"""Lines after which a learner who does what the screen says must have come on."""

Choose = Callable[[Sequence[Mistake], int], Sequence[Mistake]]
"""Chooses mistakes, given all of them and how many times it was asked."""


def everything(mistakes: Sequence[Mistake], _turn: int) -> Sequence[Mistake]:
    """Choose all mistakes."""
    return mistakes


def a_few(mistakes: Sequence[Mistake], turn: int) -> Sequence[Mistake]:
    """Choose three mistakes, other ones at each turn."""
    step = max(1, len(mistakes) // 3)
    return mistakes[(turn * 7) % step :: step]


@dataclass(kw_only=True)
class Walk:
    """Goes through a lesson, and writes down what is wrong.

    Attributes:
        found: what is wrong: where, what was typed, what was said.
    """

    path: Path
    choose: Choose = everything
    columns: int = 80
    rows: int = 24
    found: list[str] = field(default_factory=list)
    inputs: int = 0
    _turns: int = 0

    async def run(self) -> None:
        """Walk to the end; leave with Ctrl-D at the beginning of each step, and come back."""
        lesson = load_lesson(self.path)
        done = False
        left: set[int] = set()
        while not done:
            async with AsyncExitStack() as stack:
                learner = await stack.enter_async_context(
                    learning(self.path, columns=self.columns, rows=self.rows)
                )
                self.walker = walker = Walker(learner, lesson)
                await walker.begin()
                if left and f"step {max(left) + 1} of" not in walker.opening.text.lower():
                    self._note(walker.opening, "it does not go on where it was left")
                while not walker.over:
                    step = walker.tutor.cursor.step
                    if step not in left and step > 0:
                        left.add(step)
                        break
                    await self._take_turn()
                done = walker.over
                self.inputs += walker.inputs

    def _note(self, seen: Seen, what: str, kind: str = "") -> None:
        tutor = self.walker.tutor
        where = f"{self.walker.lesson.name}#{tutor.step.slug if tutor.step else ''}"
        said = " | ".join(f"{k}: {t}" for k, t in seen.comments)
        self.found.append(f"{where}: {seen.typed!r} ({kind}): {what}\n    {seen.status} {said}")

    async def _take_turn(self) -> None:
        """Make mistakes with what is awaited, and then do it."""
        walker, self._turns = self.walker, self._turns + 1
        place = walker.place
        for mistake in self.choose(list(self._mistakes()), self._turns):
            if not _is_at(walker.place, place):
                await self._come_back(place)
            await self._make(mistake)
            if walker.over or walker.place.cursor > place.cursor:
                return
        await self._do_it(place)

    def _mistakes(self) -> list[Mistake]:
        walker = self.walker
        if (question := walker.question) is not None:
            return list(mistakes_at_question(question))
        turn = walker.turn
        line = walker.line_of(turn)
        if turn is None or line is None:
            return []
        assert isinstance(turn.act, Send)
        if turn.act.answers_challenge:
            return list(mistakes_in_response(line))
        found = list(mistakes_for(line, later=list(walker.later())))
        # Those that pass come last: the lesson goes on with them.
        return sorted(found, key=lambda each: is_asked_for(turn.act, each.line, walker.tutor.bindings))

    async def _make(self, mistake: Mistake) -> Seen:
        walker = self.walker
        before, turn, bindings = walker.place, walker.turn, walker.tutor.bindings
        seen = await walker.type(mistake.line)
        for what in findings(seen, mistake, turn, bindings, before, walker.place):
            self._note(seen, what, mistake.kind)
        return seen

    async def _come_back(self, place: Place) -> None:
        """Do what is right, until the lesson awaits again what it did."""
        walker = self.walker
        for _ in range(MOST_TRIES):
            if walker.over or _is_at(walker.place, place):
                return
            await walker.type(walker.right)

    async def _do_it(self, place: Place) -> None:
        """Do what is awaited, and what the screen says where that does not pass."""
        walker = self.walker
        follows = False
        for attempt in range(MOST_TRIES):
            if walker.over or walker.place.cursor > place.cursor:
                return
            if walker.place.awaiting is Awaiting.PAUSE:
                await walker.type("")
                return
            advice = next((each for each in (":reset", "RSET") if attempt and each in seen.text), "")
            follows = bool(advice) and not follows
            seen = await walker.type(advice if follows else walker.right)
        self._note(seen, "what is right does not pass", "right")
        while not (walker.over or walker.place.cursor > place.cursor):
            await walker.type(":skip")


def _is_at(place: Place, other: Place) -> bool:
    return place.cursor == other.cursor and place.awaiting is other.awaiting
