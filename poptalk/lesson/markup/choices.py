"""Questions: a task list, `- [x]` right, `- [ ]` wrong, each `choice -- reply`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it.token import Token

from poptalk.lesson.document import Choice, QuizQuestion
from poptalk.lesson.markup.source import LessonText

REPLY = " -- "
"""What parts a choice from what is said to whoever chooses it."""

FEWEST_CHOICES = 2
"""With one choice nothing is asked."""

_MARK = re.compile(r"\[[ xX]\](?=\s|$)")
_ALMOST_A_MARK = re.compile(r"\[\s?[xX]?\s?\](?=\s|$)")


def is_question(tokens: Sequence[Token]) -> bool:
    """Tell whether a list, given with all its tokens, has an item that begins with a mark."""
    return any(_ALMOST_A_MARK.match(text) for text, _ in _items(tokens))


def read_question(source: LessonText, tokens: Sequence[Token]) -> QuizQuestion:
    """Read a task list.

    Args:
        source: notes what is wrong.
        tokens: the list, from its opening token to its closing one.

    Returns:
        The question, without the choices that cannot be read.
    """
    begin = _begin(tokens[0])
    found = [_read_choice(source, text, line) for text, line in _items(tokens)]
    if len(found) < FEWEST_CHOICES:
        source.wrong("one-choice", begin)
    for line in _more_than_paragraphs(tokens):
        source.wrong("long-choice", line)
    choices = tuple(choice for choice in found if choice is not None)
    return QuizQuestion(line=begin + 1, choices=choices)


def _begin(token: Token) -> int:
    return token.map[0] if token.map else 0


def _items(tokens: Sequence[Token]) -> list[tuple[str, int]]:
    """Return the text of each item of the list itself, and the line that it begins on."""
    level = tokens[0].level + 1
    items = []
    for index, token in enumerate(tokens):
        if token.type == "list_item_open" and token.level == level:
            text = ""
            if index + 2 < len(tokens) and tokens[index + 1].type == "paragraph_open":
                text = tokens[index + 2].content
            items.append((text, _begin(token)))
    return items


def _more_than_paragraphs(tokens: Sequence[Token]) -> Iterator[int]:
    """Give the line of each item's second block: another paragraph, a list, a dialogue."""
    level = tokens[0].level + 1
    blocks = 0
    for token in tokens:
        if token.type == "list_item_open" and token.level == level:
            blocks = 0
        elif token.level == level + 1 and token.nesting >= 0:
            blocks += 1
            if blocks == 2:
                yield _begin(token)


def _read_choice(source: LessonText, text: str, line: int) -> Choice | None:
    mark = _MARK.match(text)
    if mark is None:
        source.wrong("item-without-mark", line)
        return None
    right = mark[0] != "[ ]"
    words = " ".join(text[mark.end() :].split())
    # With blanks around it, a reply without a choice is found as well.
    choice, _, reply = (part.strip() for part in f" {words} ".partition(REPLY))
    if not choice:
        source.wrong("choice-without-text", line)
        return None
    if not reply and not right:
        source.wrong("choice-without-reply", line)
    return Choice(line=line + 1, right=right, text=choice, reply=reply)
