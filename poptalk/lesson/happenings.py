"""What a driver tells the tutor: what happened between the learner's side and the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poptalk.net.errors import Ending
from poptalk.protocol.states import State


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
