"""What a learner has done so far: one line of JSON an event, appended as it happens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EventKind(Enum):
    """What happened in a step."""

    STARTED = "start"
    PASSED = "pass"
    MISSED = "miss"
    """A mistake was made."""
    ASIDE = "aside"
    """Something else that is valid was sent."""
    HINTED = "hint"
    SHOWN = "shown"
    """The answer was shown by `:skip`; the step counts as done."""
    LOST = "lost"
    """The connection ended before its time."""
    ENDED = "end"
    """The lesson came to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent:
    """One line of the log, without its time: ids and hashes, no mail and no password."""

    lesson: str
    step: str = ""
    """The slug; empty for events of the lesson as a whole."""
    step_hash: str = ""
    """What the step's blocks are; a step that was passed stays passed as long as it is the same."""
    kind: EventKind
    attempt: int = 0
    """How many lines were tried in this step so far."""
