"""`poptalk lessons record FILE`: the shell, and at its end a lesson made of what was said.

Without a target the session runs in the classroom that the lesson will have: the same letters, the same
account, the same persona.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from poptalk.exit_codes import EXIT_OK
from poptalk.lesson.author.command import begin_lesson, lesson_path, title_of, what_is_left
from poptalk.lesson.author.record import Recording, write_lesson
from poptalk.lesson.document.model import BlockKind, Lesson, LessonErrors
from poptalk.lesson.document.parser import DEFAULT_PERSONA, load_lesson
from poptalk.lesson.library import LessonNotFound, find_lesson
from poptalk.lesson.server import (
    LATER,
    LessonServerError,
    LiveLessonServer,
    MailboxError,
    PracticeLessonServer,
    find_mailbox,
)
from poptalk.lesson.ui.controller import is_yes
from poptalk.lesson.ui.menu import LessonHost
from poptalk.login.password import PASSWORD_VARIABLE
from poptalk.net.endpoint import Destination, UsageError
from poptalk.pop3.events import Closed, Event
from poptalk.practice.accounts import BOB
from poptalk.session.procedure import LocalError
from poptalk.shell.commands.registry import LocalCommand
from poptalk.shell.script import ShellSettings
from poptalk.shell.start import run_interactive, run_with_lessons
from poptalk.transcript.placeholders import Known

if TYPE_CHECKING:
    from poptalk.shell.shell import Shell

# `poptalk learn`: finds the lesson, and the server if it is the learner's own, and opens the shell.


Ask = Callable[[str], str]
"""Asks a question on the terminal, and returns the answer."""


def learn(
    word: str | None,
    options: ShellSettings,
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
        return run_with_lessons(options, host.begin)


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


Say = Callable[[str], None]

DEFAULT_MAILBOX = "article"
"""The letters of a lesson that is recorded, unless others are named."""


def record(
    name: str,
    options: ShellSettings,
    destination: Destination | None,
    *,
    mailbox: str = DEFAULT_MAILBOX,
    persona: str = DEFAULT_PERSONA,
    say: Say,
) -> int:
    """Open the shell, and write what was said into a new lesson; return the exit code.

    Args:
        name: the file to write, with or without `.md`; it must not exist.
        options: how the shell looks.
        destination: a live server; None for the lesson's practice server.
        mailbox: the folder of letters of the lesson.
        persona: of the lesson's practice server.
        say: prints a line when all is over.

    Raises:
        UsageError: the file cannot be written, or there is no such mailbox or persona.
        NetError: the first connection failed.
        ScreenClosed: the terminal is gone.
    """
    path = lesson_path(name)
    recording = Recording(account=BOB, user=destination.user if destination else None)
    where = None if destination is None else str(destination)
    with _reserved(path), _connection(path, destination, mailbox, persona) as way:
        try:
            run_interactive(
                options, way, prepare=lambda shell: _listen(shell, recording), welcome=_WELCOME
            )
        finally:
            if recording.exchanges:
                title = title_of(path.stem)
                text = write_lesson(
                    recording, title=title, mailbox=mailbox, persona=persona, where=where
                )
                path.write_text(text, encoding="utf-8", newline="\n")
    say(_result(path, recording))
    return EXIT_OK


_WELCOME = (
    "This session becomes a lesson: each command a step, for you to put words to.",
    ":prose TEXT puts a paragraph above the next command; :quit or Ctrl-D ends the session.",
)


def _result(path: Path, recording: Recording) -> str:
    if not recording.exchanges:
        return f"Nothing was sent, and {path} was not written."
    count = f"{recording.exchanges} step{'' if recording.exchanges == 1 else 's'}"
    return f"{path} is written, with {count}. {what_is_left(path)}"


def _listen(shell: Shell, recording: Recording) -> None:
    """Let a recording hear what is said in a shell."""

    def take(event: Event) -> None:
        recording.take(event)
        if isinstance(event, Closed) and shell.session.ending is not None:
            recording.end(shell.session.ending)

    shell.commands = {**shell.commands, "prose": prose_command(recording)}
    shell.session.listeners.append(take)


def prose_command(recording: Recording) -> LocalCommand:
    """Return the local command `:prose`, which belongs to sessions that become a lesson."""

    def prose(shell: Shell, argument: str) -> None:
        """Put a paragraph into the lesson, above the next command.

        It is a line of Markdown; :prose again begins another paragraph.
        """
        if not argument:
            raise LocalError("say what the lesson is to say: :prose Now ask for the list.")
        recording.add_prose(argument)
        shell.view.remark("this will be above the next command")

    return LocalCommand(name="prose", usage="prose TEXT", action=prose)


@contextmanager
def _reserved(path: Path) -> Iterator[None]:
    """Make the file, so that nobody else does meanwhile; take it away if it stays empty."""
    begin_lesson(path)
    try:
        yield
    finally:
        if not path.stat().st_size:
            path.unlink()


@contextmanager
def _connection(
    path: Path, destination: Destination | None, mailbox: str, persona: str
) -> Iterator[Destination]:
    """Give the way to the server: the one that is named, or the classroom of the lesson to come."""
    if destination is not None:
        yield destination
        return
    to_come = Lesson(
        name=path.stem,
        path=path,
        title=title_of(path.stem),
        mailbox=mailbox,
        persona=persona,
        user=BOB.name,
        password=BOB.password,
    )
    with ExitStack() as open_:
        try:
            practice_server = open_.enter_context(PracticeLessonServer(to_come))
        except LessonServerError as error:
            # There is no line of a lesson yet that could be named.
            raise UsageError(error.sentence) from error
        yield practice_server.fresh()
