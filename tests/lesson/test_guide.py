"""The guide for authors (docs/lessons.md) says what the reader does."""

from __future__ import annotations

import re
from email import message_from_string
from email.policy import default
from pathlib import Path

import pytest

from poptalk.cli.options import LESSONS
from poptalk.lesson.document.blocks import WORDS
from poptalk.lesson.document.model import (
    CODES,
    Block,
    BlockKind,
    Item,
    Prose,
    QuizQuestion,
    SpeakerNote,
)
from poptalk.lesson.document.parser import KEYS, read_lesson
from poptalk.transcript.model import FORMS
from poptalk.transcript.placeholders import REASONS

GUIDE = (Path(__file__).parents[2] / "docs" / "lessons.md").read_text(encoding="utf-8")


def table(heading: str) -> dict[str, str]:
    """Return the rows of the table whose first column has a heading: the first cell and the last."""
    found = re.search(rf"^\| {heading} \|.*\n\|.*\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    assert found is not None
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in found[1].splitlines()]
    return {row[0].strip("`"): " ".join(row[1:]) for row in rows}


def test_the_example_has_each_of_the_seven_things() -> None:
    (example,) = re.findall(r"^````markdown\n(.*?)^````$", GUIDE, re.DOTALL | re.MULTILINE)
    lesson = read_lesson(example, name="example", path=Path("example.md"))
    items: list[Item] = [*lesson.introduction, *(i for step in lesson.steps for i in step.items)]
    blocks = [item for item in items if isinstance(item, Block)]
    assert {type(item) for item in items} == {Prose, Block, QuizQuestion, SpeakerNote}
    assert {block.kind for block in blocks} == {BlockKind.SETUP, BlockKind.TASK}
    assert any(block.mistakes for block in blocks)
    assert all(block.hints for block in blocks if block.kind is BlockKind.TASK)


def test_the_table_of_codes() -> None:
    assert table("code") == CODES, "copy poptalk/lesson/faults.toml to docs/lessons.md"


@pytest.mark.parametrize("key", KEYS)
def test_the_table_of_keys(key: str) -> None:
    about = KEYS[key]
    otherwise = {None: "needed", "": "none"}.get(about.default, f"`{about.default}`")
    assert table("key")[key] == f"{about.meaning} {otherwise}"
    assert table("key").keys() == KEYS.keys()


def test_the_table_of_blocks() -> None:
    assert set(table("block")) == {"pop3", *(f"pop3 {word}" for word in WORDS)}


def test_the_table_of_placeholders_and_stage_directions() -> None:
    written = " ".join(table("written"))
    named = set(re.findall(r"\{([a-z0-9-]+)[^}]*\}", written)) - {"n"}
    assert named == set(REASONS)
    assert {form for form in FORMS if form in written} == set(FORMS)


def test_the_example_of_a_message_is_one() -> None:
    (example,) = re.findall(r"^```text\n(From: .*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    message = message_from_string(example, policy=default)
    assert message["Subject"] == "The beacon"
    assert message["From"].addresses[0].domain == "club.example"
    assert message.get_content().startswith("It has changed")


def test_the_commands_exist() -> None:
    named = set(re.findall(r"poptalk lessons (\w+)", GUIDE))
    assert named
    assert named <= set(LESSONS)
