"""What a document is made from: prose, dialogues, questions and blanks, in their order.

A dialogue is written in the notation, and nothing else of a session gets into a document.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from poptalk.transcript.model import Dialogue
from poptalk.transcript.octets import is_hidden
from poptalk.transcript.writer import format_dialogue


def shown(text: str) -> str:
    """Return lines with U+FFFD in place of every character that a screen hides, reorders or obeys."""
    return "".join("\ufffd" if is_hidden(c) and c != "\n" else c for c in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Prose."""

    source: str
    """Markdown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """The heading of a step."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Talk:
    """A dialogue."""

    dialogue: Dialogue
    """Prepared for others: see `reading`."""
    caption: str = ""
    """A line above it."""

    @cached_property
    def text(self) -> str:
        """The dialogue in the notation, each line with its end."""
        # Lines have escapes for hidden characters; comments and placeholders don't.
        return shown(format_dialogue(self.dialogue))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The choices of a question, one below the other."""

    texts: tuple[str, ...]
    """Inline Markdown."""
    ticked: Collection[int] = ()
    """The places of the ticked ones, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blanks:
    """Lines to write on with a pen."""

    labels: tuple[str, ...]
    """The beginning of each, such as `C:`."""


Part = Passage | Chapter | Talk | Choices | Blanks


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A document, whatever its format."""

    title: str
    summary: str = ""
    parts: tuple[Part, ...]
    written_on: bool = False
    """Whether there is room for a name and a date, because people write on it."""
