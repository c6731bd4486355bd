"""The look of a document: the theme in two palettes, and its parts as rows of text.

The theme names colours as terminals do, and each terminal has its own shades for them.  A document
brings its own: a light palette and a dark one, each colour with a contrast of at least 4.5 to its
background (WCAG 2.2 §1.4.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pygments.style import Style

from poptalk.export.page import Blanks, Chapter, Choices, Part, Passage, Talk
from poptalk.terminal.lexer import STYLE_OF_TOKEN
from poptalk.terminal.markdown import broken, dialogue_lines, render_item, render_prose
from poptalk.terminal.safe import Fragments, harmless
from poptalk.terminal.theme import NEUTRAL

TICKS = {False: "\u2610", True: "\u2611"}
"""BALLOT BOX, and BALLOT BOX WITH CHECK."""

QUIET = "quiet"
"""The word for the shade of borders, captions and comments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The shades of a light or a dark document."""

    background: str
    foreground: str
    quiet: str
    """For borders, captions and comments."""
    colours: Mapping[str, str]
    """By their names in the theme."""


LIGHT = Palette(
    background="#ffffff",
    foreground="#1b1f24",
    quiet="#59636e",
    colours={
        "ansired": "#a40e26",
        "ansigreen": "#116329",
        "ansimagenta": "#7d2f9e",
        "ansicyan": "#05596b",
    },
)
DARK = Palette(
    background="#16181d",
    foreground="#d8dee9",
    quiet="#9aa5b8",
    colours={
        "ansired": "#ff7b72",
        "ansigreen": "#7ee787",
        "ansimagenta": "#d2a8ff",
        "ansicyan": "#76d9e6",
    },
)


def words_of(style: str) -> list[str]:
    """Return the theme's words for a style; comments are quieter than the dialogue."""
    return [*NEUTRAL.get(style, "").split(), *([QUIET] if style == "note" else [])]


def pygments_style(palette: Palette) -> type[Style]:
    """Return the theme as a style of Pygments."""
    shades = {**palette.colours, QUIET: palette.quiet}
    looks = {
        token: " ".join(shades.get(word, word) for word in words_of(name))
        for token, name in STYLE_OF_TOKEN.items()
    }
    return type("ThemeStyle", (Style,), {"styles": looks})


def rows_of(part: Part, *, columns: int) -> Iterator[Fragments]:
    """Yield the rows of a part of a document, each a list of texts with their styles.

    Args:
        part: the part.
        columns: cells of a row.
    """
    match part:
        case Passage():
            yield from render_prose(part.source, columns=columns)
        case Chapter():
            yield [("heading", harmless(part.text))]
        case Talk():
            if part.caption:
                yield [("note", f"# {part.caption}")]
            for line in dialogue_lines(part.text.removesuffix("\n")):
                yield from broken(line, columns, [("text", "   ")]) if line else [[]]
        case Choices():
            for place, text in enumerate(part.texts):
                mark = TICKS[place in part.ticked]
                yield from render_item(f"{mark} ", text, columns=columns)
        case Blanks():
            for label in part.labels:
                yield [("text", f"{label} ".ljust(columns, "_").strip())]
