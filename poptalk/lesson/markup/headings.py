"""The ids of steps: headings as code-hosting pages make links of them."""

from __future__ import annotations

import re

from markdown_it.token import Token

_LEFT_OUT = re.compile(r"[^\w\- ]")


def plain_text(inline: Token) -> str:
    """Return the text of a heading without its Markdown."""
    children = inline.children or []
    return "".join(" " if child.type == "softbreak" else child.content for child in children)


def slug(title: str) -> str:
    """Make the id of a step.

    Args:
        title: the heading, without Markdown.

    Returns:
        Lower case, blanks made hyphens, everything else but letters, digits, `-` and `_` left out;
        empty where nothing remains.
    """
    return _LEFT_OUT.sub("", title.strip().lower()).replace(" ", "-")
