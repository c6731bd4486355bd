"""`poptalk lessons new`: a lesson that lacks nothing but its words."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.lesson.author.command import skeleton
from poptalk.lesson.document.blocks import WORDS
from poptalk.lesson.document.model import BlockKind, QuizQuestion, SpeakerNote
from poptalk.lesson.document.parser import KEYS, load_lesson
from poptalk.lesson.verify.check import check_lesson


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the file of a lesson that is begun."""
    path = tmp_path / "14-my-lesson.md"
    path.write_text(skeleton("My lesson"), encoding="utf-8")
    return path


def test_it_is_a_lesson(path: Path) -> None:
    lesson = load_lesson(path)
    assert (lesson.name, lesson.title) == ("14-my-lesson", "My lesson")
    items = [*lesson.introduction, *(item for step in lesson.steps for item in step.items)]
    blocks = [block for step in lesson.steps for block in step.blocks()]
    assert {block.kind for block in blocks} == set(BlockKind) - {BlockKind.SETUP}
    assert any(isinstance(item, QuizQuestion) for item in items)
    assert any(isinstance(item, SpeakerNote) for item in items)
    assert any(block.mistakes for block in blocks)


def test_nothing_is_wrong_with_it_but_that_it_is_not_written(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    left = [number for number, line in enumerate(lines, 1) if "TODO" in line]
    found = [(fault.code, fault.line_number) for fault in check_lesson(path).faults]
    assert len(left) > 10
    assert found == [("PT060", number) for number in left]


def test_it_explains_everything() -> None:
    text = skeleton("A title")
    for word in (*KEYS, *(f'"pop3 {word}"' for word in WORDS), '"pop3" block', "[!TIP]", "note:"):
        assert word in text
    for key, about in KEYS.items():
        if about.default:
            assert f"# {key}: {about.default}\n" in text
