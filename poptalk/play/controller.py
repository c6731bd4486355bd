"""The controller of a demo: between the keys, the shell, and the tutor of the lesson that is shown.

It is the controller of a lesson with one more pair of hands.  The script's line is typed at the shell's
prompt, so that it looks, and is masked, as if a learner had typed it; Enter does what it always does.
Going back, and going on after one's own commands, use the lesson's replay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from poptalk.lesson.actions import Awaiting, Feedback, FeedbackKind, Heading, LessonAction
from poptalk.lesson.document.model import Block, BlockKind, Lesson, QuizQuestion
from poptalk.lesson.runner import SILENCES, Tutor
from poptalk.lesson.session import Cursor, items_at
from poptalk.lesson.task import SENT
from poptalk.lesson.ui.controller import LessonController
from poptalk.play.script import HANG_UP, letters, line_of, mistake_in
from poptalk.terminal.markdown import render_comment

if TYPE_CHECKING:
    from prompt_toolkit.buffer import Buffer

    from poptalk.lesson.document.model import Item
    from poptalk.lesson.server import LessonServer
    from poptalk.play.demo import Demo

SECONDS_WITHOUT_END = 0.7
"""Silence after which a reply counts as over, where the lesson says that it has no end."""

MOST_TRIES = 2
"""How often a line is sent before the lesson goes on without the answer that it expects."""

_SAID_OF_OWN_COMMANDS = (FeedbackKind.NEWS, FeedbackKind.CLOSED)
"""What is said about one's own commands: the room has asked for them, not the lesson."""


