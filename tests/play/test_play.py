"""`poptalk play` as a whole process: on a terminal, on a server of one's own, and refused."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from poptalk.net.endpoint import UsageError
from poptalk.play import start
from poptalk.practice.server import Server
from poptalk.shell.script import ShellSettings
from tests.servers.terminal import Pty
from tests.shell.black_box import environment, piped, poptalk
from tests.shell.shells import CTRL_C, CTRL_D, ENTER

ARTICLE = Path(__file__).parent.parent / "transcripts" / "article.pop3"
CYAN_OR_MAGENTA = re.compile(rb"\x1b\[(?:\d+;)*[349][56](?:;\d+)*m")


def play(state: Path, *arguments: object, columns: int = 60, rows: int = 18) -> Pty:
    """Run a demo with a state directory of its own."""
    variables = environment(XDG_STATE_HOME=str(state), POPTALK_PASSWORD="jones")
    return Pty(poptalk("play", *arguments), columns=columns, rows=rows, env=variables)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(record=True) as running:
        yield running


REPEAT_SECONDS = 0.2
"""After how long a key that is held down comes again, where nothing has come of it."""


def hold_enter(pty: Pty, until: str) -> None:
    """Hold Enter down until a text is on the screen."""
    last, sent = "", 0.0

    def seen() -> bool:
        # One at a time: where the program lags behind, more of them would lead beyond that text.
        nonlocal last, sent
        if until not in pty.text and (pty.text != last or time.monotonic() - sent > REPEAT_SECONDS):
            last, sent = pty.text, time.monotonic()
            pty.send(ENTER)
        return until in pty.text

    pty.wait_until(seen)


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
def test_the_terminal_is_given_back_and_nothing_is_kept(tmp_path: Path, key: str) -> None:
    with play(tmp_path, "3", "--free-rows", "4", "--theme", "projector") as pty:
        pty.wait_for("Enter begins>")
        hold_enter(pty, "2/6 TRANSACTION")
        assert not any(pty.lines()[14:])
        pty.send(key)
        assert pty.wait_exit() == 0
        assert pty.restored
        margins = pty.screen.margins
        assert margins is None or (margins.top, margins.bottom) == (0, 17)
        assert not CYAN_OR_MAGENTA.search(pty.raw)
    assert list(tmp_path.iterdir()) == [], "neither progress nor history is touched"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="there is no /proc here")
def test_a_demo_that_is_stopped_gives_all_rows_back(tmp_path: Path) -> None:
    # A program can be stopped only where somebody can continue it: below a shell with job control.
    shell = ["sh", "-c", 'set -m; "$@"; echo it is stopped; sleep 0.1; fg >&2; exit 0', "sh"]
    command = [*shell, *poptalk("play", "3", "--free-rows", "4")]
    with Pty(command, columns=60, rows=18, env=environment(XDG_STATE_HOME=str(tmp_path))) as pty:
        pty.wait_for("Enter begins>")
        assert b"\x1b[1;14r" in pty.raw
        program = Path(f"/proc/{pty.process.pid}/task/{pty.process.pid}/children").read_text()
        os.kill(int(program), signal.SIGTSTP)
        pty.wait_for("it is stopped")
        stopped = bytes(pty.raw)
        assert stopped.rindex(b"\x1b[r") > stopped.rindex(b"\x1b[1;14r")
        pty.wait_until(lambda: bytes(pty.raw).rindex(b"\x1b[1;14r") > len(stopped) - 1)
        pty.wait_for("Enter begins>")
        assert not any(pty.lines()[14:])
        pty.send(CTRL_D)
        assert pty.wait_exit() == 0


def test_the_speaker_has_a_second_terminal(tmp_path: Path) -> None:
    file = tmp_path / "notes"
    with play(tmp_path, "--show-notes", file) as notes:
        notes.wait_for("q leaves")
        with play(tmp_path, "3", "--notes", file, "--from", "letter-by-letter") as pty:
            pty.wait_for("Enter begins>")
            pty.send(ENTER)
            pty.wait_for("3/6 answer a-c>")
            notes.wait_for("step 3 of 6: Letter by letter")
            notes.wait_for("next: a")
            notes.wait_for("note: Let the room add up the sizes.")
            assert "Let the room" not in pty.text
            pty.send(CTRL_D)
            assert pty.wait_exit() == 0
        notes.wait_for("q leaves")
        assert not file.exists()
        notes.send("q")
        assert notes.wait_exit() == 0
        assert notes.restored


def test_a_key_that_is_held_down_deletes_nothing_on_a_server_of_ones_own(
    tmp_path: Path, server: Server
) -> None:
    target = f"pop3://bob@127.0.0.1:{server.port}"
    with play(tmp_path, ARTICLE, target) as pty:
        pty.wait_for("marks messages as deleted")
        pty.send("yes\r")
        pty.wait_for("Enter begins>")
        hold_enter(pty, "(the end)>")
        assert "Not sent. RSET takes the marks back." in " ".join(pty.history())
        pty.send("q")
        assert pty.wait_exit() == 0
    *_, played, left = server.sessions
    assert played.commands == [
        *(b"USER bob", b"PASS jones", b"LIST", b"RETR 2", b"TOP 3 10", b"DELE 3")
    ]
    assert left.commands == [b"USER bob", b"PASS jones", b"QUIT"]


def test_it_needs_a_terminal() -> None:
    done = piped(b"", "play", "3")
    assert done.code == 2
    assert done.stderr == "poptalk: play needs a terminal, for both input and output\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "name a lesson or a dialogue, as in poptalk play 3"),
        (("3", "--free-rows", "14"), "this terminal has 18 rows, and a demo needs 8 of them; 10"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    with play(tmp_path, *arguments, columns=200) as pty:
        assert pty.wait_exit() == 2
        assert sentence in pty.text
        assert pty.restored


@pytest.mark.parametrize(
    ("word", "settings", "sentence"),
    [
        ("99", {}, 'There is no lesson "99"'),
        ("3", {"start": "9"}, "--from 9: Looking has 6 steps"),
        ("3", {"start": "only-two"}, "--from only-two: .* did you mean only-one?"),
        ("3", {"loop": True}, "--loop is for --pace auto"),
        ("none.pop3", {}, "none.pop3 cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_the_screen_changes(
    word: str, settings: dict[str, object], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(UsageError, match=sentence):
        start.play(word, start.PlaySettings(**settings), ShellSettings(), None)  # type: ignore[arg-type]
