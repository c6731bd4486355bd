"""The practice server of a lesson: its mailbox, its faults, and that it can begin anew."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.lesson.document.model import Lesson
from poptalk.lesson.server import LessonServerError, PracticeLessonServer
from poptalk.net.connection import Link
from poptalk.practice.server import PracticeDestination

TIMEOUT = 5.0
LOGIN = (b"USER bob", b"PASS jones")
LETTER = b"From: nora@club.example\r\nSubject: %b\r\n\r\nHello.\r\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a mailbox of two letters, and one that comes in later, beside a lesson's file."""
    mailbox = tmp_path / "mailboxes" / "own"
    (mailbox / "later").mkdir(parents=True)
    for name in ("1-one.eml", "2-two.eml", "later/3-three.eml"):
        (mailbox / name).write_bytes(LETTER % name.encode())
    return tmp_path


def lesson(folder: Path, **differences: object) -> Lesson:
    values: dict[str, object] = {
        "name": "lesson",
        "path": folder / "lesson.md",
        "title": "A lesson",
        "summary": "To be tested.",
        "minutes": 1,
        "mailbox": "own",
        "persona": "plain",
        "user": "bob",
        "password": "jones",
        "steps": (),
    }
    return Lesson(**(values | differences))  # type: ignore[arg-type]


@pytest.fixture
def practice_server(folder: Path) -> Iterator[PracticeLessonServer]:
    with PracticeLessonServer(lesson(folder)) as practice_server:
        yield practice_server


def talk(destination: PracticeDestination, *lines: bytes) -> list[bytes]:
    """Send lines, each after the first line of the answer to the one before; return these."""
    with Link.open(destination.target, timeout=TIMEOUT) as link:
        answers = [link.receive().split(b"\r\n")[0]]
        for line in lines:
            link.send(line + b"\r\n")
            answers.append(link.receive().split(b"\r\n")[0])
    return answers[1:]


def count(destination: PracticeDestination) -> int:
    """Log in and count the messages."""
    return int(talk(destination, *LOGIN, b"STAT")[-1].split()[1])


def test_a_deletion_lasts_for_all_connections(practice_server: PracticeLessonServer) -> None:
    destination = practice_server.fresh()
    talk(destination, *LOGIN, b"DELE 1", b"RETR 1")
    assert count(destination) == 2
    talk(destination, *LOGIN, b"DELE 1", b"QUIT")
    assert count(practice_server.aside()) == 2  # One deleted, one has come in.


def test_fresh_brings_back_what_was_deleted(practice_server: PracticeLessonServer) -> None:
    talk(practice_server.fresh(), *LOGIN, b"DELE 1", b"QUIT")
    assert count(practice_server.fresh()) == 2


def test_one_session_at_a_time(practice_server: PracticeLessonServer) -> None:
    destination = practice_server.fresh()
    with Link.open(destination.target, timeout=TIMEOUT) as link:
        link.receive()
        for line in LOGIN:
            link.send(line + b"\r\n")
            assert link.receive().startswith(b"+OK")
        assert b"[IN-USE]" in talk(destination, *LOGIN)[-1]
        # Once more from the beginning, whatever became of the session before.
        assert talk(practice_server.fresh(), *LOGIN)[-1].startswith(b"+OK")


def test_letters_come_in_after_quit(practice_server: PracticeLessonServer) -> None:
    destination = practice_server.fresh()
    assert count(destination) == 2
    assert count(destination) == 2, "a session that was cut brings nothing"
    talk(destination, b"QUIT")
    assert count(destination) == 2, "nor does one that was never logged in"
    talk(destination, *LOGIN, b"QUIT")
    assert count(destination) == 3
    assert count(practice_server.fresh()) == 2


def test_a_look_from_aside_lets_no_letters_in(practice_server: PracticeLessonServer) -> None:
    practice_server.fresh()
    talk(practice_server.aside(), *LOGIN, b"QUIT")
    assert count(practice_server.again()) == 2


def test_a_session_from_before_lets_no_letters_in(practice_server: PracticeLessonServer) -> None:
    with Link.open(practice_server.fresh().target, timeout=TIMEOUT) as link:
        link.receive()
        for line in LOGIN:
            link.send(line + b"\r\n")
            link.receive()
        destination = practice_server.fresh()
        link.send(b"QUIT\r\n")
        assert link.receive().startswith(b"+OK")
        while link.receive():
            pass
    assert count(destination) == 2


def test_it_tells_whether_letters_come(practice_server: PracticeLessonServer, folder: Path) -> None:
    assert practice_server.later_letters
    with PracticeLessonServer(lesson(folder, mailbox="rfc1939")) as other:
        assert not other.later_letters


LOCKED_LOGIN = b"-ERR"


def test_connections_are_counted_for_faults(folder: Path) -> None:
    with PracticeLessonServer(lesson(folder, faults=("#2=locked",))) as practice_server:
        destination = practice_server.fresh()
        assert talk(destination, *LOGIN)[-1].startswith(b"+OK")
        assert talk(destination, *LOGIN)[-1].startswith(LOCKED_LOGIN)
        assert talk(destination, *LOGIN)[-1].startswith(b"+OK")
        assert talk(practice_server.fresh(connection=2), *LOGIN)[-1].startswith(LOCKED_LOGIN)
        assert talk(practice_server.fresh(), *LOGIN)[-1].startswith(b"+OK")


