"""What a person, or a program, gets out of an exported document."""

from __future__ import annotations

import json
import re
from html import unescape
from xml.etree import ElementTree

from justhtml import JustHTML

SGR = re.compile(r"\x1b\[[0-9;]*m")
SVG = "{http://www.w3.org/2000/svg}"


def dialogues_of_html(text: str) -> list[str]:
    """Return what is copied from each dialogue of a page, which must be valid HTML."""
    page = JustHTML(text, strict=True)
    copied = re.findall(r'<pre class="pop3"><code>(.*?)</code></pre>', text, re.DOTALL)
    assert len(copied) == len(page.query("pre.pop3"))
    return [unescape(re.sub(r"<[^>]*>", "", each)) for each in copied]


def events_of_cast(text: str) -> list[tuple[float, str, str]]:
    """Return what a cast holds after its head."""
    return [(time, kind, data) for time, kind, data in map(json.loads, text.splitlines()[1:])]


def screen_of_cast(text: str) -> str:
    """Return what a cast shows, without colours."""
    shown = "".join(data for _, kind, data in events_of_cast(text) if kind == "o")
    return SGR.sub("", shown).replace("\r\n", "\n")


def rows_of_svg(text: str) -> list[str]:
    """Return the rows of text in a picture; spaces between words may be distances."""
    return [" ".join(row.itertext()) for row in ElementTree.fromstring(text).iter(f"{SVG}text")]


def text_of(name: str, content: str) -> str:
    """Return all that can be read in a document, by the end of its name."""
    if name.endswith("html"):
        return unescape(re.sub(r"<[^>]*>", "", content))
    if name.endswith("svg"):
        return "\n".join(rows_of_svg(content))
    return screen_of_cast(content) if name.endswith("cast") else content
