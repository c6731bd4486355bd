"""What a demo types: the lines that a lesson awaits, its answers and its mistakes.

A demo is a lesson in which the script types.  So the tutor runs it as ever, and here is only what is
typed next, and what becomes of the prose: captions, since an audience listens to somebody already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from string import ascii_lowercase

from poptalk.lesson.actions import Awaiting
from poptalk.lesson.document.model import (
    Block,
    BlockKind,
    Item,
    Lesson,
    Prose,
    QuizQuestion,
    Step,
    Turn,
)
from poptalk.lesson.runner import Tutor
from poptalk.lesson.session import items_at
from poptalk.lesson.task import LINE_END
from poptalk.lesson.verify.mutations import instances
from poptalk.shell.commands.registry import LOCAL_PREFIX
from poptalk.shell.shell import typed_text
from poptalk.terminal.markdown import make_parser
from poptalk.transcript.model import Send
from poptalk.transcript.pattern import FillError

HANG_UP = f"{LOCAL_PREFIX}close"
"""What is typed to hang up without a word."""

_SEND = f"{LOCAL_PREFIX}send "


def captioned(lesson: Lesson, *, bare: bool) -> Lesson:
    """Return a lesson for an audience; the place of each item is the same.

    Of the prose, only the sentence that leads to what happens next is left.  What a learner does with
    another program is done here, where everybody sees it.

    Args:
        lesson: the lesson.
        bare: whether the prose and the questions are left out.
    """

    def of(items: tuple[Item, ...]) -> tuple[Item, ...]:
        following = [*pairwise(items), *((item, None) for item in items[-1:])]
        return tuple(_captioned(*pair, bare=bare) for pair in following)

    steps = tuple(replace(step, items=of(step.items)) for step in lesson.steps)
    return replace(lesson, introduction=of(lesson.introduction), steps=steps)


def _captioned(item: Item, following: Item | None, *, bare: bool) -> Item:
    match item:
        case Prose() if bare or not _is_led_to(following):
            return replace(item, source="")
        case Prose():
            return replace(item, source=caption(item.source))
        case QuizQuestion() if bare:
            return Prose(line=item.line, source="")
        case Block(outside=True):
            return replace(item, outside=False)
        case _:
            return item


def caption(prose: str) -> str:
    """Return what an audience has to read: the last paragraph, and what is there to be looked at.

    That is code, tables and dialogues.  Where they come last, the paragraph that leads to them is kept.
    """
    lines = prose.split("\n")
    blocks = [token for token in make_parser().parse(prose) if token.map and not token.level]
    paragraphs = [token for token in blocks if token.type == "paragraph_open"]
    kept = [token for token in blocks if token.type in _LOOKED_AT or token in paragraphs[-1:]]
    return "\n\n".join("\n".join(lines[slice(*(token.map or ()))]).rstrip() for token in kept)


_LOOKED_AT = ("code_block", "fence", "table_open")


def _is_led_to(item: Item | None) -> bool:
    return isinstance(item, QuizQuestion) or (
        isinstance(item, Block) and item.kind is not BlockKind.SETUP
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is shown of a lesson or a dialogue."""

    lesson: Lesson
    """As it was written."""
    headings: bool = True
    """Whether the headings of steps are shown."""
    goes_on: bool = False
    """Whether a step begins as soon as the one before it is done: of a dialogue each is a line."""

    def said_now(self, tutor: Tutor) -> Iterator[Prose]:
        """Give the prose since the last thing that was done, up to what is to be done next."""
        cursor = tutor.cursor
        before = items_at(self.lesson, cursor.step)[: cursor.item]
        found: list[Prose] = []
        for item in before:
            if isinstance(item, Block | QuizQuestion):
                found.clear()
            elif isinstance(item, Prose):
                found.append(item)
        yield from found


def block_of(lesson: Lesson, tutor: Tutor) -> Block | None:
    """Return the task that is awaited; None where something else is."""
    item = _item(lesson, tutor)
    return item if isinstance(item, Block) and item.kind is BlockKind.TASK else None


def question_of(lesson: Lesson, tutor: Tutor) -> QuizQuestion | None:
    """Return the question that is asked; None where none is."""
    item = _item(lesson, tutor)
    asked = tutor.awaiting is Awaiting.CHOICE
    return item if isinstance(item, QuizQuestion) and asked else None


def _item(lesson: Lesson, tutor: Tutor) -> Item | None:
    items = items_at(lesson, tutor.cursor.step)
    return items[tutor.cursor.item] if tutor.cursor.item < len(items) else None


def letters(question: QuizQuestion) -> list[str]:
    """Return the letters of a question's choices, those of the right ones last."""
    lettered = zip(ascii_lowercase, question.choices, strict=False)
    return [letter for letter, _ in sorted(lettered, key=lambda pair: pair[1].right)]


def line_of(tutor: Tutor) -> str | None:
    """Return what is typed for the turn that is awaited; None where it is not to be typed."""
    turn = tutor.awaited
    if turn is None:
        return None
    if turn.hangs_up:
        return HANG_UP
    if not isinstance(turn.act, Send):
        return None
    try:
        if tutor.in_one_go:
            lines = (_filled(each, tutor) for each in tutor.in_one_go)
            return _SEND + "".join(f"{_escaped(line)}{LINE_END}" for line in lines)
        line = _filled(turn, tutor)
    except FillError:
        return None
    if not line.isprintable():
        return f"{_SEND}{_escaped(line)}{LINE_END}"
    return typed_text(line.encode("utf-8", "surrogateescape"))


def _filled(turn: Turn, tutor: Tutor) -> str:
    assert isinstance(turn.act, Send)
    return turn.act.step.pattern.fill(tutor.bindings)


def _escaped(line: str) -> str:
    """Write a line as `:send` reads it."""
    return "".join(_as_escape(character) for character in line)


def _as_escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    return "".join(f"\\x{octet:02x}" for octet in character.encode("utf-8", "surrogateescape"))


def is_endless(block: Block | None, tutor: Tutor) -> bool:
    """Tell whether the reply to the line that is awaited has no end, so that hanging up comes next."""
    turn = tutor.cursor.turn
    if block is None or turn >= len(block.turns):
        return False
    return block.turns[turn].is_endless(next(iter(block.turns[turn + 1 :]), None))


def mistake_in(step: Step | None, block: Block | None, tutor: Tutor) -> str | None:
    """Return a line that makes the first mistake that is listed: for the task, else for the step.

    Args:
        step: the step that is shown.
        block: the task that is awaited.
        tutor: knows what the lesson has captured.
    """
    blocks = [block] if block is not None else []
    blocks += step.blocks(BlockKind.TASK) if step is not None else ()
    for mistake in (mistake for each in blocks for mistake in each.mistakes):
        act = mistake.turn.act
        assert isinstance(act, Send)
        right = line_of(tutor)
        fitting = instances(act.step.pattern, tutor.bindings)
        if (line := next((each for each in fitting if each != right), None)) is not None:
            return typed_text(line.encode("utf-8", "surrogateescape"))
    return None
