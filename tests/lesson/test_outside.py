"""Tasks that are done with another program: lesson 14 with telnet, ncat and `openssl s_client`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from poptalk.lesson.outside import PROGRAMS, WITHOUT_PROGRAM, ways_in
from tests.servers.terminal import Pty
from tests.shell.black_box import environment, poptalk

SESSION = ("USER bob", "PASS jones", "LIST", "RETR 2", "TOP 3 10", "DELE 3")

Way = Callable[[str], str]
"""Turns the command that poptalk shows into the one that is typed."""


def as_shown(command: str) -> str:
    """Type what poptalk shows."""
    return command


def with_ign_eof(command: str) -> str:
    """Take the other way round R and Q."""
    return command.replace("-quiet", "-ign_eof")


@pytest.fixture
def learner(tmp_path: Path) -> Iterator[Pty]:
    """Give a window in which lesson 14 has begun."""
    own_state = environment(XDG_STATE_HOME=str(tmp_path))
    with Pty(poptalk("learn", "14"), rows=400, env=own_state) as pty:
        yield pty


TO_THE_FIRST = (
    ("1/6 answer a-c>", "b"),
    ("1/6 Enter", ""),
    ("2/6 answer a-c>", "c"),
    ("2/6 Enter", ""),
)
TO_THE_SECOND = (("3/6 Enter", ""), ("4/6 answer a-c>", "b"), ("4/6 Enter", ""))
TO_THE_END = (
    ("5/6 Enter", ""),
    ("6/6 (closed)", ""),
    ("done: Connected", "STLS"),
    ("done: STLS", "USER bob"),
    ("done: USER (3", "PASS jones"),
    ("done: PASS (4", "STAT"),
    ("done: STAT", "QUIT"),
)


def goes_on(learner: Pty, answers: Sequence[tuple[str, str]]) -> None:
    """Type each answer once a text is there."""
    for text, answer in answers:
        learner.wait_for(text)
        learner.send(answer + "\r")


def goes_outside(learner: Pty, answers: Sequence[tuple[str, str]] = TO_THE_FIRST) -> None:
    """Go on to a task for the other window."""
    count = learner.text.count("In another window, type:")
    goes_on(learner, answers)
    learner.wait_until(lambda: learner.text.count("In another window, type:") > count)


def shown_command(learner: Pty, program: str) -> str:
    """Return what the learner is to type in the other window."""
    found = re.findall(rf"^{program} .*$", learner.text, re.MULTILINE)
    assert found, learner.text
    return str(found[-1]).rstrip()


def other_window(command: str) -> Pty:
    """Open the other window."""
    return Pty(command.split(), rows=400)


def says(window: Pty, line: str, answer: str) -> None:
    """Type a line, and wait for the answer to it."""
    before = window.text.count(answer)
    window.send(line + "\n")
    window.wait_until(lambda: window.text.count(answer) > before)


@pytest.mark.parametrize(
    ("program", "way"),
    [("telnet", as_shown), ("ncat", as_shown), ("openssl", as_shown), ("openssl", with_ign_eof)],
)
def test_lesson_14_is_finished_with_another_program(program: str, way: Way, learner: Pty) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    goes_outside(learner)
    with other_window(way(shown_command(learner, program))) as window:
        window.wait_for("+OK Microsoft Exchange")
        says(window, "QUIT", "+OK host closing connection")
        learner.wait_for("Enter goes on>")
    goes_outside(learner, TO_THE_SECOND)
    with other_window(way(shown_command(learner, program))) as window:
        window.wait_for("+OK Microsoft Exchange")
        for line in SESSION:
            says(window, line, "+OK")
        learner.wait_for("done: DELE (7 of 8).")
        says(window, "QUIT", "+OK host closing connection")
        learner.wait_for("2nd S: +OK 5")
    learner.wait_for("5/6 Enter")
    assert "jones" not in learner.text.rpartition("DELE 3")[2]
    goes_on(learner, TO_THE_END)
    learner.wait_for("Enter goes on")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_without_quiet_q_is_for_s_client_and_the_task_begins_again(learner: Pty) -> None:
    goes_outside(learner)
    command = shown_command(learner, "openssl").replace("-quiet ", "")
    with other_window(command) as window:
        learner.wait_for("done: Connected (1 of 2).")
        window.send("QUIT\n")
        window.wait_exit()
    learner.wait_for("The task begins again:")
    learner.wait_until(lambda: learner.text.count("In another window, type:") == 2)


@pytest.mark.skipif(shutil.which("ncat") is None, reason="ncat is not installed")
def test_mistakes_are_explained_in_the_window_of_the_lesson(learner: Pty) -> None:
    goes_outside(learner)
    learner.send("USER bob\r")
    learner.wait_for("Not sent: this step is done in the other window. Enter shows how.")
    with other_window(shown_command(learner, "ncat")) as window:
        says(window, "FETCH 1", "-ERR")
        learner.wait_for("there C: FETCH 1")
        learner.wait_for("not yet: The server doesn't know this word.")
        says(window, "QUIT", "+OK")
        learner.wait_for("done: QUIT (2 of 2).")


def test_skip_does_the_step_in_the_window_of_the_lesson(learner: Pty) -> None:
    goes_outside(learner)
    learner.send(":skip\r")
    learner.wait_for("3/6 Enter goes on>")
    goes_outside(learner, TO_THE_SECOND)
    learner.send(":skip\r")
    learner.wait_for("2nd S: +OK 5")
    learner.wait_for("5/6 Enter goes on>")


def test_going_back_leaves_the_other_window_alone(learner: Pty) -> None:
    goes_outside(learner)
    learner.send(":back\r")
    learner.wait_for("Back at step 2 of 6")
    learner.send("c\r\r")
    learner.wait_until(lambda: learner.text.count("In another window, type:") == 2)


def test_the_commands_are_those_of_the_programs_that_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everything = [
        command.format(host="127.0.0.1", port=1, tls_port=2) for _program, command in PROGRAMS
    ]
    monkeypatch.setattr("shutil.which", lambda _program: "/there")
    assert ways_in("127.0.0.1", 1, 2) == everything
    monkeypatch.setattr("shutil.which", lambda program: program if program == "ncat" else None)
    assert ways_in("127.0.0.1", 1, 2) == everything[1:2]
    monkeypatch.setattr("shutil.which", lambda _program: None)
    assert ways_in("127.0.0.1", 1, 2) == [WITHOUT_PROGRAM.format(host="127.0.0.1", port=1)]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.skipif(shutil.which("ncat") is None, reason="ncat is not installed")
def test_stls_by_another_program_is_followed_into_tls(learner: Pty) -> None:
    goes_outside(learner)
    *_, port = shown_command(learner, "ncat").split()
    command = f"openssl s_client -quiet -crlf -starttls pop3 -connect 127.0.0.1:{port}"
    with other_window(command) as window:
        learner.wait_for("there C: STLS")
        learner.wait_for("From here on everything is encrypted.")
        # The greeting was read by s_client itself; what is typed now is inside TLS.
        says(window, "QUIT", "+OK host closing connection")
        learner.wait_for("done: QUIT (2 of 2).")
