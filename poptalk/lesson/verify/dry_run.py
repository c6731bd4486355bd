"""The dry run: a lesson without a screen and without a learner, over a blocking connection.

What a learner would see is collected: the text, the comments, the progress.  The caller types instead of
a learner, with `enter`, and looks at the result.  Reading takes no time here, and waiting little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import ascii_lowercase
from time import monotonic

from poptalk.lesson import actions
from poptalk.lesson.actions import Awaiting, FeedbackKind, Manner
from poptalk.lesson.document.model import Lesson, QuizQuestion, Step, Turn
from poptalk.lesson.driver import Driver, SecondConnection
from poptalk.lesson.progress import ProgressEvent
from poptalk.lesson.runner import SILENCES, Tutor
from poptalk.lesson.server import LessonServer
from poptalk.lesson.session import Cursor
from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination
from poptalk.net.errors import CLOSED_BY_US, ConnectFailed, ConnectionLost, TlsFailed
from poptalk.pop3.client import ClientSession
from poptalk.pop3.commands import State
from poptalk.session.client import Client
from poptalk.session.exchanges import Exchanges
from poptalk.session.session import Session
from poptalk.transcript.model import Send
from poptalk.transcript.pattern import FillError

PATIENCE_SECONDS = 5.0
"""How long a reply may take: on loopback it is a millisecond, but some faults are slow on purpose."""

SILENCE_SECONDS = 0.2
"""Silence after which a reply counts as over, where its end may be missing."""

MOST_OCTETS_SHOWN = 65_536
"""How much of one reply counts as seen: more than anybody reads."""


class DryRun(Driver):
    """One run of a lesson, or of a part of it.

    Args:
        tutor: not begun yet.
        lesson_server: where it takes place.

    Attributes:
        shown: what a learner has seen so far, prose, comments, lines and replies.
        comments: those of the tutor, in their order.
        progress: what would have been written down.
        finished: whether the lesson came to its end.
        differences: the line in the file and a sentence for each proof that failed.
        surprises: the line that was sent, None for a connection, and what came, for each thing that
            poptalk did and that went otherwise than the lesson says.
        question: the last that was asked; None before the first.
        answered: the last line that was sent, with its reply; None before the first.
    """

    def __init__(self, tutor: Tutor, lesson_server: LessonServer) -> None:
        self._session = Session(clock=monotonic, whole=False, tls_at_once=False)
        super().__init__(tutor, lesson_server)
        self.shown: list[str] = []
        self.comments: list[actions.Feedback] = []
        self.progress: list[ProgressEvent] = []
        self.finished = False
        self.differences: list[tuple[int, str]] = []
        self.surprises: list[tuple[bytes | None, bytes]] = []
        self.answered: actions.Answered | None = None
        self.question: QuizQuestion | None = None
        self._client: Client | None = None
        self._manner = Manner.TYPED
        """How the line, or the connection, that is answered next is shown."""
        self._typing = False
        """Whether the line that is answered next is the learner's."""
        self._outside: actions.Connect | None = None
        """The connection that is left to another program; None where none is."""
        self._done: tuple[bytes | None, bytes] | None = None
        """What poptalk last did by itself, and what came; None once the learner has sent something."""

    def begin(self) -> None:
        """Begin, or resume, and go on up to the first thing that a learner does."""
        self.carry_out(self.tutor.begin())

    def close(self) -> None:
        """Hang up without telling the tutor: the run is over."""
        self.over = True
        if self._client is not None:
            self._client.close()

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
        follows = self.tutor.entered(line)
        if follows is not None:
            self.carry_out(follows)
        elif self._client is not None:
            self._typing = True
            self.transmit(line.encode("utf-8", "surrogateescape"))

    def skip(self) -> None:
        """Have the tutor do what is awaited."""
        self.carry_out(self.tutor.skip())

    def fall_silent(self) -> bool:
        """Type nothing for a long time; tell whether the lesson went on."""
        cursor = self.tutor.cursor
        for seconds in SILENCES:
            self.silence(seconds)
        return self._is_past(cursor)

    def _is_past(self, cursor: Cursor) -> bool:
        return self.tutor.awaited is None or self.tutor.cursor > cursor

    # The hands: see `driver.Driver`.

    @property
    def session(self) -> ClientSession | None:
        """The session on the open connection."""
        return None if self._client is None else self._session.core

    @property
    def exchanges(self) -> Exchanges:
        """What was said."""
        return self._session.exchanges

    def connect(self, destination: Destination, connection: actions.Connect) -> None:
        """Connect, and wait for the greeting."""
        self._manner = connection.manner
        try:
            link = Link.open(destination.target, timeout=PATIENCE_SECONDS)
            self._session.listeners.clear()
            self._client = client = Client(link, destination, session=self._session)
            self._session.listeners.append(self.hear)
            while self._client is client and self._session.core.greeted is None:
                client.hear()
                self._listened()
        except (ConnectFailed, ConnectionLost) as error:
            self._client = None
            self.failed(error)

    def hang_up(self, manner: Manner = Manner.TYPED) -> None:  # noqa: ARG002 - nothing is shown
        """Close the connection, as `:close` does."""
        if self._client is not None:
            self._client.close()
            self._listened()

    def transmit(self, line: bytes, manner: Manner = Manner.TYPED) -> None:
        """Send a line, and wait for its reply, or for what will have come of it."""
        client = self._client
        assert client is not None
        self._manner = manner
        client.observe(line)
        silences = 0
        try:
            client.transmit(line)
            while self._client is client and self._replies.is_due:
                if client.hear(patience=SILENCE_SECONDS) is not None:
                    self._listened()
                    continue
                silences += 1
                if silences == 1:
                    self.silence(SILENCES[0])
                turn = self.tutor.awaited
                may_be_cut_off = turn is not None and turn.may_be_cut_off
                if may_be_cut_off or silences * SILENCE_SECONDS >= PATIENCE_SECONDS:
                    break
        except ConnectionLost:
            # The server takes nothing any more; what it said before may still be heard.
            client.hear(patience=SILENCE_SECONDS)
            self._listened()
        if self._client is client and self._replies.is_due:
            self.hang_up()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later, or as soon as the server has hung up."""
        self._listen_for(seconds)
        action()

    def prove(self, second: SecondConnection, done: Callable[[], None]) -> None:
        """Run a dialogue on a second connection."""
        second.run()
        if second.difference is not None:
            sentence = second.difference
            if self.state is State.TRANSACTION:
                sentence = (
                    f"{sentence.rstrip('.')}; the learner is still logged in, so QUIT comes first."
                )
            self.differences.append((second.line, sentence))
        done()

    def show(self, action: actions.LessonAction) -> None:
        """Keep what a learner would see, and what would be written down."""
        match action:
            case actions.Say(source=text) | actions.Heading(text=text):
                self.shown.append(text)
            case actions.Feedback():
                self.comments.append(action)
                self.shown.append(action.text)
                if action.kind is FeedbackKind.UNJUDGED and self._done is not None:
                    self.surprises.append(self._done)
            case actions.Ask():
                self.question = action.question
                self.shown += [choice.text for choice in action.question.choices]
            case actions.Keep():
                self.progress.append(action.event)
            case actions.Follow():
                self._outside = actions.Connect(fresh=action.fresh, number=action.number)
            case actions.Unfollow():
                self._outside = None
                self.hang_up()
            case actions.Finish():
                self.finished = True

    def told(self, event: actions.LessonEvent) -> None:
        """Keep what a learner would see of the session."""
        match event:
            case actions.Connected(greeting=greeting):
                self._show([greeting])
                self._done = None, greeting
            case actions.Answered(line=line, lines=lines):
                self.answered = event
                self._show([line, *lines])
                self._done = None if self._typing else (line, lines[0] if lines else b"")
                self._typing = False
            case actions.Proved():
                self._done = None

    # The connection.

    def _listened(self) -> None:
        """Act on what was heard."""
        client = self._client
        if client is None:
            return
        if self._session.core.state is State.CLOSED:
            self._client = None
            client.close()
            self.ended(client.ending or CLOSED_BY_US)
            return
        self.listened()
        if self._session.tls_request is not None:
            try:
                client.begin_tls()
            except TlsFailed:
                self.hang_up()
            else:
                self.tls_begun()

    def _listen_for(self, seconds: float) -> None:
        """Hear what comes within a time, or until the server hangs up."""
        end = monotonic() + seconds
        while (client := self._client) is not None and (left := end - monotonic()) > 0:
            client.hear(patience=left)
            self._listened()

    def _show(self, lines: Sequence[bytes]) -> None:
        if self._manner is Manner.TYPED:
            text = b"\n".join(lines)[:MOST_OCTETS_SHOWN]
            self.shown.append(text.decode("utf-8", "replace"))


# A learner who does what a lesson asks for, and nothing else.


MOST_ACTIONS = 1000
"""Things to do in one lesson; one that asks for more goes round in circles."""


class Stuck(Exception):
    """The lesson doesn't go on, although what it awaits was done.

    Args:
        line: that of the awaited command in the lesson's file; None where something else is awaited.
        last_words: what the tutor said then.
    """

    def __init__(self, line: int | None, last_words: str) -> None:
        super().__init__(last_words)
        self.line = line
        self.last_words = last_words


class DryRunLearner(DryRun):
    """A dry run with a learner who can do all that the lesson asks for.

    Args:
        lesson: the lesson.
        lesson_server: where it takes place; open as long as the learner is there.
        at: the slug of the step to begin with; None for the beginning.
    """

    def __init__(
        self, lesson: Lesson, lesson_server: LessonServer, *, at: str | None = None
    ) -> None:
        tutor = Tutor(
            lesson,
            position=at,
            live=lesson_server.live,
            lasting=lesson_server.lasting,
            known=lesson_server.known,
            later_letters=lesson_server.later_letters,
        )
        super().__init__(tutor, lesson_server)

    @property
    def at_end(self) -> bool:
        """Whether the lesson is at its end."""
        return self.tutor.awaiting is Awaiting.OVER

    @property
    def turn(self) -> Turn | None:
        """The turn that the learner is to take; None at a question, at a pause and at the end."""
        is_due = self.tutor.awaiting in (Awaiting.COMMAND, Awaiting.OUTSIDE)
        return self.tutor.awaited if is_due else None

    @property
    def last_told(self) -> str:
        """What the tutor said last, as the end of a sentence."""
        return self.comments[-1].text.rstrip(".") if self.comments else "the tutor says nothing"

    def go_to_turn(self, within: Step, cursor: Cursor | None = None) -> bool:
        """Go on to a line that the learner has to send.

        Args:
            within: the step at whose end the learner stops.
            cursor: that of the line; None for the next one.

        Returns:
            Whether there is one.

        Raises:
            Stuck: the lesson does not go on.
        """
        for _ in range(MOST_ACTIONS):
            if self.at_end or self.tutor.step is not within:
                return False
            if self.turn is not None and (cursor is None or self.tutor.cursor >= cursor):
                return True
            self.go_on()
        raise Stuck(within.line, "the step goes round in circles")

    def go_on(self) -> None:
        """Do what is awaited.

        Raises:
            Stuck: the lesson still awaits it.
        """
        match self.tutor.awaiting:
            case Awaiting.OUTSIDE if self.session is None:
                # As another program would; what it sends is typed with `enter`.
                if self._outside is not None:
                    self._open(self._outside)
                went_on = self.session is not None
            case Awaiting.COMMAND | Awaiting.OUTSIDE:
                went_on = self._take_turn()
            case Awaiting.CHOICE:
                went_on = self._choose()
            case Awaiting.PAUSE | Awaiting.CLOSED:
                self.enter("")
                went_on = True
            case _:
                went_on = False
        if not went_on:
            act = self.tutor.awaited.act if self.tutor.awaited is not None else None
            line = act.step.line if isinstance(act, Send) else None if act is None else act.line
            raise Stuck(line, self.last_told)

    def send(self, line: str) -> bool:
        """Type a line; tell whether the lesson took it for what it awaits."""
        cursor = self.tutor.cursor
        self.enter(line)
        return self._is_past(cursor)

    def _take_turn(self) -> bool:
        turn, cursor = self.turn, self.tutor.cursor
        if turn is None:
            return False
        if isinstance(turn.act, Send):
            at_once = [each.act for each in self.tutor.in_one_go if isinstance(each.act, Send)]
            self.enter("\r\n".join(map(self._answer, at_once or [turn.act])))
        elif turn.hangs_up:
            self.hang_up()
        elif turn.closes:
            self._listen_for(PATIENCE_SECONDS)
        return self._is_past(cursor)

    def _answer(self, send: Send) -> str:
        try:
            return send.step.pattern.fill(self.tutor.bindings)
        except FillError as error:
            raise Stuck(send.step.line, str(error).rstrip(".")) from None

    def _choose(self) -> bool:
        question = self.question
        assert question is not None
        choices = zip(ascii_lowercase, question.choices, strict=False)
        right = [letter for letter, choice in choices if choice.right]
        if right:
            self.enter(right[0])
        else:
            self.skip()
        return self.tutor.awaiting is not Awaiting.CHOICE or self.question is not question
