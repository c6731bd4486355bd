"""The controller of a demo: between any keys, the shell, and the tutor of the lesson that is shown.

It is the controller of a lesson with one more pair of hands.  The script's line is typed into the prompt
of the shell, so that it looks there, and is masked, as if a learner had typed it; Enter does what Enter
does at that prompt.  Going back and going on after one's own commands are the lesson's replay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from poptalk.lesson.actions import (
    Awaiting,
    Feedback,
    FeedbackKind,
    Heading,
    LessonAction,
)
from poptalk.lesson.runner import SILENCES, Tutor
from poptalk.lesson.session import Cursor
from poptalk.lesson.task import SENT
from poptalk.lesson.ui.controller import LessonController
from poptalk.play.script import (
    HANG_UP,
    Script,
    block_of,
    is_endless,
    letters,
    line_of,
    mistake_in,
    question_of,
)
from poptalk.shell.live import LiveShell
from poptalk.terminal.markdown import render_comment

if TYPE_CHECKING:
    from poptalk.lesson.document.model import Lesson, QuizQuestion
    from poptalk.lesson.server import LessonServer
    from poptalk.play.demo import Demo

SECONDS_WITHOUT_END = 0.7
"""Silence after which a reply that the lesson knows to have no end is over."""

MOST_TRIES = 2
"""How often a line is sent that is not answered as the lesson says; then the lesson goes on."""

_SAID_AT_ONES_OWN = (FeedbackKind.NEWS, FeedbackKind.CLOSED)
"""What is said of commands that are not the script's; the room has asked for them, not the lesson."""


