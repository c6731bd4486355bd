"""SVG: a still picture of a window, with a size, a background and a title of its own.

An image can't know whether the page around it is light or dark, so the window brings its background.
Its text is text: it can be searched, and read aloud.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from poptalk.export.look import DARK, QUIET, rows_of, words_of
from poptalk.export.page import Page, shown
from poptalk.terminal.safe import cells

COLUMNS = 88

CELL_WIDTH, CELL_HEIGHT, FONT_SIZE, BASELINE = 8.4, 18, 14, 13
"""Pixels; most monospaced fonts are 0.6 of their size wide."""

MARGIN = 18

BAR = 32
"""Height of the window's title bar."""

BORDER, TITLE_BACKGROUND = "#4c566a", "#242830"

BUTTONS = ("#ff5f57", "#febc2e", "#28c840")
"""The buttons in the title bar."""

LOOKS = {
    **{word.removeprefix("ansi"): f"fill: {shade}" for word, shade in DARK.colours.items()},
    QUIET: f"fill: {DARK.quiet}",
    "bold": "font-weight: bold",
    "italic": "font-style: italic",
    "underline": "text-decoration: underline",
}
"""The looks of text, by the names of classes."""

Row = Sequence[tuple[str, str]]
"""Texts, each with the names of its classes in front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a picture shows."""

    title: str
    """The title of the picture."""
    bar: str
    """The text of the title bar."""
    description: str
    rows: Sequence[Row]
    columns: int = COLUMNS
    cursor: tuple[int, int] | None = None
    """Its row and column; None for no cursor."""


def write_svg(page: Page) -> str:
    """Return a document as SVG."""
    rows: list[Row] = []
    for part in page.parts:
        if rows:
            rows.append(())
        rows += (
            [(_classes(style), text) for style, text in row]
            for row in rows_of(part, columns=COLUMNS)
        )
    window = Window(title=page.title, bar=page.title, description=page.summary, rows=rows)
    return "\n".join(picture(window)) + "\n"


def _classes(style: str) -> str:
    return " ".join(word.removeprefix("ansi") for word in words_of(style))


def picture(window: Window) -> Iterator[str]:
    """Yield the lines of a picture."""
    width = round(window.columns * CELL_WIDTH + 2 * MARGIN)
    height = BAR + len(window.rows) * CELL_HEIGHT + 2 * MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="title description">'
    )
    yield f'<title id="title">{_text(window.title)}</title>'
    yield f'<desc id="description">{_text(window.description)}</desc>'
    yield "<style>"
    yield (
        f"text {{ font: {FONT_SIZE}px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace;"
        f" fill: {DARK.foreground}; white-space: pre }}"
    )
    yield from (f".{name} {{ {look} }}" for name, look in LOOKS.items())
    yield "</style>"
    yield from _frame(window, width, height)
    for number, row in enumerate(window.rows):
        spans = "".join(_spans(row))
        if spans:
            y = BAR + MARGIN + number * CELL_HEIGHT + BASELINE
            yield f'<text y="{y}" xml:space="preserve">{spans}</text>'
    yield "</svg>"


def _frame(window: Window, width: int, height: int) -> Iterator[str]:
    """Yield the window without its text, and the cursor."""
    yield (
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8" '
        f'fill="{DARK.background}" stroke="{BORDER}"/>'
    )
    right = width - 0.5
    yield (
        f'<path d="M0.5 {BAR}V8.5a8 8 0 0 1 8 -8H{right - 8}a8 8 0 0 1 8 8V{BAR}Z" '
        f'fill="{TITLE_BACKGROUND}"/>'
    )
    for number, colour in enumerate(BUTTONS):
        yield f'<circle cx="{MARGIN + 4 + 18 * number}" cy="{BAR // 2}" r="5.5" fill="{colour}"/>'
    yield (
        f'<text x="{width // 2}" y="{BAR // 2 + 5}" text-anchor="middle" '
        f'style="fill: {DARK.quiet}">{_text(window.bar)}</text>'
    )
    if window.cursor is not None:
        row, column = window.cursor
        yield (
            f'<rect x="{_x(column)}" y="{BAR + MARGIN + row * CELL_HEIGHT}" width="{CELL_WIDTH}" '
            f'height="{CELL_HEIGHT - 1}" fill="{DARK.foreground}" opacity="0.5"/>'
        )


def _spans(row: Row) -> Iterator[str]:
    """Yield the texts of a row with their places; spaces around them are only distance."""
    column = 0
    for classes, part in row:
        text = part.strip(" ")
        if text:
            x = _x(column + len(part) - len(part.lstrip(" ")))
            attribute = f' class="{classes}"' if classes else ""
            yield f'<tspan x="{x}"{attribute}>{_text(text)}</tspan>'
        column += cells(part)


def _x(column: int) -> float:
    return round(MARGIN + column * CELL_WIDTH, 1)


def _text(text: str) -> str:
    return escape(shown(text), quote=False)
