"""Whether a lesson has all its parts: hints, one right choice, names that stand for something."""

from __future__ import annotations

from collections.abc import Iterator

from poptalk.lesson.document import BlockKind, Question
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
            yield subject.fault(
                "PT030",
                block.line,
                "a task has no hint",
                "write '> [!TIP]' and a nudge below it; the answer itself is added as the last one",
            )


def check_questions(subject: Subject) -> Iterator[LessonFault]:
    """Find questions without one right choice, and wrong choices without a reply (PT024)."""
    for item in subject.lesson.items():
        if not isinstance(item, Question):
            continue
        right = sum(choice.right for choice in item.choices)
        if right != 1:
            yield subject.fault(
                "PT024",
                item.line,
                f"this question has {right or 'no'} right choice{'s' * (right > 1)}",
                "mark exactly one of them with '[x]'",
            )
        for choice in item.choices:
            if not choice.right and not choice.reply:
                yield subject.fault(
                    "PT024",
                    choice.line,
                    "a wrong choice has no reply",
                    "write ' -- ' behind it, and why it is wrong",
                )


def check_names(subject: Subject) -> Iterator[LessonFault]:
    """Find comments on mistakes with a name in braces that stands for nothing (PT028)."""
    for block in subject.lesson.blocks(BlockKind.TASK):
        for mistake in block.mistakes:
            captured = dict.fromkeys(_captured(mistake.dialogue), "")
            if "{" in filled(mistake.comment.source, captured):
                names = ", ".join(f"{{{name}}}" for name in captured) or "nothing"
                yield subject.fault(
                    "PT028",
                    mistake.comment.line,
                    "the comment has braces around what the mistake does not capture",
                    f"it captures {names}; write such a name, or no braces",
                )


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
                "PT033",
                line_of_key(lesson.path, "after"),
                f"there is no lesson '{name}' beside this one",
                near_miss(name, known),
            )