class PlayController(LessonController):
    """Shows one lesson.

    Args:
        demo: has the shell, and shows the notes.
        tutor: of the lesson as it is shown, not begun.
        lesson_server: where its connections go.
        lesson: the lesson as it is shown, with captions for its prose.
        script: what is shown.
    """

    help = "F1 keys"

    def __init__(
        self,
        demo: Demo,
        tutor: Tutor,
        lesson_server: LessonServer,
        *,
        lesson: Lesson,
        script: Script,
    ) -> None:
        super().__init__(demo, tutor, lesson_server)
        self.begun = False
        """Whether Enter was pressed below the title."""
        self.own_hands = False
        """Whether the keys are those of the shell."""
        self._demo = demo
        self._lesson = lesson
        self._script = script
        self._mistake: str | None = None
        """What is typed in place of the right line."""
        self._opened: list[str] = []
        """The letters of the answers that were opened."""
        self._question: QuizQuestion | None = None
        self._opening = False
        """Whether what is said now is about an answer that was opened."""
        self._tries: Counter[tuple[Cursor, str]] = Counter()
        self._coming_back = False
        """Whether the session is brought back, after one's own commands, where the script is."""
        self._reminds = False
        """Whether one's own commands were shown since the task was."""
        self._expected: tuple[object, ...] = ()
        """What the script rests upon: the session as it was at the end of the script's last line."""
        self._at = tutor.cursor
        self._beginning: Cursor | None = None
        """Where the step has stopped for the first time."""

    @property
    def buffer_text(self) -> str:
        """What stands in the line."""
        shell = self._shell
        assert isinstance(shell, LiveShell)
        return shell.prompt_session.default_buffer.text

    # What is typed next.

    @property
    def plays(self) -> bool:
        """Whether keys type the script's line, and not what stands on them."""
        return not self.own_hands and self._to_be_confirmed is None

    @property
    def being_typed(self) -> str:
        """The line that is typed now, by the script or by hand."""
        return self.buffer_text if self.own_hands else self.line or ""

    @property
    def line(self) -> str | None:
        """What the script types now, empty where Enter alone goes on; None where one has to wait."""
        if not self.begun:
            return ""
        if not self.is_idle or self.over or self._is_beginning_tls():
            return None
        if self._shell.connected and not self._shell.session.core.settled:
            endless = is_endless(block_of(self._lesson, self.tutor), self.tutor)
            return HANG_UP if endless and not self._patient else None
        if self._mistake is not None:
            return self._mistake
        match self.tutor.awaiting:
            case Awaiting.CHOICE:
                left = self._unopened()
                return left[0] if left else ""
            case Awaiting.COMMAND if self._is_given_up():
                return ""
            case Awaiting.COMMAND:
                return line_of(self.tutor)
            case Awaiting.CLOSED if self._tries[self.tutor.cursor, ""] >= MOST_TRIES:
                return None
            case Awaiting.PAUSE | Awaiting.CLOSED:
                return ""
            case _:
                return None

    def _is_beginning_tls(self) -> bool:
        return self._shell.connected and self._shell.session.core.awaiting_tls

    def _unopened(self) -> list[str]:
        question = question_of(self._lesson, self.tutor)
        found = letters(question) if question is not None else []
        return [letter for letter in found if letter not in self._opened]

    def _is_given_up(self) -> bool:
        """Tell whether there is nothing left that could bring the lesson further.

        The awaited line was sent, and not answered as the lesson says; or no answer is right.
        """
        if self.tutor.awaiting is not Awaiting.COMMAND:
            return self.tutor.awaiting is Awaiting.CHOICE
        turn = self.tutor.awaited
        if self._script.goes_on and turn is not None and turn.closes and not turn.hangs_up:
            # Another server than the one of the dialogue may not close.
            return not self._shell.session.core.farewell
        verdict = self.tutor.verdict
        tries = self._tries[self.tutor.cursor, line_of(self.tutor) or ""]
        sent = verdict is not None and verdict.kind in SENT
        return tries >= MOST_TRIES or bool(tries and sent)

    # Keys: see `keys`.

    def press_enter(self) -> None:
        """Send the line if all of it is typed; type on if it is not."""
        line = self.line
        if line is None:
            return
        if self.buffer_text != line:
            self.type_next()
        elif not self.begun:
            self.begun = True
            self._demo.started()
            self.begin()
        elif not line and self._is_given_up():
            self.carry_out(self.tutor.skip())
        else:
            self._send(line)

    def _send(self, line: str) -> None:
        awaiting = self.tutor.awaiting
        if awaiting is Awaiting.CHOICE:
            self._opened.append(line)
        elif awaiting is not Awaiting.PAUSE and self._mistake is None and line != HANG_UP:
            self._tries[self.tutor.cursor, line] += 1
        if self._mistake is not None:
            self._mistake = None
            self._tries.clear()
        endless = is_endless(block_of(self._lesson, self.tutor), self.tutor)
        self.silences = (SECONDS_WITHOUT_END,) if endless else SILENCES
        self._demo.take_line()
        self._shell.view.reveal = False

    def type_next(self, *, whole: bool = False) -> None:
        """Type the next character of the script's line, or what is left of it; Enter alone sends.

        Args:
            whole: whether to type all that is left.
        """
        line = self.line
        if line is None:
            return
        text = self.buffer_text
        if not line.startswith(text):
            text = ""
            self._demo.clear_line()
        left = line[len(text) :]
        self._demo.insert(left if whole else left[:1])

    def type_mistake(self) -> None:
        """Type the first mistake that is listed; once more, and the right line is due again."""
        if self.line is None or not self.begun:
            return
        if self._mistake is not None:
            self._mistake = None
            self._demo.clear_line()
            return
        block = block_of(self._lesson, self.tutor)
        step = self.tutor.step
        line = mistake_in(step, block, self.tutor) if self._may_mistake() else None
        if line is None:
            self._demo.tell("no mistake is listed here")
            return
        self._mistake = line
        self._demo.clear_line()
        self.type_next(whole=True)

    def _may_mistake(self) -> bool:
        return self.tutor.awaiting is Awaiting.COMMAND and self._shell.connected

    def go_back(self) -> None:
        """Begin the step again; from its beginning, go back to the step before."""
        if self.busy or not self.begun:
            return
        self._forget_line()
        self.own_hands = False
        beginning = self._beginning
        inside = bool(self._opened) or (beginning is not None and self.tutor.cursor > beginning)
        self._opened.clear()
        self.carry_out(self.tutor.reset() if inside else self.tutor.back())

    def take_over(self) -> None:
        """Let the keys be those of the shell, or go on with the script."""
        if not self.begun:
            return
        self._forget_line()
        self.own_hands = not self.own_hands
        self._reminds = True
        if not self.own_hands and not self.busy and not self._fits():
            self._come_back()
        self.remind()
        self._demo.changed()

    def _forget_line(self) -> None:
        self._mistake = None
        self._tries.clear()
        if self._to_be_confirmed is not None:
            self._confirmed("no")
        self._shell.view.reveal = False
        self._demo.clear_line()

    # Whether the session is where the script has left it.

    def _fits(self) -> bool:
        due = self._shell.connected and not self._shell.session.core.settled
        return not due and self._situation() == self._expected

    def _situation(self) -> tuple[object, ...]:
        seen = self.tutor.session.now
        return (seen.state, seen.encrypted, seen.challenge, seen.named, seen.marked, seen.farewell)

    def _come_back(self) -> None:
        """Bring the session where the script is, by replay on a connection of its own."""
        if self.tutor.awaiting is Awaiting.OVER:
            return
        self._coming_back = True
        if self._shell.connected:
            self.reopen()
        else:
            self.carry_out(self.tutor.open())

    def _take_note(self) -> None:
        """Take note of where the lesson stands, once something has come about."""
        cursor = self.tutor.cursor
        if not self.own_hands or self.busy or cursor != self._at:
            self._expected = self._situation()
        if cursor.step != self._at.step:
            self._beginning = None
        waits = self.tutor.awaiting is not Awaiting.BUSY and not self.busy
        if waits and self._beginning is None:
            self._beginning = cursor
        self._at = cursor
        if waits:
            self._coming_back = False
        question = question_of(self._lesson, self.tutor)
        if question is not self._question:
            self._question = question
            self._opened.clear()
        self._demo.changed()

    # What the lesson does.

    def take(self, text: str) -> bool:
        """Take a line, the script's or one's own."""
        self._opening = self.tutor.awaiting is Awaiting.CHOICE
        try:
            return super().take(text)
        finally:
            self._opening = False

    def carry_out(self, actions: Sequence[LessonAction]) -> None:
        """Carry out actions; of a dialogue, go on with the next step."""
        super().carry_out(actions)
        self._take_note()
        at_pause = self.tutor.awaiting is Awaiting.PAUSE and not self.busy
        if self._script.goes_on and at_pause and not self.over:
            self.carry_out(self.tutor.entered("") or ())

    def remind(self) -> None:
        """Show what is asked again only where one's own commands may have moved it off the screen."""
        if self._reminds and not self.own_hands and self.is_idle:
            self._reminds = False
            super().remind()

    def settled(self) -> None:
        """Take note of where the session stands."""
        super().settled()
        self._take_note()

    def silence(self, seconds: float) -> None:
        """Say nothing of a reply that is known to have no end; hanging up comes next."""
        if is_endless(block_of(self._lesson, self.tutor), self.tutor) and not self.busy:
            self._patient = False
            self._take_note()
        else:
            super().silence(seconds)

    def show(self, action: LessonAction) -> None:
        """Show what an audience needs: neither praise nor hints."""
        match action:
            case Heading(level=1):
                pass
            case Heading() if not self._script.headings:
                pass
            case Feedback() if self._opening:
                self._show_answer(action)
            case Feedback() if self._is_noise(action.kind):
                pass
            case _:
                super().show(action)

    def _is_noise(self, kind: FeedbackKind) -> bool:
        if self._coming_back:
            return kind is not FeedbackKind.NEWS
        if self.own_hands:
            return kind not in _SAID_AT_ONES_OWN
        return kind in (FeedbackKind.DONE, FeedbackKind.HINT)

    def _show_answer(self, action: Feedback) -> None:
        """Say whether an answer is right, and why."""
        right = action.kind is FeedbackKind.DONE
        word = ("done", "yes") if right else ("notyet", "no")
        columns = self._shell.view.size()[1]
        self._shell.say(render_comment(word, action.text, columns=columns))

    def left(self) -> None:
        """Say nothing: the audience has seen it."""
        self.over = True
        self._shell.view.hidden = True

    # The prompt.

    def prompt(self, usual: str, *, short: bool) -> str:
        """Return the prompt of the lesson."""
        if not self.begun:
            return "Enter begins> "
        if self.finished:
            return "(the end)> "
        return super().prompt(usual, short=short)

    def facts(self) -> Sequence[str]:
        """Say whose hands are at work; nobody is to wonder."""
        return ("your own hands",) if self.own_hands else ("demo",)
