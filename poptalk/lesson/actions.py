"""What the tutor asks of a driver, to be done in this order, one after the other."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from poptalk.lesson.document.model import QuizQuestion
from poptalk.lesson.progress import ProgressEvent
from poptalk.net.errors import Ending
from poptalk.pop3.commands import State
from poptalk.transcript.model import Dialogue


class FeedbackKind(Enum):
    """What a comment is about; the value is the word in front of it, colours or not."""

    DONE = "done"
    """The step, or a part of it, is done."""
    ASIDE = "note"
    """True, and of no consequence: a valid command that this step does not ask for."""
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
    """Base of all cues."""


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
    """Send a line; `Answered` follows, or `Ended`."""

    line: bytes
    """Without its line end."""
    manner: Manner = Manner.TYPED


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(LessonAction):
    """Close what is open, and connect; `Connected` follows, or `CannotConnect`."""

    fresh: bool
    """Whether the maildrop must be as it was at first; of no effect on a live server."""
    number: int = 1
    """Which connection of the lesson this is, for faults that are about one of them."""
    manner: Manner = Manner.TYPED


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp(LessonAction):
    """Close the connection without a word; `Ended` follows."""


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
    """Base of all happenings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected(LessonEvent):
    """A connection stands, and the greeting has come."""

    greeting: bytes
    """Without its line end."""
    encrypted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotConnect(LessonEvent):
    """No connection came about."""

    reason: str
    """One sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(LessonEvent):
    """A line was sent, by whomever, and its reply is complete; a SASL challenge is a reply too."""

    line: bytes
    """As it was sent, without its line end."""
    sasl: bool = False
    """Whether it answered a challenge (RFC 5034 §4)."""
    lines: Sequence[bytes]
    """The reply as received, byte-stuffed, without line ends, the lone dot included."""
    before: State
    """Where the session stood when the line was sent."""
    after: State
    at_once: bool = False
    """Whether it was sent while an earlier line was still unanswered (RFC 2449 §6.6)."""
    complete: bool = True
    """False where the reply was cut off: by the end of the connection, or by patience that ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchedToTls(LessonEvent):
    """STLS has led to TLS (RFC 2595 §4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected(LessonEvent):
    """The connection is gone; a reply that it cut off was told before, as not complete."""

    ending: Ending
    state: State
    """Where the session stood."""
    marked: tuple[int, ...] = ()
    """Messages that were marked as deleted and stay, as no QUIT was answered (RFC 1939 §6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited(LessonEvent):
    """The time that a `Wait` asked for is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved(LessonEvent):
    """The second connection of a `Prove` has come to its end, and was shown."""

    difference: str | None = None
    """The first thing that was not as the lesson says, one sentence; None if all was."""


# How a lesson runs: a generator that gives cues until it must wait for something.
#
# A part of a lesson, such as a task, is a generator too; it is run by `yield from`.  What it is sent
# while it waits is a `Message`: a happening, or what the learner asks of the tutor.


class Awaiting(Enum):
    """What is expected of the learner."""

    COMMAND = "a line for the server"
    CHOICE = "the answer to a question"
    PAUSE = "an empty line, to go on"
    CLOSED = "an empty line, to connect"
    BUSY = "nothing: poptalk is at work"
    OVER = "nothing: the lesson is over"


class Request(Enum):
    """What the learner may ask at any time."""

    GO_ON = "an empty line"
    SKIP = "`:skip`"
    CONNECT = "`:open`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An answer to a question: the number of a choice, from 1; perhaps there is none of that number."""

    number: int


Message = LessonEvent | Request | Chosen

T = TypeVar("T")
Flow = Generator[LessonAction | Awaiting, Message, T]
