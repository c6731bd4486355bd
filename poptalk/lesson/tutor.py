"""The tutor: runs a lesson, told what happens, and answers with what is to be done.

It has no socket, no screen and no clock.  A driver carries out its cues, in order and one after the
other, and tells it what happened::

    tutor = Tutor(lesson)
    cues = tutor.begin()
    ...                                     # Say, Heading, Connect, ...: carry them out
    cues = tutor.tell(Connected(greeting=b"+OK ready"))
    cues = tutor.entered("2")               # at a question; None: the line goes to the server
    cues = tutor.hint()                     # `:hint`

Everything typed that does not begin with a colon is sent first; the tutor hears of it by `Answered`,
comments, and never holds anything back.  `awaiting` says what the learner is expected to do.  How
the lesson runs stands in `course`; here is the door.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection

from poptalk.lesson import ladder, situations
from poptalk.lesson.bookkeeper import Bookkeeper
from poptalk.lesson.course import Course
from poptalk.lesson.cues import Comment, CommentKind, Cue, HangUp, Say
from poptalk.lesson.document import Lesson, Step
from poptalk.lesson.happenings import Answered, Happening
from poptalk.lesson.judge import Verdict
from poptalk.lesson.progress import EventKind
from poptalk.lesson.replaying import Place
from poptalk.lesson.report import EXCHANGES_REPORTED, write_report
from poptalk.lesson.session import LessonSession
from poptalk.lesson.turns import Turn
from poptalk.lesson.walk import Awaiting, Chosen, Message, Request, Walk
from poptalk.notation.known import Known
from poptalk.notation.pattern import Bindings

__all__ = ["Awaiting", "SILENCES", "Tutor"]

SILENCES = (3.0, situations.STUCK_SECONDS)
"""Seconds without a complete reply after which `silence` has something to say: soon enough that
nobody wonders whether the program hangs, and then when patience has run out."""

_CHOICE = re.compile(r"\s*(?:([0-9]{1,2})|([A-Za-z]))[.)]?\s*")
"""An answer to a question: `2`, `2.`, `b)`.  No command of POP3 looks like one."""

_HINTS = {
    Awaiting.PAUSE: "Enter goes on to the next step.",
    Awaiting.CLOSED: "Enter connects, and brings the lesson back to where it was.",
    Awaiting.BUSY: "One moment: poptalk is at work.",
    Awaiting.OVER: "The lesson is over. `:reset` begins its last step anew.",
}
"""What `:hint` says where nothing of the lesson is awaited."""

_REASONS = {
    Awaiting.COMMAND: "The step waits for a line to the server; anything else may be sent as well.",
    Awaiting.CHOICE: "Say what you expect before you see it: a wrong guess costs nothing.",
    Awaiting.PAUSE: "The step is done. What you send now is for your own curiosity.",
    Awaiting.CLOSED: "Commands need a connection, and none stands.",
    Awaiting.BUSY: "poptalk itself is at work, and waits for the server.",
    Awaiting.OVER: "The lesson is over.",
}
"""What `:why` says before anything was judged."""


class Tutor:
    """One run of a lesson.

    Args:
        lesson: what is run.
        passed: slugs of the steps that are done, for the map.
        position: the slug of the step to begin with; what comes before it is replayed.  None, and a
            slug that the lesson does not have, begin at the beginning.
        live: whether the server is not the lesson's practice server; nothing is replayed there but
            the login, and secrets are never shown.
        known: the user's name and password; None takes those of the lesson.
        later_letters: whether letters come in once a session has ended (the mailbox has `later/`),
            so that sessions that came before must be replayed as well.
    """

    def __init__(
        self,
        lesson: Lesson,
        *,
        passed: Collection[str] = (),
        position: str | None = None,
        live: bool = False,
        known: Known | None = None,
        later_letters: bool = False,
    ) -> None:
        self._lesson = lesson
        self._bookkeeper = Bookkeeper(lesson)
        self._session = LessonSession(
            lesson,
            known if known is not None else lesson.known,
            live=live,
            later_letters=later_letters,
            when_lost=lambda: self._bookkeeper.keep(EventKind.LOST),
        )
        self._course = Course(lesson, self._session, self._bookkeeper, passed=passed)
        slugs = [step.slug for step in lesson.steps]
        self._start = Place(step=slugs.index(position) if position in slugs[1:] else -1)
        self._walk: Walk[None] | None = None
        self._awaiting = Awaiting.BUSY
        self._exchanges: deque[Answered] = deque(maxlen=EXCHANGES_REPORTED)
        self._said = ""
        """The last comment, for reports."""

    # What a driver may ask.

    @property
    def awaiting(self) -> Awaiting:
        """What is expected next."""
        return self._awaiting

    @property
    def awaited(self) -> Turn | None:
        """The turn that the learner is to take; None where something else is awaited."""
        return self._course.task.turn if self._course.task is not None else None

    @property
    def place(self) -> Place:
        """How far the lesson has come; a mistake does not move it back."""
        task = self._course.task
        return task.reached if task is not None else self._course.place

    @property
    def step(self) -> Step | None:
        """The step that is being done; None in the introduction."""
        at = self._course.place.step
        return self._lesson.steps[at] if 0 <= at < len(self._lesson.steps) else None

    @property
    def prompt(self) -> str:
        """Where the learner is, in a few characters such as `2/5`; empty in the introduction."""
        at = self._course.place.step
        return f"{at + 1}/{len(self._lesson.steps)}" if at >= 0 else ""

    @property
    def verdict(self) -> Verdict | None:
        """The last one on what is awaited, or on what poptalk sent in its place."""
        task = self._course.task
        return task.verdict if task is not None else self._course.verdict

    @property
    def bindings(self) -> Bindings:
        """What the placeholders of the lesson stand for at present."""
        return self._session.bindings

    # What a driver tells.

    def begin(self) -> list[Cue]:
        """Begin the lesson, or resume it at its position."""
        return self._run_anew(self._course.begin(self._start))

    def tell(self, happening: Happening) -> list[Cue]:
        """Take note of what happened."""
        if isinstance(happening, Answered):
            self._exchanges.append(happening)
        return self._run(happening)

    def entered(self, text: str) -> list[Cue] | None:
        """Take a line that does not begin with a colon.

        Returns:
            What is to be done; None where the line is none of the tutor's and goes to the server.
        """
        if self._awaiting not in (Awaiting.CHOICE, Awaiting.PAUSE, Awaiting.CLOSED):
            return None
        if not text:
            return self._run(Request.GO_ON)
        number = self._choice(text) if self._awaiting is Awaiting.CHOICE else None
        return self._run(Chosen(number=number)) if number is not None else None

    def _choice(self, text: str) -> int | None:
        """Read the answer to a question; a letter is one only where there are so many choices."""
        found = _CHOICE.fullmatch(text)
        question = self._course.question
        if found is None or question is None:
            return None
        if found[1]:
            return int(found[1])
        number = ord(found[2].lower()) - ord("a") + 1
        return number if number <= len(question.choices) else None

    def open(self) -> list[Cue]:
        """Open the connection, as `:open` asks."""
        if self._session.seen.is_open:
            return [_news("A connection stands already. `:close` hangs up.")]
        return self._run(Request.CONNECT)

    def silence(self, seconds: float, *, lines: int = 0) -> list[Cue]:
        """Comment on a reply that does not come to its end.

        Call it when each of `SILENCES` has passed.  What it returns is carried out at once, in front
        of what else is queued: a `Send` that poptalk waits for may be what is silent.

        Args:
            seconds: since the last octet came.
            lines: how many lines of the reply have come, its first one included.
        """
        if self._session.hangs_up_if_silent:
            return [HangUp()]
        return [_news(situations.silent(seconds, lines))]

    # What the learner asks.

    def hint(self) -> list[Cue]:
        """Show the next rung of the ladder, the last of which is the answer."""
        course = self._course
        if self._awaiting is Awaiting.CHOICE and course.question and course.ladder:
            text = course.ladder.climb(ladder.answer_to_question(course.question))
            comment = Comment(kind=CommentKind.HINT, text=text)
        elif course.task is not None and not self._session.lost:
            comment = course.task.climb()
        else:
            return [Comment(kind=CommentKind.HINT, text=_HINTS[self._awaiting])]
        return [self._bookkeeper.keep(EventKind.HINTED), comment]

    def why(self) -> list[Cue]:
        """Explain the last verdict at more length, or what is awaited."""
        verdict = self.verdict
        text = verdict.why if verdict is not None and verdict.why else _REASONS[self._awaiting]
        return [Say(source=text)]

    def skip(self) -> list[Cue]:
        """Do what is awaited in the learner's place, and say why it is the answer."""
        if self._awaiting is Awaiting.OVER:
            return [_news(_HINTS[Awaiting.OVER])]
        return self._run(Request.SKIP)

    def back(self) -> list[Cue]:
        """Go back to the beginning of the step before."""
        first = -1 if self._lesson.introduction else 0
        at = self._course.place.step
        if at <= first:
            return self._again(first, "this is the beginning")
        return self._again(at - 1, f"back at {self._name(at - 1)}")

    def reset(self) -> list[Cue]:
        """Begin the step anew."""
        at = self._course.place.step
        return self._again(at, f"{self._name(at)} begins anew")

    def map(self) -> list[Cue]:
        """Show all steps, and which are done."""
        lines = []
        for index, step in enumerate(self._lesson.steps):
            state = "done" if step.slug in self._course.passed else "to do"
            here = ", **you are here**" if index == self._course.place.step else ""
            lines.append(f"{index + 1}. {step.title} ({state}{here})")
        return [Say(source="\n".join(lines))]

    def state(self) -> list[Cue]:
        """Show the state of the session, what is marked, and the step."""
        seen = self._session.seen
        texts = (
            [f"`{situations.strip(seen.state)}`."] if seen.is_open else ["No connection stands."]
        )
        if seen.is_open and seen.marked:
            texts.append(f"Marked as deleted: {situations.messages(seen.marked)}.")
        texts.append(f"{self._where()}.")
        return [_news(" ".join(texts))]

    def report(self, versions: str) -> str:
        """Write a text for an issue: where the learner is, and the last exchanges without secrets.

        Args:
            versions: of poptalk and of what it runs on, one line.
        """
        return write_report(
            where=self._where().replace("`", ""),
            awaited=self._awaiting.value,
            comment=self._said,
            versions=versions,
            exchanges=tuple(self._exchanges),
        )

    def _where(self) -> str:
        """Name the step by its id and its number."""
        step = self.step
        if step is None:
            return f"`{self._lesson.name}`, at its beginning"
        return f"`{self._lesson.name}#{step.slug}`, {self._name(self._course.place.step)}"

    def _name(self, index: int) -> str:
        count = len(self._lesson.steps)
        return f"step {index + 1} of {count}" if index >= 0 else "the introduction"

    # The walk.

    def _again(self, step: int, news: str) -> list[Cue]:
        return self._run_anew(self._course.again(Place(step=step), news))

    def _run_anew(self, walk: Walk[None]) -> list[Cue]:
        if self._walk is not None:
            self._walk.close()
        self._walk = walk
        return self._run(None)

    def _run(self, message: Message | None) -> list[Cue]:
        """Let the walk go on up to the next thing that must be waited for."""
        assert self._walk is not None, "A tutor must begin before it is told anything."
        cues: list[Cue] = []
        # A generator that has not begun takes None, which is no message to one that has.
        given = next(self._walk) if message is None else self._walk.send(message)
        while not isinstance(given, Awaiting):
            cues.append(given)
            given = next(self._walk)
        self._awaiting = given
        for cue in cues:
            if isinstance(cue, Comment):
                self._said = cue.text
        return cues


def _news(text: str) -> Comment:
    return Comment(kind=CommentKind.NEWS, text=text)
