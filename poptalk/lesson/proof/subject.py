"""What is proved: a lesson, together with the text that it was read from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from poptalk.lesson.document import Lesson
from poptalk.lesson.errors import LessonFault, make_fault

ADVICE = frozenset({"PT031"})
"""Codes of what may be otherwise for a reason: told, and no reason to fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A lesson to be proved.

    Args:
        lesson: as the reader gave it.
        lines: of its file, without their ends.
        earlier: the texts of the lessons that come before it, which may have named a command.
    """

    lesson: Lesson
    lines: tuple[str, ...] = field(repr=False)
    earlier: tuple[str, ...] = field(default=(), repr=False)

    def fault(self, name: str, line: int, /, **values: object) -> LessonFault:
        """Make a finding.

        Args:
            name: one of `poptalk.lesson.codes.FAULTS`.
            line: where in the file, counted from 1.
            values: what the names in braces stand for.
        """
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return make_fault(name, self.lesson.path, line, text, values)


Check = Callable[[Subject], Iterator[LessonFault]]
"""Looks at a lesson, and finds what is wrong with it."""
