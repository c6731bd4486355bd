"""Finding lessons: by number, by name, by path."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.config import lessons_directory
from poptalk.lesson.library import LessonNotFound, curriculum, find_lesson, lesson_files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a few lessons in place of those that come with poptalk."""
    for name in ("10-dots.md", "02-knocking.md", "03-looking.md", "README.md", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "04-folder.md").mkdir()
    monkeypatch.setattr("poptalk.lesson.library.lessons_directory", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize("word", ["3", "03", "0003", "looking", "LOOKING", "03-looking"])
def test_a_lesson_has_many_names(folder: Path, word: str) -> None:
    assert find_lesson(word) == folder / "03-looking.md"


def test_the_curriculum_is_in_order_and_without_other_files(folder: Path) -> None:
    assert [place.id for place in curriculum()] == ["02-knocking", "03-looking", "10-dots"]
    assert [place.number for place in curriculum()] == [2, 3, 10]
    assert [place.name for place in curriculum()] == ["knocking", "looking", "dots"]
    assert lesson_files() == [place.path for place in curriculum()]


def test_a_path_is_taken_as_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_lesson(str(folder / "README.md")) == folder / "README.md"
    monkeypatch.chdir(folder)
    assert find_lesson("README.md") == Path("README.md")
    assert find_lesson("./README.md") == Path("README.md")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("lokking", "did you mean 03-looking?"),
        ("33", "there are 02-knocking, 03-looking, 10-dots"),
        ("9" * 5000, "there are 02-knocking"),
        ("²", "there are 02-knocking"),
        ("", "there are 02-knocking"),
        ("missing.md", "There is no file missing.md; give the path"),
        ("no/such", "There is no file no/such; give the path"),
        ("x\0y.md", "There is no file"),
    ],
)
def test_a_lesson_that_is_not_there(folder: Path, word: str, said: str) -> None:
    with pytest.raises(LessonNotFound) as raised:
        find_lesson(word)
    assert said in str(raised.value)


def test_the_lessons_of_poptalk_are_numbered_from_1_without_a_gap() -> None:
    places = curriculum()
    assert [place.number for place in places] == list(range(1, len(places) + 1))
    assert {place.path.parent for place in places} == {lessons_directory()}
