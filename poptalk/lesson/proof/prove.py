"""Proving one lesson: read it, look at it, run it; collect what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from poptalk.lesson.document import Lesson
from poptalk.lesson.errors import LessonErrors, LessonFault
from poptalk.lesson.front_matter import read_front_matter
from poptalk.lesson.markup.source import LessonText
from poptalk.lesson.proof.page import (
    check_beginnings,
    check_columns,
    check_comments,
    check_todos,
)
from poptalk.lesson.proof.parts import (
    check_earlier_lessons,
    check_hints,
    check_names,
    check_questions,
)
from poptalk.lesson.proof.runs import check_runs
from poptalk.lesson.proof.subject import Check, Subject
from poptalk.lesson.reader import read_lesson, read_text
from poptalk.lesson.shelf import SUFFIX

CHECKS: tuple[Check, ...] = (
    check_todos,
    check_columns,
    check_comments,
    check_beginnings,
    check_hints,
    check_questions,
    check_names,
    check_earlier_lessons,
    check_runs,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in one lesson.

    Args:
        path: its file.
        faults: in the order of their lines; empty for a lesson that works.
        seconds: how long it took.
    """

    path: Path
    faults: tuple[LessonFault, ...]
    seconds: float


def prove(path: Path) -> Report:
    """Prove one lesson.  Whatever is wrong with it is in the report, and nothing is raised."""
    began = perf_counter()
    faults = sorted(set(_faults(path)), key=lambda fault: (fault.line_number, fault.code))
    return Report(path=path, faults=tuple(faults), seconds=perf_counter() - began)


def _faults(path: Path) -> Iterator[LessonFault]:
    try:
        text = read_text(path)
        lesson = read_lesson(text, name=path.stem, path=path)
    except LessonErrors as error:
        yield from error.faults
        return
    lines = tuple(LessonText(text, path=path).lines)
    subject = Subject(lesson=lesson, lines=lines, earlier=tuple(_texts_before(lesson)))
    for check in CHECKS:
        yield from _guarded(check, subject)


def _guarded(check: Check, subject: Subject) -> Iterator[LessonFault]:
    """Run a check; that it breaks down is a finding as well (PT099)."""
    try:
        yield from check(subject)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks go on
        yield subject.fault(
            "broken-check", 1, check=check.__name__, kind=type(error).__name__, error=error
        )


def _texts_before(lesson: Lesson) -> Iterator[str]:
    """Give the texts of the lessons that come before, as far as they can be read."""
    waiting, found = list(lesson.after), set()
    while waiting:
        path = lesson.path.parent / f"{waiting.pop()}{SUFFIX}"
        if path in found:
            continue
        found.add(path)
        try:
            text = read_text(path)
        except LessonErrors:
            # It has a report of its own.
            continue
        yield text
        waiting += read_front_matter(LessonText(text, path=path)).items("after")
