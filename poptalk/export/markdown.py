"""Markdown, for a repository, a report or a wiki; dialogues are fenced."""

from __future__ import annotations

import re
from collections.abc import Iterator

from poptalk.export.page import Blanks, Chapter, Choices, Page, Part, Passage, Talk, shown

_SPECIAL = re.compile(r"([\\`*_\[\]<>&#|~])")
_TICKS = re.compile(r"`{3,}")


def write_markdown(page: Page) -> str:
    """Return a document as Markdown."""
    blocks = [f"# {_text(page.title)}"]
    if page.summary:
        blocks.append(_text(page.summary))
    if page.written_on:
        blocks.append(f"Name: {_line(30)} Date: {_line(15)}")
    for part in page.parts:
        blocks += _blocks(part)
    return "\n\n".join(blocks) + "\n"


def _blocks(part: Part) -> Iterator[str]:
    match part:
        case Passage():
            yield shown(part.source)
        case Chapter():
            yield f"## {_text(part.text)}"
        case Talk():
            if part.caption:
                yield f"{_text(part.caption)}:"
            longest = max(map(len, _TICKS.findall(part.text)), default=2)
            fence = "`" * (longest + 1)
            yield f"{fence}pop3\n{part.text}{fence}"
        case Choices():
            marks = {False: "[ ]", True: "[x]"}
            yield "\n".join(
                f"- {marks[place in part.ticked]} {shown(text)}"
                for place, text in enumerate(part.texts)
            )
        case Blanks():
            yield from (f"{_text(label)} {_line(60)}" for label in part.labels)


def _line(characters: int) -> str:
    """Return a line to write on."""
    return "\\_" * characters


def _text(text: str) -> str:
    """Escape text, so that Markdown shows it as it is."""
    return _SPECIAL.sub(r"\\\1", shown(text))
