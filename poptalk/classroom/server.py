"""A server on which a whole class does one lesson: `poptalk serve --lesson`, and `poptalk class`.

A lesson is above the practice server, which knows nothing of lessons; here the two come together.  Each
name has a copy of the lesson's mailbox, with the letters that come in later, and faults that are for
one connection meet that connection of each name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from poptalk.lesson.document.model import Lesson, LessonErrors
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import LessonNotFound, find_lesson
from poptalk.lesson.server import CHANCE, LessonMailboxes, persona_of, what_its_server_does
from poptalk.net.endpoint import UsageError
from poptalk.practice.accounts import Account
from poptalk.practice.faults.plan import FaultError, FaultPlan
from poptalk.practice.persona import ServeSettings
from poptalk.practice.serve import ServedLesson, serve

Say = Callable[[str], None]


def serve_lesson(word: str, options: ServeSettings, *, say: Say, complain: Say) -> int:
    """Run a practice server for a lesson until Ctrl-C or SIGTERM; arguments and exit code as `serve`.

    Args:
        word: the lesson, as `poptalk learn` takes it.
        options: what was asked for.
        say: prints a line and flushes it.
        complain: prints a sentence where errors and warnings go.

    Raises:
        UsageError: there is no such lesson, or it is none for a class.
    """
    with served(lesson_named(word), word=word) as setting:
        return serve(options, lesson=setting, say=say, complain=complain)


def lesson_named(word: str) -> Lesson:
    """Return a lesson, as `poptalk learn` takes its name.

    Raises:
        UsageError: there is none, or something is wrong with it.
    """
    try:
        return load_lesson(find_lesson(word))
    except (LessonNotFound, LessonErrors) as error:
        raise UsageError(str(error)) from error


@contextmanager
def served(lesson: Lesson, *, word: str | None = None) -> Iterator[ServedLesson]:
    """Lay a lesson out for a class, as long as the context lasts.

    Args:
        lesson: the lesson.
        word: what `poptalk learn` takes for it; None for its name.

    Raises:
        UsageError: its mailbox or its persona cannot be used, or it is none for a class.
    """
    with tempfile.TemporaryDirectory(prefix="poptalk-", ignore_cleanup_errors=True) as directory:
        mailboxes = LessonMailboxes(lesson, Path(directory))
        yield ServedLesson(
            word=word or lesson.name,
            title=lesson.title,
            learn=None if what_its_server_does(lesson) else word or lesson.name,
            account=Account(name=lesson.user, password=lesson.password),
            arguments=arguments_for(lesson, mailboxes),
            observer=mailboxes.begin,
        )


def arguments_for(lesson: Lesson, mailboxes: LessonMailboxes) -> dict[str, Any]:
    """Return what a lesson gives a `Server` for a class.

    Raises:
        UsageError: its persona cannot be used, or it is none for a class.
    """
    _check_faults(lesson)
    return {
        "persona": persona_of(lesson),
        "maildrop": mailboxes.place,
        "faults": lesson.faults,
        "faults_by_name": True,
        "fault_seed": CHANCE,
    }


def _check_faults(lesson: Lesson) -> None:
    """Refuse a lesson with faults that meet a connection before it is known whose it is.

    Raises:
        UsageError: it is such a lesson.
    """
    try:
        FaultPlan(lesson.faults, accounts=None, seed=CHANCE, by_name=True)
    except FaultError as error:
        raise UsageError(
            f"{lesson.title}: in this lesson something is wrong with certain connections before "
            "anyone has given a name, so a class cannot do it on one server; with "
            f"poptalk learn {lesson.name} each has a server of their own"
        ) from error
