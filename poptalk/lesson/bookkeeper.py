"""Who writes down what is done in a lesson: the events that go into the learner's progress."""

from __future__ import annotations

from poptalk.lesson.cues import Keep
from poptalk.lesson.document import Lesson, Step
from poptalk.lesson.progress import EventKind, ProgressEvent, step_hash


class ProgressRecorder:
    """Knows the step that is being done, and how often something was tried in it.

    Args:
        lesson: the lesson.
    """

    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self.step: Step | None = None
        self.attempts = 0
        """How many lines, and answers to questions, were tried in the step."""
        self.shown = False
        """Whether `:skip` did a part of the step."""

    def enter(self, step: Step) -> Keep:
        """Begin a step."""
        self.step = step
        self.attempts = 0
        self.shown = False
        return self.keep(EventKind.STARTED)

    def leave(self) -> Keep:
        """End the step."""
        return self.keep(EventKind.SHOWN if self.shown else EventKind.PASSED)

    def keep(self, kind: EventKind) -> Keep:
        """Make an event of the step, or of the lesson where it is in none."""
        step = self.step
        return Keep(
            event=ProgressEvent(
                lesson=self._lesson.name,
                step=step.slug if step is not None else "",
                step_hash=step_hash(step) if step is not None else "",
                kind=kind,
                attempt=self.attempts,
            )
        )

    def end(self) -> Keep:
        """End the lesson."""
        self.step = None
        return self.keep(EventKind.ENDED)
