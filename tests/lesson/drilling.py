"""A driver of the tutor without sockets: both cores back to back, and a maildrop in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from poptalk.lesson.actions import (
    Answered,
    Awaiting,
    CannotConnect,
    Connect,
    Connected,
    Disconnected,
    Feedback,
    FeedbackKind,
    HangUp,
    Keep,
    LessonAction,
    LessonEvent,
    Prove,
    Proved,
    SendLine,
    SwitchedToTls,
    Waited,
    WaitSeconds,
)
from poptalk.lesson.document.model import Lesson
from poptalk.lesson.document.parser import read_lesson
from poptalk.lesson.progress import EventKind
from poptalk.lesson.runner import Tutor
from poptalk.net.errors import CLOSED_BY_SERVER, CLOSED_BY_US, Ending
from poptalk.pop3.capabilities import CapabilityLists
from poptalk.pop3.client import ClientSession
from poptalk.pop3.sasl.mechanisms import PlainServer
from poptalk.pop3.server.events import CommitRequested, SessionEnded
from tests.pop3.serving import LETTERS, Desk

HEADER = """\
---
title: A lesson
summary: Nothing in particular.
minutes: 5
mailbox: letters
user: mrose
password: tanstaaf
---
"""

LOGIN = """\
```pop3 setup
C: USER {user}
S: +OK
C: PASS {password}
S: +OK
```
"""

OFFERED = (b"USER", b"TOP", b"UIDL", b"RESP-CODES", b"SASL PLAIN")
CAPABILITIES = CapabilityLists(
    clear=(*OFFERED, b"STLS"), clear_logged_in=OFFERED, tls=OFFERED, tls_logged_in=OFFERED
)

CONNECTIONS_AT_MOST = 50
"""More than any lesson here opens: a tutor that goes on connecting is caught."""


def lesson_of(text: str, *, name: str = "01-lesson") -> Lesson:
    """Read a lesson whose account is that of `serving.Desk`."""
    return read_lesson(HEADER + text, name=name, path=Path(f"{name}.md"))


class Drill:
    """Carries out cues and types what it is told to.

    Args:
        tutor: not begun.
        mangle: what the server's replies become on the way, given the line that is answered.
        refusals: how many attempts to connect fail before one succeeds.
    """

    def __init__(
        self,
        tutor: Tutor,
        *,
        mangle: Callable[[bytes, bytes], bytes] = lambda _, reply: reply,
        refusals: int = 0,
    ) -> None:
        self.tutor = tutor
        self.actions: list[LessonAction] = []
        self.proof_difference: str | None = None
        self._mangle = mangle
        self._refusals = refusals
        self._messages: Sequence[bytes] = LETTERS
        self._client = ClientSession()
        self._desk: Desk | None = None
        self._unfinished: Answered | None = None
        self._queue: deque[LessonAction] = deque()
        self._connections = 0

    # What a learner does.

    def begin(self) -> Drill:
        self._carry_out(self.tutor.begin())
        return self

    def enter(self, *texts: str) -> Drill:
        """Type lines, each after the one before was answered."""
        for text in texts:
            actions = self.tutor.entered(text)
            if actions is not None:
                self._carry_out(actions)
            else:
                self._say(text.encode("utf-8", "surrogateescape"))
                self._work()
        return self

    def ask(self, actions: list[LessonAction]) -> list[LessonAction]:
        """Carry out what a local command gave, and return what came of it."""
        start = len(self.actions)
        self._carry_out(actions)
        return self.actions[start:]

    def close(self) -> Drill:
        """Hang up, as `:close` does."""
        self._end(CLOSED_BY_US)
        self._work()
        return self

    def lose(self, ending: Ending = CLOSED_BY_SERVER) -> Drill:
        """Let the connection end before its time."""
        self._end(ending)
        self._work()
        return self

    def wait(self, seconds: float) -> Drill:
        """Let nothing happen for a while."""
        lines = len(self._unfinished.lines) if self._unfinished is not None else 0
        actions = self.tutor.silence(seconds, lines=lines)
        self._queue.extendleft(reversed(actions))
        self._work()
        return self

    # What was shown.

    def awaits(self, awaiting: Awaiting) -> bool:
        """Tell what the tutor waits for."""
        return self.tutor.awaiting is awaiting

    @property
    def is_connected(self) -> bool:
        return self._desk is not None

    @property
    def comments(self) -> list[Feedback]:
        return [action for action in self.actions if isinstance(action, Feedback)]

    @property
    def last(self) -> Feedback:
        return self.comments[-1]

    def texts(self, kind: FeedbackKind) -> list[str]:
        return [comment.text for comment in self.comments if comment.kind is kind]

    @property
    def kept(self) -> list[tuple[EventKind, str]]:
        return [
            (action.event.kind, action.event.step)
            for action in self.actions
            if isinstance(action, Keep)
        ]

    @property
    def sent(self) -> list[bytes]:
        """What poptalk itself has sent."""
        return [action.line for action in self.actions if isinstance(action, SendLine)]

    @property
    def connects(self) -> list[Connect]:
        return [action for action in self.actions if isinstance(action, Connect)]

    @property
    def maildrop(self) -> Sequence[bytes]:
        """The messages that are left."""
        return self._messages

    # Carrying out.

    def _carry_out(self, actions: Sequence[LessonAction]) -> None:
        self._queue.extend(actions)
        self._work()

    def _work(self) -> None:
        while self._queue:
            action = self._queue.popleft()
            self.actions.append(action)
            match action:
                case Connect():
                    self._connect(action)
                case SendLine():
                    self._say(action.line)
                case HangUp():
                    self._end(CLOSED_BY_US)
                case WaitSeconds():
                    self._tell(Waited())
                case Prove():
                    self._tell(Proved(difference=self.proof_difference))
                case _:
                    pass

    def _tell(self, event: LessonEvent) -> None:
        self._queue.extend(self.tutor.tell(event))

    def _connect(self, action: Connect) -> None:
        self._connections += 1
        assert self._connections < CONNECTIONS_AT_MOST
        if self._refusals:
            self._refusals -= 1
            self._tell(CannotConnect(reason="Nobody is there."))
            return
        if action.fresh:
            self._messages = LETTERS
        self._client = ClientSession()
        self._unfinished = None
        self._desk = Desk(
            messages=self._messages, capabilities=CAPABILITIES, mechanisms={b"PLAIN": PlainServer}
        )
        self._client.receive_data(self._desk.greeting)
        self._tell(Connected(greeting=self._desk.greeting.removesuffix(b"\r\n")))

    def _say(self, line: bytes) -> None:
        desk, client = self._desk, self._client
        assert desk is not None, "a line was typed without a connection"
        before, sasl = client.state, client.answering_auth
        client.send(line + b"\r\n")
        reply = self._mangle(line, desk.send(line + b"\r\n"))
        client.receive_data(reply)
        answered = Answered(
            line=line,
            sasl=sasl,
            lines=tuple(reply.split(b"\r\n")[:-1]),
            before=before,
            after=client.state,
            complete=not client.outstanding or client.challenge_open,
        )
        if answered.complete:
            self._tell(answered)
            self._follow(desk, client)
        else:
            self._unfinished = answered

    def _follow(self, desk: Desk, client: ClientSession) -> None:
        """Do what a reply brings with it: TLS, or the end."""
        if client.awaiting_tls:
            client.tls_established()
            self._tell(SwitchedToTls())
        if any(isinstance(event, CommitRequested) for event in desk.told):
            deleted = desk.session.deleted
            self._messages = [m for n, m in enumerate(self._messages, 1) if n not in deleted]
        # What the tutor says to the reply comes first: the end of a connection takes its time.
        self._work()
        if self._desk is desk and any(isinstance(event, SessionEnded) for event in desk.told):
            self._end(CLOSED_BY_SERVER)

    def _end(self, ending: Ending) -> None:
        if self._desk is None:
            return
        self._desk = None
        if self._unfinished is not None:
            unfinished, self._unfinished = self._unfinished, None
            self._tell(unfinished)
        marked = () if self._client.farewell else tuple(sorted(self._client.marked))
        self._tell(Disconnected(ending=ending, state=self._client.state, marked=marked))


def drill(text: str, **options: object) -> Drill:
    """Begin a lesson given as text; options as for `Tutor`."""
    return Drill(Tutor(lesson_of(text), **options)).begin()  # type: ignore[arg-type]
