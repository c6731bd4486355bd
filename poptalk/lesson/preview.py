"""A whole lesson on the screen, for its author: what learners will read, and who does what."""

from __future__ import annotations

from collections.abc import Iterator

from poptalk.lesson.document import Block, BlockKind, Item, Lesson, Prose, QuizQuestion, SpeakerNote
from poptalk.notation.dialogue import Dialogue
from poptalk.notation.writer import format_dialogue
from poptalk.terminal.prose import render_comment, render_item, render_prose
from poptalk.terminal.safe import Fragments, harmless

DOERS = {
    BlockKind.TASK: "The learner does:",
    BlockKind.SHOW: "poptalk shows:",
    BlockKind.SETUP: "poptalk does, folded:",
    BlockKind.PROOF: "poptalk proves, on a second connection:",
}
"""What stands above a block."""

MISTAKE = "By mistake:"

_RIGHT = {True: "[x] ", False: "[ ] "}


def render_lesson(lesson: Lesson, *, columns: int) -> Iterator[Fragments]:
    """Give the rows of a lesson, an empty one behind each part.

    Args:
        lesson: the lesson.
        columns: cells in a row.
    """
    yield [("heading", harmless(lesson.title))]
    yield []
    for item in lesson.introduction:
        yield from _item(item, columns)
    for number, step in enumerate(lesson.steps, 1):
        yield [("heading", f"{number}/{len(lesson.steps)} {harmless(step.title)}")]
        yield []
        for item in step.items:
            yield from _item(item, columns)


def _item(item: Item, columns: int) -> Iterator[Fragments]:
    match item:
        case Prose():
            yield from render_prose(item.source, columns=columns)
            yield []
        case SpeakerNote():
            yield from render_comment(("note", "speaker's note"), item.text, columns=columns)
            yield []
        case QuizQuestion():
            for choice in item.choices:
                text = f"{choice.text} -- {choice.reply}" if choice.reply else choice.text
                yield from render_item(_RIGHT[choice.right], text, columns=columns)
            yield []
            yield from _hints(item.hints, columns)
        case Block():
            yield from _dialogue(DOERS[item.kind], item.dialogue, columns)
            yield from _hints(item.hints, columns)
            for mistake in item.mistakes:
                yield from _dialogue(MISTAKE, mistake.dialogue, columns)
                yield from _prose("not yet", mistake.comment, columns)


def _dialogue(doer: str, dialogue: Dialogue, columns: int) -> Iterator[Fragments]:
    yield [("note", doer)]
    yield from render_prose(f"```pop3\n{format_dialogue(dialogue)}```", columns=columns)
    yield []


def _hints(hints: tuple[Prose, ...], columns: int) -> Iterator[Fragments]:
    for hint in hints:
        yield from _prose("hint", hint, columns)


def _prose(word: str, prose: Prose, columns: int) -> Iterator[Fragments]:
    yield from render_comment(("hint", word), prose.source, columns=columns)
    yield []
