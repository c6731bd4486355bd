"""A learner who walks through a lesson, and what stands on the screen after each line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from poptalk.lesson.actions import Awaiting, FeedbackKind
from poptalk.lesson.document.model import Block, Lesson, QuizQuestion, Turn
from poptalk.lesson.runner import Tutor
from poptalk.lesson.session import Cursor, items_at
from poptalk.pop3.commands import State
from poptalk.transcript.model import Send
from poptalk.transcript.pattern import FillError
from tests.shell.learners import Learner

_WORDS = "|".join(re.escape(kind.value) for kind in FeedbackKind)
_COMMENT = re.compile(rf"({_WORDS}): (.*)")
_MARKED = re.compile(r"(C:|S:|#|2nd |> )")

SOON, PATIENCE = 0.05, 60.0
"""Seconds of silence after which an endless reply is taken to be all, and at last, in a walk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a line led to, as it stands on the screen."""

    typed: str
    rows: tuple[str, ...]

    @property
    def status(self) -> str:
        """The first word of the first reply; empty where there was none."""
        first = next((row for row in self.rows if row.startswith("S: ")), "")
        return first.removeprefix("S: ").split(" ")[0]

    @property
    def comments(self) -> list[tuple[str, str]]:
        """What the tutor said: the word in front, and the rest in one line."""
        found: list[tuple[str, str]] = []
        open_ = False
        for row in self.rows:
            if match := _COMMENT.match(row):
                found.append((match[1], match[2]))
                open_ = True
            elif open_ and row.startswith("  "):
                found[-1] = (found[-1][0], f"{found[-1][1]} {row.strip()}")
            else:
                open_ = False
        return found

    @property
    def text(self) -> str:
        """All of it in one line."""
        return " ".join(" ".join(self.rows).split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the learner stands: in the lesson, and in the session."""

    awaiting: Awaiting
    cursor: Cursor
    state: State
    marked: frozenset[int]

    def is_at(self, other: Place) -> bool:
        """Tell whether the lesson stands where it stood, and awaits the same."""
        return self.cursor == other.cursor and self.awaiting is other.awaiting


class Walker:
    """Types at a lesson in a live shell, and reads the screen.

    Args:
        learner: at the keyboard.
        lesson: the lesson that runs there.
    """

    def __init__(self, learner: Learner, lesson: Lesson) -> None:
        self.learner = learner
        self.lesson = lesson
        self.inputs = 0
        """How many lines were typed."""
        self.opening = Seen(typed="", rows=())
        """What stood on the screen when the learner came."""
        self._row = 0

    async def begin(self) -> None:
        """Wait until something is awaited, and read the screen."""
        await self.learner.until(self._wants_a_line)
        await self.learner.drawn()
        self.opening = self._new_rows("")

    @property
    def tutor(self) -> Tutor:
        """The tutor."""
        return self.learner.controller.tutor

    @property
    def over(self) -> bool:
        """Whether the lesson has come to its end."""
        return self.tutor.awaiting is Awaiting.OVER

    @property
    def place(self) -> Place:
        """Where the learner stands."""
        shell, tutor = self.learner.shell, self.tutor
        core = shell.session.core
        return Place(
            awaiting=tutor.awaiting,
            cursor=tutor.cursor,
            state=core.state if shell.connected else State.CLOSED,
            marked=frozenset(core.marked) if shell.connected else frozenset(),
        )

    @property
    def question(self) -> QuizQuestion | None:
        """The question that is asked."""
        if self.tutor.awaiting is not Awaiting.CHOICE:
            return None
        item = items_at(self.lesson, self.tutor.cursor.step)[self.tutor.cursor.item]
        assert isinstance(item, QuizQuestion)
        return item

    @property
    def turn(self) -> Turn | None:
        """The turn that is awaited."""
        return self.tutor.awaited if self.tutor.awaiting is Awaiting.COMMAND else None

    @property
    def is_in_any_order(self) -> bool:
        """Whether the lines of the task may come in any order, so that no one turn is awaited."""
        item = items_at(self.lesson, self.tutor.cursor.step)[self.tutor.cursor.item]
        return isinstance(item, Block) and item.any_order

    def line_of(self, turn: Turn | None) -> str | None:
        """Return the line of a turn; None where it is none, or has no value yet."""
        if turn is None or not isinstance(turn.act, Send):
            return None
        try:
            return turn.act.step.pattern.fill(self.tutor.bindings)
        except FillError:
            return None

    @property
    def right(self) -> str:
        """What is right to type now."""
        shell = self.learner.shell
        if shell.connected and not shell.session.core.settled:
            return ":close"  # A reply without an end, of which the silence was told.
        if (question := self.question) is not None:
            return "abcdefgh"[[choice.right for choice in question.choices].index(True)]
        if self.tutor.awaiting is Awaiting.OUTSIDE:
            return ":skip"  # It is to be typed in another program.
        turn = self.turn
        if turn is None:
            return ""
        if turn.hangs_up:
            return ":close"
        if self.tutor.in_one_go:
            lines = [self.line_of(each) or "" for each in self.tutor.in_one_go]
            return ":send " + "".join(rf"{line}\r\n" for line in lines)
        line = self.line_of(turn)
        assert line is not None, f"{turn} has no line"
        return line

    def later(self) -> Iterator[str]:
        """Give the lines of the rest of this step, and the first of the next."""
        cursor = self.tutor.cursor
        for step in range(cursor.step, min(cursor.step + 2, len(self.lesson.steps))):
            for at, item in enumerate(items_at(self.lesson, step)):
                turns = getattr(item, "turns", ())
                for index, turn in enumerate(turns):
                    if Cursor(step=step, item=at, turn=index) > cursor and (
                        line := self.line_of(turn)
                    ):
                        yield line
                        if step > cursor.step:
                            return

    async def type(self, line: str) -> Seen:
        """Type a line, wait until all of its consequences are on the screen, and read them."""
        self.inputs += 1
        learner = self.learner
        turn = self.tutor.awaited
        if turn is None or turn.may_be_cut_off:
            learner.controller.silences = (SOON, PATIENCE)
        else:
            learner.controller.__dict__.pop("silences", None)
        learner.send(line + "\r")
        await learner.until(lambda: not learner.line)
        await learner.drawn()
        await learner.until(self._wants_a_line)
        await learner.drawn()
        await learner.until(self._has_a_prompt)
        return self._new_rows(line)

    def _wants_a_line(self) -> bool:
        shell, controller = self.learner.shell, self.learner.controller
        due = shell.connected and not shell.session.core.settled
        busy = controller.held or shell.session.connecting or self.tutor.awaiting is Awaiting.BUSY
        return controller.wants_a_line(due=due) and not busy

    def _has_a_prompt(self) -> bool:
        """Tell whether the prompt stands below all that was shown."""
        terminal = self.learner.terminal
        prompt = self.learner.prompt
        return bool(prompt) and terminal.lines()[terminal.cursor.row].startswith(prompt[:20])

    def _new_rows(self, typed: str) -> Seen:
        screen = self.learner.terminal.screen
        start, self._row = self._row, len(screen.history.top) + screen.cursor.y
        rows = [*screen.history.top, *(screen.buffer[at] for at in range(screen.lines))]
        text = (
            "".join(row[column].data for column in range(screen.columns)).rstrip()
            for row in rows[start : self._row]
        )
        return Seen(typed=typed, rows=tuple(text))
