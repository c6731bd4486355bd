"""`poptalk learn` as a whole process: on a terminal, linear, killed, and refused."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from poptalk.practice.server import Server
from tests.conftest import ARTICLE_MAILDROP
from tests.servers.terminal import Pty
from tests.shell.black_box import environment, poptalk
from tests.shell.learners import LESSONS, SHORT
from tests.shell.shells import CTRL_C, CTRL_D

SECONDS = 30
ESCAPE = re.compile(rb"\x1b\[[0-9;]*m")


def learn(state: Path, *arguments: object, **more: object) -> Pty:
    """Run poptalk with a state directory of its own."""
    options = {name: more.pop(name) for name in ("columns", "rows") if name in more}
    variables = {name: str(value) for name, value in more.items()}
    return Pty(
        poptalk(*arguments),
        env=environment(XDG_STATE_HOME=str(state), **variables),
        **options,  # type: ignore[arg-type]
    )


def log_in(pty: Pty) -> None:
    """Do the first step of the short lesson."""
    pty.wait_for("1/4 AUTHORIZATION")
    pty.send("USER bob\r")
    pty.wait_for("done: USER (1 of 2).")
    pty.send("PASS jones\r")
    pty.wait_for("1/4 Enter goes on>")


@pytest.mark.parametrize("linear", [False, True])
def test_after_kill_9_the_lesson_goes_on_where_it_was(tmp_path: Path, *, linear: bool) -> None:
    options = ("--plain",) if linear else ()
    with learn(tmp_path, "learn", SHORT, *options) as pty:
        log_in(pty)
        pty.send("\r")
        pty.wait_for("2/4 answer a-b>")
        os.killpg(pty.process.pid, signal.SIGKILL)
        assert pty.wait_exit() == -signal.SIGKILL
    with learn(tmp_path, "learn", SHORT, *options) as pty:
        pty.wait_for("Step 2 of 4: resumed; sent again for you: USER, PASS.")
        pty.wait_for("2/4 answer a-b>")
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0
        assert pty.restored


@pytest.mark.parametrize("columns", [40, 120])
def test_a_linear_lesson_reads_well_line_by_line(tmp_path: Path, columns: int) -> None:
    with learn(tmp_path, "learn", SHORT, "--plain", columns=columns, rows=60) as pty:
        pty.wait_for("AUTHORIZATION")
        pty.send("XYZ\r")
        pty.wait_for("not yet: ")
        for line in ("USER bob", "PASS jones", "", "a", "b", "STAT", "", ":skip", ""):
            pty.send(f"{line}\r")
        pty.wait_for("(closed) Enter")
        pty.send(":map\r")
        pty.wait_for("4. Checkpoint")
        words = " ".join(" ".join(pty.history()).split())
        for said in (
            "Step 1 of 4: Log in",
            "done: USER (1 of 2).",
            "not yet: Look again.",
            "Three letters.",
            "C: DELE 3",
            "2nd C: STAT",
        ):
            assert said in words
        assert "PASS *****" in words
        assert "C: USER bob" not in words.split("2nd")[0], "what was typed stands there already"
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0
        assert pty.restored
        # No cursor is moved: colours are the only sequences.
        assert b"\x1b" not in ESCAPE.sub(b"", bytes(pty.raw))


def test_without_colours_there_is_not_one_sequence(tmp_path: Path) -> None:
    with learn(tmp_path, "learn", SHORT, "--plain", NO_COLOR="1") as pty:
        pty.wait_for("1/4 AUTHORIZATION")
        pty.send("XYZ\r")
        pty.wait_for("not yet: ")
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0
        assert b"\x1b" not in pty.raw


def test_ctrl_c_gives_the_prompt_back_in_the_linear_shell(tmp_path: Path) -> None:
    with learn(tmp_path, "learn", LESSONS / "endless.md", "--plain") as pty:
        pty.wait_for("AUTHORIZATION")
        for line in ("USER bob", "PASS jones", "LIST"):
            pty.send(f"{line}\r")
        pty.wait_for("3 148")
        pty.send(CTRL_C)
        pty.wait_until(lambda: pty.text.endswith("1/1 TRANSACTION bob@practice>"))
        pty.send(":close\r")
        pty.wait_for("done: Closed (4 of 4).")


def test_no_prompt_is_written_that_nobody_could_use(tmp_path: Path) -> None:
    with learn(tmp_path, "learn", LESSONS / "folded.md", "--plain") as pty:
        pty.wait_for("1/2 (closed) Enter opens>")
        pty.send("\r")
        pty.wait_for("1/2 AUTHORIZATION practice>")
        pty.send("QUIT\r")
        pty.wait_for("1/2 Enter goes on>")
        pty.send("\r")
        pty.wait_for("2/2 TRANSACTION bob@practice>")
        prompts = [line for line in pty.history() if "> " in f"{line} " and line[:1].isdigit()]
        assert [line.strip() for line in prompts] == [
            "1/2 (closed) Enter opens>",
            "1/2 AUTHORIZATION practice> QUIT",
            "1/2 Enter goes on>",
            "2/2 TRANSACTION bob@practice>",
        ]


@pytest.mark.parametrize("arguments", [(), ("--plain",), ("learn",), ("--theme", "mono")])
def test_poptalk_alone_opens_the_lessons(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with learn(tmp_path, *arguments, rows=40) as pty:
        pty.wait_for("Welcome to poptalk.")
        pty.wait_for("lesson 1-")
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0


@pytest.mark.parametrize("arguments", [("connect",), ("--persona", "plain"), ("--tls",)])
def test_the_practice_server_is_a_word_away(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with learn(tmp_path, *arguments) as pty:
        pty.wait_for("AUTHORIZATION practice>")


def test_in_a_pipe_poptalk_alone_is_the_practice_server() -> None:
    done = subprocess.run(
        poptalk(), input=b"USER bob\nQUIT\n", capture_output=True, timeout=SECONDS, check=True
    )
    assert done.stdout.startswith(b"+OK Microsoft Exchange")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lokking",), "did you mean 03-looking?"),
        (("11", "pop3s://me@127.0.0.1"), "it is you who begins TLS"),
        (("pop3s://mail.example.org",), "name the lesson first"),
        (("3", "--tls"), "name it as well"),
        ((LESSONS / "missing.md",), "There is no file"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path, arguments: tuple[object, ...], said: str
) -> None:
    with learn(tmp_path, "learn", *arguments, columns=120) as pty:
        assert pty.wait_exit() == 2
        assert said in " ".join(pty.text.split())


def test_without_a_terminal_there_is_no_lesson() -> None:
    done = subprocess.run(poptalk("learn"), input=b"", capture_output=True, timeout=SECONDS)
    assert done.returncode == 2
    assert b"learn needs a terminal" in done.stderr


def test_a_broken_lesson_tells_all_that_is_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "broken.md"
    broken.write_text("---\ntitel: x\n---\n# x\n", encoding="utf-8")
    with learn(tmp_path, "learn", broken, columns=120) as pty:
        assert pty.wait_exit() == 2
        assert "PT0" in pty.text
        assert "Traceback" not in pty.text


def test_somebodys_own_server_asks_for_what_it_needs(tmp_path: Path) -> None:
    with Server() as server:
        url = f"pop3://bob@{server.host}:{server.port}"
        with learn(tmp_path, "learn", SHORT, url) as pty:
            pty.wait_for("Password of bob:")
            pty.send("jones\r")
            pty.wait_for("Go on? yes or no:")
            pty.send("yes\r")
            log_in(pty)
            assert "jones" not in pty.text.replace("the password is jones", "")
            pty.send(CTRL_D)
            assert pty.wait_exit() == 0
    kept = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "jones" not in kept


@pytest.mark.parametrize(
    ("key", "block", "reason"),
    [
        ("own-mailbox: yes\n", "```pop3 proof\nC: DELE 1\nS: +OK\n```\n", "there to be deleted"),
        ("own-mailbox: yes\nfault: plus-err\n", "```pop3\nC: NOOP\n```\n", "server does wrong"),
        ("", "```pop3\nC: NOOP\n```\n", "the messages on its practice server"),
    ],
)
def test_a_lesson_that_suits_no_other_mailbox_says_so(
    key: str, block: str, reason: str, tmp_path: Path
) -> None:
    lesson = tmp_path / "lesson.md"
    front = f"title: T\nsummary: S\nminutes: 1\nmailbox: letters\n{key}"
    lesson.write_text(f"---\n{front}---\n# T\n\n## One\n\n{block}", encoding="utf-8")
    with Server(maildrop=ARTICLE_MAILDROP) as server:
        for answer in ("no", "yes"):
            url = f"pop3://bob@{server.host}:{server.port}"
            with learn(
                tmp_path, "learn", lesson, url, columns=120, POPTALK_PASSWORD="jones"
            ) as pty:
                pty.wait_for("Begin it on the practice server? yes or no:")
                assert reason in " ".join(pty.text.split())
                pty.send(answer + "\r")
                if answer == "no":
                    assert pty.wait_exit() == 2
                    assert "nothing was changed" in pty.text
                else:
                    pty.wait_for("Step 1 of 1: One")


def test_a_no_before_a_lesson_that_deletes_is_a_no(tmp_path: Path) -> None:
    with learn(tmp_path, "learn", SHORT, "pop3://bob@127.0.0.1:1", POPTALK_PASSWORD="x") as pty:
        pty.wait_for("Go on? yes or no:")
        pty.send("n\r")
        assert pty.wait_exit() == 2
        assert "nothing was deleted" in " ".join(pty.text.split())
