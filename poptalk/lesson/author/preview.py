"""A whole lesson on the screen, for its author: what learners will read, and who does what."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from poptalk.lesson.document import model
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.verify.check import check_lesson
from poptalk.terminal.markdown import render_comment, render_item, render_prose
from poptalk.terminal.safe import Fragments, harmless, wrap
from poptalk.terminal.screen import LinearScreen
from poptalk.transcript.model import Dialogue
from poptalk.transcript.writer import format_dialogue

DOERS = {
    model.BlockKind.TASK: "The learner does:",
    model.BlockKind.SHOW: "poptalk shows:",
    model.BlockKind.SETUP: "poptalk does, folded:",
    model.BlockKind.PROOF: "poptalk proves, on a second connection:",
}
"""The line above a block."""

MISTAKE = "By mistake:"

_RIGHT = {True: "[x] ", False: "[ ] "}


def render_lesson(lesson: model.Lesson, *, columns: int) -> Iterator[Fragments]:
    """Give the rows of a lesson, an empty one after each part.

    Args:
        lesson: the lesson.
        columns: cells in a row.
    """
    steps = [(f"{n}/{len(lesson.steps)} {s.title}", s.items) for n, s in enumerate(lesson.steps, 1)]
    for title, items in [(lesson.title, lesson.introduction), *steps]:
        yield [("heading", harmless(title))]
        yield []
        for item in items:
            yield from _item(item, columns)


def _item(item: model.Item, columns: int) -> Iterator[Fragments]:
    match item:
        case model.Prose():
            yield from render_prose(item.source, columns=columns)
            yield []
        case model.SpeakerNote():
            yield from render_comment(("note", "speaker's note"), item.text, columns=columns)
            yield []
        case model.QuizQuestion():
            for choice in item.choices:
                text = f"{choice.text} -- {choice.reply}" if choice.reply else choice.text
                yield from render_item(_RIGHT[choice.right], text, columns=columns)
            yield []
        case model.Block():
            yield from _dialogue(DOERS[item.kind], item.dialogue, columns)
    if isinstance(item, model.Block | model.QuizQuestion):
        for hint in item.hints:
            yield from _comment("hint", hint, columns)
    if isinstance(item, model.Block):
        for mistake in item.mistakes:
            yield from _dialogue(MISTAKE, mistake.dialogue, columns)
            yield from _comment("not yet", mistake.comment, columns)


def _dialogue(doer: str, dialogue: Dialogue, columns: int) -> Iterator[Fragments]:
    yield [("note", doer)]
    yield from render_prose(f"```pop3\n{format_dialogue(dialogue)}```", columns=columns)
    yield []


def _comment(word: str, comment: model.Prose, columns: int) -> Iterator[Fragments]:
    yield from render_comment(("hint", word), comment.source, columns=columns)
    yield []


# `lessons watch` looks at the file a few times a second.  The notices of operating systems all differ,
# don't come from network drives, and stay with the old file when an editor replaces it.


LOOKS_A_SECOND = 5

PATIENCE_LOOKS = 10
"""How many looks a file may be missing before that is said: an editor that replaces it takes one."""

Stamp = tuple[int, int, int]
"""What tells two states of a file apart: time, size, and which file it is."""


def watch(path: Path, *, screen: LinearScreen, sleep: Callable[[float], None] = time.sleep) -> None:
    """Preview a lesson now and whenever it is saved, until interrupted.

    Args:
        path: the lesson.
        screen: where it is shown.
        sleep: lets seconds pass.

    Raises:
        ScreenClosed: nothing can be shown any more.
    """
    for stamp in changes(path, sleep):
        gone = f"{harmless(str(path))} is gone; waiting for it to come back."
        screen.show(preview(path, columns=screen.columns) if stamp else [[("note", gone)]])


def changes(path: Path, sleep: Callable[[float], None]) -> Iterator[Stamp | None]:
    """Give the stamp of a file whenever it was saved; None once it stays away.

    Args:
        path: the file.
        sleep: lets seconds pass between two looks.
    """
    shown = before = _stamp(path)
    yield shown
    looks_without = 0
    while True:
        sleep(1 / LOOKS_A_SECOND)
        now = _stamp(path)
        # A file that changes between two looks is still being written.
        settled = now == before
        before = now
        if now is None:
            looks_without += 1
            if looks_without == PATIENCE_LOOKS:
                shown = None
                yield None
        else:
            looks_without = 0
            if settled and now != shown:
                shown = now
                yield now


def _stamp(path: Path) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def preview(path: Path, *, columns: int) -> Iterator[Fragments]:
    """Give the rows of a lesson as learners read it, and below them what is wrong with it.

    Args:
        path: the lesson.
        columns: cells in a row.
    """
    yield [("heading", f"=== {harmless(path.name)}, {datetime.now():%H:%M:%S}")]
    yield []
    try:
        lesson = load_lesson(path)
    except model.LessonErrors:
        pass  # The findings say why.
    else:
        yield from render_lesson(lesson, columns=columns)
    faults = check_lesson(path).faults
    for fault in faults:
        yield from ([("warn", row)] for row in wrap(harmless(str(fault)), columns))
    found = f"{len(faults)} finding{'s' if len(faults) > 1 else ''}."
    yield [("heading", f"=== {found if faults else 'Nothing is wrong.'} Ctrl-C ends this.")]
