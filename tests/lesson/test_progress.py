"""Progress: what is written, what is survived, and what a changed lesson keeps."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.lesson.document.model import Lesson
from poptalk.lesson.progress import (
    EventKind,
    LessonProgress,
    LessonState,
    ProgressEvent,
    ProgressLog,
    step_hash,
)
from tests.lesson.drilling import lesson_of

LESSON = lesson_of(
    "## One\n\n```pop3\nC: QUIT\nS: +OK\n```\n\n> [!TIP]\n> Leave.\n\n"
    "## Two\n\nText.\n\n## Three\n\nText.\n"
)
ONE, TWO, THREE = (step.slug for step in LESSON.steps)


@pytest.fixture
def log(tmp_path: Path) -> ProgressLog:
    return ProgressLog(tmp_path / "state" / "poptalk" / "progress.jsonl")


def event(kind: EventKind, slug: str = "", *, lesson: Lesson = LESSON) -> ProgressEvent:
    step = lesson.step(slug)
    digest = step_hash(step) if step is not None else ""
    return ProgressEvent(lesson=lesson.name, step=slug, step_hash=digest, kind=kind)


def write(log: ProgressLog, *events: tuple[EventKind, str]) -> None:
    for kind, slug in events:
        log.append(event(kind, slug))


def test_an_event_is_a_line_of_json(log: ProgressLog) -> None:
    time = datetime(1996, 5, 14, 12, 0, tzinfo=UTC)
    log.append(replace(event(EventKind.MISSED, ONE), attempt=3), time=time)
    assert json.loads(log.path.read_text()) == {
        "v": 1,
        "time": "1996-05-14T12:00:00+00:00",
        "lesson": "01-lesson",
        "step": "one",
        "step_hash": step_hash(LESSON.steps[0]),
        "event": "miss",
        "attempt": 3,
    }


def test_what_is_written_is_read(log: ProgressLog) -> None:
    events = tuple(event(kind, ONE) for kind in EventKind)
    for each in events:
        log.append(each)
    assert log.read().events == events


def test_the_file_is_private(log: ProgressLog) -> None:
    write(log, (EventKind.STARTED, ONE))
    assert stat.S_IMODE(os.stat(log.path).st_mode) == 0o600


def test_nothing_was_done_yet(log: ProgressLog) -> None:
    assert log.read().events == ()
    assert log.read().last_lesson is None
    assert log.read().of(LESSON) == LessonProgress()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        ProgressLog(tmp_path / "file" / "progress.jsonl").append(event(EventKind.STARTED, ONE))


@pytest.mark.parametrize("torn", [b'{"v": 1, "les', b'{"v": 1}', b"\xff\xfe", b"[" * 5000, b"7"])
def test_a_torn_last_line_is_survived(log: ProgressLog, torn: bytes) -> None:
    write(log, (EventKind.STARTED, ONE))
    with log.path.open("ab") as file:
        file.write(torn)
    assert [each.kind for each in log.read().events] == [EventKind.STARTED]
    write(log, (EventKind.PASSED, ONE))
    assert [each.kind for each in log.read().events] == [EventKind.STARTED, EventKind.PASSED]


@given(data=st.binary(max_size=200))
def test_no_file_is_unreadable(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("log") / "progress.jsonl"
    path.write_bytes(data)
    ProgressLog(path).append(event(EventKind.STARTED, ONE))
    assert ProgressLog(path).read().events[-1] == event(EventKind.STARTED, ONE)


def test_what_a_later_version_wrote_is_passed_over(log: ProgressLog) -> None:
    write(log, (EventKind.PASSED, ONE))
    known = json.loads(log.path.read_text())
    later = [known | {"mood": "good"}, known | {"event": "sang"}, known | {"v": 2}]
    with log.path.open("a") as file:
        file.writelines(json.dumps(fields) + "\n" for fields in later)
    assert log.read().events == (event(EventKind.PASSED, ONE),) * 2


# What it means for a lesson.

START, PASS, SHOWN, END = (
    EventKind.STARTED,
    EventKind.PASSED,
    EventKind.SHOWN,
    EventKind.ENDED,
)


@pytest.mark.parametrize(
    ("events", "passed", "position", "state"),
    [
        ([(START, ONE)], [], ONE, LessonState.BEGUN),
        ([(START, ONE), (PASS, ONE)], [ONE], TWO, LessonState.BEGUN),
        ([(START, ONE), (SHOWN, ONE), (START, TWO)], [ONE], TWO, LessonState.BEGUN),
        ([(START, ONE), (PASS, ONE), (START, TWO), (START, ONE)], [ONE], ONE, LessonState.BEGUN),
        ([(START, THREE), (PASS, THREE), (END, "")], [THREE], ONE, LessonState.BEGUN),
        (
            [(PASS, ONE), (PASS, TWO), (PASS, THREE), (END, "")],
            [ONE, TWO, THREE],
            None,
            LessonState.DONE,
        ),
    ],
)
def test_how_far_a_lesson_is(
    log: ProgressLog,
    events: list[tuple[EventKind, str]],
    passed: list[str],
    position: str | None,
    state: LessonState,
) -> None:
    write(log, *events)
    assert log.read().of(LESSON) == LessonProgress(
        passed=frozenset(passed), position=position, state=state
    )


def test_a_lesson_that_is_started_over_is_begun_and_another_one_is_not_touched(
    log: ProgressLog,
) -> None:
    other = replace(LESSON, name="02-other")
    log.append(event(EventKind.PASSED, ONE, lesson=other))
    write(log, (EventKind.PASSED, ONE), (EventKind.PASSED, TWO), (EventKind.AGAIN, ""))
    assert log.read().of(LESSON) == LessonProgress()
    assert log.read().of(other).passed == {ONE}
    write(log, (EventKind.STARTED, ONE), (EventKind.PASSED, ONE))
    assert log.read().of(LESSON).passed == {ONE}
    assert log.read().of(LESSON).position == TWO


def test_the_last_lesson(log: ProgressLog) -> None:
    write(log, (START, ONE))
    log.append(ProgressEvent(lesson="02-other", kind=START))
    write(log, (PASS, ONE))
    assert log.read().last_lesson == "01-lesson"


def test_a_changed_lesson_keeps_the_steps_whose_blocks_are_unchanged(log: ProgressLog) -> None:
    write(log, (START, ONE), (PASS, ONE), (START, TWO), (PASS, TWO))
    text = (
        "## One\n\n```pop3\nC: {line}\nS: +OK\n```\n\n> [!TIP]\n> Leave.\n\n## Two\n\nOther text.\n"
    )
    other_prose = lesson_of(text.replace("{line}", "QUIT"))
    other_block = lesson_of(text.replace("{line}", "NOOP"))
    assert log.read().of(other_prose).passed == {ONE, TWO}
    assert log.read().of(other_block).passed == {TWO}


def test_a_hash_does_not_depend_on_prose_hints_and_mistakes() -> None:
    def digest(rest: str) -> str:
        return step_hash(lesson_of(f"## One\n\n```pop3\nC: QUIT\nS: +OK\n```\n\n{rest}").steps[0])

    plain = digest("> [!TIP]\n> Leave.\n")
    assert plain == digest("> [!TIP]\n> Go.\n\n```pop3 mistake\nC: EXIT\n```\nIt is `QUIT`.\n")
    assert plain != step_hash(LESSON.steps[1])
