"""Lines in place of a board, for a screen reader, a pipe or a terminal that cannot be redrawn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from poptalk.classroom.room import ClassRoom
from poptalk.classroom.view import PupilView, StepState

LOOK_SECONDS = 0.25
"""How often to look for news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What was said of a pupil."""

    done: int = 0
    remark: tuple[str, str] = ("", "")
    finished: bool = False


def report(room: ClassRoom, *, say: Callable[[str], None], until: Callable[[float], bool]) -> None:
    """Say a line for what happens, until it is time to stop.

    Args:
        room: the class, which is running.
        say: prints a line, and makes it harmless.
        until: waits some seconds, and tells whether it is time.
    """
    known: dict[int, _Known] = {}
    while True:
        stops = until(LOOK_SECONDS)
        for pupil in sorted(room.pupils.board().pupils, key=lambda pupil: pupil.number):
            before = known.get(pupil.number)
            known[pupil.number], lines = _news_of(pupil, before)
            for line in lines:
                say(f"{time.strftime('%H:%M:%S')}  {pupil.name}  {line}")
        if stops:
            return


def _news_of(pupil: PupilView, before: _Known | None) -> tuple[_Known, list[str]]:
    done = pupil.steps.count(StepState.DONE)
    now = _Known(done=done, remark=(pupil.line, pupil.remark), finished=pupil.is_finished)
    lines = [*_lines(pupil, now, before or _Known())]
    if before is None:
        lines.insert(0, "is here" if pupil.is_named else "is here, without a name yet")
    return now, lines


def _lines(pupil: PupilView, now: _Known, before: _Known) -> Iterator[str]:
    if now.finished and not before.finished:
        yield "is through"
    elif now.done > before.done:
        yield f"has done {now.done} of {len(pupil.steps)}; next: {pupil.step}"
    if pupil.remark and now.remark != before.remark:
        yield f"{pupil.line}: {pupil.word}: {pupil.remark}" if pupil.line else pupil.remark
