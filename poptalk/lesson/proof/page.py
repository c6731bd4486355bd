"""How a lesson reads on a screen: nothing is too wide, nothing too long, nothing left to be written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from poptalk.lesson.document import Block, BlockKind, Prose, QuizQuestion, Step
from poptalk.lesson.errors import LessonFault
from poptalk.lesson.proof.subject import Subject
from poptalk.lesson.remarks import MAX_CHARACTERS
from poptalk.terminal.markdown import make_parser
from poptalk.terminal.prose import MOST_COLUMNS
from poptalk.terminal.width import cells, wrap

MOST_LINES_BEFORE_CONTACT = 6
"""Lines of prose before the learner types something: more is skipped, and then missed."""

_TODO = re.compile(r"\bTODO\b")


def check_todos(subject: Subject) -> Iterator[LessonFault]:
    """Find what is still to be written (PT060)."""
    for number, line in enumerate(subject.lines, 1):
        if _TODO.search(line):
            yield subject.fault("todo", number)


def check_columns(subject: Subject) -> Iterator[LessonFault]:
    """Find lines of blocks and tables that do not fit (PT040); prose is wrapped and always does."""
    for token in _parser().parse("\n".join(subject.lines)):
        if token.map is None or token.type not in ("fence", "code_block", "table_open"):
            continue
        for index in range(*token.map):
            if cells(subject.lines[index]) > MOST_COLUMNS:
                yield subject.fault("too-wide", index + 1, most=MOST_COLUMNS)


def check_comments(subject: Subject) -> Iterator[LessonFault]:
    """Find comments on mistakes that are longer than two lines (PT032)."""
    for block in subject.lesson.blocks(BlockKind.TASK):
        for mistake in block.mistakes:
            length = len(" ".join(_texts(mistake.comment)))
            if length > MAX_CHARACTERS:
                yield subject.fault(
                    "long-comment", mistake.comment.line, length=length, most=MAX_CHARACTERS
                )


def check_beginnings(subject: Subject) -> Iterator[LessonFault]:
    """Find steps that talk for long before the learner does anything (PT031)."""
    for step in subject.lesson.steps:
        lines = _lines_before_contact(step)
        if lines > MOST_LINES_BEFORE_CONTACT:
            yield subject.fault(
                "long-beginning", step.line, lines=lines, most=MOST_LINES_BEFORE_CONTACT
            )


def _lines_before_contact(step: Step) -> int:
    """Count the rows of prose above the first task or question; 0 where there is none."""
    rows = 0
    for item in step.items:
        if isinstance(item, QuizQuestion) or (
            isinstance(item, Block) and item.kind is BlockKind.TASK
        ):
            return rows
        if isinstance(item, Prose):
            rows += sum(len(wrap(text, MOST_COLUMNS)) for text in _texts(item))
    return 0


def _texts(prose: Prose) -> Iterator[str]:
    """Give the paragraphs and list items as they are read, without tables and blocks of code."""
    in_table = False
    for token in _parser().parse(prose.source):
        if token.type in ("table_open", "table_close"):
            in_table = token.type == "table_open"
        elif token.type == "inline" and not in_table:
            yield _as_read(token)


def _as_read(inline: Token) -> str:
    return "".join(
        child.content if child.content else " " if child.type.endswith("break") else ""
        for child in inline.children or ()
    )


@cache
def _parser() -> MarkdownIt:
    return make_parser()
