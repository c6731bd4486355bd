"""A lesson's Markdown as a tree of elements, which the browser turns into a page.

A node is a text, or a list of a tag and its children: `["p", "Type ", ["code", "LIST"]]`.  There are no
other tags than those below, and text stays text, whatever is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from markdown_it.tree import SyntaxTreeNode

from poptalk.terminal.markdown import dialogue_lines, make_parser
from poptalk.terminal.safe import Fragments, harmless

Node = str | list["Node"]

TAGS = frozenset(
    [
        *("p", "ul", "ol", "li", "blockquote", "strong", "em", "hr"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    ]
)
"""Elements that stay as they are; all headings become the level below that of a step."""

DIALOGUE = "pop3"


def tree(source: str) -> list[Node]:
    """Return the nodes of some Markdown."""
    return _nodes(SyntaxTreeNode(make_parser().parse(source)).children)


def inline(source: str) -> list[Node]:
    """Return the nodes of a line of Markdown."""
    return _nodes(SyntaxTreeNode(make_parser().parseInline(source)).children)


def spans(line: Fragments) -> list[Node]:
    """Return the nodes of a line of the screen: each has a style and its text."""
    return [["span", style, text] for style, text in line]


def _nodes(nodes: Iterable[SyntaxTreeNode]) -> list[Node]:
    return [made for node in nodes for made in _node(node) if made]


def _node(node: SyntaxTreeNode) -> Iterator[Node]:
    match node.type:
        case "text" | "html_block" | "html_inline":
            if not node.content.lstrip().startswith("<!--"):
                yield harmless(node.content, limit=len(node.content), joiners=True)
        case "softbreak":
            yield " "
        case "hardbreak":
            yield ["br"]
        case "code_inline":
            yield ["code", harmless(node.content)]
        case "fence" | "code_block":
            yield ["pre", *_code(node)]
        case "heading":
            yield ["h4", *_nodes(node.children)]
        case "paragraph" if node.hidden:
            yield from _nodes(node.children)
        case _ if node.tag in TAGS:
            yield [node.tag, *_nodes(node.children)]
        case _:
            # Of a link only its text is shown: a classroom may have no way to the Internet.
            yield from _nodes(node.children)


def _code(node: SyntaxTreeNode) -> Iterator[Node]:
    text = node.content.removesuffix("\n")
    if node.info.split()[:1] == [DIALOGUE]:
        for line in dialogue_lines(text):
            yield from (*spans(line), "\n")
    else:
        yield "\n".join(harmless(line) for line in text.split("\n"))
