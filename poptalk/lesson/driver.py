"""Carries out a lesson's actions in order, and tells the tutor what came of each.

The tutor decides and does nothing itself; a driver does nothing that the tutor did not ask for.  Here
is what all drivers have in common: the queue of actions, which of them stops the queue until its event
has come, and how the protocol's events become the lesson's.  How to connect, send and show is up to the
subclasses: `ui.controller`, which waits for keys and for the server at once, and `verify.dry_run`,
which blocks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

from poptalk.lesson import actions
from poptalk.lesson.actions import Manner
from poptalk.lesson.outside import News, VisitorBeganTls, VisitorCame, VisitorLeft, VisitorSession
from poptalk.lesson.runner import Tutor
from poptalk.lesson.server import LessonServer
from poptalk.net.connection import Link
from poptalk.net.endpoint import Destination, UsageError
from poptalk.net.errors import CLOSED_BY_SERVER, Ending, NetError
from poptalk.pop3 import events
from poptalk.pop3.client import ClientSession
from poptalk.pop3.commands import Effect, State
from poptalk.pop3.events import Event
from poptalk.pop3.redaction import SpokenSecrets
from poptalk.run.replay import Differed, Occurrence, Replay
from poptalk.run.report import Transcript
from poptalk.run.server import RunSettings, Serving
from poptalk.session.exchanges import Exchanges, StoredReply
from poptalk.terminal.safe import Fragment, Fragments
from poptalk.transcript.model import Dialogue

# A proof: a dialogue on a second connection, shown so that no one takes it for the learner's own.

SECONDS = 5.0
"""How long the second connection may be silent: its dialogue is short, and the server is near."""

MARK: Fragment = ("note", "2nd ")
"""In front of each line; the learner's own lines begin with `C:` or `S:`."""


class SecondConnection:
    """A dialogue that is run without a screen, and shown afterwards.

    Args:
        dialogue: what is to happen.
        lesson_server: whose server.
        bindings: what the lesson has captured.

    Attributes:
        difference: the first difference from the lesson, one sentence; None if there was none.
        line: where in the lesson's file.
        dialogue: as the lesson has it.
    """

    def __init__(
        self, dialogue: Dialogue, *, lesson_server: LessonServer, bindings: Mapping[str, str]
    ) -> None:
        self.difference: str | None = None
        self.line = dialogue.steps[0].line if dialogue.steps else 1
        self.dialogue = dialogue
        self._lesson_server = lesson_server
        self._bindings = bindings
        self._occurrences: list[tuple[Occurrence, SpokenSecrets]] = []

    def run(self) -> None:
        """Go through the dialogue; anything that goes wrong is the difference."""
        destination = self._lesson_server.aside()
        settings = destination.tls_settings() if destination.tls else None
        server = Serving(
            destination=destination,
            connect=lambda: Link.open(destination.target, timeout=SECONDS, tls=settings),
            known=self._lesson_server.known,
        )
        replay = Replay(self.dialogue, server, RunSettings(), bindings=self._bindings)
        try:
            with closing(replay):
                for occurrence in replay.run():
                    self._refuse_to_delete(occurrence)
                    self._occurrences.append((occurrence, replay.secrets))
        except (NetError, UsageError) as error:
            self.difference = str(error)
        else:
            if replay.difference is not None:
                self.difference, self.line = replay.difference.sentence, replay.difference.line

    def _refuse_to_delete(self, occurrence: Occurrence) -> None:
        """Stop before a line that marks the learner's own mail: no one can be asked before the QUIT.

        Raises:
            UsageError: it is such a line; it hasn't been sent yet.
        """
        if self._lesson_server.live and isinstance(occurrence, events.Sent) and not occurrence.sasl:
            verb = occurrence.exchange.command.verb
            if verb is not None and verb.effect is Effect.MARK:
                raise UsageError("This would delete a message of yours, so it was stopped.")

    def lines(self, *, columns: int) -> list[Fragments]:
        """Return the second connection's dialogue, each line marked.

        Args:
            columns: cells of a row.
        """
        lines: list[Fragments] = []
        width = columns - len(MARK[1])
        transcript = Transcript(self.dialogue, show=lines.extend, columns=width, quiet=False)
        for occurrence, secrets in self._occurrences:
            # A difference names the lesson's file; the learner is told it in a sentence.
            if not isinstance(occurrence, Differed):
                transcript.take(occurrence, secrets)
        return [[MARK, *line] for line in lines]


