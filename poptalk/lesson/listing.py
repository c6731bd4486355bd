"""`poptalk lessons list`: each lesson in a few lines, as wide as the terminal.

Only the front matter is read, so that a lesson whose steps are being written is listed as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poptalk.lesson.errors import LessonErrors
from poptalk.lesson.front_matter import read_front_matter
from poptalk.lesson.markup.source import LessonText
from poptalk.lesson.reader import read_text
from poptalk.lesson.shelf import LibraryLesson
from poptalk.terminal.width import wrap

MOST_COLUMNS = 100
"""Longer rows are hard to read, on however wide a terminal."""

FEWEST_COLUMNS = 20
"""On narrower terminals, rows are wider than they are."""

NOT_YET = "Not a lesson yet; poptalk lessons check tells why."
"""What is said in place of a summary that cannot be read."""


def list_lessons(lessons: Sequence[LibraryLesson], *, columns: int, paths: bool) -> Iterator[str]:
    """Give the rows of the list.

    Args:
        lessons: those to be listed.
        columns: cells in a row of the terminal.
        paths: whether to tell where each lesson lies.
    """
    digits = len(str(max((lesson.number for lesson in lessons), default=0)))
    indent = " " * (digits + 2)
    room = max(FEWEST_COLUMNS, min(columns, MOST_COLUMNS)) - len(indent)
    for lesson in lessons:
        first, *others = _paragraphs(lesson)
        rows = [row for text in others for row in wrap(text, room)]
        title, *more = wrap(first, room)
        yield f"{lesson.number:>{digits}}  {title}"
        yield from (f"{indent}{row}" for row in (*more, *rows))
        if paths:
            # Never wrapped: it is there to be copied.
            yield f"{indent}{lesson.path}"


def _paragraphs(lesson: LibraryLesson) -> list[str]:
    """Return what is said of a lesson: its title and its minutes, and its summary."""
    try:
        source = LessonText(read_text(lesson.path), path=lesson.path)
    except LessonErrors:
        return [lesson.name, NOT_YET]
    front = read_front_matter(source)
    if source.faults:
        return [lesson.name, NOT_YET]
    minutes = "1 minute" if front.minutes == 1 else f"{front.minutes} minutes"
    return [f"{front['title']} ({minutes})", front["summary"]]
