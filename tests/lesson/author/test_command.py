"""`poptalk lessons ...`: what each subcommand prints, and its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.cli import main
from poptalk.cli.options import LESSONS
from poptalk.cli.parser import parse
from poptalk.lesson.author.command import lessons
from poptalk.lesson.library import curriculum
from poptalk.terminal.screen import LinearScreen
from poptalk.terminal.theme import NEUTRAL
from tests.servers.terminal import Terminal
from tests.shell.black_box import piped


def done(*words: str, columns: int = 80) -> tuple[int, list[str], list[str]]:
    """Return the exit code, what was said and what was complained of."""
    said: list[str] = []
    complained: list[str] = []
    screen = LinearScreen(Terminal(columns), theme=NEUTRAL, color=False)
    code = lessons(
        **parse("lessons", words), screen=screen, say=said.append, complain=complained.append
    )
    return code, said, complained


def test_list() -> None:
    code, said, complained = done("list")
    assert (code, complained) == (0, [])
    assert said[0].startswith(" 1  ")
    assert not any(str(place.path) in row for place in curriculum() for row in said)


def test_list_with_paths() -> None:
    _, said, _ = done("list", "--paths")
    for place in curriculum():
        assert f"    {place.path}" in said


def test_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, said, complained = done("new", "mine")
    assert (code, complained) == (0, [])
    first, second = said[0].split("\n")
    assert first.startswith("mine.md is begun.")
    assert second == "  poptalk lessons watch mine.md"
    assert (tmp_path / "mine.md").is_file()


def test_new_over_an_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done("new", "mine")
    assert done("new", "mine") == (2, [], ["mine.md is there already; give another name."])


def test_watch_of_a_lesson_that_is_not_there() -> None:
    code, said, (complaint,) = done("watch", "lokking")
    assert (code, said) == (2, [])
    assert "did you mean 03-looking?" in complaint


def test_an_incomplete_installation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise FileNotFoundError("The lessons are missing.")

    monkeypatch.setattr("poptalk.lesson.library.lessons_directory", missing)
    assert done("list") == (2, [], ["The lessons are missing."])


@pytest.mark.parametrize("words", [[], ["lsit"], ["new"], ["watch"], ["list", "x"]])
def test_what_cannot_be_meant(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["lessons", *words])
    assert "usage: poptalk lessons" in capsys.readouterr().err


@pytest.mark.parametrize("action", LESSONS)
def test_every_action_has_its_help(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["lessons", action, "--help"])
    assert LESSONS[action].summary[1:] in " ".join(capsys.readouterr().out.split())


def test_options_may_stand_before_the_target_and_behind_it() -> None:
    given = parse("lessons", ["record", "x", "--tls", "pop.example", "995"])
    target = ("pop.example", "995")
    assert given == {"action": "record", "name": "x", "tls": True, "target": target}


def test_the_whole_process(tmp_path: Path) -> None:
    finished = piped(b"", "lessons", "list", cwd=tmp_path)
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.stdout.decode().splitlines() == done("list")[1]
