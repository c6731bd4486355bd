"""The dry run: a lesson without a screen and without a learner, over a blocking connection.

What the learner would see is collected: the text, the comments, the progress.  The caller types in the
learner's place, with `enter`, and looks at what came of it.  Reading takes no time here, and waiting
little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from poptalk.lesson.cues import (
    Ask,
    Connect,
    Feedback,
    FeedbackKind,
    Finish,
    Heading,
    Keep,
    LessonAction,
    Manner,
    Say,
)
from poptalk.lesson.document import QuizQuestion
from poptalk.lesson.driver import Driver
from poptalk.lesson.happenings import Answered, Connected, LessonEvent, Proved
from poptalk.lesson.progress import ProgressEvent
from poptalk.lesson.room import LessonServer
from poptalk.lesson.second_connection import SecondConnection
from poptalk.lesson.tutor import SILENCES, Tutor
from poptalk.net.destination import Destination
from poptalk.net.errors import CLOSED_BY_US, ConnectFailed, ConnectionLost, TlsFailed
from poptalk.net.link import Link
from poptalk.protocol.client import ClientSession
from poptalk.protocol.states import State
from poptalk.session.client import Client
from poptalk.session.exchanges import Exchanges
from poptalk.session.session import Session

PATIENCE_SECONDS = 5.0
"""How long a reply may take; on loopback it takes a millisecond, and some faults are slow on purpose."""

SILENCE_SECONDS = 0.2
"""Silence after which a reply is taken to be all there is, where its end may be missing."""

MOST_OCTETS_SHOWN = 65_536
"""How much of one reply is remembered as having been seen: more than anybody reads."""


class DryRun(Driver):
    """One run of a lesson, or of a part of it.

    Args:
        tutor: as it was made, not begun yet.
        lesson_server: where it takes place.

    Attributes:
        shown: what a learner has seen so far, prose, comments, lines and replies.
        comments: those of the tutor, in their order.
        progress: what would have been written down.
        finished: whether the lesson came to its end.
        differences: of each proof that did not hold: the line in the file, and a sentence.
        surprises: of each thing that poptalk did and that went otherwise than the lesson says: the line
            that was sent, None for a connection, and what came.
        question: the last that was asked; None before the first.
        answered: the last line that was sent, with its reply; None before the first.
    """

    def __init__(self, tutor: Tutor, lesson_server: LessonServer) -> None:
        self._session = Session(clock=monotonic, whole=False, tls_at_once=False)
        super().__init__(tutor, lesson_server)
        self.shown: list[str] = []
        self.comments: list[Feedback] = []
        self.progress: list[ProgressEvent] = []
        self.finished = False
        self.differences: list[tuple[int, str]] = []
        self.surprises: list[tuple[bytes | None, bytes]] = []
        self.answered: Answered | None = None
        self.question: QuizQuestion | None = None
        self._talk: Client | None = None
        self._manner = Manner.TYPED
        """How the line, or the connection, that is answered next is shown."""
        self._typing = False
        """Whether the line that is answered next is the learner's."""
        self._done: tuple[bytes | None, bytes] | None = None
        """What poptalk did last by itself, and what came; None once the learner has sent something."""

    def begin(self) -> None:
        """Begin, or resume, and go on up to the first thing that a learner does."""
        self.carry_out(self.tutor.begin())

    def close(self) -> None:
        """Hang up without telling the tutor: the run is over."""
        self.over = True
        if self._talk is not None:
            self._talk.close()

    @property
    def state(self) -> State:
        """The state of the session; CLOSED where there is no connection."""
        return State.CLOSED if self.session is None else self.session.state

    @property
    def marked(self) -> frozenset[int]:
        """The messages that are marked as deleted."""
        return frozenset() if self.session is None else frozenset(self.session.marked)

    # What a learner does.

    def enter(self, line: str) -> None:
        """Type a line: an answer, Enter at a pause, or something for the server."""
        actions = self.tutor.entered(line)
        if actions is not None:
            self.carry_out(actions)
        elif self._talk is not None:
            self._typing = True
            self.transmit(line.encode("utf-8", "surrogateescape"))

    def skip(self) -> None:
        """Have the tutor do what is awaited."""
        self.carry_out(self.tutor.skip())

    def fall_silent(self) -> None:
        """Type nothing for a long time."""
        for seconds in SILENCES:
            self.silence(seconds)

    def await_close(self) -> None:
        """Wait until the server hangs up, PATIENCE_SECONDS at most."""
        self._listen_for(PATIENCE_SECONDS)

    # The hands: see `driver.Driver`.

    @property
    def session(self) -> ClientSession | None:
        """The session on the open connection."""
        return None if self._talk is None else self._session.core

    @property
    def exchanges(self) -> Exchanges:
        """What was said."""
        return self._session.exchanges

    def connect(self, destination: Destination, connection: Connect) -> None:
        """Connect, and wait for the greeting."""
        self._manner = connection.manner
        try:
            link = Link.open(destination.target, timeout=PATIENCE_SECONDS)
            self._session.listeners.clear()
            self._talk = talk = Client(link, destination, session=self._session)
            self._session.listeners.append(self.hear)
            while self._talk is talk and self._session.core.greeted is None:
                talk.hear()
                self._listened()
        except (ConnectFailed, ConnectionLost) as error:
            self._talk = None
            self.failed(error)

    def hang_up(self, manner: Manner = Manner.TYPED) -> None:  # noqa: ARG002 - nothing is shown
        """Close the connection, as `:close` does."""
        if self._talk is not None:
            self._talk.close()
            self._listened()

    def transmit(self, line: bytes, manner: Manner = Manner.TYPED) -> None:
        """Send a line, and wait for its reply, or for what will have come of it."""
        talk = self._talk
        assert talk is not None
        self._manner = manner
        talk.observe(line)
        silences = 0
        try:
            talk.transmit(line)
            while self._talk is talk and self._replies.is_due:
                if talk.hear(patience=SILENCE_SECONDS) is not None:
                    self._listened()
                    continue
                silences += 1
                if self._has_heard_enough(silences):
                    break
        except ConnectionLost:
            # It takes nothing any more; what it said before may still be heard.
            talk.hear(patience=SILENCE_SECONDS)
            self._listened()
        if self._talk is talk and self._replies.is_due:
            self.hang_up()

    def _has_heard_enough(self, silences: int) -> bool:
        """Tell whether to wait no longer for the rest of a reply, after so many times of silence."""
        if silences == 1:
            self.silence(SILENCES[0])
        turn = self.tutor.awaited
        may_be_cut_off = turn is not None and turn.may_be_cut_off
        return may_be_cut_off or silences * SILENCE_SECONDS >= PATIENCE_SECONDS

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later, or as soon as the server has hung up."""
        self._listen_for(seconds)
        action()

    def prove(self, second: SecondConnection, done: Callable[[], None]) -> None:
        """Run a dialogue on a second connection."""
        second.run()
        if second.difference is not None:
            self.differences.append((second.line, second.difference))
        done()

    def show(self, action: LessonAction) -> None:
        """Keep what a learner would see, and what would be written down."""
        match action:
            case Say(source=text) | Heading(text=text):
                self.shown.append(text)
            case Feedback():
                self.comments.append(action)
                self.shown.append(action.text)
                if action.kind is FeedbackKind.UNJUDGED and self._done is not None:
                    self.surprises.append(self._done)
            case Ask():
                self.question = action.question
                self.shown += [choice.text for choice in action.question.choices]
            case Keep():
                self.progress.append(action.event)
            case Finish():
                self.finished = True

    def told(self, event: LessonEvent) -> None:
        """Keep what a learner would see of the session."""
        match event:
            case Connected(greeting=greeting):
                self._show([greeting])
                self._done = None, greeting
            case Answered(line=line, lines=lines):
                self.answered = event
                self._show([line, *lines])
                self._done = None if self._typing else (line, lines[0] if lines else b"")
                self._typing = False
            case Proved():
                self._done = None

    # The connection.

    def _listened(self) -> None:
        """Do what follows from what was heard."""
        talk = self._talk
        if talk is None:
            return
        if self._session.core.state is State.CLOSED:
            self._talk = None
            talk.close()
            self.ended(talk.ending or CLOSED_BY_US)
            return
        self.listened()
        if self._session.tls_request is not None:
            try:
                talk.begin_tls()
            except TlsFailed:
                self.hang_up()
            else:
                self.tls_begun()

    def _listen_for(self, seconds: float) -> None:
        """Hear what comes within a time, and that the server hangs up, which ends the waiting."""
        end = monotonic() + seconds
        while (talk := self._talk) is not None and (left := end - monotonic()) > 0:
            talk.hear(patience=left)
            self._listened()

    def _show(self, lines: Sequence[bytes]) -> None:
        if self._manner is Manner.TYPED:
            text = b"\n".join(lines)[:MOST_OCTETS_SHOWN]
            self.shown.append(text.decode("utf-8", "replace"))
