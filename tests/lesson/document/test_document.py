"""What a lesson can be asked about itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.lesson.document.model import Block, BlockKind, Lesson, Prose
from poptalk.lesson.document.parser import read_lesson

FRONT = "---\ntitle: T\nsummary: S\nminutes: 1\nmailbox: letters\n---\n# T\n\n"


def lesson(*, introduction: str = "", step: str = "Read.\n") -> Lesson:
    text = f"{FRONT}{introduction}\n## One\n\n{step}"
    return read_lesson(text, name="t", path=Path("t.md"))


def block(word: str, *lines: str) -> str:
    dialogue = "".join(f"C: {line}\nS: +OK\n" for line in lines)
    return f"```pop3 {word}\n{dialogue}```\n"


@pytest.mark.parametrize("word", [kind.value for kind in BlockKind])
def test_a_lesson_deletes_whoever_does_it(word: str) -> None:
    assert lesson(step=block(word, "STAT", "DELE 1")).deletes
    assert not lesson(step=block(word, "STAT", "RSET")).deletes


def test_what_stands_above_the_first_step_deletes_too() -> None:
    assert lesson(introduction=block("setup", "dele 1")).deletes


def test_its_parts_in_their_order() -> None:
    found = lesson(introduction="Above.\n", step=f"{block('show', 'STAT')}\nBelow.\n")
    assert [type(item) for item in found.items()] == [Prose, Block, Prose]
    assert [each.kind for each in found.blocks()] == [BlockKind.SHOW]
    assert list(found.blocks(BlockKind.TASK, BlockKind.SETUP)) == []