# ruff: noqa: B027 - not every driver takes note of everything


GOODBYE_SECONDS = 1.0
"""How long a server may take to hang up after QUIT; then the lesson goes on without that."""

_LEADS_TO: dict[type[actions.LessonAction], tuple[type[actions.LessonEvent], ...]] = {
    actions.SendLine: (actions.Answered, actions.Disconnected),
    actions.Connect: (actions.Connected, actions.CannotConnect),
    actions.HangUp: (actions.Disconnected,),
    actions.WaitSeconds: (actions.Waited,),
    actions.Prove: (actions.Proved,),
}
"""The events that an action leads to; the queue waits until one of them has come."""


class Driver(ABC):
    """Runs a lesson: the queue of its actions, and the events on their way to the tutor.

    Args:
        tutor: the tutor, not begun yet.
        lesson_server: where connections go.
    """

    def __init__(self, tutor: Tutor, lesson_server: LessonServer) -> None:
        self.tutor = tutor
        self.over = False
        """Whether there is nothing more to do."""
        self._lesson_server = lesson_server
        self._queue: deque[actions.LessonAction] = deque()
        self._pending: actions.LessonAction | None = None
        """The action whose event is awaited."""
        self._working = False
        self._replies = ReplyBuffer(self.exchanges, encrypted=False)
        self._making_room = False
        """Whether the end of the connection is the beginning of the next one."""
        self._goodbye: ClientSession | None = None
        """The session in which QUIT was answered, and the server should hang up."""
        self._ending = CLOSED_BY_SERVER
        """How the last connection ended."""

    # What a subclass does.

    @property
    @abstractmethod
    def session(self) -> ClientSession | None:
        """The session on the open connection; None if there is no connection."""

    @property
    @abstractmethod
    def exchanges(self) -> Exchanges:
        """What was said, on all connections."""

    @abstractmethod
    def transmit(self, line: bytes, manner: Manner = Manner.TYPED) -> None:
        """Send a line."""

    @abstractmethod
    def connect(self, destination: Destination, connection: actions.Connect) -> None:
        """Connect; `hear` and `listened` follow, or `failed`."""

    @abstractmethod
    def hang_up(self, manner: Manner = Manner.TYPED) -> None:
        """Close the connection without a word; `ended` follows."""

    @abstractmethod
    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later, and hear the server until then."""

    @abstractmethod
    def prove(self, second: SecondConnection, done: Callable[[], None]) -> None:
        """Run a dialogue on a second connection, and show it."""

    @abstractmethod
    def show(self, action: actions.LessonAction) -> None:
        """Carry out an action that leads to no event: show something, keep progress."""

    def may_send(self, line: bytes) -> bool:  # noqa: ARG002 - most lines may
        """Tell whether a line may be sent now; otherwise it is transmitted later, or dropped."""
        return True

    def told(self, event: actions.LessonEvent) -> None:
        """Take note of what the tutor is about to be told."""

    def settled(self) -> None:
        """Take note that the tutor knows all events, and that what follows from them is under way."""

    # What is to be done.

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._pending is not None or bool(self._queue)

    def carry_out(self, todo: Sequence[actions.LessonAction]) -> None:
        """Carry out actions, after those in the queue, until one of them has to be waited for."""
        self._queue.extend(todo)
        if self._working:
            return
        self._working = True
        try:
            while self._queue and self._pending is None and not self.over:
                action = self._queue.popleft()
                self._pending = action if type(action) in _LEADS_TO else None
                self._perform(action)
        finally:
            self._working = False

    def _perform(self, action: actions.LessonAction) -> None:
        match action:
            case actions.SendLine():
                if self.session is None:
                    self.ended(self._ending)
                elif self.may_send(action.line):
                    self.transmit(action.line, action.manner)
            case actions.Connect():
                if self.session is None:
                    self._open(action)
                else:
                    self._making_room = True
                    self.hang_up(Manner.FOLDED)
            case actions.HangUp() if self.session is not None:
                self.hang_up()
            case actions.HangUp():
                # The connection has ended already, and the tutor knows or is about to.
                self._pending = None
            case actions.WaitSeconds():
                self.after(action.seconds, lambda: self.listened(actions.Waited()))
            case actions.Prove():
                second = SecondConnection(
                    action.dialogue, lesson_server=self._lesson_server, bindings=action.bindings
                )
                self.prove(
                    second, lambda: self.listened(actions.Proved(difference=second.difference))
                )
            case _:
                self.show(action)

    def _open(self, action: actions.Connect) -> None:
        destination = self._lesson_server.destination(fresh=action.fresh, number=action.number)
        self._replies = ReplyBuffer(self.exchanges, encrypted=destination.tls)
        self.connect(destination, action)

    def drop(self) -> None:
        """Give up a line that was not sent; if it was poptalk's, the step begins again."""
        if isinstance(self._pending, actions.SendLine):
            self._pending = None
            self.carry_out(self.tutor.reset())

    # What happened.

    def hear(self, event: Event) -> None:
        """Take note of an event of the session."""
        self._replies.take(event)

    def listened(self, *events: actions.LessonEvent, wait_for_end: bool = True) -> None:
        """Tell the tutor what was heard, and then other events.

        Args:
            events: what else has happened.
            wait_for_end: whether to tell the reply to QUIT together with the end of the connection.
        """
        replies = self._replies
        replies.events.extend(events)
        core = replies.exchanges.core
        if wait_for_end and not events and core is not None and core.farewell:
            # The end, which follows, belongs above the comment on QUIT.
            if core is not self._goodbye:
                self._goodbye = core
                self.after(GOODBYE_SECONDS, partial(self.listened, wait_for_end=False))
            return
        # What is told may lead to the next connection, which has a buffer of its own.
        while replies.events and not self.over:
            event = replies.events.popleft()
            if self._pending is not None and _is_outcome(self._pending, event):
                self._pending = None
            self.told(event)
            self.carry_out(self.tutor.tell(event))
        self.settled()

    def tls_begun(self) -> None:
        """Tell the tutor of TLS."""
        self._replies.tls_begun()
        self.listened(actions.SwitchedToTls())

    def failed(self, error: NetError) -> None:
        """Tell the tutor that there is no connection."""
        self.listened(actions.CannotConnect(reason=_sentence(str(error))))

    def ended(self, ending: Ending) -> None:
        """Tell the tutor that the connection is gone, unless another one replaces it."""
        self._ending = ending
        if self.over:
            return
        if self._making_room and isinstance(self._pending, actions.Connect):
            self._making_room = False
            self._open(self._pending)
        elif isinstance(self._pending, actions.Connect):
            self.listened(actions.CannotConnect(reason=_sentence(str(ending))))
        else:
            replies = self._replies
            self.listened(
                actions.Disconnected(ending=ending, state=replies.state, marked=replies.marked)
            )

    def visited(self, visitor: VisitorSession, news: News) -> None:
        """Tell the tutor what the server saw of another program's connection."""
        if isinstance(news, VisitorCame):
            self._replies = ReplyBuffer(visitor.session.exchanges, encrypted=news.encrypted)
        in_the_clear = not visitor.session.core.encrypted
        visitor.take(news)
        if isinstance(news, VisitorBeganTls) and in_the_clear and visitor.core is not None:
            self.tls_begun()
        if isinstance(news, VisitorLeft) and visitor.session.ending is not None:
            self.ended(visitor.session.ending)
        else:
            self.listened()

    def silence(self, seconds: float) -> None:
        """Let the tutor say what the silence may mean, at once: the queue may be waiting for a reply."""
        for action in self.tutor.silence(seconds, lines=self._replies.lines_so_far):
            self._perform(action)

    def give_up(self) -> None:
        """Wait no longer for the reply to a line that poptalk sent."""
        if isinstance(self._pending, actions.SendLine):
            self._replies.give_up()
            self.listened()


