"""The command `poptalk lessons`: its subcommands, the list of lessons, and the file of a new one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

from poptalk.exit_codes import EXIT_OK, EXIT_USAGE
from poptalk.lesson.document.blocks import LessonText
from poptalk.lesson.document.model import LessonErrors, why_not
from poptalk.lesson.document.parser import read_front_matter, read_text
from poptalk.lesson.library import SUFFIX, LessonNotFound, LibraryLesson, curriculum, find_lesson
from poptalk.net.endpoint import UsageError
from poptalk.terminal.safe import wrap
from poptalk.terminal.screen import LinearScreen

# `lessons list` reads only the front matter: a lesson whose steps aren't written yet is listed, too.


MOST_COLUMNS = 100
"""Longer rows are hard to read, on however wide a terminal."""

FEWEST_COLUMNS = 20
"""On a narrower terminal, rows are wider than the terminal."""

NOT_YET = "Not a lesson yet; poptalk lessons check says why."
"""What is said instead of a summary that cannot be read."""


def list_lessons(lessons: Sequence[LibraryLesson], *, columns: int, paths: bool) -> Iterator[str]:
    """Give the rows of the list.

    Args:
        lessons: those to list.
        columns: cells in a row of the terminal.
        paths: whether to give the path of each lesson.
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
            # Never wrapped, so that it can be copied.
            yield f"{indent}{lesson.path}"


def _paragraphs(lesson: LibraryLesson) -> list[str]:
    """Return what is said about a lesson: its title with its minutes, and its summary."""
    try:
        source = LessonText(read_text(lesson.path), path=lesson.path)
        front = read_front_matter(source)
        if source.faults:
            raise LessonErrors(source.faults)
    except LessonErrors:
        return [lesson.name, NOT_YET]
    minutes = "1 minute" if front.minutes == 1 else f"{front.minutes} minutes"
    own = "" if front["own-mailbox"] == "no" else " It can be done with your own mail, too."
    return [f"{front['title']} ({minutes})", f"{front['summary']}{own}"]


# A new lesson, begun by `lessons new` or `lessons record`; nothing is overwritten.


_NUMBER = re.compile(r"[0-9]+[-_ ]")


def lesson_path(name: str) -> Path:
    """Return the path of a lesson that is named with or without `.md`."""
    return Path(name if name.endswith(SUFFIX) else name + SUFFIX)


def begin_lesson(path: Path, text: str = "") -> None:
    """Make a new file.

    Args:
        path: the file.
        text: its content.

    Raises:
        UsageError: it exists already, or it cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already; give another name.") from None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be written ({why_not(error)}); give another name."
        ) from None


def title_of(stem: str) -> str:
    """Make a title from the name of a file: `14-my-lesson` becomes "My lesson"."""
    words = re.findall(r"\w+", _NUMBER.sub("", stem, count=1).replace("_", " "))
    title = " ".join(words) or "A lesson"
    return title[0].upper() + title[1:]


def what_is_left(path: Path) -> str:
    """Say what the author does next, in two lines."""
    return (
        "What is left to be written is marked with TODO; this shows it as you go:\n"
        f"  poptalk lessons watch {path}"
    )


# What `lessons new` writes is `skeleton.md`: it runs as it is, and `lessons check` finds each TODO.


def skeleton(title: str) -> str:
    """Return the beginning of a lesson with this title."""
    text = resources.files("poptalk.lesson").joinpath("skeleton.md").read_text(encoding="utf-8")
    return text.replace("__TITLE__", title)


Show = Callable[[str], None]
"""Prints lines."""


def lessons(action: str, *, screen: LinearScreen, say: Show, complain: Show, **given: Any) -> int:
    """Carry out a subcommand of `poptalk lessons`.

    Args:
        action: the subcommand.
        screen: for what has styles.
        say: prints lines and flushes them.
        complain: prints a sentence where errors go.
        given: what else the command line says.

    Returns:
        The exit code: 0 if all is well, 1 if something is wrong with a lesson, 2 for a lesson that
        doesn't exist, or a file that cannot be written.

    Raises:
        ScreenClosed: nothing can be printed any more.
    """
    try:
        match action:
            case "list":
                paths = bool(given.get("paths"))
                for row in list_lessons(curriculum(), columns=screen.columns, paths=paths):
                    say(row)
            case "check":
                from poptalk.lesson.verify.check import check

                return check(say=say, complain=complain, **given)
            case "new":
                file = lesson_path(given["name"])
                begin_lesson(file, skeleton(title_of(file.stem)))
                say(f"{file} is begun. {what_is_left(file)}")
            case _:
                lesson = find_lesson(given["path"])
                from poptalk.lesson.author.preview import watch

                # Ctrl-C is how it is ended.
                with suppress(KeyboardInterrupt):
                    watch(lesson, screen=screen)
    except (LessonNotFound, FileNotFoundError, UsageError) as error:
        complain(str(error))
        return EXIT_USAGE
    return EXIT_OK