class PlayController(LessonController):
    """Shows one lesson.

    Args:
        demo: has the shell, and shows the notes.
        tutor: of the lesson as it is shown, not begun.
        lesson_server: where its connections go.
        lesson: the lesson as it is shown, with captions for its prose.
        headings: whether the headings of steps are shown.
        goes_on: whether a step begins as soon as the one before it is done, as in a dialogue, where each
            line is a step.
    """

    help = "F1 keys"

    def __init__(
        self,
        demo: Demo,
        tutor: Tutor,
        lesson_server: LessonServer,
        *,
        lesson: Lesson,
        headings: bool,
        goes_on: bool,
    ) -> None:
        super().__init__(demo, tutor, lesson_server)
        self.begun = False
        """Whether Enter was pressed below the title."""
        self.own_hands = False
        """Whether the keys are those of the shell."""
        self._demo = demo
        self._lesson = lesson
        self._headings = headings
        self._goes_on = goes_on
        self._mistake: str | None = None
        """What is typed in place of the right line."""
        self._opened: list[str] = []
        """The letters of the answers that were opened."""
        self._question: QuizQuestion | None = None
        self._opening = False
        """Whether the next feedback is about an answer that was opened."""
        self._tries: Counter[tuple[Cursor, str]] = Counter()
        self._coming_back = False
        """Whether the session is being brought back to the script, after one's own commands."""
        self._reminds = False
        """Whether one's own commands may have moved the task off the screen."""
        self._expected: tuple[object, ...] = ()
        """The session as it was after the script's last line."""
        self._at = tutor.cursor
        self._beginning: Cursor | None = None
        """Where the step stopped for the first time."""

    @property
    def buffer(self) -> Buffer:
        """The line at the prompt."""
        return self._demo.shell.prompt_session.default_buffer

    # What is typed next.

    @property
    def plays(self) -> bool:
        """Whether any key types the script's line."""
        return not self.own_hands and self._to_be_confirmed is None

    @property
    def being_typed(self) -> str:
        """The line that is typed now, by the script or by hand."""
        return self.buffer.text if self.own_hands else self.line or ""

    @property
    def line(self) -> str | None:
        """What the script types now, empty where Enter alone goes on; None where one has to wait."""
        if not self.begun:
            return ""
        core = self._shell.session.core if self._shell.connected else None
        if not self.is_idle or self.over or (core is not None and core.awaiting_tls):
            return None
        if core is not None and not core.settled:
            return HANG_UP if self._is_endless() and not self._patient else None
        if self._mistake is not None:
            return self._mistake
        match self.tutor.awaiting:
            case Awaiting.CHOICE:
                item = self._item
                found = letters(item) if isinstance(item, QuizQuestion) else []
                return next((letter for letter in found if letter not in self._opened), "")
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

    @property
    def _item(self) -> Item | None:
        """The part of the lesson that is due."""
        cursor = self.tutor.cursor
        items = items_at(self._lesson, cursor.step)
        return items[cursor.item] if cursor.item < len(items) else None

    @property
    def _task(self) -> Block | None:
        """The task that is due; None where it is something else."""
        item = self._item
        return item if isinstance(item, Block) and item.kind is BlockKind.TASK else None

    def _is_endless(self) -> bool:
        """Tell whether the reply to the awaited line has no end, so that hanging up comes next."""
        task, turn = self._task, self.tutor.cursor.turn
        if task is None or turn >= len(task.turns):
            return False
        return task.turns[turn].is_endless(next(iter(task.turns[turn + 1 :]), None))

    def _is_given_up(self) -> bool:
        """Tell whether nothing can take the lesson further.

        The awaited line was sent, and not answered as the lesson says; or no answer is right.
        """
        if self.tutor.awaiting is not Awaiting.COMMAND:
            return self.tutor.awaiting is Awaiting.CHOICE
        turn = self.tutor.awaited
        if self._goes_on and turn is not None and turn.closes and not turn.hangs_up:
            # The server of the dialogue closed the connection; this one may not.
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
        if self.buffer.text != line:
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
        self.silences = (SECONDS_WITHOUT_END,) if self._is_endless() else SILENCES
        text = self.buffer.text
        self.buffer.reset(append_to_history=True)
        self._demo.shell.enter(text)
        self._shell.view.reveal = False

    def type_next(self, *, whole: bool = False) -> None:
        """Type the next character of the script's line; only Enter sends.

        Args:
            whole: whether to type all that is left.
        """
        line = self.line
        if line is None:
            return
        if not line.startswith(self.buffer.text):
            self.buffer.reset()
        left = line[len(self.buffer.text) :]
        self.buffer.insert_text(left if whole else left[:1])

    def click(self) -> None:
        """Type what is left of the line; send it if nothing is."""
        line = self.line
        if line is not None and self.buffer.text != line:
            self.type_next(whole=True)
        else:
            self.press_enter()

    def type_mistake(self) -> None:
        """Type the first mistake that is listed; the second time, go back to the right line."""
        if self.line is None or not self.begun:
            return
        if self._mistake is not None:
            self._mistake = None
            self.buffer.reset()
            return
        if self.tutor.awaiting is Awaiting.COMMAND and self._shell.connected:
            self._mistake = mistake_in(self.tutor.step, self._task, self.tutor)
        if self._mistake is None:
            self._demo.message = "no mistake is listed here"
            return
        self.buffer.reset()
        self.type_next(whole=True)

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
        due = self._shell.connected and not self._shell.session.core.settled
        fits = not due and self._situation() == self._expected
        if not self.own_hands and not self.busy and not fits:
            self._come_back()
        self.remind()
        self._demo.changed()

    def _forget_line(self) -> None:
        self._mistake = None
        self._tries.clear()
        if self._to_be_confirmed is not None:
            self._confirmed("no")
        self._shell.view.reveal = False
        self.buffer.reset()

    # Whether the session is where the script left it.

    def _situation(self) -> tuple[object, ...]:
        seen = self.tutor.session.now
        return (seen.state, seen.encrypted, seen.challenge, seen.named, seen.marked, seen.farewell)

    def _come_back(self) -> None:
        """Bring the session back to the script, by a replay on a new connection."""
        if self.tutor.awaiting is Awaiting.OVER:
            return
        self._coming_back = True
        if self._shell.connected:
            self.reopen()
        else:
            self.carry_out(self.tutor.open())

    def _take_note(self) -> None:
        """Take note of where the lesson stands, after anything has happened."""
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
        asked = self.tutor.awaiting is Awaiting.CHOICE
        item = self._item if asked else None
        question = item if isinstance(item, QuizQuestion) else None
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
        if self._goes_on and at_pause and not self.over:
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
        """Say nothing about a reply that is known to have no end; hanging up comes next."""
        if self._is_endless() and not self.busy:
            self._patient = False
            self._take_note()
        else:
            super().silence(seconds)

    def show(self, action: LessonAction) -> None:
        """Show what an audience needs: neither praise nor hints."""
        match action:
            case Heading(level=1):
                pass
            case Heading() if not self._headings:
                pass
            case Feedback() if self._opening:
                # Whether an answer is right, and why.
                right = action.kind is FeedbackKind.DONE
                word = ("done", "yes") if right else ("notyet", "no")
                columns = self._shell.view.size()[1]
                self._shell.say(render_comment(word, action.text, columns=columns))
            case Feedback() if self._is_noise(action.kind):
                pass
            case _:
                super().show(action)

    def _is_noise(self, kind: FeedbackKind) -> bool:
        if self._coming_back:
            return kind is not FeedbackKind.NEWS
        if self.own_hands:
            return kind not in _SAID_OF_OWN_COMMANDS
        return kind in (FeedbackKind.DONE, FeedbackKind.HINT)

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
        """Say who types."""
        return ("your own hands",) if self.own_hands else ("demo",)
