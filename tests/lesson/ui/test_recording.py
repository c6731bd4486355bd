"""`poptalk lessons record`: typed at a terminal, read and proved as a lesson."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from poptalk.lesson.document.model import Lesson
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.verify.check import check_lesson
from tests.servers.recording import RecordingServer, by_keyword
from tests.servers.terminal import Pty
from tests.shell.black_box import at, environment, on_a_terminal, piped, poptalk, said_once
from tests.shell.shells import practising

SESSION = (
    (":prose Say who you are: `USER bob`.", "above the next command"),
    ("USER bob", "hoopy frood"),
    ("PASS jones", "3 messages (6183 octets)"),
    ("LIST 3", "+OK 3 25"),
    ("RETR 3", "Call me."),
    ("DELE 3", "message 3 deleted"),
    (":close", "poptalk closed the connection"),
    (":open", "+OK POP3 server ready"),
    ("QUIT", "signing off"),
)
CTRL_D = b"\x04"


def type_into(pty: Pty, session: Sequence[tuple[str, str]]) -> None:
    """Type lines, each once the answer to the one before is on the screen."""
    pty.wait_for("AUTHORIZATION")
    for line, answer in session:
        seen = said_once(pty.text).count(answer)
        pty.send(line.encode() + b"\r")
        pty.wait_until(lambda: said_once(pty.text).count(answer) > seen)  # noqa: B023 - at once


def steps_of(lesson: Lesson) -> list[str]:
    return [step.slug for step in lesson.steps]


@pytest.mark.parametrize("options", [(), ("--plain",)], ids=["live", "linear"])
def test_a_session_becomes_a_lesson_that_is_proved(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    path = tmp_path / "14-my-lesson.md"
    with on_a_terminal("lessons", "record", path, *options, rows=60, columns=120) as pty:
        type_into(pty, SESSION)
        assert path.read_bytes() == b""
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0
        assert "is written, with 6 steps" in said_once(pty.text)
    lesson = load_lesson(path)
    assert lesson.title == "My lesson"
    assert steps_of(lesson) == ["user", "pass", "list", "retr", "dele", "quit"]
    text = path.read_text()
    assert "Say who you are: `USER bob`.\n\n```pop3\nC: USER {user}\nS: +OK\n```" in text
    assert "C: DELE 3\nS: +OK\nC: <close connection>\n" in text
    assert {fault.code for fault in check_lesson(path).faults} == {"PT060"}


def test_on_a_server_of_ones_own(tmp_path: Path) -> None:
    """Neither the name nor the password of the live account is in the file."""
    answers = {b"USER": b"+OK\r\n", b"PASS": b"+OK in\r\n", b"STAT": b"+OK 7 8899\r\n"}
    with RecordingServer(reply=by_keyword(answers)) as server:
        url = f"pop3://rose@{server.host}:{server.port}"
        with on_a_terminal("lessons", "record", tmp_path / "x", url, "--plain") as pty:
            type_into(pty, [("USER rose", "+OK"), ("PASS sesame", "+OK in"), ("STAT", "8899")])
            pty.send(CTRL_D)
            assert pty.wait_exit() == 0
    text = (tmp_path / "x.md").read_text()
    assert not re.search("rose|sesame|8899", text)
    assert "# Recorded on 127.0.0.1 port" in text
    assert len(load_lesson(tmp_path / "x.md").steps) == 3


def test_another_mailbox_and_another_persona(tmp_path: Path) -> None:
    (tmp_path / "mailboxes" / "mine").mkdir(parents=True)
    (tmp_path / "mailboxes" / "mine" / "1.eml").write_text("Subject: hi\n\nHello\n")
    options = ("--mailbox", "mine", "--persona", "dovecot", "--plain")
    with on_a_terminal("lessons", "record", tmp_path / "a.md", *options) as pty:
        type_into(pty, [("USER bob", "+OK"), ("PASS jones", "Logged in"), ("STAT", "+OK 1 22")])
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0
    lesson = load_lesson(tmp_path / "a.md")
    assert (lesson.mailbox, lesson.persona) == ("mine", "dovecot")


def test_nothing_is_written_where_nothing_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    with on_a_terminal("lessons", "record", path, "--plain") as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send(b":quit\r")
        assert pty.wait_exit() == 0
        assert "was not written" in said_once(pty.text)
    assert not path.exists()


def test_a_session_that_is_ended_from_outside_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    with on_a_terminal("lessons", "record", path, "--plain") as pty:
        type_into(pty, [("NOOP", "-ERR")])
        pty.process.terminate()
        pty.wait_exit()
    assert steps_of(load_lesson(path)) == ["noop"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("there.md",), "there.md is there already; give another name"),
        (("there",), "there.md is there already; give another name"),
        (("no/such/folder.md",), "cannot be written (no such file or directory)"),
        (("a.md", "--mailbox", "nowhere"), "nowhere"),
        (("a.md", "--persona", "nobody"), "nobody"),
        (("a.md", "--tls"), "are for your own server: name it as well"),
    ],
)
def test_what_cannot_be_begun(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    (tmp_path / "there.md").write_text("mine")
    command = poptalk("lessons", "record", *arguments, "--plain")
    with Pty(command, env=environment(), cwd=tmp_path, columns=200) as pty:
        assert pty.wait_exit() == 2
        assert sentence in said_once(pty.text)
    assert (tmp_path / "there.md").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["there.md"]


def test_a_pipe_is_no_author(tmp_path: Path) -> None:
    finished = piped(b"NOOP\n", "lessons", "record", tmp_path / "a.md")
    assert finished.code == 2
    assert "needs a terminal" in finished.stderr
    assert not (tmp_path / "a.md").exists()


def test_prose_is_for_recordings(tmp_path: Path) -> None:
    with practising() as way, on_a_terminal(way.host, way.port, "--plain", columns=120) as pty:
        type_into(pty, [(":prose hello", "poptalk lessons record FILE begins one")])
    with on_a_terminal("lessons", "record", tmp_path / "a.md", "--plain", rows=60) as pty:
        type_into(
            pty, [(":prose", ":prose: say what the lesson is to say"), (":help :", ":prose TEXT")]
        )


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with RecordingServer() as server:
        gone = at(server)
    with on_a_terminal("lessons", "record", tmp_path / "a.md", *gone, "--plain") as pty:
        assert pty.wait_exit() == 3
    assert not (tmp_path / "a.md").exists()
