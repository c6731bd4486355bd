"""What is proved: a lesson, together with the text that it was read from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from poptalk.lesson.document import Lesson
from poptalk.lesson.errors import LessonFault

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

    def fault(self, code: str, line: int, problem: str, advice: str) -> LessonFault:
        """Make a finding.

        Args:
            code: one of `poptalk.lesson.codes.CODES`.
            line: where in the file, counted from 1.
            problem: what is wrong; the beginning of a sentence.
            advice: what would be right; its end.
        """
        return LessonFault(
            code=code,
            path=self.lesson.path,
            line_number=line,
            line=self.lines[line - 1] if 0 < line <= len(self.lines) else "",
            problem=problem,
            advice=advice,
        )


Check = Callable[[Subject], Iterator[LessonFault]]
"""Looks at a lesson, and finds what is wrong with it."""
