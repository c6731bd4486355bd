"""Lessons that only read, against a real Dovecot which holds the lesson's letters.

What a lesson expects of the practice server must hold of other servers as well, or it could not be
done with one's own mail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from poptalk.lesson.document.model import Lesson
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import lesson_files
from poptalk.lesson.server import LessonServer, Mailbox, find_mailbox
from poptalk.lesson.verify.dry_run import DryRunLearner
from poptalk.net.endpoint import Destination
from tests.servers.dovecot import USERS, Dovecot

PLAIN = "plain"


def why_not(lesson: Lesson) -> str | None:
    """Say why a lesson is about the practice server alone; None if it is not."""
    source = find_mailbox(lesson.mailbox, beside=lesson.path)
    if lesson.deletes:
        return "deletes messages"
    if lesson.faults:
        return "is about a server with faults"
    if lesson.persona != PLAIN:
        return f"is about a server like {lesson.persona}"
    if any(source.glob("later/*.eml")):
        return "has letters that come in later"
    if USERS.get(lesson.user) != lesson.password:
        return "has another account"
    return None


LESSONS = [lesson for lesson in map(load_lesson, lesson_files()) if why_not(lesson) is None]


class RealServer(LessonServer):
    """Dovecot with the letters of a lesson."""

    def __init__(self, lesson: Lesson, dovecot: Dovecot) -> None:
        self.known = lesson.known
        self._user = lesson.user
        self._dovecot = dovecot

    def destination(self, *, fresh: bool, number: int) -> Destination:
        if fresh:
            self._dovecot.reset(self._user)
        return self.aside()

    def aside(self) -> Destination:
        return Destination(
            host=self._dovecot.host, port=self._dovecot.port, ca_file=str(self._dovecot.ca_file)
        )


@pytest.fixture
def lesson_server(lesson: Lesson, dovecot: Dovecot, tmp_path: Path) -> Iterator[RealServer]:
    """Give Dovecot the letters of a lesson."""
    mailbox = Mailbox(find_mailbox(lesson.mailbox, beside=lesson.path), tmp_path)
    yield RealServer(lesson, replace(dovecot, _maildrop=mailbox.maildrop))
    dovecot.reset(lesson.user)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_passes_on_a_real_server(lesson: Lesson, lesson_server: RealServer) -> None:
    learner = DryRunLearner(lesson, lesson_server)
    try:
        learner.begin()
        while not learner.over:
            learner.go_on()
    finally:
        learner.close()
    assert learner.dry_run.finished
    assert learner.dry_run.differences == []
    assert learner.dry_run.surprises == []


def test_some_lessons_only_read() -> None:
    assert len(LESSONS) >= 3
