"""What the tutor asks of a driver, what a driver tells it, and what that says about the session."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeVar

from poptalk.lesson.document.model import QuizQuestion
from poptalk.lesson.progress import ProgressEvent
from poptalk.net.errors import Ending
from poptalk.pop3.commands import ArgumentKind, Command, Effect, State, parse_command
from poptalk.pop3.replies import Status, parse_status_line
from poptalk.transcript.model import Dialogue
from poptalk.transcript.pattern import Bindings
from poptalk.transcript.placeholders import Known


class FeedbackKind(Enum):
    """What a comment is about; the value is the word in front of it, with or without colours."""

    DONE = "done"
    """The step, or a part of it, is done."""
    ASIDE = "note"
    """Without consequences: a valid command that this step doesn't ask for."""
    NOT_YET = "not yet"
    """A mistake, and what would be right."""
    HINT = "hint"
    UNJUDGED = "could not judge"
    CLOSED = "closed"
    """The connection is gone."""
    NEWS = "poptalk"
    """What poptalk does by itself: replay, reset, a second connection."""


class Manner(Enum):
    """How what poptalk sends by itself is shown."""

    TYPED = "as if it had been typed"
    FOLDED = "not at all; a comment says what was done"


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonAction:
    """Base of what the tutor asks for; actions are carried out in order, one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Say(LessonAction):
    """Show prose, in Markdown."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading(LessonAction):
    """Show the title of the lesson or of a step."""

    text: str
    level: int
    """1 for the lesson, 2 for a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback(LessonAction):
    """Show a comment, below the server's answer: two lines at most on 80 columns."""

    kind: FeedbackKind
    text: str
    """May hold inline Markdown: `code` for what is typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(LessonAction):
    """Show the numbered choices of a question."""

    question: QuizQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLine(LessonAction):
    """Send a line; `Answered` follows, or `Disconnected`."""

    line: bytes
    """Without its line end."""
    manner: Manner = Manner.TYPED


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(LessonAction):
    """Close the connection, and make a new one; `Connected` follows, or `CannotConnect`."""

    fresh: bool
    """Whether the maildrop must be as it was at first; without effect on a live server."""
    number: int = 1
    """Which connection of the lesson this is, for faults that are about one of them."""
    manner: Manner = Manner.TYPED


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp(LessonAction):
    """Close the connection without a word; `Disconnected` follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow(LessonAction):
    """Say how another program reaches the practice server, and follow its next connection there.

    `Connected`, `Answered` and so on are then about that connection, until `Unfollow`.
    """

    fresh: bool
    """Whether the maildrop must be as it was at first."""
    number: int
    """Which connection of the lesson this is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfollow(LessonAction):
    """Follow other programs no longer; `Disconnected` follows if one is still connected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack(LessonAction):
    """Make the maildrop as it was when one of the lesson's connections began.

    Only for learners who make all connections themselves (`Tutor(by_hand=True)`).
    """

    number: int
    """Which connection of the lesson, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitSeconds(LessonAction):
    """Let time pass; `Waited` follows."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prove(LessonAction):
    """Run a dialogue on a second connection, and show it; `Proved` follows."""

    dialogue: Dialogue
    bindings: dict[str, str]
    """What the lesson has captured so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep(LessonAction):
    """Append an event to the learner's progress, at once."""

    event: ProgressEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish(LessonAction):
    """The lesson is over."""


