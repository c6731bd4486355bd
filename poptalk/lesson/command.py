"""The command `poptalk lessons`: which subcommand does what, and with which exit code."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from poptalk.exit_codes import EXIT_OK, EXIT_USAGE
from poptalk.lesson.shelf import LessonNotFound, curriculum, find_lesson
from poptalk.terminal.screen import LinearScreen


def lessons(
    options: argparse.Namespace,
    *,
    screen: LinearScreen,
    say: Callable[[str], None],
    complain: Callable[[str], None],
) -> int:
    """Carry out a subcommand of `poptalk lessons`.

    Args:
        options: as `options.add_lessons_arguments` parses them.
        screen: for what has styles.
        say: prints lines and flushes them.
        complain: prints a sentence where errors go.

    Returns:
        The exit code: 0 if all is well, 1 if a lesson is found to be wrong, 2 for a lesson that is
        not there, or a file that cannot be written.

    Raises:
        ScreenClosed: nothing can be printed any more.
    """
    try:
        match options.action:
            case "list":
                return _list(options, columns=screen.columns, say=say)
            case "check":
                from poptalk.lesson.proof.command import check

                return check(options, say=say, complain=complain)
            case "new":
                return _new(options, say=say, complain=complain)
            case _:
                return _watch(options, screen=screen)
    except (LessonNotFound, FileNotFoundError) as error:
        complain(str(error))
        return EXIT_USAGE


def _list(options: argparse.Namespace, *, columns: int, say: Callable[[str], None]) -> int:
    from poptalk.lesson.listing import list_lessons

    for row in list_lessons(curriculum(), columns=columns, paths=options.paths):
        say(row)
    return EXIT_OK


def _new(
    options: argparse.Namespace, *, say: Callable[[str], None], complain: Callable[[str], None]
) -> int:
    from poptalk.lesson.new_lesson import (
        CannotWrite,
        begin_lesson,
        lesson_path,
        title_of,
        what_is_left,
    )
    from poptalk.lesson.skeleton import skeleton

    path = lesson_path(options.name)
    try:
        begin_lesson(path, skeleton(title_of(path.stem)))
    except CannotWrite as error:
        complain(str(error))
        return EXIT_USAGE
    say(f"{path} is begun. {what_is_left(path)}")
    return EXIT_OK


def _watch(options: argparse.Namespace, *, screen: LinearScreen) -> int:
    path = find_lesson(options.path)
    from poptalk.lesson.watch import watch

    try:
        watch(path, screen=screen)
    except KeyboardInterrupt:
        # How it is ended.
        pass
    return EXIT_OK
