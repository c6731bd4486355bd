"""What a document is made from: prose, dialogues, questions and blanks, in their order.

A dialogue in it is written in the notation, and nothing else of a session gets into a document.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from poptalk.transcript.model import Dialogue
from poptalk.transcript.octets import is_hidden
from poptalk.transcript.writer import format_dialogue

REPLACEMENT = "\ufffd"


def shown(text: str) -> str:
    """Return lines with U+FFFD in place of what a screen would hide, reorder or obey."""
    return "".join(REPLACEMENT if is_hidden(c) and c not in "\n" else c for c in text)


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
    """Fit to be shown: see `reading`."""
    caption: str = ""
    """What is said above it."""

    @cached_property
    def text(self) -> str:
        """It in the notation, each line with its end."""
        # A literal line has escapes for what is hidden; a comment and a placeholder have none.
        return shown(format_dialogue(self.dialogue))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What may be answered to a question, one text below the other."""

    texts: tuple[str, ...]
    """Inline Markdown."""
    ticked: Collection[int] = ()
    """The places of those with a tick, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blanks:
    """Lines to write on with a pen."""

    labels: tuple[str, ...]
    """What each begins with, such as `C:`."""


Part = Passage | Chapter | Talk | Choices | Blanks


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A document, whatever its format."""

    title: str
    summary: str = ""
    parts: tuple[Part, ...]
    written_on: bool = False
    """Whether it has a place for a name and a date, since a person writes on it."""
