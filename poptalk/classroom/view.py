"""What a board shows, as values: in the terminal, on a web page, in results.

Every text that came from a pupil is harmless for a terminal and has its secrets masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class StepState(Enum):
    """How far a pupil is with a step."""

    TO_DO = "to do"
    DUE = "due"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class PupilView:
    """A pupil at one moment."""

    number: int
    """In which order the names came, from 1; less than 0 without a name."""
    name: str
    """The name, or the address where no name was given."""
    is_named: bool
    is_connected: bool
    is_finished: bool
    steps: tuple[StepState, ...]
    """One for each step in which something is sent."""
    step: str
    """The number and the title of the step that is due; empty once the lesson is over."""
    misses: int
    """Wrong lines in the step that is due."""
    all_misses: int
    stuck_seconds: float
    """Since something was last done that the lesson asks for."""
    line: str
    """The last line that was not; empty where everything was, or where the remark is about no line."""
    word: str
    """What the remark is: `not yet`, `note`; empty where there is none."""
    remark: str
    """What poptalk would say, without Markdown."""
    trouble: str
    """What a teacher should know besides; mostly empty."""

    @property
    def hidden_name(self) -> str:
        """What is shown in place of the name."""
        return f"pupil {self.number}" if self.is_named else "no name"

    @property
    def urgency(self) -> tuple[bool, bool, float, int]:
        """What pupils are sorted by, those who need help most first."""
        score = self.stuck_seconds + SECONDS_OF_A_MISS * self.misses
        return (self.is_finished, not self.is_connected, -score, self.number)


SECONDS_OF_A_MISS = 30.0
"""How long without progress is as urgent as one wrong line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTally:
    """How many are through a step."""

    number: int
    """Within the lesson, from 1."""
    title: str
    through: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardView:
    """The class at one moment."""

    lesson: str
    """Its title."""
    pupils: tuple[PupilView, ...]
    """The stuck first."""
    steps: tuple[StepTally, ...]
    wrong_lines: Sequence[tuple[str, int]]
    """The commonest, each with how often it came."""
    seconds: float
    """Since the class began."""
    finished: int
    connected: int
