"""Lines in place of a board, for a screen reader, a pipe or a terminal that cannot be redrawn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from poptalk.classroom.room import ClassRoom
from poptalk.classroom.view import PupilView, StepState

LOOK_SECONDS = 0.25
"""How often to look for news."""


def report(room: ClassRoom, *, say: Callable[[str], None], until: Callable[[float], bool]) -> None:
    """Print a line for everything that happens, until it is time to stop.

    Args:
        room: the class, which is running.
        say: prints a line, made harmless.
        until: waits some seconds, and tells whether it is time.
    """
    known: dict[int, PupilView] = {}
    stops = False
    while not stops:
        stops = until(LOOK_SECONDS)
        for pupil in sorted(room.pupils.board().pupils, key=lambda pupil: pupil.number):
            for news in _news_of(pupil, known.get(pupil.number)):
                say(f"{time.strftime('%H:%M:%S')}  {pupil.name}  {news}")
            known[pupil.number] = pupil


def _news_of(pupil: PupilView, before: PupilView | None) -> Iterator[str]:
    """Say what is new about a pupil since they were last looked at; None for a newcomer."""
    if before is None:
        yield "has joined" if pupil.is_named else "has joined, without a name yet"
    done = pupil.steps.count(StepState.DONE)
    if pupil.is_finished and not (before and before.is_finished):
        yield "has finished the lesson"
    elif done > (before.steps.count(StepState.DONE) if before else 0):
        yield f"has done {done} of {len(pupil.steps)} steps; next: {pupil.step}"
    if pupil.remark and (
        before is None or (pupil.line, pupil.remark) != (before.line, before.remark)
    ):
        yield f"{pupil.line}: {pupil.word}: {pupil.remark}" if pupil.line else pupil.remark
    if pupil.trouble and (before is None or pupil.trouble != before.trouble):
        yield pupil.trouble