# What a driver tells the tutor: what happened between the learner's side and the server.


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonEvent:
    """Base of all events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected(LessonEvent):
    """A connection was made, and the greeting has come."""

    greeting: bytes
    """Without its line end."""
    encrypted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotConnect(LessonEvent):
    """No connection could be made."""

    reason: str
    """One sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(LessonEvent):
    """A line was sent, by the learner or by poptalk, and answered; a SASL challenge is a reply too."""

    line: bytes
    """As it was sent, without its line end."""
    sasl: bool = False
    """Whether it answered a challenge (RFC 5034 §4)."""
    lines: Sequence[bytes]
    """The reply as received, byte-stuffed, without line ends, the lone dot included."""
    before: State
    """The state of the session when the line was sent."""
    after: State
    at_once: bool = False
    """Whether it was sent while an earlier line was still unanswered (RFC 2449 §6.6)."""
    complete: bool = True
    """False if the connection, or someone's patience, ended before the reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchedToTls(LessonEvent):
    """TLS has begun after STLS (RFC 2595 §4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected(LessonEvent):
    """The connection is gone; a reply that was cut off has been told before, as not complete."""

    ending: Ending
    state: State
    """The state that the session was in."""
    marked: tuple[int, ...] = ()
    """Messages that were marked as deleted and stay, as no QUIT was answered (RFC 1939 §6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited(LessonEvent):
    """The time of a `WaitSeconds` is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved(LessonEvent):
    """The second connection of a `Prove` has ended, and was shown."""

    difference: str | None = None
    """The first difference from the lesson, one sentence; None if there was none."""


# A lesson is a generator, and so is each part of it.  It yields actions, and an `Awaiting` where it
# waits; it is sent a `Message`: an event, or what the learner asks of the tutor.


class Awaiting(Enum):
    """What is expected of the learner."""

    COMMAND = "a line for the server"
    CHOICE = "the answer to a question"
    PAUSE = "an empty line, to go on"
    CLOSED = "an empty line, to connect"
    OUTSIDE = "something in another window"
    BUSY = "nothing: poptalk is at work"
    OVER = "nothing: the lesson is over"


class Request(Enum):
    """What the learner may ask at any time."""

    GO_ON = "an empty line"
    SKIP = "`:skip`"
    CONNECT = "`:open`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An answer to a question: the number of a choice, from 1, or a number that no choice has."""

    number: int


Message = LessonEvent | Request | Chosen

T = TypeVar("T")
Flow = Generator[LessonAction | Awaiting, Message, T]


# The session at the exchange that is commented on, which isn't the last one if several replies have come
# at once.  It is for explanations only, never to hold anything back.


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """The session at one moment, as far as it is known."""

    state: State = State.CLOSED
    encrypted: bool = False
    greeting: bytes = b""
    challenge: bytes | None = None
    """The challenge that waits for an answer (RFC 5034 §4)."""
    named: bool | None = None
    """Whether the last line was a USER that was accepted; None before any connection."""
    marked: frozenset[int] = frozenset()
    """Message-numbers that DELE marked."""
    farewell: bool = False
    """Whether QUIT was answered with +OK."""
    errors: int = 0
    """How many replies in a row were -ERR."""
    count: int | None = None
    """How many messages the last STAT counted; None before that."""
    known: Bindings = field(default_factory=dict)
    """The values of the known placeholders, as of now."""

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that takes commands."""
        return self.state is not State.CLOSED and not self.farewell


class SessionTracker:
    """Follows one connection after the other.

    Args:
        user: the user's name and password.

    Attributes:
        now: the session after the last event.
        before: the session before it.
    """

    def __init__(self, user: Known) -> None:
        self._user = user
        self.now = self.before = SessionState(known=user.bindings())

    def take(self, event: LessonEvent) -> None:
        """Take note of an event."""
        self.before = before = self.now
        match event:
            case Connected(greeting=greeting, encrypted=encrypted):
                self.now = SessionState(
                    state=State.AUTHORIZATION,
                    encrypted=encrypted,
                    greeting=greeting,
                    named=False,
                    count=before.count,
                    known=self._known(greeting, None),
                )
            case SwitchedToTls():
                self.now = replace(before, encrypted=True, named=False)
            case Answered():
                self._answered(event)
            case Disconnected():
                self.now = replace(before, state=State.CLOSED, challenge=None, named=False)

    def _answered(self, event: Answered) -> None:
        before = self.before
        status = parse_status_line(event.lines[0]).status if event.lines else Status.OTHER
        challenge = event.lines[0] if event.complete and status is Status.CHALLENGE else None
        marked, named, farewell, count = before.marked, False, before.farewell, before.count
        command = parse_command(event.line)
        if event.complete and not event.sasl and status is Status.OK and command.verb is not None:
            named = command.verb.effect is Effect.NAME
            farewell = farewell or command.verb.effect is Effect.FAREWELL
            if command.verb.effect is Effect.MARK:
                number = message_of(command)
                marked |= {number} if number is not None else set()
            elif command.verb.effect is Effect.UNMARK_ALL:
                marked = frozenset()
            words = event.lines[0].split()
            if command.keyword == b"STAT" and len(words) > 1 and words[1].isdigit():
                count = int(words[1])
        same = challenge == before.challenge
        known = before.known if same else self._known(before.greeting, challenge)
        self.now = replace(
            before,
            state=event.after,
            challenge=challenge,
            named=named,
            marked=marked,
            farewell=farewell,
            errors=before.errors + 1 if status is Status.ERR else 0,
            count=count,
            known=known,
        )

    def remember_login(self, command: Command) -> None:
        """Keep a name or a password that the server accepted as the learner's own."""
        value = command.arguments[0].decode("utf-8", "surrogateescape") if command.arguments else ""
        match kinds_of(command):
            case (ArgumentKind.NAME,):
                self.know(replace(self._user, user=value))
            case (ArgumentKind.PASSWORD,):
                self.know(replace(self._user, password=value))

    def know(self, user: Known) -> None:
        """Keep another name or password as the learner's own."""
        self._user = user
        self.now = replace(self.now, known=self._known(self.now.greeting, self.now.challenge))

    def rename(self, user: str) -> None:
        """Change the spelling of the learner's name."""
        self.know(replace(self._user, user=user))

    def _known(self, greeting: bytes, challenge: bytes | None) -> Bindings:
        """Return the values of the known placeholders; some depend on what the server has said."""
        return replace(self._user, greeting=greeting, challenge=challenge).bindings()


def kinds_of(command: Command) -> tuple[ArgumentKind, ...]:
    """Return what arguments a command takes; none if it is unknown."""
    return tuple(argument.kind for argument in command.verb.arguments) if command.verb else ()


def message_of(command: Command) -> int | None:
    """Return the message-number that a command is about; None if it is about none."""
    kinds = kinds_of(command)
    is_about_one = ArgumentKind.MESSAGE in kinds
    return command.number(kinds.index(ArgumentKind.MESSAGE)) if is_about_one else None
