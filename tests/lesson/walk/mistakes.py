"""Likely mistakes: what people type where a lesson awaits a certain line.

Each has the name of its kind, by which a finding can be looked up.  They are made from the awaited line
alone, so that a new lesson is walked without a word about it here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from poptalk.lesson.document.model import QuizQuestion

WRONG_PASSWORD = "hunter2x"
"""Typed where a password goes; it must never be seen on a screen."""

LOOKING = ("NOOP", "STAT", "LIST", "UIDL", "CAPA")
"""Commands that only read, and are never wrong after the login."""

WORDS = ("help", "yes", "1", "a", "ok", "done", "next", "hint", "menu", "")
"""What is typed by those who take the prompt for something else."""


class Mistake(NamedTuple):
    """A line that is typed by mistake."""

    kind: str
    line: str


def mistakes_for(line: str, *, later: Sequence[str]) -> Iterator[Mistake]:
    """Give likely mistakes where a command is awaited.

    Args:
        line: the awaited line.
        later: lines that are awaited later on, in their order.
    """
    keyword, *arguments = line.split(" ")
    for misspelt in misspellings(keyword):
        yield Mistake("a near miss of the keyword", " ".join((misspelt, *arguments)))
    yield from _of_arguments(keyword, arguments)
    yield from _around(line)
    for each in dict.fromkeys(later):
        if each != line:
            yield Mistake("too early", each)
    for each in LOOKING:
        if each != line:
            yield Mistake("looking around", each)
    for each in WORDS:
        yield Mistake("a word", each)


def misspellings(keyword: str) -> Iterator[str]:
    """Give a word with a letter dropped, doubled, changed, and with two letters swapped."""
    for at in range(len(keyword)):
        yield keyword[:at] + keyword[at + 1 :]
        yield keyword[: at + 1] + keyword[at:]
        yield keyword[:at] + ("O" if keyword[at] != "O" else "0") + keyword[at + 1 :]
        if at + 1 < len(keyword) and keyword[at] != keyword[at + 1]:
            yield keyword[:at] + keyword[at + 1] + keyword[at] + keyword[at + 2 :]


def _of_arguments(keyword: str, arguments: Sequence[str]) -> Iterator[Mistake]:
    if keyword == "PASS":
        yield Mistake("another password", f"PASS {WRONG_PASSWORD}")
        yield Mistake("another password", f"PAS {WRONG_PASSWORD}")
        yield Mistake("another password", f"PASSWORD {WRONG_PASSWORD}")
        yield Mistake("another password", f" PASS {WRONG_PASSWORD}")
        yield Mistake("a word too many", f"PASS {' '.join(arguments)} ")
    if not arguments:
        yield Mistake("a surplus argument", f"{keyword} 1")
        yield Mistake("a surplus argument", f"{keyword} all")
        return
    yield Mistake("a missing argument", keyword)
    yield Mistake("a missing argument", f"{keyword} ")
    if len(arguments) > 1:
        yield Mistake("a missing argument", f"{keyword} {arguments[0]}")
        yield Mistake("swapped arguments", " ".join((keyword, *reversed(arguments))))
        yield Mistake("something glued", f"{keyword} {', '.join(arguments)}")
    if keyword != "PASS":
        yield Mistake("a surplus argument", f"{keyword} {' '.join(arguments)} 1")
        yield Mistake("something glued", f"{keyword} {' '.join(arguments)}.")
    yield Mistake("a space left out", keyword + " ".join(arguments))
    yield Mistake("without the command", " ".join(arguments))
    for at, argument in enumerate(arguments):
        if not argument.isdigit():
            continue
        for other in (str(int(argument) + 1), "0", "99", "one", f"#{argument}", f"<{argument}>"):
            changed = (*arguments[:at], other, *arguments[at + 1 :])
            yield Mistake("another number", " ".join((keyword, *changed)))


def _around(line: str) -> Iterator[Mistake]:
    yield Mistake("something around it", f'"{line}"')
    yield Mistake("in small letters", line.lower())
    yield Mistake("something around it", f"`{line}`")
    yield Mistake("something around it", f"Send {line}")
    yield Mistake("something around it", f"C: {line}")
    yield Mistake("something around it", f" {line}")
    if not line.startswith("PASS"):
        yield Mistake("something around it", f"{line}.")
        yield Mistake("something around it", f"{line}  ")


def mistakes_in_response(line: str) -> Iterator[Mistake]:
    """Give likely mistakes where the answer to a challenge is awaited."""
    for wrong in (line[:-1], line[1:], line + "=", f'"{line}"', f"{line}.", "bob jones", "*", "="):
        yield Mistake("another response", wrong)
    yield Mistake("too early", "STAT")


def mistakes_at_question(question: QuizQuestion) -> Iterator[Mistake]:
    """Give wrong and unclear answers to a question."""
    count = len(question.choices)
    for number, choice in enumerate(question.choices, 1):
        if not choice.right:
            yield Mistake("a wrong choice", "abcdefgh"[number - 1])
            yield Mistake("a wrong choice", choice.text)
    for unclear in ("", "z", str(count + 7), "I don't know", "?", "yes", "a or b"):
        yield Mistake("no choice", unclear)
    for each in LOOKING:
        yield Mistake("looking around", each)


def right_answers(question: QuizQuestion) -> Iterator[str]:
    """Give the ways to say the right answer."""
    for letter, choice in zip("abcdefgh", question.choices, strict=False):
        if choice.right:
            yield from (letter, letter.upper(), f"{letter})", f" {letter}. ", choice.text)
            yield choice.text.replace("`", "").capitalize() + "."
