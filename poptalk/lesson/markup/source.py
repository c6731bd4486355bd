"""The text of a lesson while it is read: its lines, and what was found wrong with them."""

from __future__ import annotations

from pathlib import Path

from poptalk.lesson.errors import LessonFault


class Source:
    """The lines of a file.

    Args:
        text: the file, with any line ends; a byte order mark does not count.
        path: the file, for messages.

    Attributes:
        lines: without their ends.
        faults: what is wrong with them.
    """

    def __init__(self, text: str, *, path: Path) -> None:
        normal = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        self.lines = normal.split("\n")
        self.path = path
        self.faults: list[LessonFault] = []

    def text(self, begin: int, end: int) -> str:
        """Return some lines as one text, without blank ones at its ends.

        Args:
            begin: the first line, counted from 0 as Markdown parsers do.
            end: the line behind the last one.
        """
        return "\n".join(self.lines[begin:end]).strip("\n")

    def wrong(
        self, code: str, line: int, problem: str, advice: str, *, quote: str | None = None
    ) -> None:
        """Note a fault.

        Args:
            code: one of `codes.CODES`.
            line: where, counted from 0 as Markdown parsers do.
            problem: what is wrong.
            advice: what would be right.
            quote: shown in place of the line: it may hold a secret, or say nothing.
        """
        self.faults.append(
            LessonFault(
                code=code,
                path=self.path,
                line_number=line + 1,
                line=self.lines[line] if quote is None else quote,
                problem=problem,
                advice=advice,
            )
        )