def test_a_look_from_aside_does_not_count(folder: Path) -> None:
    with PracticeLessonServer(lesson(folder, faults=("#2=locked",))) as practice_server:
        talk(practice_server.fresh(), *LOGIN)
        assert talk(practice_server.aside(), *LOGIN)[-1].startswith(b"+OK")
        assert talk(practice_server.again(), *LOGIN)[-1].startswith(LOCKED_LOGIN)


def test_the_account_is_the_lessons(folder: Path) -> None:
    with PracticeLessonServer(
        lesson(folder, user="nora", password="73 and out")
    ) as practice_server:
        destination = practice_server.fresh()
        assert talk(destination, b"USER nora", b"PASS 73 and out")[-1].startswith(b"+OK")
        assert talk(destination, *LOGIN)[-1].startswith(b"-ERR")


def test_a_delay_between_logins_begins_anew(folder: Path) -> None:
    persona = folder / "slow.toml"
    persona.write_text(
        'description = "Makes one wait."\n[texts]\nany-positive = "yes"\nany-negative = "no"\n'
        '[capabilities.clear]\nbefore-login = ["USER", "LOGIN-DELAY 900"]\nafter-login = []\n'
        "[capabilities.tls]\nbefore-login = []\nafter-login = []\n"
    )
    with PracticeLessonServer(lesson(folder, persona="slow.toml")) as practice_server:
        assert talk(practice_server.fresh(), *LOGIN)[-1].startswith(b"+OK")
        assert talk(practice_server.again(), *LOGIN)[-1].startswith(b"-ERR")
        assert talk(practice_server.fresh(), *LOGIN)[-1].startswith(b"+OK")


def test_one_authority_for_all_beginnings(practice_server: PracticeLessonServer) -> None:
    assert practice_server.fresh().server.ca_file == practice_server.fresh().server.ca_file


class CrashError(Exception):
    """A lesson that breaks off."""


def test_nothing_is_left_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = folder / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))

    def crash() -> None:
        with PracticeLessonServer(lesson(folder)) as practice_server:
            talk(practice_server.fresh(), *LOGIN, b"QUIT")
            assert list(directory.iterdir())
            raise CrashError

    with pytest.raises(CrashError):
        crash()
    assert not list(directory.iterdir())


@pytest.mark.parametrize(
    ("key", "difference", "said"),
    [
        ("mailbox", {"mailbox": "nowhere"}, 'no mailbox "nowhere" among the lessons; there are'),
        ("mailbox", {"mailbox": "../own"}, "isn't a mailbox"),
        ("persona", {"persona": "plian"}, 'no persona "plian"; there are'),
        (
            "fault",
            {"faults": ("lokced",)},
            'Fault "lokced": there is no fault "lokced"; did you mean "locked"?',
        ),
        ("fault", {"faults": ("ted=locked",)}, 'no account "ted"; there are bob'),
        ("user", {"user": "b\u00f6b\x07"}, "characters that SASLprep forbids"),
    ],
)
def test_what_cannot_be_had_is_told_with_its_line(
    folder: Path, key: str, difference: dict[str, object], said: str
) -> None:
    wrong = lesson(folder, **difference)
    wrong.path.write_text(f"---\ntitle: A lesson\n{key}: wrong\n---\n")
    with pytest.raises(LessonServerError) as caught, PracticeLessonServer(wrong):
        pass
    assert caught.value.line == 3
    assert said in caught.value.sentence
    assert str(caught.value) == f"{wrong.path}:3: {caught.value.sentence}"


def test_the_connections_with_a_fault_are_known(folder: Path) -> None:
    with PracticeLessonServer(lesson(folder, faults=("#2=plus-err",))) as practice_server:
        assert [practice_server.has_fault(number) for number in (1, 2, 3)] == [False, True, False]
    with PracticeLessonServer(lesson(folder, faults=("plus-err",))) as practice_server:
        assert practice_server.has_fault(7)
    with PracticeLessonServer(lesson(folder)) as practice_server:
        assert not practice_server.has_fault(1)


def test_messages_are_numbered_in_the_order_of_their_file_names(folder: Path) -> None:
    """Only files that end in .eml are messages; line ends of one octet count as two (RFC 1939 §11)."""
    mailbox = folder / "mailboxes" / "own"
    for name, octets in (("10-ida", 50), ("02-ted", 40), ("01-nora", 30)):
        (mailbox / f"{name}.eml").write_bytes(b"Subject: x\n\n".ljust(octets, b"."))
    (mailbox / "00-README").write_text("No message.", encoding="ascii")
    with PracticeLessonServer(lesson(folder)) as server:
        lines = (b"LIST 1", b"LIST 2", b"LIST 4", b"LIST 5")
        answers = talk(server.fresh(), *LOGIN, *lines, b"STAT")[2:]
    assert answers[0] == b"+OK 1 34"  # 01-nora, then 02-ted, 1-one, 10-ida, 2-two.
    assert answers[1] == b"+OK 2 44"
    assert answers[2] == b"+OK 4 54"
    assert answers[4].startswith(b"+OK 5 ")
