"""`poptalk learn`: finds the lesson, and the server if it is the learner's own, and opens the shell."""

from __future__ import annotations

import os
from collections.abc import Callable
from getpass import getpass

from poptalk.lesson.document import BlockKind, Lesson
from poptalk.lesson.errors import LessonErrors
from poptalk.lesson.mailbox import LATER, MailboxError, find_mailbox
from poptalk.lesson.reader import load_lesson
from poptalk.lesson.room import LiveLessonServer
from poptalk.lesson.shelf import LessonNotFound, find_lesson
from poptalk.login.sources import PASSWORD_VARIABLE
from poptalk.net.destination import Destination, UsageError
from poptalk.notation.known import Known
from poptalk.shell.coach import is_yes
from poptalk.shell.interactive import run_accompanied
from poptalk.shell.school import LessonHost
from poptalk.shell.settings import ConnectOptions

Ask = Callable[[str], str]
"""Asks a question on the terminal, and returns the answer."""


def learn(
    word: str | None,
    options: ConnectOptions,
    destination: Destination | None,
    *,
    ask: Ask = input,
    ask_unseen: Ask = getpass,
) -> int:
    """Open the lessons on a terminal; return the exit code.

    Args:
        word: the lesson, None for the menu.
        options: how the shell looks.
        destination: a live server; None for the lesson's practice server.
        ask: asks for the name, and whether a lesson may delete mail.
        ask_unseen: asks for the password.

    Raises:
        UsageError: there is no such lesson, or it cannot be learnt on that server.
        ScreenClosed: the terminal is gone.
    """
    lesson = _lesson(word) if word is not None else None
    lesson_server = None
    if lesson is not None and destination is not None:
        lesson_server = _live_server(lesson, destination, ask=ask, ask_unseen=ask_unseen)
    with LessonHost(first=lesson, lesson_server=lesson_server) as host:
        return run_accompanied(options, host.begin)


def _lesson(word: str) -> Lesson:
    try:
        return load_lesson(find_lesson(word))
    except (LessonNotFound, LessonErrors) as error:
        raise UsageError(str(error)) from error


def _live_server(
    lesson: Lesson, destination: Destination, *, ask: Ask, ask_unseen: Ask
) -> LiveLessonServer:
    """Make sure that a lesson may run on somebody's server, and ask who that is."""
    reason = needs_its_own_server(lesson)
    if reason is not None:
        raise UsageError(
            f"{lesson.name} needs its practice server, {reason}: poptalk learn {lesson.name}"
        )
    if lesson.deletes and not _agrees(lesson, destination, ask):
        raise UsageError(
            f"nothing was deleted; poptalk learn {lesson.name} has mail to practise on"
        )
    user = destination.user or ask(f"Name at {destination.name}: ")
    password = os.environ.get(PASSWORD_VARIABLE) or ask_unseen(f"Password of {user}: ")
    return LiveLessonServer(destination, Known(user=user, password=password, host=destination.host))


def needs_its_own_server(lesson: Lesson) -> str | None:
    """Return why a lesson cannot run on somebody's server, as a clause; None if it can."""
    if lesson.faults:
        return "which does wrong what the lesson is about"
    if any(block.deletes for block in lesson.blocks(BlockKind.PROOF)):
        return "where a second connection may delete letters"
    try:
        mailbox = find_mailbox(lesson.mailbox, beside=lesson.path)
    except MailboxError:
        return None
    if any((mailbox / LATER).glob("*.eml")):
        return "where a letter comes in at the right moment"
    return None


def _agrees(lesson: Lesson, destination: Destination, ask: Ask) -> bool:
    question = (
        f"{lesson.title}: this lesson marks messages as deleted,\n"
        f"and here they are your own mail on {destination.name}.\n"
        "You will be asked again before QUIT removes them. Go on? yes or no: "
    )
    return is_yes(ask(question))
