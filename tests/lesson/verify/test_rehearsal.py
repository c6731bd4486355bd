"""A lesson run without a screen: what is shown, what is written down, and what becomes of a session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poptalk.lesson.actions import Awaiting, FeedbackKind
from poptalk.lesson.document.parser import read_lesson
from poptalk.lesson.progress import EventKind
from poptalk.lesson.runner import Tutor
from poptalk.lesson.server import PracticeLessonServer
from poptalk.lesson.verify import dry_run as module
from poptalk.lesson.verify.dry_run import DryRun
from poptalk.pop3.commands import State

FRONT = "title: A lesson\nsummary: To be rehearsed.\nminutes: 1\nmailbox: article\n"
LOGIN = "C: USER {user}\nS: +OK\nC: PASS {password}\nS: +OK\n"
SETUP = f"```pop3 setup\n{LOGIN}```\n"


def task(dialogue: str) -> str:
    return f"```pop3\n{dialogue}```\n"


@contextmanager
def dry_run_of(body: str, folder: Path, *, front: str = "") -> Iterator[DryRun]:
    """Begin to rehearse a lesson of one step."""
    text = f"---\n{FRONT}{front}---\n# A lesson\n\n## One\n\n{body}"
    lesson = read_lesson(text, name="lesson", path=folder / "lesson.md")
    with PracticeLessonServer(lesson) as practice_server:
        dry_run = DryRun(
            Tutor(lesson, later_letters=practice_server.later_letters), practice_server
        )
        try:
            dry_run.begin()
            yield dry_run
        finally:
            dry_run.close()


def kinds(dry_run: DryRun) -> list[EventKind]:
    return [event.kind for event in dry_run.progress]


def awaiting(dry_run: DryRun) -> Awaiting:
    return dry_run.tutor.awaiting


def state(dry_run: DryRun) -> State:
    return dry_run.state


def words(dry_run: DryRun, kind: FeedbackKind) -> str:
    return "\n".join(comment.text for comment in dry_run.comments if comment.kind is kind)


def test_a_lesson_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    body = f"Some prose.\n\n{SETUP}\n{task('C: STAT' + chr(10) + 'S: +OK' + chr(10))}\nWell done.\n"
    with dry_run_of(body, tmp_path) as dry_run:
        assert awaiting(dry_run) is Awaiting.COMMAND
        assert state(dry_run) is State.TRANSACTION
        dry_run.enter("NOPE")
        assert awaiting(dry_run) is Awaiting.COMMAND
        dry_run.enter("STAT")
        assert awaiting(dry_run) is Awaiting.OVER
        assert dry_run.finished
        assert kinds(dry_run) == [
            EventKind.STARTED,
            EventKind.MISSED,
            EventKind.PASSED,
            EventKind.ENDED,
        ]
        shown = "\n".join(dry_run.shown)
        assert "Some prose." in shown
        assert "Well done." in shown
        assert "+OK 3 6183" in shown, "the learner has seen the reply"
        assert "PASS jones" not in shown, "what is folded was not seen"


def test_a_question(tmp_path: Path) -> None:
    with dry_run_of("How many?\n\n- [ ] two -- No.\n- [x] three -- Yes.\n", tmp_path) as dry_run:
        assert awaiting(dry_run) is Awaiting.CHOICE
        assert dry_run.question is not None
        dry_run.enter("a")
        assert awaiting(dry_run) is Awaiting.CHOICE
        dry_run.enter("b")
        assert dry_run.finished
        assert "No." in words(dry_run, FeedbackKind.NOT_YET)


def test_a_connection_that_is_closed_by_the_server(tmp_path: Path) -> None:
    with dry_run_of(SETUP + task("C: DELE 1\nS: +OK\nC: STAT\nS: +OK\n"), tmp_path) as dry_run:
        dry_run.enter("QUIT")
        assert awaiting(dry_run) is Awaiting.CLOSED
        assert state(dry_run) is State.CLOSED
        dry_run.enter("")
        assert state(dry_run) is State.TRANSACTION, "replayed"


def test_hanging_up_tells_what_stays(tmp_path: Path) -> None:
    with dry_run_of(SETUP + task("C: DELE 1\nS: +OK\nC: STAT\nS: +OK\n"), tmp_path) as dry_run:
        dry_run.enter("DELE 1")
        assert dry_run.marked == {1}
        dry_run.hang_up()
        assert "message 1 stays" in words(dry_run, FeedbackKind.CLOSED)
        assert dry_run.marked == frozenset()


def test_a_fault_that_cuts_the_connection(tmp_path: Path) -> None:
    body = SETUP + task("C: RETR 2\nS: +OK\nS: ...\nS: .\n")
    with dry_run_of(body, tmp_path, front="fault: drop-after:500\n") as dry_run:
        dry_run.enter("RETR 2")
        assert dry_run.answered is not None
        assert not dry_run.answered.complete
        assert awaiting(dry_run) is Awaiting.CLOSED
        assert EventKind.LOST in kinds(dry_run)


def test_a_reply_without_its_end(tmp_path: Path) -> None:
    body = SETUP + task("C: LIST\nS: +OK\nS: ...\nC: <close connection>\n")
    with dry_run_of(body, tmp_path, front="fault: no-final-dot:LIST\n") as dry_run:
        dry_run.enter("LIST")
        assert dry_run.finished
        assert "no lone dot yet" in words(dry_run, FeedbackKind.NEWS)


def test_poptalk_itself_hangs_up_on_a_reply_without_its_end(tmp_path: Path) -> None:
    show = f"```pop3 show\n{LOGIN}C: LIST\nS: +OK\nS: ...\nC: <close connection>\n```\n"
    with dry_run_of(show, tmp_path, front="fault: no-final-dot:LIST\n") as dry_run:
        assert dry_run.finished
        assert words(dry_run, FeedbackKind.UNJUDGED) == ""


def test_patience_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.3)
    body = SETUP + task("C: LIST\nS: +OK\nS: ...\nS: .\n")
    with dry_run_of(body, tmp_path, front="fault: no-final-dot:LIST\n") as dry_run:
        dry_run.enter("LIST")
        assert awaiting(dry_run) is Awaiting.CLOSED


def test_tls(tmp_path: Path) -> None:
    dialogue = f"C: STLS\nS: +OK\nC: <negotiate TLS>\n{LOGIN}"
    with dry_run_of(task(dialogue), tmp_path) as dry_run:
        for line in ("STLS", "USER bob", "PASS jones"):
            dry_run.enter(line)
        assert dry_run.finished


def test_time_passes(tmp_path: Path) -> None:
    show = f"```pop3 show\n{LOGIN}C: <wait 0.05 s>\nC: STAT\nS: +OK\n```\n"
    with dry_run_of(show, tmp_path) as dry_run:
        assert dry_run.finished


@pytest.mark.parametrize(("count", "holds"), [(3, True), (7, False)])
def test_a_proof(tmp_path: Path, count: int, holds: bool) -> None:
    body = f"{task('C: QUIT' + chr(10))}\n```pop3 proof\n{LOGIN}C: STAT\nS: +OK {count} 6183\n```\n"
    with dry_run_of(body, tmp_path) as dry_run:
        dry_run.enter("QUIT")
        assert dry_run.finished == holds
        said = "expected the field 'messages' = 7, but '+OK 3 6183' came."
        assert dry_run.differences == ([] if holds else [(21, said)])
        if holds:
            return
        # The step begins again, once.
        assert awaiting(dry_run) is Awaiting.COMMAND
        assert "The step begins again." in words(dry_run, FeedbackKind.NOT_YET)
        dry_run.enter("QUIT")
        assert dry_run.finished
        assert dry_run.differences == [(21, said), (21, said)]


def test_no_connection(tmp_path: Path) -> None:
    with dry_run_of(task("C: STAT\n"), tmp_path, front="fault: drop-after:3\n") as dry_run:
        assert awaiting(dry_run) is Awaiting.CLOSED
        assert state(dry_run) is State.CLOSED


def test_skipping(tmp_path: Path) -> None:
    with dry_run_of(SETUP + task("C: STAT\nS: +OK\n"), tmp_path) as dry_run:
        dry_run.skip()
        assert dry_run.finished
        assert EventKind.SHOWN in kinds(dry_run)


def test_silence_alone_changes_nothing(tmp_path: Path) -> None:
    with dry_run_of(SETUP + task("C: STAT\nS: +OK\n"), tmp_path) as dry_run:
        dry_run.fall_silent()
        assert awaiting(dry_run) is Awaiting.COMMAND
