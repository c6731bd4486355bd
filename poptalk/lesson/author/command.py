"""The command `poptalk lessons`: which subcommand does what, and with which exit code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from poptalk.exit_codes import EXIT_OK, EXIT_USAGE
from poptalk.lesson.library import LessonNotFound, curriculum, find_lesson
from poptalk.terminal.screen import LinearScreen


def lessons(
    action: str,
    *,
    screen: LinearScreen,
    say: Callable[[str], None],
    complain: Callable[[str], None],
    **given: Any,
) -> int:
    """Carry out a subcommand of `poptalk lessons`.

    Args:
        action: the subcommand.
        screen: for what has styles.
        say: prints lines and flushes them.
        complain: prints a sentence where errors go.
        given: what the command line says besides.

    Returns:
        The exit code: 0 if all is well, 1 if a lesson is found to be wrong, 2 for a lesson that is
        not there, or a file that cannot be written.

    Raises:
        ScreenClosed: nothing can be printed any more.
    """
    try:
        match action:
            case "list":
                return _list(columns=screen.columns, say=say, **given)
            case "check":
                from poptalk.lesson.verify.check import check

                return check(say=say, complain=complain, **given)
            case "new":
                return _new(say=say, complain=complain, **given)
            case _:
                return _watch(screen=screen, **given)
    except (LessonNotFound, FileNotFoundError) as error:
        complain(str(error))
        return EXIT_USAGE


def _list(*, columns: int, say: Callable[[str], None], paths: bool = False) -> int:
    from poptalk.lesson.author.new import list_lessons

    for row in list_lessons(curriculum(), columns=columns, paths=paths):
        say(row)
    return EXIT_OK


def _new(*, name: str, say: Callable[[str], None], complain: Callable[[str], None]) -> int:
    from poptalk.lesson.author.new import (
        CannotWrite,
        begin_lesson,
        lesson_path,
        skeleton,
        title_of,
        what_is_left,
    )

    file = lesson_path(name)
    try:
        begin_lesson(file, skeleton(title_of(file.stem)))
    except CannotWrite as error:
        complain(str(error))
        return EXIT_USAGE
    say(f"{file} is begun. {what_is_left(file)}")
    return EXIT_OK


def _watch(*, path: str, screen: LinearScreen) -> int:
    lesson = find_lesson(path)
    from poptalk.lesson.author.preview import watch

    try:
        watch(lesson, screen=screen)
    except KeyboardInterrupt:
        # How it is ended.
        pass
    return EXIT_OK
