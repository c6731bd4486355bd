"""`poptalk lessons new`: a lesson that lacks nothing but its words."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.lesson.document import BlockKind, Question, SpeakerNote
from poptalk.lesson.front_matter import KEYS
from poptalk.lesson.markup.fences import WORDS
from poptalk.lesson.proof.prove import prove
from poptalk.lesson.reader import load_lesson
from poptalk.lesson.skeleton import CannotWrite, skeleton, title_of, write_skeleton


@pytest.mark.parametrize("name", ["14-my-lesson", "14-my-lesson.md"])
def test_it_is_a_lesson(tmp_path: Path, name: str) -> None:
    path = write_skeleton(str(tmp_path / name))
    assert path == tmp_path / "14-my-lesson.md"
    lesson = load_lesson(path)
    assert (lesson.name, lesson.title) == ("14-my-lesson", "My lesson")
    items = [*lesson.introduction, *(item for step in lesson.steps for item in step.items)]
    blocks = [block for step in lesson.steps for block in step.blocks()]
    assert {block.kind for block in blocks} == set(BlockKind) - {BlockKind.SETUP}
    assert any(isinstance(item, Question) for item in items)
    assert any(isinstance(item, SpeakerNote) for item in items)
    assert any(block.mistakes for block in blocks)


def test_nothing_is_wrong_with_it_but_that_it_is_not_written(tmp_path: Path) -> None:
    path = write_skeleton(str(tmp_path / "mine"))
    lines = path.read_text(encoding="utf-8").splitlines()
    left = [number for number, line in enumerate(lines, 1) if "TODO" in line]
    found = [(fault.code, fault.line_number) for fault in prove(path).faults]
    assert len(left) > 10
    assert found == [("PT060", number) for number in left]


def test_it_explains_everything() -> None:
    text = skeleton("A title")
    for word in (*KEYS, *(f'"pop3 {word}"' for word in WORDS), '"pop3" block', "[!TIP]", "note:"):
        assert word in text
    for key, about in KEYS.items():
        if about.default:
            assert f"# {key}: {about.default}\n" in text


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("mine", encoding="utf-8")
    with pytest.raises(CannotWrite, match=r"mine\.md is there already; give another name\."):
        write_skeleton(str(tmp_path / "mine"))
    assert (tmp_path / "mine.md").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["no/such/folder", "x\0y"])
def test_what_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotWrite, match="cannot be written"):
        write_skeleton(str(tmp_path / name))


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
