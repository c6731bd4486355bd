"""What the tutor asks of a driver, to be done in this order, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from poptalk.lesson.document import QuizQuestion
from poptalk.lesson.progress import ProgressEvent
from poptalk.notation.dialogue import Dialogue


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
