"""The Markdown that poptalk reads: CommonMark and tables, and nothing else.

There is only one configuration, so that the parser of lessons and the screen agree on the blocks.
Every block token has `map`, the lines that it comes from, counted from 0, without the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from poptalk.terminal.lexer import STYLE_OF_TOKEN, Pop3Lexer
from poptalk.terminal.render import plain_text
from poptalk.terminal.safe import Fragment, Fragments, cells, cut, harmless, joined


@cache
def make_parser() -> MarkdownIt:
    """Make a parser of CommonMark with GitHub's tables.

    Task lists and alerts (`> [!TIP]`) need no rules of their own: they are lists and quotes whose text
    begins in a certain way.
    """
    return MarkdownIt("commonmark").enable("table")


# Markdown on the screen: the prose of lessons, in a style of its own.
#
# Paragraphs are wrapped to a width that is pleasant to read; code has a style of its own, and fenced
# blocks are shown as they are, dialogues with the colours of dialogues.  There are no backgrounds, no
# boxes and no lines that must be seen together: read aloud from the top, the rows make sense.
# Strangers write lessons too, so every text passes `harmless`.


MOST_COLUMNS = 72
"""Cells of a row of prose, even on a wider screen: the eye loses its way back along longer rows."""

KEPT_TOGETHER_CELLS = 24
"""Code up to this long is not divided at its spaces: `TOP 2 10` reads badly in two rows."""

_WIDE_COLUMNS = 60
"""From this width on, fenced blocks are indented by four."""

_COLUMN_GAP = 2

_LEAST_LAST_COLUMN = 24
"""The narrowest last column of a table, which is wrapped; with less room cells go below each other."""

_DIALOGUE = "pop3"


def render_prose(source: str, *, columns: int) -> list[Fragments]:
    """Show Markdown.

    Args:
        source: paragraphs, lists, tables, quotes, fenced blocks.
        columns: cells of a row; at most `MOST_COLUMNS` are used.

    Returns:
        Lines, empty ones between the blocks and none at the ends.
    """
    tree = SyntaxTreeNode(make_parser().parse(source))
    return _Renderer().blocks(tree.children, max(1, min(columns, MOST_COLUMNS)))


def render_comment(word: Fragment, source: str, *, columns: int) -> list[Fragments]:
    """Show a sentence or two after a word that introduces them: `not yet: ...`.

    Args:
        word: the word and its style; a colon follows it.
        source: inline Markdown.
        columns: cells of a row.

    Returns:
        Lines, all but the first indented by two.
    """
    style, text = word
    words: list[_Word] = [[(style, part)] for part in f"{harmless(text)}:".split()]
    return _filled([*words, *_inline_words(source)], max(1, columns - 1), hanging=2)


def render_item(mark: str, source: str, *, columns: int) -> list[Fragments]:
    """Show a line or two after a mark such as `1. `, with further rows indented as far.

    Args:
        mark: comes before the first row.
        source: inline Markdown.
        columns: cells of a row.
    """
    rows = _filled(_inline_words(source), max(1, columns - len(mark))) or [[]]
    return _set_in(rows, first=mark, others=" " * len(mark))


def _inline_words(source: str) -> list[_Word]:
    nodes = SyntaxTreeNode(make_parser().parseInline(source)).children
    return [word for node in nodes for word in _words(_Renderer().inline(node.children))]


_Word = list[Fragment]
"""Text that is never divided: a word with its punctuation, perhaps in several styles."""

_BREAK: _Word = [("text", "\n")]
"""The end of a row that the author asked for."""


_STYLE_OF_INLINE = {"strong": "strong", "em": "emphasis"}


class _Renderer:
    """Shows the blocks of one document, each kind with the method of its name in markdown-it.

    It remembers the links whose address was shown.
    """

    def __init__(self) -> None:
        self._addresses_shown: set[str] = set()

    def blocks(
        self, nodes: Sequence[SyntaxTreeNode], width: int, *, tight: bool = False
    ) -> list[Fragments]:
        """Show blocks below each other, with an empty line between them unless a list is tight."""
        lines: list[Fragments] = []
        for node in nodes:
            show = getattr(self, f"_{node.type}", self._others)
            shown = show(node, width)
            if lines and shown and not tight:
                lines.append([])
            lines += shown
        return lines

    def _paragraph(self, node: SyntaxTreeNode, width: int) -> list[Fragments]:
        return _filled(_words(self._inline_of(node)), width)

    def _heading(self, node: SyntaxTreeNode, width: int) -> list[Fragments]:
        parts = [("heading", text) for _, text in self._inline_of(node)]
        return _filled(_words(parts), width)

    def _bullet_list(self, node: SyntaxTreeNode, width: int) -> list[Fragments]:
        tight = all(
            child.hidden
            for item in node.children
            for child in item.children
            if child.type == "paragraph"
        )
        lines: list[Fragments] = []
        for number, item in enumerate(node.children, int(node.attrs.get("start", 1))):
            mark = f"{number}. " if node.type == "ordered_list" else "- "
            shown = self.blocks(item.children, max(1, width - len(mark)), tight=tight) or [[]]
            if lines and not tight:
                lines.append([])
            lines += _set_in(shown, first=mark, others=" " * len(mark))
        return lines

    _ordered_list = _bullet_list

    def _blockquote(self, node: SyntaxTreeNode, width: int) -> list[Fragments]:
        return _set_in(self.blocks(node.children, max(1, width - 2)), first="> ", others="> ")

    def _fence(self, node: SyntaxTreeNode, width: int) -> list[Fragments]:
        indent = "    " if width >= _WIDE_COLUMNS else "  "
        text = node.content.removesuffix("\n")
        if node.info.split()[:1] == [_DIALOGUE]:
            shown = dialogue_lines(text)
        else:
            shown = [[("text", harmless(line))] if line else [] for line in text.split("\n")]
        return [[("text", indent), *line] if line else [] for line in shown]

    _code_block = _fence

    def _hr(self, _node: SyntaxTreeNode, width: int) -> list[Fragments]:
        return [[("text", cut("* * *", width))]]

    def _html_block(self, node: SyntaxTreeNode, width: int) -> list[Fragments]:
        if node.content.lstrip().startswith("<!--"):
            return []
        return _filled(_words([("text", node.content)]), width)

    def _table(self, node: SyntaxTreeNode, width: int) -> list[Fragments]:
        rows = [
            [_words(self._inline_of(cell)) for cell in row.children]
            for part in node.children
            for row in part.children
        ]
        *before, last = (max(map(_row_cells, column)) for column in zip(*rows, strict=True))
        room = width - sum(before) - _COLUMN_GAP * len(before)
        if room < min(last, _LEAST_LAST_COLUMN):
            return _rows_below_each_other(rows, width)
        return list(_columns(rows, [*before, min(last, room)]))

    def _others(self, node: SyntaxTreeNode, width: int) -> list[Fragments]:
        return self.blocks(node.children, width)

    # Within a line.

    def _inline_of(self, node: SyntaxTreeNode) -> Fragments:
        return [part for child in node.children for part in self.inline(child.children)]

    def inline(self, nodes: Iterable[SyntaxTreeNode], style: str = "text") -> Iterator[Fragment]:
        """Yield the pieces of a line; code comes as one "typed" piece."""
        for node in nodes:
            if node.type in ("softbreak", "hardbreak"):
                yield style, " " if node.type == "softbreak" else "\n"
            elif node.type == "code_inline":
                yield "typed", node.content
            elif node.type in _STYLE_OF_INLINE:
                yield from self.inline(node.children, _STYLE_OF_INLINE[node.type])
            elif node.type in ("link", "image"):
                yield from self._link(node, style)
            elif node.children:
                yield from self.inline(node.children, style)
            elif not node.content.startswith("<!--"):
                yield style, node.content

    def _link(self, node: SyntaxTreeNode, style: str) -> Iterator[Fragment]:
        address = str(node.attrs.get("href") or node.attrs.get("src") or "")
        shown = list(self.inline(node.children, style))
        yield from shown
        if address and address not in self._addresses_shown and address != plain_text(shown):
            yield style, f" ({address})"
        self._addresses_shown.add(address)


def _words(pieces: Iterable[Fragment]) -> list[_Word]:
    """Divide pieces of a line at their spaces; pieces that touch belong to one word."""
    words: list[_Word] = []
    touching = False
    for style, text in pieces:
        if text == "\n":
            words.append(_BREAK)
            touching = False
            continue
        together = style == "typed" and cells(text) <= KEPT_TOGETHER_CELLS
        parts = [text.strip()] if together else text.split()
        if text[:1].isspace():
            touching = False
        for part in filter(None, parts):
            if not touching:
                words.append([])
            words[-1].append((style, harmless(part, limit=len(part))))
            touching = False
        touching = bool(parts) and not text[-1:].isspace()
    return words


def _filled(words: Sequence[_Word], width: int, *, hanging: int = 0) -> list[Fragments]:
    """Fill rows with words, the rows after the first indented by `hanging`."""
    rows: list[Fragments] = [[]]
    used = 0
    margin: Fragments = [("text", " " * hanging)] if hanging else []
    for word in words:
        if word is _BREAK:
            rows.append(list(margin))
            used = hanging
            continue
        needed = _cells(word)
        at_margin = used == (hanging if len(rows) > 1 else 0)
        if not at_margin and used + 1 + needed > width:
            rows.append(list(margin))
            used, at_margin = hanging, True
        if not at_margin:
            same = rows[-1][-1][0] == word[0][0]
            rows[-1].append((word[0][0] if same else "text", " "))
            used += 1
        rows[-1] += word
        used += needed
        if used > width:
            rows += broken(rows.pop(), width, margin)
            used = _cells(rows[-1])
    return [joined(row) for row in rows] if words else []


def broken(row: Fragments, width: int, margin: Fragments) -> list[Fragments]:
    """Break a row in which a word is longer than a row.

    Args:
        row: its pieces.
        width: cells of a row.
        margin: what the rows after the first begin with.
    """
    rows: list[Fragments] = [[]]
    used = 0
    for style, text in row:
        rest = text
        while rest:
            piece = cut(rest, width - used)
            if not piece and used > _cells(margin):
                rows.append(list(margin))
                used = _cells(margin)
                continue
            piece = piece or rest[0]
            rows[-1].append((style, piece))
            used += cells(piece)
            rest = rest[len(piece) :]
    return rows


def _cells(fragments: Iterable[Fragment]) -> int:
    return sum(cells(text) for _, text in fragments)


def _set_in(lines: Iterable[Fragments], *, first: str, others: str) -> list[Fragments]:
    marked: list[Fragments] = []
    for line in lines:
        mark = others if marked else first
        marked.append([("text", mark), *line] if line else [("text", mark.rstrip())])
    return [line if plain_text(line) else [] for line in marked]


def _row_cells(words: Sequence[_Word]) -> int:
    return sum(map(_cells, words)) + max(0, len(words) - 1)


def _columns(
    rows: Sequence[Sequence[Sequence[_Word]]], widths: Sequence[int]
) -> Iterator[Fragments]:
    """Show the rows of a table; the last cell of a row takes as many lines as it needs."""
    for number, row in enumerate(rows):
        head: Fragments = []
        for words, width in zip(row[:-1], widths, strict=False):
            gap = " " * (width - _row_cells(words) + _COLUMN_GAP)
            head += [*(_filled(words, width) or [[]])[0], ("text", gap)]
        tail = _filled(row[-1], widths[-1]) or [[]]
        lines = [[*head, *tail[0]], *([("text", " " * _cells(head)), *more] for more in tail[1:])]
        if number:
            yield from lines
            continue
        yield from ([("heading", plain_text(line).rstrip())] for line in lines)
        yield [("text", (" " * _COLUMN_GAP).join("-" * width for width in widths))]


def _rows_below_each_other(
    rows: Sequence[Sequence[Sequence[_Word]]], width: int
) -> list[Fragments]:
    """Show a table that is wider than the screen: each cell after the heading of its column."""
    lines: list[Fragments] = []
    heads, *others = rows
    for row in others:
        if lines:
            lines.append([])
        for head, cell in zip(heads, row, strict=True):
            title: list[_Word] = [[("heading", plain_text(word))] for word in head]
            if title:
                title[-1].append(("heading", ":"))
            lines += _filled([*title, *cell], width, hanging=2)
    return lines


def dialogue_lines(text: str) -> list[Fragments]:
    """Show a dialogue as the shell does; placeholders stay as they are."""
    lines: list[Fragments] = [[]]
    for _, token, piece in Pop3Lexer().get_tokens_unprocessed(text):
        if piece == "\n":
            lines.append([])
        else:
            lines[-1].append((STYLE_OF_TOKEN.get(token, "text"), harmless(piece)))
    return lines
