"""Lessons that only read, against a real Dovecot which holds the lesson's letters.

What a lesson expects of the practice server must hold of other servers as well, or it could not be
done with one's own mail.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from poptalk.config import lessons_directory
from poptalk.lesson.actions import FeedbackKind
from poptalk.lesson.document.model import Lesson, Prose
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import lesson_files
from poptalk.lesson.server import LessonServer, LiveLessonServer, Mailbox, find_mailbox
from poptalk.lesson.ui import start
from poptalk.lesson.verify.dry_run import DryRun, DryRunLearner
from poptalk.net.endpoint import Destination, UsageError
from poptalk.pop3.commands import State
from poptalk.transcript.placeholders import Known
from tests.servers.dovecot import DOVECOT_MISSING, USERS, Dovecot, start_dovecot

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


def to_the_end(learner: DryRunLearner) -> None:
    """Let a learner do a lesson, and close its connections whatever comes."""
    try:
        learner.begin()
        while not learner.at_end:
            learner.go_on()
    finally:
        learner.close()


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_passes_on_a_real_server(lesson: Lesson, lesson_server: RealServer) -> None:
    learner = DryRunLearner(lesson, lesson_server)
    to_the_end(learner)
    assert learner.finished
    assert learner.differences == []
    assert learner.surprises == []


def test_some_lessons_only_read() -> None:
    assert len(LESSONS) >= 3


# Lessons that suit any mailbox, with another user, other messages, none at all, and STLS required.

OWN = sorted((lessons_directory() / "own").glob("*.md"))
STORY = ("Bob", "Nora", "Ted", "Ida", "beacon", "jones", "club")
USER = "mrose"
STRICT = "disable_plaintext_auth = yes\n"
FROM_ELSEWHERE = "127.0.0.2"
"""Dovecot takes passwords in the clear from its own address, whatever the settings."""


class OwnServer(LiveLessonServer):
    """Dovecot as the server of a learner who is not Bob."""

    def __init__(self, dovecot: Dovecot, *, source: str | None = None) -> None:
        destination = Destination(
            host=dovecot.host, port=dovecot.port, ca_file=str(dovecot.ca_file), source=source
        )
        super().__init__(destination, Known(user=USER, password=USERS[USER], host=dovecot.host))


class OwnLearner(DryRunLearner):
    """Does what a lesson for any mailbox asks for, and begins TLS before the name."""

    def go_on(self) -> None:
        """Do what is awaited, after STLS where the lesson leaves that to the learner."""
        turn, session = self.turn, self.session
        if turn is not None and turn.keyword == "USER" and session is not None:
            if not session.encrypted:
                self.enter("STLS")
            assert session.encrypted
        super().go_on()


def learn(path: Path, server: OwnServer) -> DryRun:
    """Do a lesson to its end."""
    learner = OwnLearner(load_lesson(path), server)
    to_the_end(learner)
    assert learner.finished
    assert not any(comment.kind is FeedbackKind.UNJUDGED for comment in learner.comments)
    return learner


def prose_of(path: Path, run: DryRun) -> str:
    """Return what the learner read, without what the server said."""
    texts = [item.source for item in load_lesson(path).items() if isinstance(item, Prose)]
    patterns = [re.sub(r"\\{\w+\\}", ".*", re.escape(text)) for text in texts]
    return "\n".join(text for text in run.shown if any(re.fullmatch(p, text) for p in patterns))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
@pytest.mark.parametrize("mailbox", ["dots", "empty"])
def test_any_mailbox_will_do(path: Path, mailbox: str, dovecot: Dovecot, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    maildrop = tmp_path / mailbox if mailbox == "empty" else find_mailbox(mailbox, beside=path)
    replace(dovecot, _maildrop=maildrop).reset(USER)
    run = learn(path, OwnServer(dovecot))
    dovecot.reset(USER)
    said = prose_of(path, run)
    assert said
    assert [word for word in STORY if word in said] == []
    assert "{user}" not in said
    left_out = [c.text for c in run.comments if c.text.startswith("Your mailbox is empty")]
    assert bool(left_out) is (mailbox == "empty" and path.stem in ("looking", "reading"))
    if "{count}" in path.read_text(encoding="utf-8"):
        assert re.search(rf"[Mm]essages.*: {0 if mailbox == 'empty' else 3}\.", said)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_where_stls_is_required(path: Path, dovecot_of_its_own: Dovecot) -> None:
    learn(path, OwnServer(dovecot_of_its_own, source=FROM_ELSEWHERE))


def test_a_name_that_comes_before_tls_is_refused_and_the_reason_is_said(
    dovecot_of_its_own: Dovecot,
) -> None:
    server = OwnServer(dovecot_of_its_own, source=FROM_ELSEWHERE)
    learner = DryRunLearner(load_lesson(next(p for p in OWN if p.stem == "looking")), server)
    try:
        learner.begin()
        learner.enter(f"USER {USER}")
        learner.enter("PASS nothing")
        told = "\n".join(comment.text for comment in learner.comments)
        assert "send `STLS` first" in told
        learner.enter("STLS")
        learner.enter(f"USER {USER}")
        learner.enter(f"PASS {USERS[USER]}")
        assert learner.state is State.TRANSACTION
        # A connection that is lost comes back with TLS before the password.
        learner.hang_up()
        learner.enter("")
        assert learner.session is not None
        assert learner.session.encrypted
        assert learner.state is State.TRANSACTION
    finally:
        learner.close()


@pytest.fixture(scope="module")
def dovecot_of_its_own() -> Iterator[Dovecot]:
    """Give a Dovecot that takes no password in the clear."""
    if DOVECOT_MISSING is not None:
        pytest.skip(DOVECOT_MISSING)
    mailbox = find_mailbox("dots", beside=OWN[0])
    with tempfile.TemporaryDirectory(prefix="poptalk-own-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        inner = Path(folder) / "dovecot"
        inner.mkdir()
        with start_dovecot(mailbox, inner, settings=STRICT) as running:
            yield running


def test_the_password_is_tried_when_it_is_asked_for(
    dovecot: Dovecot, capsys: pytest.CaptureFixture[str]
) -> None:
    destination = Destination(
        host=dovecot.host, port=dovecot.port, ca_file=str(dovecot.ca_file), user=USER
    )
    answers = ["mistyped", USERS[USER]]
    asked: list[str] = []

    def ask_unseen(question: str) -> str:
        asked.append(question)
        return answers.pop(0)

    lesson = load_lesson(OWN[0])
    named = start.NamedServer(destination, ask=refuse, ask_unseen=ask_unseen)
    found, server = named.prepare(lesson)
    assert found == lesson
    assert isinstance(server, LiveLessonServer)
    assert server.known == Known(user=USER, password=USERS[USER], host=dovecot.host)
    assert asked[0] == f"Password of {USER}: "
    said = capsys.readouterr().err
    assert '"-ERR [AUTH] Authentication failed."' in said
    assert "mistyped" not in said + asked[1]
    answers[:] = ["a", "b", "c"]
    with pytest.raises(UsageError, match="has refused 3 passwords"):
        named.prepare(lesson)


def refuse(question: str) -> str:
    """Answer no question."""
    raise AssertionError(question)
