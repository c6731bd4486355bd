"""A lesson's Markdown as a tree of elements."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from poptalk.classroom.web.prose import Node, inline, tree
from poptalk.classroom.web.site import STATIC, theme_css
from poptalk.lesson.document.model import Prose
from poptalk.lesson.document.parser import load_lesson
from poptalk.lesson.library import curriculum


@pytest.mark.parametrize(
    ("source", "nodes"),
    [
        ("one\ntwo", [["p", "one", " ", "two"]]),
        ("a  \nb", [["p", "a", ["br"], "b"]]),
        ("`LIST` *is* **it**", [["p", ["code", "LIST"], " ", ["em", "is"], " ", ["strong", "it"]]]),
        ("- a\n- b", [["ul", ["li", "a"], ["li", "b"]]]),
        ("    STAT", [["pre", "STAT"]]),
        ("# Head", [["h4", "Head"]]),
        ("[here](http://evil.example)", [["p", "here"]]),
        ("<script>x</script>", ["<script>x</script>"]),
        ("a <b>c</b> <!-- d -->", [["p", "a ", "<b>", "c", "</b>", " "]]),
        ("a\x1b[31m\u202eb", [["p", r"a\x1b[31m\u{202e}b"]]),
    ],
)
def test_each_kind_of_block_is_its_element(source: str, nodes: list[Node]) -> None:
    assert tree(source) == nodes


def test_a_dialogue_has_its_colours() -> None:
    [shown] = tree("```pop3\nC: STAT\nS: +OK 1 2\n```")
    assert shown[0] == "pre"
    assert ["span", "client", "C:"] in shown
    assert ["span", "keyword", "STAT"] in shown


def test_a_line_is_no_paragraph() -> None:
    assert inline("send `LIST`") == ["send ", ["code", "LIST"]]


def test_the_page_knows_every_element_of_every_lesson() -> None:
    script = (STATIC / "page.js").read_text(encoding="utf-8")
    known = re.search(r'TAGS = new Set\("([^"]+)"', script)
    assert known is not None
    used: set[str] = set()
    for listed in curriculum():
        lesson = load_lesson(listed.path)
        for step in lesson.steps:
            for item in step.items:
                if isinstance(item, Prose):
                    used |= set(_tags(tree(item.source)))
    assert {"p", "code", "pre", "strong"} <= used
    assert used <= {*known[1].split(), "span"}


def _tags(nodes: list[Node]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, list):
            yield str(node[0])
            yield from _tags(node[1:])


def test_no_page_makes_markup_of_text() -> None:
    for file in STATIC.iterdir():
        text = file.read_text(encoding="utf-8")
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, file
        # Nothing from outside, no script or style within a page.
        assert not re.search(r"(?<!xmlns=\")https?://", text), file
        assert not re.search(r"<script>|<style|\sstyle=|\son[a-z]+=", text), file


def test_the_theme_is_that_of_the_terminal() -> None:
    css = theme_css()
    assert ".s-err{color:var(--ansired);font-weight:bold}\n" in css
    assert ".s-note{font-style:italic}\n" in css
    names = set(re.findall(r"var\((--[a-z]+)\)", css))
    assert all(f"{name}:" in (STATIC / "page.css").read_text("utf-8") for name in names)
