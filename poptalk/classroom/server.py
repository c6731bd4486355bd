"""The server on which a whole class does one lesson: for `poptalk serve --lesson` and `poptalk class`.

The practice server knows nothing of lessons; here the two come together.  Each name has a copy of the
lesson's mailbox, with the messages that arrive later.  A fault of one connection, such as the second,
affects that connection of each name.
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
        word: the lesson, named as for `poptalk learn`.
        options: how to serve it.
        say: prints a line and flushes it.
        complain: prints a sentence where errors and warnings go.

    Raises:
        UsageError: there is no such lesson, or a class can't do it.
    """
    with served(lesson_named(word), word=word) as setting:
        return serve(options, lesson=setting, say=say, complain=complain)


def lesson_named(word: str) -> Lesson:
    """Return a lesson, named as for `poptalk learn`.

    Raises:
        UsageError: there is no such lesson, or something is wrong with it.
    """
    try:
        return load_lesson(find_lesson(word))
    except (LessonNotFound, LessonErrors) as error:
        raise UsageError(str(error)) from error


@contextmanager
def served(lesson: Lesson, *, word: str | None = None) -> Iterator[ServedLesson]:
    """Prepare a lesson for a class, for as long as the context lasts.

    Args:
        lesson: the lesson.
        word: its name for `poptalk learn`; None for the name of its file.

    Raises:
        UsageError: its mailbox or its persona cannot be used, or a class can't do it.
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
    """Return the arguments of `Server` that a lesson brings to a class.

    Raises:
        UsageError: its persona cannot be used, or a fault of it affects a connection before anyone
            knows whose it is.
    """
    try:
        FaultPlan(lesson.faults, accounts=None, seed=CHANCE, by_name=True)
    except FaultError as error:
        raise UsageError(
            f"{lesson.title}: in this lesson something is wrong with certain connections before "
            "anyone has given a name, so a class cannot do it on one server; with "
            f"poptalk learn {lesson.name} each has a server of their own"
        ) from error
    return {
        "persona": persona_of(lesson),
        "maildrop": mailboxes.place,
        "faults": lesson.faults,
        "faults_by_name": True,
        "fault_seed": CHANCE,
    }


_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def address_here(host: str) -> str:
    """Return the address at which this machine itself reaches a server that listens on `host`."""
    return _LOOPBACK_OF.get(host, host)
