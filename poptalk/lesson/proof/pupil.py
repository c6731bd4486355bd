"""A pupil who does what a lesson asks for, and nothing else."""

from __future__ import annotations

from poptalk.lesson.document import Lesson, Step
from poptalk.lesson.rehearsal import DryRun
from poptalk.lesson.replaying import Cursor
from poptalk.lesson.room import LessonServer
from poptalk.lesson.turns import Turn
from poptalk.lesson.tutor import Awaiting, Tutor
from poptalk.notation.exchanges import Send
from poptalk.notation.pattern import FillError

MOST_ACTIONS = 1000
"""Things to do in one lesson; one that asks for more goes in circles."""


class Stuck(Exception):
    """The lesson does not go on although what it awaits was done.

    Args:
        line: of what is awaited, in the lesson's file; None where that is no line.
        last_words: what the tutor said to it.
    """

    def __init__(self, line: int | None, last_words: str) -> None:
        super().__init__(last_words)
        self.line = line
        self.last_words = last_words


class DryRunLearner:
    """Somebody who goes through a lesson, or through the rest of it.

    Args:
        lesson: the lesson.
        lesson_server: where it takes place; open as long as the pupil is there.
        at: the slug of the step to begin with; None for the beginning.

    Attributes:
        dry_run: what happens on the way.
    """

    def __init__(
        self, lesson: Lesson, lesson_server: LessonServer, *, at: str | None = None
    ) -> None:
        self.dry_run = DryRun(
            Tutor(lesson, position=at, later_letters=lesson_server.later_letters), lesson_server
        )

    @property
    def tutor(self) -> Tutor:
        """The tutor of the rehearsal."""
        return self.dry_run.tutor

    @property
    def over(self) -> bool:
        """Whether the lesson is at its end."""
        return self.tutor.awaiting is Awaiting.OVER

    @property
    def turn(self) -> Turn | None:
        """The turn that the learner is to take; None at a question, at a pause and at the end."""
        return self.tutor.awaited if self.tutor.awaiting is Awaiting.COMMAND else None

    @property
    def situation(self) -> tuple[object, ...]:
        """What a line that changes nothing leaves as it is."""
        return (self.dry_run.state, self.dry_run.marked, self.tutor.awaiting)

    @property
    def last_told(self) -> str:
        """What the tutor said last, as the end of a sentence."""
        comments = self.dry_run.comments
        return comments[-1].text.rstrip(".") if comments else "the tutor says nothing to it"

    @property
    def waits_in_vain(self) -> bool:
        """Whether the last reply had no end."""
        answered = self.dry_run.answered
        return answered is not None and not answered.complete

    def begin(self) -> None:
        """Begin, or resume."""
        self.dry_run.begin()

    def close(self) -> None:
        """Leave the lesson where it is."""
        self.dry_run.close()

    def go_to_turn(self, within: Step, cursor: Cursor | None = None) -> bool:
        """Go on to a line that the learner is to send.

        Args:
            within: the step at whose end the pupil stops.
            cursor: of the line; None for the next one.

        Returns:
            Whether there is one.

        Raises:
            Stuck: the lesson does not go on.
        """
        for _ in range(MOST_ACTIONS):
            if self.over or self.tutor.step is not within:
                return False
            if self.turn is not None and (cursor is None or self.tutor.cursor >= cursor):
                return True
            self.go_on()
        raise Stuck(within.line, "the step goes in circles")

    def go_on(self) -> None:
        """Do what is awaited.

        Raises:
            Stuck: the lesson awaits it still.
        """
        match self.tutor.awaiting:
            case Awaiting.COMMAND:
                went_on = self._take_turn()
            case Awaiting.CHOICE:
                went_on = self._choose()
            case Awaiting.PAUSE | Awaiting.CLOSED:
                self.dry_run.enter("")
                went_on = True
            case _:
                went_on = False
        if not went_on:
            raise Stuck(self._line(), self.last_told)

    def send(self, line: str) -> bool:
        """Type a line; tell whether the lesson took it for what it awaits."""
        cursor = self.tutor.cursor
        self.dry_run.enter(line)
        return self._is_behind(cursor)

    def fall_silent(self) -> bool:
        """Type nothing for a while; tell whether the lesson went on."""
        cursor = self.tutor.cursor
        self.dry_run.fall_silent()
        return self._is_behind(cursor)

    def _is_behind(self, cursor: Cursor) -> bool:
        return self.tutor.awaited is None or self.tutor.cursor > cursor

    def _take_turn(self) -> bool:
        turn, cursor = self.turn, self.tutor.cursor
        if turn is None:
            return False
        if isinstance(turn.act, Send):
            self.dry_run.enter(self._answer(turn.act))
        elif turn.hangs_up:
            self.dry_run.hang_up()
        elif turn.closes:
            self.dry_run.await_close()
        return self._is_behind(cursor)

    def _answer(self, send: Send) -> str:
        try:
            return send.step.pattern.fill(self.tutor.bindings)
        except FillError as error:
            raise Stuck(send.step.line, str(error).rstrip(".")) from None

    def _choose(self) -> bool:
        question = self.dry_run.question
        assert question is not None
        right = [number for number, choice in enumerate(question.choices, 1) if choice.right]
        if right:
            self.dry_run.enter(str(right[0]))
        else:
            self.dry_run.skip()
        return self.tutor.awaiting is not Awaiting.CHOICE or self.dry_run.question is not question

    def _line(self) -> int | None:
        act = self.tutor.awaited.act if self.tutor.awaited is not None else None
        return act.step.line if isinstance(act, Send) else None if act is None else act.line
