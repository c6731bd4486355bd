"""Walks through a lesson: with mistakes at every step, with all hints, and with `:skip` alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
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
from tests.lesson.walk.rules import BROKEN, Case, findings, is_asked_for
from tests.shell.learners import learning

MOST_TRIES = 12
"""Lines after which a learner who does what the screen says must have come on."""

TIMES_AT_MOST = 3
"""How often the same words may be said, one after the other, without a way out."""

MOST_INPUTS = 2000
"""Lines in a lesson; one that takes more goes in circles."""

LOCAL = (":why", ":task", ":state", ":map", ":hint")
"""What is asked of poptalk, each at some turn."""

Choose = Callable[[Sequence[Mistake], int], Sequence[Mistake]]
"""Chooses mistakes, given all of them and how many times it was asked."""


def everything(mistakes: Sequence[Mistake], _turn: int) -> Sequence[Mistake]:
    """Choose all mistakes."""
    return mistakes


def a_few(mistakes: Sequence[Mistake], turn: int) -> Sequence[Mistake]:
    """Choose two mistakes, other ones at each turn."""
    step = max(1, len(mistakes) // 2)
    return mistakes[(turn * 7) % step :: step]


class LessonWalk:
    """Goes through a lesson, and writes down what is wrong.

    Args:
        path: the lesson.
        columns: cells of a row of the screen.
        rows: its rows.

    Attributes:
        found: what is wrong: where, what was typed, what was said.
        inputs: how many lines were typed.
    """

    def __init__(self, path: Path, *, columns: int = 80, rows: int = 24) -> None:
        self.lesson = load_lesson(path)
        self.columns = columns
        self.rows = rows
        self.found: list[str] = []
        self.inputs = 0
        self.walker: Walker

    async def run(self) -> None:
        """Walk to the end."""
        raise NotImplementedError

    @asynccontextmanager
    async def arriving(self) -> AsyncIterator[Walker]:
        """Sit down at the lesson, and leave with Ctrl-D at the end."""
        async with learning(self.lesson.path, columns=self.columns, rows=self.rows) as learner:
            self.walker = Walker(learner, self.lesson)
            await self.walker.begin()
            yield self.walker

    async def type(self, line: str) -> Seen:
        """Type a line, which must not break anything."""
        self.inputs += 1
        assert self.inputs < MOST_INPUTS, self.found
        seen = await self.walker.type(line)
        for broken in BROKEN:
            if broken in seen.text:
                self.note(seen, f"it says {broken!r}")
        return seen

    def note(self, seen: Seen, what: str) -> None:
        """Write down what is wrong."""
        step = self.walker.tutor.step
        where = f"{self.lesson.name}#{step.slug if step is not None else ''}"
        said = " | ".join(f"{kind}: {text}" for kind, text in seen.comments)
        self.found.append(f"{where}: {seen.typed!r}: {what}\n    {seen.status} {said}")


class MistakesWalk(LessonWalk):
    """Makes mistakes with all that is awaited; leaves at the beginning of each step, and comes back.

    Args:
        path: the lesson.
        choose: which mistakes are made.
    """

    def __init__(self, path: Path, choose: Choose = everything) -> None:
        super().__init__(path)
        self._choose = choose
        self._turns = 0
        self._same: list[tuple[str, str]] = []
        """Comments that say the same as the last one, without a way out."""

    async def run(self) -> None:
        """Walk to the end."""
        for leave_at in range(1, len(self.lesson.steps) + 1):
            async with self.arriving() as walker:
                if leave_at > 1 and f"step {leave_at} of" not in walker.opening.text.lower():
                    self.note(walker.opening, "it does not go on where it was left")
                while not walker.over and walker.tutor.cursor.step < leave_at:
                    await self._take_turn()

    async def _take_turn(self) -> None:
        """Make mistakes with what is awaited, and then do it."""
        walker, self._turns = self.walker, self._turns + 1
        place = walker.place
        for mistake in self._choose(self._mistakes(), self._turns):
            await self._make(mistake)
            await self._come_back(place)
            if walker.over or walker.place.cursor > place.cursor:
                return
        local = LOCAL[self._turns % len(LOCAL)]
        asked = await self.type(local)
        if not asked.text:
            self.note(asked, "nothing is said to it")
        await self._do_it(place)

    def _mistakes(self) -> list[Mistake]:
        walker = self.walker
        if (question := walker.question) is not None:
            return list(mistakes_at_question(question))
        turn, line = walker.turn, walker.line_of(walker.turn)
        if turn is None or line is None:
            return []
        assert isinstance(turn.act, Send)
        if turn.act.answers_challenge:
            return list(mistakes_in_response(line))
        act, bindings = turn.act, walker.tutor.bindings
        found = mistakes_for(line, later=list(walker.later()))
        # Those that pass come last: the lesson goes on with them.
        return sorted(found, key=lambda each: is_asked_for(act, each.line, bindings))

    async def _make(self, mistake: Mistake) -> None:
        walker = self.walker
        before, bindings = walker.place, walker.tutor.bindings
        turn = walker.turn if walker.turn and not walker.is_in_any_order else None
        seen = await self.type(mistake.line)
        case = Case(
            mistake=mistake,
            turn=turn,
            bindings=bindings,
            before=before,
            after=walker.place,
            seen=seen,
        )
        for what in findings(case):
            self.note(seen, f"({mistake.kind}) {what}")
        for what in self._of_repetition(seen):
            self.note(seen, what)

    def _of_repetition(self, seen: Seen) -> Iterator[str]:
        """Find words that are said for the third time in a row, with no way out."""
        wrong = [comment for comment in seen.comments if comment[0] == "not yet"]
        if wrong != seen.comments or any(each not in self._same for each in wrong):
            self._same = []
        self._same += wrong
        if len(self._same) == TIMES_AT_MOST and ":" not in self._same[0][1]:
            yield "the same is said thrice, without a way out"

    async def _come_back(self, place: Place) -> None:
        """Do what is right, until the lesson awaits again what it did."""
        walker = self.walker
        for _ in range(MOST_TRIES):
            here = walker.place
            if walker.over or here.is_at(place) or here.cursor > place.cursor:
                return
            await self.type(walker.right)

    async def _do_it(self, place: Place) -> None:
        """Do what is awaited, and what the screen says where that does not pass."""
        walker = self.walker
        advice, seen = "", walker.opening
        for attempt in range(MOST_TRIES):
            if walker.over or walker.place.cursor > place.cursor:
                return
            if walker.place.awaiting is Awaiting.PAUSE:
                await self.type("")
                return
            advised = [each for each in (":reset", "RSET") if attempt and each in seen.text]
            advice = advised[0] if advised and not advice else ""
            seen = await self.type(advice or self._right)
        self.note(seen, "what is right does not pass")
        while not (walker.over or walker.place.cursor > place.cursor):
            await self.type(":skip")

    @property
    def _right(self) -> str:
        """What is right, said in one of its ways."""
        question = self.walker.question
        if question is None:
            return self.walker.right
        ways = list(right_answers(question))
        return ways[self._turns % len(ways)]


class HintsWalk(LessonWalk):
    """Asks for hints until one says what to type, and types just that."""

    async def run(self) -> None:
        """Walk to the end."""
        async with self.arriving() as walker:
            while not walker.over:
                place, question = walker.place, walker.question
                answer = await self._told() if question or walker.turn else walker.right
                seen = await self.type(answer)
                unsettled = walker.learner.shell.connected and walker.right == ":close"
                if walker.place == place and not unsettled and answer != ":close":
                    self.note(seen, "the last hint does not pass")
                    await self.type(walker.right)

    async def _told(self) -> str:
        for _ in range(MOST_TRIES):
            seen = await self.type(":hint")
            for kind, text in seen.comments:
                if kind == "hint" and text.startswith(("Send: ", "Type: ")):
                    return text[len("Send: ") :]
                if kind == "hint" and text.startswith("Answer "):
                    return text.removeprefix("Answer ")[0]
                if kind == "hint" and ":close hangs up" in text:
                    return ":close"
        self.note(seen, "no hint says what to type")
        return self.walker.right


class SkipWalk(LessonWalk):
    """Types nothing but `:skip`."""

    async def run(self) -> None:
        """Walk to the end."""
        most = 3 * sum(1 + len(step.items) for step in self.lesson.steps)
        async with self.arriving() as walker:
            while not walker.over:
                seen = await self.type(":skip")
                if any(kind in ("not yet", "could not judge") for kind, _ in seen.comments):
                    self.note(seen, "poptalk's own answer does not pass")
                if self.inputs > most:
                    self.note(seen, "it goes in circles")
                    return
