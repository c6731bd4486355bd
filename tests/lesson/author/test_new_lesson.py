"""The file of a new lesson: its name, its title, and that nothing is written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.lesson.author.command import begin_lesson, lesson_path, title_of, what_is_left
from poptalk.net.endpoint import UsageError


@pytest.mark.parametrize("name", ["14.1-my-lesson", "14.1-my-lesson.md"])
def test_the_suffix_may_be_left_out(name: str) -> None:
    assert lesson_path(f"folder/{name}") == Path("folder") / "14.1-my-lesson.md"


def test_it_is_written_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    begin_lesson(path, "Grüße\n")
    assert path.read_bytes() == "Grüße\n".encode()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"mine\.md is there already; give another name\."):
        begin_lesson(tmp_path / "mine.md", "yours")
    assert (tmp_path / "mine.md").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["no/such/folder", "x\0y"])
def test_what_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        begin_lesson(tmp_path / name)


@pytest.mark.parametrize(
    ("stem", "title"),
    [
        ("14-my-lesson", "My lesson"),
        ("my_lesson", "My lesson"),
        ("STLS", "STLS"),
        ("-", "A lesson"),
        ("3", "3"),
        ("x\x1by", "X y"),
    ],
)
def test_a_title_is_made_of_the_name(stem: str, title: str) -> None:
    assert title_of(stem) == title


def test_the_author_is_told_how_to_go_on() -> None:
    assert what_is_left(Path("mine.md")).endswith("\n  poptalk lessons watch mine.md")
