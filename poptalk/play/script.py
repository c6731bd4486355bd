"""What a demo types: the lines that a lesson awaits, its answers and its mistakes.

A demo is a lesson in which the script types.  The tutor runs it as usual, so this file only says what is
typed next, and what is left of the prose: captions, because an audience is already listening to someone.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from string import ascii_lowercase

from poptalk.lesson.document import model
from poptalk.lesson.document.model import Block, BlockKind, Lesson, QuizQuestion
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
"""What is typed to hang up without QUIT."""

_SEND = f"{LOCAL_PREFIX}send "


def captioned(lesson: Lesson, *, bare: bool) -> Lesson:
    """Return a lesson for an audience; each item stays in its place.

    Of the prose, only what leads to the next task or question is left.  What a learner does with another
    program is done here, where everybody sees it.

    Args:
        lesson: the lesson.
        bare: whether the prose and the questions are left out.
    """

    def of(items: tuple[model.Item, ...]) -> tuple[model.Item, ...]:
        following = pairwise((*items, None))
        return tuple(_captioned(item, after, bare=bare) for item, after in following if item)

    steps = tuple(replace(step, items=of(step.items)) for step in lesson.steps)
    return replace(lesson, introduction=of(lesson.introduction), steps=steps)


def _captioned(item: model.Item, following: model.Item | None, *, bare: bool) -> model.Item:
    match item:
        case model.Prose():
            is_block = isinstance(following, Block) and following.kind is not BlockKind.SETUP
            leads = not bare and (is_block or isinstance(following, QuizQuestion))
            return replace(item, source=caption(item.source) if leads else "")
        case QuizQuestion() if bare:
            return model.Prose(line=item.line, source="")
        case Block(outside=True):
            return replace(item, outside=False)
        case _:
            return item


def caption(prose: str) -> str:
    """Return what an audience has to read: the last paragraph, code, tables and dialogues.

    Where one of those comes last, the paragraph that leads to it is kept.
    """
    lines = prose.split("\n")
    blocks = [token for token in make_parser().parse(prose) if token.map and not token.level]
    paragraphs = [token for token in blocks if token.type == "paragraph_open"]
    kept = [token for token in blocks if token.type in _LOOKED_AT or token in paragraphs[-1:]]
    return "\n\n".join("\n".join(lines[slice(*(token.map or ()))]).rstrip() for token in kept)


_LOOKED_AT = ("code_block", "fence", "table_open")


def said_now(lesson: Lesson, tutor: Tutor) -> list[str]:
    """Return the prose since the last thing that was done, up to what is to be done next.

    Args:
        lesson: as it was written, not the captions.
        tutor: knows where it stands.
    """
    cursor = tutor.cursor
    found: list[str] = []
    for item in items_at(lesson, cursor.step)[: cursor.item]:
        if isinstance(item, Block | QuizQuestion):
            found.clear()
        elif isinstance(item, model.Prose):
            found.append(item.source)
    return found


def letters(question: QuizQuestion) -> list[str]:
    """Return the letters of a question's choices, those of the right ones last."""
    lettered = zip(ascii_lowercase, question.choices, strict=False)
    return [letter for letter, _ in sorted(lettered, key=lambda pair: pair[1].right)]


def line_of(tutor: Tutor) -> str | None:
    """Return what is typed for the turn that is awaited; None where nothing can be typed."""
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


def _filled(turn: model.Turn, tutor: Tutor) -> str:
    assert isinstance(turn.act, Send)
    return turn.act.step.pattern.fill(tutor.bindings)


def _escaped(line: str) -> str:
    """Write a line as `:send` reads it."""
    pieces = []
    for character in line.replace("\\", "\\\\"):
        octets = character.encode("utf-8", "surrogateescape")
        escapes = (f"\\x{octet:02x}" for octet in octets)
        pieces.append(character if character.isprintable() else "".join(escapes))
    return "".join(pieces)


def mistake_in(step: model.Step | None, block: Block | None, tutor: Tutor) -> str | None:
    """Return a line that makes the first mistake that is listed for the task, or else for the step.

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
