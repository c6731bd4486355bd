"""`poptalk play`: finds what is shown, and the server, and opens the shell on a stage."""

from __future__ import annotations

import os
from contextlib import ExitStack
from getpass import getpass
from pathlib import Path

from prompt_toolkit.application import create_app_session
from prompt_toolkit.output.defaults import create_output

from poptalk.lesson.document.model import Lesson, near_miss
from poptalk.lesson.server import LessonServer, LiveLessonServer, PracticeLessonServer
from poptalk.lesson.ui.start import Ask, lesson_and_server, live_server
from poptalk.net.endpoint import Destination, UsageError
from poptalk.play.demo import Demo
from poptalk.play.dialogue import DialogueServer, lesson_of, needs_login
from poptalk.play.notes import NotesFile, show_notes
from poptalk.play.pace import Pace
from poptalk.play.script import Script
from poptalk.play.stage import FEWEST_ROWS, Stage
from poptalk.pop3.values import Value
from poptalk.run.run import SUFFIX
from poptalk.shell.script import ShellSettings
from poptalk.shell.start import LINEAR_TERMS, run_with_lessons
from poptalk.terminal.screen import use_color
from poptalk.terminal.theme import theme_named
from poptalk.transcript.placeholders import Known

PACES = tuple(pace.value for pace in Pace)


class PlaySettings(Value):
    """How a lesson or a dialogue is shown; `--help` says what each field means."""

    start: str | None = None
    pace: str = Pace.KEYS.value
    loop: bool = False
    bare: bool = False
    free_rows: int = 0
    notes: str | None = None


def play(
    word: str,
    settings: PlaySettings,
    options: ShellSettings,
    destination: Destination | None,
    *,
    ask: Ask = input,
    ask_unseen: Ask = getpass,
) -> int:
    """Show a lesson or a dialogue on a terminal; return the exit code.

    Args:
        word: the lesson, or the file of the dialogue.
        settings: how it is shown.
        options: how the shell looks.
        destination: a live server; None for a practice server.
        ask: asks for the name, and whether mail may be deleted, before anything is shown.
        ask_unseen: asks for the password.

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
        script, server = _script(word, destination, opened, ask=ask, ask_unseen=ask_unseen)
        start = _slug(script.lesson, settings.start)
        _check_rows(settings.free_rows)
        notes = NotesFile(Path(settings.notes)) if settings.notes is not None else None
        if notes is not None:
            opened.callback(notes.remove)
        stage = opened.enter_context(Stage(create_output(), free_rows=settings.free_rows))
        demo = Demo(
            script,
            server,
            stage,
            start=start,
            bare=settings.bare,
            pace=Pace(settings.pace),
            loop=settings.loop,
            notes=notes,
        )
        with create_app_session(output=stage.output):
            return run_with_lessons(options, demo.begin, keep_history=False)


def _script(
    word: str,
    destination: Destination | None,
    opened: ExitStack,
    *,
    ask: Ask,
    ask_unseen: Ask,
) -> tuple[Script, LessonServer]:
    """Find what is shown, and make its server ready."""
    if not is_dialogue(word):
        lesson, live = lesson_and_server(word, destination, ask=ask, ask_unseen=ask_unseen)
        server = live or opened.enter_context(PracticeLessonServer(lesson))
        return Script(lesson=lesson), server
    lesson, dialogue = lesson_of(word)
    script = Script(lesson=lesson, headings=False, goes_on=True)
    if destination is None:
        return script, opened.enter_context(DialogueServer(dialogue, lesson))
    if needs_login(dialogue) or lesson.deletes:
        return script, live_server(lesson, destination, ask=ask, ask_unseen=ask_unseen)
    return script, LiveLessonServer(destination, Known(host=destination.host))


def is_dialogue(word: str) -> bool:
    """Tell whether a word names a dialogue, and not a lesson."""
    return word.endswith(SUFFIX) or (Path(word).is_file() and not word.endswith(".md"))


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


def _check_rows(free_rows: int) -> None:
    rows = os.get_terminal_size().lines
    if free_rows and rows - free_rows < FEWEST_ROWS:
        most = max(0, rows - FEWEST_ROWS)
        raise UsageError(
            f"--free-rows {free_rows}: this terminal has {rows} rows, and a demo needs {FEWEST_ROWS} of "
            f"them; {most} may be free"
        )


def follow_notes(path: str, options: ShellSettings) -> int:
    """Show the notes of a demo in another terminal; return the exit code."""
    color = use_color(options.color, os.environ, isatty=True)
    return show_notes(Path(path), theme=theme_named(options.theme), color=color)
