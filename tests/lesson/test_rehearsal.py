"""A lesson run without a screen: what is shown, what is written down, and what becomes of a session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poptalk.lesson import rehearsal as module
from poptalk.lesson.classroom import Classroom
from poptalk.lesson.cues import CommentKind
from poptalk.lesson.progress import EventKind
from poptalk.lesson.reader import read_lesson
from poptalk.lesson.rehearsal import Rehearsal
from poptalk.lesson.tutor import Awaiting, Tutor
from poptalk.protocol.states import State

FRONT = "title: A lesson\nsummary: To be rehearsed.\nminutes: 1\nmailbox: article\n"
LOGIN = "C: USER {user}\nS: +OK\nC: PASS {password}\nS: +OK\n"
SETUP = f"```pop3 setup\n{LOGIN}```\n"


def task(dialogue: str) -> str:
    return f"```pop3\n{dialogue}```\n"


@contextmanager
def rehearse(body: str, folder: Path, *, front: str = "") -> Iterator[Rehearsal]:
    """Begin to rehearse a lesson of one step."""
    text = f"---\n{FRONT}{front}---\n# A lesson\n\n## One\n\n{body}"
    lesson = read_lesson(text, name="lesson", path=folder / "lesson.md")
    with Classroom(lesson) as classroom:
        rehearsal = Rehearsal(Tutor(lesson, later_letters=classroom.later_letters), classroom)
        try:
            rehearsal.begin()
            yield rehearsal
        finally:
            rehearsal.close()


def kinds(rehearsal: Rehearsal) -> list[EventKind]:
    return [event.kind for event in rehearsal.progress]


def awaiting(rehearsal: Rehearsal) -> Awaiting:
    return rehearsal.tutor.awaiting


def state(rehearsal: Rehearsal) -> State:
    return rehearsal.state


def words(rehearsal: Rehearsal, kind: CommentKind) -> str:
    return "\n".join(comment.text for comment in rehearsal.comments if comment.kind is kind)


def test_a_lesson_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    body = f"Some prose.\n\n{SETUP}\n{task('C: STAT' + chr(10) + 'S: +OK' + chr(10))}\nWell done.\n"
    with rehearse(body, tmp_path) as rehearsal:
        assert awaiting(rehearsal) is Awaiting.COMMAND
        assert state(rehearsal) is State.TRANSACTION
        rehearsal.enter("NOPE")
        assert awaiting(rehearsal) is Awaiting.COMMAND
        rehearsal.enter("STAT")
        assert awaiting(rehearsal) is Awaiting.OVER
        assert rehearsal.finished
        assert kinds(rehearsal) == [
            EventKind.STARTED,
            EventKind.MISSED,
            EventKind.PASSED,
            EventKind.ENDED,
        ]
        shown = "\n".join(rehearsal.shown)
        assert "Some prose." in shown
        assert "Well done." in shown
        assert "+OK 3 6183" in shown, "the learner has seen the reply"
        assert "PASS jones" not in shown, "what is folded was not seen"


def test_a_question(tmp_path: Path) -> None:
    with rehearse("How many?\n\n- [ ] two -- No.\n- [x] three -- Yes.\n", tmp_path) as rehearsal:
        assert awaiting(rehearsal) is Awaiting.CHOICE
        assert rehearsal.question is not None
        rehearsal.enter("1")
        assert awaiting(rehearsal) is Awaiting.CHOICE
        rehearsal.enter("2")
        assert rehearsal.finished
        assert "No." in words(rehearsal, CommentKind.NOT_YET)


def test_a_connection_that_is_closed_by_the_server(tmp_path: Path) -> None:
    with rehearse(SETUP + task("C: DELE 1\nS: +OK\nC: STAT\nS: +OK\n"), tmp_path) as rehearsal:
        rehearsal.enter("QUIT")
        assert awaiting(rehearsal) is Awaiting.CLOSED
        assert state(rehearsal) is State.CLOSED
        rehearsal.enter("")
        assert state(rehearsal) is State.TRANSACTION, "replayed"


def test_hanging_up_tells_what_stays(tmp_path: Path) -> None:
    with rehearse(SETUP + task("C: DELE 1\nS: +OK\nC: STAT\nS: +OK\n"), tmp_path) as rehearsal:
        rehearsal.enter("DELE 1")
        assert rehearsal.marked == {1}
        rehearsal.hang_up()
        assert "message 1 stays" in words(rehearsal, CommentKind.CLOSED)
        assert rehearsal.marked == frozenset()


def test_a_fault_that_cuts_the_connection(tmp_path: Path) -> None:
    body = SETUP + task("C: RETR 2\nS: +OK\nS: ...\nS: .\n")
    with rehearse(body, tmp_path, front="fault: drop-after:500\n") as rehearsal:
        rehearsal.enter("RETR 2")
        assert rehearsal.answered is not None
        assert not rehearsal.answered.complete
        assert awaiting(rehearsal) is Awaiting.CLOSED
        assert EventKind.LOST in kinds(rehearsal)


def test_a_reply_without_its_end(tmp_path: Path) -> None:
    body = SETUP + task("C: LIST\nS: +OK\nS: ...\nC: <close connection>\n")
    with rehearse(body, tmp_path, front="fault: no-final-dot:LIST\n") as rehearsal:
        rehearsal.enter("LIST")
        assert rehearsal.finished
        assert "no lone dot yet" in words(rehearsal, CommentKind.NEWS)


def test_poptalk_itself_hangs_up_on_a_reply_without_its_end(tmp_path: Path) -> None:
    show = f"```pop3 show\n{LOGIN}C: LIST\nS: +OK\nS: ...\nC: <close connection>\n```\n"
    with rehearse(show, tmp_path, front="fault: no-final-dot:LIST\n") as rehearsal:
        assert rehearsal.finished
        assert words(rehearsal, CommentKind.UNJUDGED) == ""


def test_patience_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.3)
    body = SETUP + task("C: LIST\nS: +OK\nS: ...\nS: .\n")
    with rehearse(body, tmp_path, front="fault: no-final-dot:LIST\n") as rehearsal:
        rehearsal.enter("LIST")
        assert awaiting(rehearsal) is Awaiting.CLOSED


def test_tls(tmp_path: Path) -> None:
    dialogue = f"C: STLS\nS: +OK\nC: <negotiate TLS>\n{LOGIN}"
    with rehearse(task(dialogue), tmp_path) as rehearsal:
        for line in ("STLS", "USER bob", "PASS jones"):
            rehearsal.enter(line)
        assert rehearsal.finished


def test_time_passes(tmp_path: Path) -> None:
    show = f"```pop3 show\n{LOGIN}C: <wait 0.05 s>\nC: STAT\nS: +OK\n```\n"
    with rehearse(show, tmp_path) as rehearsal:
        assert rehearsal.finished


@pytest.mark.parametrize(("count", "holds"), [(3, True), (7, False)])
def test_a_proof(tmp_path: Path, count: int, holds: bool) -> None:
    body = f"{task('C: QUIT' + chr(10))}\n```pop3 proof\n{LOGIN}C: STAT\nS: +OK {count} 6183\n```\n"
    with rehearse(body, tmp_path) as rehearsal:
        rehearsal.enter("QUIT")
        assert rehearsal.finished
        assert [said for _, said in rehearsal.differences] == (
            [] if holds else ["Line 21: expected the field 'messages' = 7, but '+OK 3 6183' came."]
        )


def test_no_connection(tmp_path: Path) -> None:
    with rehearse(task("C: STAT\n"), tmp_path, front="fault: drop-after:3\n") as rehearsal:
        assert awaiting(rehearsal) is Awaiting.CLOSED
        assert state(rehearsal) is State.CLOSED


def test_skipping(tmp_path: Path) -> None:
    with rehearse(SETUP + task("C: STAT\nS: +OK\n"), tmp_path) as rehearsal:
        rehearsal.skip()
        assert rehearsal.finished
        assert EventKind.SHOWN in kinds(rehearsal)


def test_silence_alone_changes_nothing(tmp_path: Path) -> None:
    with rehearse(SETUP + task("C: STAT\nS: +OK\n"), tmp_path) as rehearsal:
        rehearsal.fall_silent()
        assert awaiting(rehearsal) is Awaiting.COMMAND
