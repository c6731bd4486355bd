"""`poptalk export`: what it takes, what it refuses, and what it leaves on the disk."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from poptalk.cli import main
from poptalk.cli.options import COMMANDS
from poptalk.export import FORMATS
from poptalk.export.export import WRITERS
from tests.export.documents import dialogues_of_html

DIALOGUE = "C: STAT\nS: +OK 2 320\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.pop3").write_text(DIALOGUE)


def test_the_formats_are_those_of_the_table() -> None:
    assert tuple(WRITERS) == FORMATS
    (option,) = [each for each in COMMANDS["export"].options if each.field == "format"]
    assert option.choices == FORMATS


@pytest.mark.parametrize("end", FORMATS)
def test_the_end_of_the_name_says_the_format(end: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "a.pop3", f"a.{end}"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"a.{end} is written")
    assert ("pace of the cast is made up" in out) == (end == "cast")
    assert "STAT" in Path(f"a.{end}").read_text() or end == "cast"
    # A session has mail in it.
    assert Path(f"a.{end}").stat().st_mode & 0o777 == 0o600


def test_a_lesson_is_for_everybody(capsys: pytest.CaptureFixture[str]) -> None:
    umask = os.umask(0o027)
    try:
        assert main(["export", "looking", "page", "--format", "html"]) == 0
    finally:
        os.umask(umask)
    assert Path("page").stat().st_mode & 0o777 == 0o640
    assert len(dialogues_of_html(Path("page").read_text())) > 5
    assert "is written" in capsys.readouterr().out


def test_a_file_that_is_there_stays(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.md").write_text("mine")
    assert main(["export", "a.pop3", "a.md"]) == 2
    assert "a.md is there already: give another name, or say --force" in capsys.readouterr().err
    assert Path("a.md").read_text() == "mine"
    assert main(["export", "a.pop3", "a.md", "--force"]) == 0
    assert Path("a.md").read_text() == f"# a\n\n```pop3\n{DIALOGUE}```\n"
    assert sorted(os.listdir()) == ["a.md", "a.pop3"]


def test_from_standard_input_to_standard_output(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"C: NOOP\tx\nS: +OK\n")))
    assert main(["export", "-", "-", "--format", "md"]) == 0
    assert capsys.readouterr().out == "# A POP3 session\n\n```pop3\nC: NOOP\tx\nS: +OK\n```\n"


def test_a_document_with_dialogues(capsys: pytest.CaptureFixture[str]) -> None:
    text = f"# Notes\n\nBefore.\n\n```pop3\n{DIALOGUE}C: PASS jones\n```\n\nAfter `code`.\n"
    Path("notes.md").write_text(text)
    assert main(["export", "notes.md", "-", "--format", "md"]) == 0
    assert capsys.readouterr().out == text.replace("jones", "{password}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["a.pop3", "out"],
            "the end of out doesn't say which format it is: .html, .svg, .cast or .md would",
        ),
        (["a.pop3", "-"], "standard output has no name that says which format: add --format"),
        (["nowhere.pop3", "x.md"], "nowhere.pop3 cannot be read: No such file or directory\n"),
        (["nowhere.txt", "x.md"], "nowhere.txt cannot be read: No such file or directory\n"),
        (["lokking", "x.md"], 'There is no lesson "lokking"; did you mean 03-looking?'),
        (["bad.pop3", "x.md"], "bad.pop3:2: a line begins with 'C:', 'S:', 'or' or '#'"),
        (["bad.md", "x.html"], "bad.md:4: a line begins with"),
        (["none.md", "x.html"], "none.md has no dialogue in it: fence one as ```pop3"),
        (["empty.pop3", "x.md"], "empty.pop3 has nothing in it"),
        (["log.jsonl", "x.md"], "log.jsonl is a log as JSON"),
        (["lesson.md", "x.md"], "lesson.md:2: PT003 there is no key"),
        (["a.pop3", "--sheet", "x.md"], "--sheet and --key are for a lesson, and a.pop3 isn't one"),
        (["3", "--key", "x.svg"], "--sheet and --key are for paper"),
        (["3", "--sheet", "--explain", "x.md"], "a work sheet explains nothing"),
        (["3", "--sheet", "--key", "x.md"], "not allowed with argument"),
        (
            ["a.pop3", "no/folder/x.md"],
            "no/folder/x.md cannot be written: no such file or directory",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.pop3").write_text("C: STAT\nSTAT\n")
    Path("bad.md").write_text("x\n\n```pop3\nwrong\n```\n")
    Path("none.md").write_text("# Nothing\n\n```text\nC: STAT\n```\n")
    Path("empty.pop3").write_text("# only a comment\n")
    Path("log.jsonl").write_text('{"time": 0}\n')
    Path("lesson.md").write_text("---\nfoo: bar\n---\n")
    try:
        assert main(["export", *arguments]) == 2
    except SystemExit as error:
        assert error.code == 2  # noqa: PT017 - argparse
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert not Path("x.md").exists()


def test_a_disk_that_is_full_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    assert main(["export", "a.pop3", "/dev/full", "--format", "md"]) == 2
    assert "/dev/full cannot be written: no space left on device" in capsys.readouterr().err
    assert os.path.exists("/dev/full")
