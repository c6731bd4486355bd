"""`poptalk lessons record FILE`: the shell, and at its end a lesson made of what was said.

Without a target the session runs in the classroom that the lesson will have: the same letters, the same
account, the same persona.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from poptalk.exit_codes import EXIT_OK
from poptalk.lesson.classroom import LessonServerError, PracticeLessonServer
from poptalk.lesson.document import Lesson
from poptalk.lesson.front_matter import DEFAULT_PERSONA
from poptalk.lesson.new_lesson import begin_lesson, lesson_path, title_of, what_is_left
from poptalk.lesson.recorded_lesson import write_lesson
from poptalk.lesson.recording import Recording
from poptalk.net.destination import Destination, UsageError
from poptalk.practice.accounts import BOB
from poptalk.protocol.events import Closed, Event
from poptalk.shell.interactive import run_interactive
from poptalk.shell.settings import ConnectOptions

if TYPE_CHECKING:
    from poptalk.shell.base import Shell

Say = Callable[[str], None]

DEFAULT_MAILBOX = "article"
"""The letters of a lesson that is recorded, unless others are named."""


def record(
    name: str,
    options: ConnectOptions,
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
        if isinstance(event, Closed) and shell.dialogue.ending is not None:
            recording.end(shell.dialogue.ending)

    shell.recording = recording
    shell.dialogue.listeners.append(take)


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
        summary="",
        minutes=1,
        mailbox=mailbox,
        persona=persona,
        user=BOB.name,
        password=BOB.password,
        steps=(),
    )
    with ExitStack() as open_:
        try:
            practice_server = open_.enter_context(PracticeLessonServer(to_come))
        except LessonServerError as error:
            # There is no line of a lesson yet that could be named.
            raise UsageError(error.sentence) from error
        yield practice_server.fresh()
