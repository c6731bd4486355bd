"""The fenced `pop3` blocks of a lesson: what the word behind `pop3` means, and the dialogue inside."""

from __future__ import annotations

from markdown_it.token import Token

from poptalk.lesson.document import BlockKind
from poptalk.lesson.errors import near_miss
from poptalk.lesson.markup.source import LessonText
from poptalk.notation.dialogue import (
    ClientLine,
    Dialogue,
    Direction,
)
from poptalk.notation.reader import NotationError, parse_dialogue

LANGUAGE = "pop3"
"""The word that makes a fenced block more than prose."""

MISTAKE = "mistake"
"""The word of a block that is not to be done but to be waited for."""

WORDS = (*(kind.value for kind in BlockKind if kind.value), MISTAKE)
"""Every word that may stand behind `pop3`."""

MOST_NOTATION_FAULTS = 10
"""Faults told of one block: whoever pasted something else into it needs no more."""


def is_pop3(fence: Token) -> bool:
    """Tell whether a fenced block is meant for poptalk; `POP3` and `pop-3` are, and are faults."""
    return (
        fence.info.split(None, 1)[0].casefold().startswith("pop") if fence.info.strip() else False
    )


def has_end(source: LessonText, fence: Token) -> bool:
    """Tell whether a fenced block was closed, and not only by the end of what it stands in."""
    begin, end = fence.map or (0, 0)
    last = source.lines[end - 1].strip().lstrip("> \t")
    return end - begin > 1 and len(last) >= len(fence.markup) and not last.strip(fence.markup[0])


def read_word(source: LessonText, fence: Token) -> BlockKind | str | None:
    """Read what stands behind the three back-quotes.

    Returns:
        The kind of block, MISTAKE, or None where it is none; that is noted as a fault.
    """
    words = fence.info.split()
    word = " ".join(words[1:])
    if words[0] == LANGUAGE and word in ("", *WORDS):
        return MISTAKE if word == MISTAKE else BlockKind(word)
    line = (fence.map or (0, 0))[0]
    if words[0] != LANGUAGE:
        meant = " ".join((LANGUAGE, *words[1:]))
        source.wrong("not-pop3", line, word=words[0], meant=meant)
    else:
        source.wrong(
            "unknown-block",
            line,
            word=word,
            advice=near_miss(word, WORDS, form=f"'{LANGUAGE} {{}}'"),
        )
    return None


def read_dialogue(source: LessonText, fence: Token) -> Dialogue:
    """Read what stands between the fences; every line that is wrong is noted, and left out."""
    lines = fence.content.split("\n")
    opening = (fence.map or (0, 0))[0]
    first = opening + 1
    for _ in range(MOST_NOTATION_FAULTS):
        try:
            dialogue = parse_dialogue("\n".join(lines), name=str(source.path), first_line=first + 1)
        except NotationError as error:
            line = error.line_number - 1
            source.wrong(
                "notation", line, quote=error.line, problem=error.problem, advice=error.advice
            )
            _put_right(lines, line - first)
            continue
        if not any(isinstance(step, ClientLine | Direction) for step in dialogue.steps):
            source.wrong("nothing-to-send", opening)
        return dialogue
    return Dialogue(name=str(source.path), steps=())


def _put_right(lines: list[str], index: int) -> None:
    """Put a line in place of a faulty one, so that an `or` line below it is as right as it was."""
    line, below = lines[index].lstrip(), "".join(lines[index + 1 : index + 2]).lstrip()
    if line.startswith("or "):
        lines[index] = "or NOOP"
    elif line.startswith("C:") or below.startswith("or "):
        lines[index] = "C: NOOP"
    else:
        lines[index] = "#"
