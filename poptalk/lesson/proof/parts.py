"""Whether a lesson has all its parts: hints, one right choice, names that stand for something."""

from __future__ import annotations

from collections.abc import Iterator

from poptalk.lesson.document import BlockKind, QuizQuestion
from poptalk.lesson.errors import LessonFault, near_miss
from poptalk.lesson.front_matter import line_of_key
from poptalk.lesson.proof.subject import Subject
from poptalk.lesson.remarks import filled
from poptalk.lesson.shelf import SUFFIX
from poptalk.notation.dialogue import ClientLine, Dialogue, ServerLine


def check_hints(subject: Subject) -> Iterator[LessonFault]:
    """Find tasks without a hint (PT030)."""
    for block in subject.lesson.blocks(BlockKind.TASK):
        if not block.hints:
            yield subject.fault("no-hint", block.line)


def check_questions(subject: Subject) -> Iterator[LessonFault]:
    """Find questions without one right choice, and wrong choices without a reply (PT024)."""
    for item in subject.lesson.items():
        if not isinstance(item, QuizQuestion):
            continue
        right = sum(choice.right for choice in item.choices)
        if right != 1:
            yield subject.fault(
                "right-choices", item.line, count=right or "no", plural="s" * (right > 1)
            )
        for choice in item.choices:
            if not choice.right and not choice.reply:
                yield subject.fault("no-reply", choice.line)


def check_names(subject: Subject) -> Iterator[LessonFault]:
    """Find comments on mistakes with a name in braces that stands for nothing (PT028)."""
    for block in subject.lesson.blocks(BlockKind.TASK):
        for mistake in block.mistakes:
            captured = dict.fromkeys(_captured(mistake.dialogue), "")
            if "{" in filled(mistake.comment.source, captured):
                names = ", ".join(f"{{{name}}}" for name in captured) or "nothing"
                yield subject.fault("braces", mistake.comment.line, names=names)


def _captured(dialogue: Dialogue) -> Iterator[str]:
    """Give the names that a dialogue captures."""
    for step in dialogue.steps:
        if isinstance(step, ClientLine | ServerLine):
            yield from (each.name for each in step.pattern.placeholders if each.name is not None)


def check_earlier_lessons(subject: Subject) -> Iterator[LessonFault]:
    """Find lessons that should come before and are not there (PT033)."""
    lesson = subject.lesson
    known = sorted(path.stem for path in lesson.path.parent.glob(f"*{SUFFIX}"))
    for name in lesson.after:
        if name not in known:
            yield subject.fault(
                "no-earlier-lesson",
                line_of_key(lesson.path, "after"),
                name=name,
                advice=near_miss(name, known),
            )
