"""One pupil: the lesson's own tutor, told what the server saw of the pupil's connections.

It is `poptalk learn` without a keyboard and without a screen: the pupil connects and types, with any
program, and the tutor judges each line as it always does.  Questions and pauses can't be shown on the
wire, so they are answered here.  What poptalk would type itself, the pupil has to (see `Tutor`,
`by_hand`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from poptalk.lesson.actions import (
    Answered,
    Ask,
    Awaiting,
    Chosen,
    Connect,
    Connected,
    Feedback,
    FeedbackKind,
    Finish,
    Keep,
    LessonAction,
    Manner,
    Request,
    TakeBack,
)
from poptalk.lesson.document.model import BlockKind, Lesson, QuizQuestion, Step
from poptalk.lesson.driver import Driver, SecondConnection
from poptalk.lesson.outside import News, VisitorLeft, VisitorSession
from poptalk.lesson.progress import EventKind
from poptalk.lesson.runner import Tutor
from poptalk.pop3.commands import MASK
from poptalk.pop3.events import BodyChunk, Challenge, Event, Greeting, Reply, ReplyEnd, Sent
from poptalk.pop3.server.events import EndReason
from poptalk.practice.observers import DropReason
from poptalk.session.log import now_here, open_log
from poptalk.terminal.markdown import render_item
from poptalk.terminal.render import client_line, plain_text, status_line
from poptalk.terminal.safe import Fragments

if TYPE_CHECKING:
    from poptalk.classroom.pupils import Pupils
    from poptalk.classroom.room import PupilServer
    from poptalk.lesson.actions import LessonEvent
    from poptalk.net.endpoint import Destination
    from poptalk.pop3.client import ClientSession
    from poptalk.session.exchanges import Exchanges

MOST_OCTETS_OF_A_LINE = 200
"""Octets that are kept of a line: more than any board shows in a row."""

MOST_WRONG_LINES = 200
"""How many different wrong lines of a pupil are counted."""

MOST_SAID = 300
"""Lines of the dialogue that are kept for the teacher to look at."""

SPACE_FOR_TEXT = 10_000
"""Columns of a row that must not be broken."""


def steps_to_do(lesson: Lesson) -> tuple[Step, ...]:
    """Return the steps that send something; the others are only questions and prose."""
    return tuple(step for step in lesson.steps if any(step.blocks(BlockKind.TASK)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What poptalk says about a line."""

    line: str
    """Made harmless, secrets masked; empty if it is about no line."""
    kind: FeedbackKind
    text: str
    """On one line, without Markdown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedStep:
    """A step that a pupil has done."""

    at: datetime
    seconds: float
    """Since the previous step was done, or since the pupil came."""
    lines: int
    misses: int


class Pupil(Driver):
    """A pupil of a class.

    Args:
        name: as the pupil gave it, or the address if no name was given.
        is_named: whether it is a name.
        number: from 1, in the order in which the names came; below 0 without a name.
        lesson: what the pupil learns.
        server: the server as this pupil sees it.
        pupils: the class.

    Attributes:
        done: the steps that are done, by their ids.
        lines: how many lines were sent in each step.
        misses: how many of them were wrong.
        wrong: how often each wrong line came, as it may be shown.
        progressed_at: when the pupil last did something that the lesson asks for, by the class's clock.
        remark: the last remark since then.
        said: what was said last, with poptalk's comments; secrets masked, and harmless.
        finished: whether the lesson is over.
        has_logged_in: whether the name is proven.
        has_hands: whether the pupil's web page connects, whose own tutor restores the maildrop.
    """

    def __init__(
        self,
        name: str,
        *,
        is_named: bool,
        number: int,
        lesson: Lesson,
        server: PupilServer,
        pupils: Pupils,
    ) -> None:
        self.name, self.is_named, self.number = name, is_named, number
        self.done: dict[str, FinishedStep] = {}
        self.misses: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.remark: Remark | None = None
        self.said: deque[Fragments | Remark] = deque(maxlen=MOST_SAID)
        self.finished = self.has_logged_in = self.has_hands = False
        self.progressed_at = self._step_since = pupils.clock()
        self.lines: Counter[str] = Counter()
        self._sent: deque[tuple[bytes, str]] = deque(maxlen=MOST_SAID)
        """Lines that are not answered yet: as they were sent, and as they may be shown."""
        self._line = ""
        self._news = ""
        self._question: QuizQuestion | None = None
        self._body_lines = 0
        self._proving = False
        self._held: list[News] = []
        """What happened during a proof."""
        self._connected = False
        """Whether a connection has just been made."""
        self._server, self._pupils = server, pupils
        self._visitor = VisitorSession(
            server.destination(fresh=False, number=1),
            self.hear,
            complain=lambda sentence: pupils.complain(sentence),
        )
        tutor = Tutor(lesson, known=server.known, later_letters=server.later_letters, by_hand=True)
        super().__init__(tutor, server)
        self.carry_out(tutor.begin())

    def take(self, news: News) -> None:
        """Take what the server saw."""
        if self._proving:
            self._held.append(news)
            return
        if isinstance(news, VisitorLeft) and not self.is_connected:
            return  # that is known already
        self.visited(self._visitor, news)
        if self.session is not None and self.session.farewell:
            # The server hangs up; the client may take its time to do the same.
            self.visited(self._visitor, VisitorLeft(how=EndReason.QUIT))

    def leave(self) -> None:
        """Take note that the connection no longer counts."""
        self.take(VisitorLeft(how=DropReason.CLIENT_VANISHED))

    def log_to(self, name: str) -> None:
        """Write the dialogue to a file as it happens; call this before anything is said.

        Raises:
            OSError: the file cannot be opened.
        """
        self._visitor.session.log = open_log(name, self._visitor.session)

    def close(self) -> None:
        """Do nothing any more, and close the file."""
        self.over = True
        self._visitor.session.close()

    @property
    def is_connected(self) -> bool:
        """Whether there is an open connection."""
        return self.session is not None

    @property
    def waits_for(self) -> str:
        """What has to be done again before the lesson goes on, in a sentence; usually empty."""
        return self._news if self.tutor.session.awaited else ""

    @property
    def step(self) -> Step | None:
        """The current step; None once the lesson is over."""
        return None if self.finished else self.tutor.step

    # What happens.

    def carry_out(self, actions: list[LessonAction]) -> None:  # type: ignore[override]
        """Carry out actions, and answer questions and pauses."""
        is_nested = self._working
        super().carry_out(actions)
        while not (is_nested or self.busy or self.over):
            answer = self._answer_by_itself()
            if answer is None:
                return
            super().carry_out(self.tutor.tell(answer))

    def _answer_by_itself(self) -> Chosen | Request | None:
        """Return the answer to a question or a pause; None if a line is awaited."""
        if self.tutor.awaiting is Awaiting.PAUSE:
            return Request.GO_ON
        if self.tutor.awaiting is not Awaiting.CHOICE or self._question is None:
            return None
        right = [at for at, choice in enumerate(self._question.choices, 1) if choice.right]
        return Chosen(number=right[0]) if right else Request.SKIP

    def hear(self, event: Event) -> None:
        """Keep what may be shown of an event."""
        match event:
            case Sent(line=line, secret=secret):
                shown = client_line(self._masked(line), secret)
                self._sent.append((line, plain_text(shown[1:]).strip()))
                self.said.append(shown)
            case Greeting(status_line=status) | Challenge(status_line=status):
                self.said.append(status_line(status.line[:MOST_OCTETS_OF_A_LINE]))
            case Reply(status_line=status):
                line = self._visitor.session.secrets.mask(status.line)
                self.said.append(status_line(line[:MOST_OCTETS_OF_A_LINE]))
                self._body_lines = 0
            case BodyChunk(data=data):
                self._body_lines += data.count(b"\n")
            case ReplyEnd() if self._body_lines:
                self.said.append([("note", f"S: ... ({self._body_lines} lines)")])
                self._body_lines = 0
        super().hear(event)

    def _masked(self, line: bytes) -> bytes:
        """Mask the password of the class if it was typed in the wrong place."""
        password = (self._server.known.password or "").encode()
        return line[:MOST_OCTETS_OF_A_LINE].replace(password, MASK) if password else line

    def told(self, event: LessonEvent) -> None:
        """Take note of the line that the next comment is about."""
        self._line = ""
        if isinstance(event, Connected):
            self._connected = True
        elif isinstance(event, Answered):
            while self._sent:
                line, shown = self._sent.popleft()
                if line == event.line:
                    self._line = shown
                    break
            self.lines[self._slug] += 1

    def settled(self) -> None:
        """Remember the maildrop as it is when a connection begins."""
        if self._connected:
            self._connected = False
            self._server.remember(self.tutor.session.number)

    @property
    def _slug(self) -> str:
        return self.tutor.step.slug if self.tutor.step is not None else ""

    def show(self, action: LessonAction) -> None:
        """Keep what the teacher should see."""
        match action:
            case Keep(event=event) if event.kind in (EventKind.PASSED, EventKind.SHOWN):
                self._finish(event.step)
            case Keep(event=event) if event.kind is EventKind.MISSED and self._line:
                self.misses[event.step] += 1
                if self._line in self.wrong or len(self.wrong) < MOST_WRONG_LINES:
                    self.wrong[self._line] += 1
            case Feedback():
                self._comment(action)
            case Ask(question=question):
                self._question = question
            case TakeBack(number=number) if not self.has_hands:
                self._server.take_back(number)
            case Finish():
                self.finished = True

    def _comment(self, feedback: Feedback) -> None:
        remark = Remark(line=self._line, kind=feedback.kind, text=plain(feedback.text))
        self.said.append(remark)
        match feedback.kind:
            case FeedbackKind.DONE:
                self.remark = None
                self.progressed_at = self._pupils.clock()
            case FeedbackKind.NEWS:
                self._news = remark.text
            case FeedbackKind.HINT:
                pass  # it names keys that the pupil may not have
            case FeedbackKind.CLOSED:
                pass  # the board says "away", and nobody is asked to press Enter there
            case _:
                self.remark = remark

    def _finish(self, slug: str) -> None:
        now = self._pupils.clock()
        self.done[slug] = FinishedStep(
            at=now_here(),
            seconds=now - self._step_since,
            lines=self.lines[slug],
            misses=self.misses[slug],
        )
        self._step_since = self.progressed_at = now
        self.remark = None
        self._pupils.step_done()

    # The hands: see `Driver`.  Only the pupil has any.

    @property
    def session(self) -> ClientSession | None:
        """The session on the open connection."""
        return self._visitor.core

    @property
    def exchanges(self) -> Exchanges:
        """What was said."""
        return self._visitor.session.exchanges

    def transmit(self, line: bytes, manner: Manner = Manner.TYPED) -> None:
        """Do nothing."""

    def connect(self, destination: Destination, connection: Connect) -> None:
        """Do nothing."""

    def hang_up(self, manner: Manner = Manner.TYPED) -> None:
        """Do nothing."""

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self._pupils.later(seconds, action)

    def prove(self, second: SecondConnection, done: Callable[[], None]) -> None:
        """Run a dialogue on a second connection; what happens meanwhile waits."""

        def proved() -> None:
            self._proving = False
            done()
            held, self._held = self._held, []
            for news in held:
                self.take(news)

        self._proving = True
        self._pupils.in_a_thread(second.run, proved)


def plain(source: str) -> str:
    """Return the text of inline Markdown, on one line."""
    rows = render_item("", source, columns=SPACE_FOR_TEXT)
    return " ".join(plain_text(row).strip() for row in rows)
