"""What a board shows, as values: for the terminal and for a web page.

All text that came from a pupil is safe for a terminal and has its secrets masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class StepState(Enum):
    """How far a pupil has got with a step."""

    TO_DO = "to do"
    DUE = "due"
    DONE = "done"


SECONDS_OF_A_MISS = 30.0
"""How long without progress is as urgent as one wrong line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PupilView:
    """A pupil at one moment."""

    number: int
    """From 1, in the order in which the names came; below 0 without a name."""
    name: str
    """The name, or the address if no name was given."""
    is_named: bool
    is_connected: bool
    is_finished: bool
    steps: tuple[StepState, ...]
    """One for each step that sends something."""
    step: str
    """The number and the title of the current step; empty once the lesson is over."""
    misses: int
    """Wrong lines in the current step."""
    all_misses: int
    stuck_seconds: float
    """Since the pupil last did something that the lesson asks for."""
    line: str
    """The line that the remark is about; empty if there is none."""
    word: str
    """The kind of remark: `not yet`, `note`; empty if there is none."""
    remark: str
    """What poptalk would say to the last line that wasn't asked for, without Markdown."""
    trouble: str
    """What else a teacher should know; usually empty."""

    @property
    def hidden_name(self) -> str:
        """What to show in place of the name."""
        return f"pupil {self.number}" if self.is_named else "no name"

    @property
    def urgency(self) -> tuple[bool, bool, float, int]:
        """The key by which pupils are sorted, those who need help most first."""
        score = self.stuck_seconds + SECONDS_OF_A_MISS * self.misses
        return (self.is_finished, not self.is_connected, -score, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTally:
    """How many pupils have done a step."""

    number: int
    """Within the lesson, from 1."""
    title: str
    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardView:
    """The class at one moment."""

    lesson: str
    """Its title."""
    pupils: tuple[PupilView, ...]
    """Those who are stuck first."""
    steps: tuple[StepTally, ...]
    wrong_lines: Sequence[tuple[str, int]]
    """The commonest, each with its count."""
    seconds: float
    """Since the class began."""
    finished: int
    connected: int
