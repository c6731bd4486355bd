"""What is kept of a class: the table, and the dialogues."""

from __future__ import annotations

import csv
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poptalk.classroom.results import CannotWriteResults, ClassResults, Dialogues, cell
from poptalk.cli import main
from tests.classroom.rooms import PASSWORD, Caller, a_room, seen, wait_until
from tests.shell.black_box import environment, piped, poptalk

Rows = list[dict[str, str]]


def rows_of(path: Path) -> Rows:
    """Read a table as a spreadsheet does."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [*csv.DictReader(file)]


@contextmanager
def a_class(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `poptalk class 3` with lines in place of a board, and give its port."""
    words = poptalk("class", "3", f"--any-name={PASSWORD}", "--plain", *arguments)
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment()
    ) as running:
        assert running.stdout is not None
        port = 0
        while not port:
            found = re.search(rb"telnet 127\.0\.0\.1 (\d+)", running.stdout.readline())
            port = int(found[1]) if found else 0
        try:
            yield running, port
        finally:
            running.kill()


def test_kill_9_loses_no_finished_step(tmp_path: Path) -> None:
    path = tmp_path / "class.csv"
    with a_class("--results", str(path)) as (running, port), Caller(port) as ada:
        # Each step is in the file before its last reply is on the wire.
        ada.log_in("ada")
        assert [row["title"] for row in rows_of(path)] == ["Log in"]
        ada.type("STTA", "STAT", "LIST", "LIST 3")
        running.send_signal(signal.SIGKILL)
        running.wait()
    done = [row for row in rows_of(path) if row["state"] == "done"]
    assert [row["step"] for row in done] == ["1", "2", "3", "4"]
    assert [row["wrong lines"] for row in done] == ["0", "1", "0", "0"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_who_is_stuck_is_in_the_table_with_what_poptalk_said(tmp_path: Path) -> None:
    with a_room("3") as room, Caller(room.server.port) as ada:
        results = ClassResults(tmp_path / "class.csv", room.pupils, complain=print)
        ada.log_in("ada").type("STTA")
        results.save()
        first, second = rows_of(tmp_path / "class.csv")
        assert (first["state"], second["state"]) == ("done", "not done")
        assert second["last line not asked for"] == "STTA"
        assert second["what poptalk said"] == seen(room, "ada").remark


@pytest.mark.parametrize("text", ["=cmd", "+1", "-1", "@x", "  =cmd", "|x", "%x"])
def test_nothing_is_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_formulas_line_ends_and_quotation_marks_of_pupils_are_text(tmp_path: Path) -> None:
    path = tmp_path / "class.csv"
    with a_room("3") as room, Caller(room.server.port) as pupil:
        results = ClassResults(path, room.pupils, complain=print)
        pupil.log_in('=1+1,"x"').type('=HYPERLINK("http://example.org")\x0bx,y')
        results.save()
    row = rows_of(path)[-1]
    assert row["pupil"] == '\'=1+1,"x"'
    assert row["last line not asked for"] == '\'=HYPERLINK("http://example.org")\\x0bx,y'
    assert path.read_bytes().count(b"\r\n") == len(rows_of(path)) + 1


def test_results_of_another_class_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "class.csv").write_text("yesterday")
    with (
        a_room("3") as room,
        pytest.raises(CannotWriteResults, match="the name of a new file"),
    ):
        ClassResults(tmp_path / "class.csv", room.pupils, complain=print)


def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    told: list[str] = []
    with a_room("3") as room:
        results = ClassResults(folder / "class.csv", room.pupils, complain=told.append)
        (folder / "class.csv").unlink()
        folder.rmdir()
        results.save()
        results.save()
    assert len(told) == 1
    assert "the class goes on" in told[0]


def test_a_dialogue_is_written_as_it_happens_and_replays(tmp_path: Path) -> None:
    folder = tmp_path / "dialogues"
    with a_room("5") as room:
        dialogues = Dialogues(folder, complain=print)
        room.pupils.came, room.pupils.went = dialogues.begin, dialogues.forget
        with Caller(room.server.port, "NOOP") as ada:
            ada.type("USER adda").log_in("ada")
            ada.type("TOP 5 3", "DELE 5")
            text = (folder / "ada.pop3").read_text()
            assert text.startswith("C: <open connection>\n")
            assert "C: NOOP\n" in text
            assert text.endswith("S: +OK message 5 deleted\n")
            assert PASSWORD not in text
            ada.type("QUIT")
        wait_until(lambda: not seen(room, "ada").is_connected)
        with Caller(room.server.port) as ada:
            ada.log_in("ada").type("STAT", "QUIT")
        wait_until(lambda: not seen(room, "ada").is_connected)
        assert sorted(each.name for each in folder.iterdir()) == ["ada.pop3"]
        assert (folder / "ada.pop3").stat().st_mode & 0o777 == 0o600
    with a_room("5") as again:
        done = piped(
            b"", "run", folder / "ada.pop3", "127.0.0.1", again.server.port, "--user", "ada",
            "--var", "x=1", "--password-command", f"echo {PASSWORD}",
        )  # fmt: skip
        assert done.code == 0, done.stdout.decode() + done.stderr


def test_a_name_is_no_path(tmp_path: Path) -> None:
    folder = tmp_path / "dialogues"
    with a_room("3") as room, Caller(room.server.port) as pupil:
        dialogues = Dialogues(folder, complain=print)
        room.pupils.came, room.pupils.went = dialogues.begin, dialogues.forget
        pupil.type("USER ../../x", "USER .profile")
        names = [each.name for each in folder.iterdir()]
        assert names == ["%2eprofile.pop3"]
    assert [each.name for each in tmp_path.iterdir()] == ["dialogues"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("99",), 2, "99"),
        (("16",), 2, "a class cannot do it on one server"),
        (("3", "--results", "/nowhere/class.csv"), 2, "cannot be written"),
        (("3", "--keep", "/dev/null/x"), 2, "cannot be created"),
        (("3", "--listen", "no such host"), 2, "--listen"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(
    arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["class", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in " ".join(err.split())


@pytest.mark.parametrize("option", ["--port", "--tls-port", "--web"])
def test_a_port_that_is_taken_is_a_sentence_and_leaves_no_results(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with a_room("3") as room:
        arguments = [option, str(room.server.port), "--results", str(tmp_path / "class.csv")]
        assert main(["class", "3", *arguments]) == 1
        assert "cannot be listened on" in capsys.readouterr().err
        assert not [*tmp_path.iterdir()]