def _is_outcome(pending: actions.LessonAction, event: actions.LessonEvent) -> bool:
    """Tell whether an event is what an action leads to, and not the reply to an earlier line."""
    if isinstance(pending, actions.SendLine) and isinstance(event, actions.Answered):
        return pending.line == event.line
    return isinstance(event, _LEADS_TO[type(pending)])


def _sentence(text: str) -> str:
    """Make a sentence from what may be a clause."""
    end = "" if text.endswith((".", "?")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"


class ReplyBuffer:
    """Makes the lesson's events from those of the protocol, for one connection.

    Args:
        exchanges: what is said on it.
        encrypted: whether TLS came before the greeting.
    """

    def __init__(self, exchanges: Exchanges, *, encrypted: bool) -> None:
        self.state = State.GREETING
        """The state of the session, or its state when the connection ended."""
        self.marked: tuple[int, ...] = ()
        """Once it has ended: messages that stay although they were marked (RFC 1939 §6)."""
        self.events: deque[actions.LessonEvent] = deque()
        """What the tutor has not been told yet."""
        self._encrypted = encrypted
        self.exchanges = exchanges
        self._unanswered: deque[actions.Answered] = deque()
        """Lines that were sent and whose replies are to come."""

    @property
    def is_due(self) -> bool:
        """Whether a line that was sent is not answered."""
        return bool(self._unanswered)

    @property
    def lines_so_far(self) -> int:
        """How many lines have come of the reply that is due."""
        begun = self.exchanges.receiving
        return len(begun.lines) if begun is not None else 0

    def take(self, event: Event) -> None:
        """Take note of an event."""
        match event:
            case events.Sent(line=line, sasl=sasl):
                sent = actions.Answered(
                    line=line,
                    sasl=sasl,
                    lines=(),
                    before=self.state,
                    after=self.state,
                    at_once=self.is_due,
                )
                self._unanswered.append(sent)
            case events.Greeting(status_line=status_line):
                self.events.append(
                    actions.Connected(greeting=status_line.line, encrypted=self._encrypted)
                )
            case events.Challenge() | events.ReplyEnd() if self._unanswered and (
                reply := self.exchanges.last
            ):
                # Replies come in the order of the commands (RFC 2449 §6.6).
                sent = self._unanswered.popleft()
                self.events.append(replace(sent, lines=reply.lines, after=self.state))
            case events.StateChanged(new=new) if new is not State.CLOSED:
                # It is the outcome of the reply that came just before.
                self.state = new
                if self.events and isinstance(last := self.events[-1], actions.Answered):
                    self.events[-1] = replace(last, after=new)
            case events.Closed(marked=marked, partial=partial):
                self.marked = marked
                self._give_up(self.exchanges.cut_off, partial)

    def tls_begun(self) -> None:
        """Forget lines that were sent in the clear after STLS: nothing answers them (RFC 2595 §4)."""
        self._unanswered.clear()

    def give_up(self) -> None:
        """Answer every line that waits with what has come."""
        self._give_up(self.exchanges.receiving)

    def _give_up(self, begun: StoredReply | None, partial: bytes = b"") -> None:
        came: Sequence[bytes] = begun.lines if begun is not None else (partial,) if partial else ()
        while self._unanswered:
            sent = self._unanswered.popleft()
            self.events.append(replace(sent, lines=came, after=self.state, complete=False))
            came = ()
