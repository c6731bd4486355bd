"""`poptalk play`: finds what is shown, and the server, and opens the shell on a stage."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from prompt_toolkit.application import create_app_session
from prompt_toolkit.output.defaults import create_output

from poptalk.lesson.document.model import Lesson, near_miss
from poptalk.lesson.server import LessonServer, LiveLessonServer, PracticeLessonServer
from poptalk.lesson.ui.start import NamedServer, lesson_and_server
from poptalk.net.endpoint import Destination, UsageError
from poptalk.play.demo import Demo
from poptalk.play.dialogue import DialogueServer, lesson_of, needs_login
from poptalk.play.notes import NotesFile
from poptalk.play.pace import Pace
from poptalk.play.stage import FEWEST_ROWS, Stage
from poptalk.pop3.values import Value
from poptalk.run.run import SUFFIX
from poptalk.shell.script import ShellSettings
from poptalk.shell.start import LINEAR_TERMS, run_with_lessons
from poptalk.transcript.placeholders import Known


class PlaySettings(Value):
    """How a lesson or a dialogue is shown; `--help` says what each field means."""

    start: str | None = None
    pace: str = Pace.KEYS.value
    loop: bool = False
    bare: bool = False
    free_rows: int = 0
    notes: str | None = None


def play(
    word: str, settings: PlaySettings, options: ShellSettings, destination: Destination | None
) -> int:
    """Show a lesson or a dialogue on a terminal; return the exit code.

    Args:
        word: the lesson, or the file of the dialogue.
        settings: how it is shown.
        options: how the shell looks.
        destination: a live server; None for a practice server.

    Raises:
        UsageError: it cannot be shown; the sentence says why.
        ScreenClosed: the terminal is gone.
    """
    if os.environ.get("TERM", "") in LINEAR_TERMS:
        raise UsageError(
            "play needs a terminal whose cursor can be moved: TERM says that it cannot"
        )
    if settings.loop and settings.pace != Pace.AUTO.value:
        raise UsageError("--loop is for --pace auto")
    with ExitStack() as opened:
        # As for poptalk run; whatever else is a file may be a dialogue, too.
        is_dialogue = word.endswith(SUFFIX) or (Path(word).is_file() and not word.endswith(".md"))
        find = _dialogue if is_dialogue else _lesson
        lesson, server = find(word, destination, opened)
        start = _slug(lesson, settings.start)
        rows = os.get_terminal_size().lines
        if settings.free_rows and rows - settings.free_rows < FEWEST_ROWS:
            raise UsageError(
                f"--free-rows {settings.free_rows}: this terminal has {rows} rows, and a demo needs "
                f"{FEWEST_ROWS} of them; {max(0, rows - FEWEST_ROWS)} may be free"
            )
        notes = NotesFile(Path(settings.notes)) if settings.notes is not None else None
        if notes is not None:
            opened.callback(notes.remove)
        stage = opened.enter_context(Stage(create_output(), free_rows=settings.free_rows))
        demo = Demo(
            lesson,
            server,
            stage,
            is_dialogue=is_dialogue,
            start=start,
            bare=settings.bare,
            pace=Pace(settings.pace),
            loop=settings.loop,
            notes=notes,
        )
        with create_app_session(output=stage.output):
            return run_with_lessons(options, demo.begin, keep_history=False)


def _lesson(
    word: str, destination: Destination | None, opened: ExitStack
) -> tuple[Lesson, LessonServer]:
    """Find a lesson, and make its server ready; ask who logs in, before anything is shown."""
    lesson, live = lesson_and_server(word, destination)
    return lesson, live or opened.enter_context(PracticeLessonServer(lesson))


def _dialogue(
    name: str, destination: Destination | None, opened: ExitStack
) -> tuple[Lesson, LessonServer]:
    """Read a dialogue, and make a server ready; ask who logs in, before anything is shown."""
    lesson, dialogue = lesson_of(name)
    if destination is None:
        return lesson, opened.enter_context(DialogueServer(dialogue, lesson))
    if needs_login(dialogue) or lesson.deletes:
        return lesson, NamedServer(destination).live(lesson)
    return lesson, LiveLessonServer(destination, Known(host=destination.host))


def _slug(lesson: Lesson, word: str | None) -> str | None:
    """Find the step to begin with.

    Raises:
        UsageError: there is none of that name or number.
    """
    if word is None:
        return None
    slugs = [step.slug for step in lesson.steps]
    if word in slugs:
        return word
    if word.isascii() and word.isdigit() and len(word) < 6:
        if 1 <= int(word) <= len(slugs):
            return slugs[int(word) - 1]
        raise UsageError(f"--from {word}: {lesson.title} has {len(slugs)} steps")
    raise UsageError(f"--from {word}: there is no such step; {near_miss(word, slugs)}")
