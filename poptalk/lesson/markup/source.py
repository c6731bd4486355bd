"""The text of a lesson while it is read: its lines, and what was found wrong with them."""

from __future__ import annotations

from pathlib import Path

from poptalk.lesson.errors import LessonFault, make_fault


class LessonText:
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

    def wrong(self, name: str, line: int, /, *, quote: str | None = None, **values: object) -> None:
        """Note a fault.

        Args:
            name: one of `codes.FAULTS`.
            line: where, counted from 0 as Markdown parsers do.
            quote: shown in place of the line: it may hold a secret, or say nothing.
            values: what the names in braces stand for.
        """
        text = self.lines[line] if quote is None else quote
        self.faults.append(make_fault(name, self.path, line + 1, text, values))
