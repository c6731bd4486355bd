"""The Markdown that poptalk reads: CommonMark and tables, and nothing else.

One configuration for all: what the reader of lessons takes for a block is what the screen shows as one.
Every block token has `map`, the lines it comes from, counted from 0, the end not included.
"""

from __future__ import annotations

from markdown_it import MarkdownIt


def make_parser() -> MarkdownIt:
    """Make a parser of CommonMark with the tables that code-hosting pages know.

    Task lists and alerts (`> [!TIP]`) are no rules of their own: they are lists and quotes of which
    the text begins in a certain way.
    """
    return MarkdownIt("commonmark").enable("table")
