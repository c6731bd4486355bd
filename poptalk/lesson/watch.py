"""`poptalk lessons watch`: a lesson shown and checked again on every save.

The file is looked at a few times a second.  No notices of the operating system are used: they differ
from one to the next, do not come from network drives, and follow a file that an editor has replaced
into the waste-paper basket.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from poptalk.lesson.errors import LessonErrors
from poptalk.lesson.preview import render_lesson
from poptalk.lesson.proof.prove import prove
from poptalk.lesson.reader import load_lesson
from poptalk.terminal.safe import Fragments, harmless
from poptalk.terminal.screen import LinearScreen

LOOKS_A_SECOND = 5

PATIENCE_LOOKS = 10
"""Looks at which a file may be gone before that is said: editors replace files, which takes one."""

Stamp = tuple[int, int, int]
"""What tells two states of a file apart: time, size, and which file it is."""


def watch(path: Path, *, screen: LinearScreen, sleep: Callable[[float], None] = time.sleep) -> None:
    """Preview a lesson now and whenever it was saved, until interrupted.

    Args:
        path: the lesson.
        screen: where it is shown.
        sleep: lets seconds pass.

    Raises:
        ScreenClosed: nothing can be shown any more.
    """
    for stamp in changes(path, sleep):
        if stamp is None:
            screen.show(
                [[("note", f"{harmless(str(path))} is gone; waiting for it to come back.")]]
            )
        else:
            screen.show(preview(path, columns=screen.columns))


def changes(path: Path, sleep: Callable[[float], None]) -> Iterator[Stamp | None]:
    """Give the stamp of every state in which a file was left; None where it stays away.

    Args:
        path: the file.
        sleep: lets seconds pass, between two looks.
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
    except LessonErrors:
        # What hinders it is among the findings.
        pass
    else:
        yield from render_lesson(lesson, columns=columns)
    faults = prove(path).faults
    yield from ([("warn", harmless(str(fault)))] for fault in faults)
    yield [("heading", f"=== {_verdict(len(faults))} Ctrl-C ends this.")]


def _verdict(count: int) -> str:
    if not count:
        return "Nothing was found to be wrong."
    return f"{count} finding{'s' if count > 1 else ''}."
