"""Lexers: nothing is lost, and each part is what it should be."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.formatters.html import HtmlFormatter
from pygments.formatters.terminal256 import Terminal256Formatter
from pygments.token import Error

from poptalk.pop3.commands import VERBS
from poptalk.terminal.lexer import STYLE_OF_TOKEN, TOKEN_OF_STYLE, Pop3Lexer

TRANSCRIPTS = sorted((Path(__file__).parent.parent / "transcripts").glob("*.pop3"))

LEXER = Pop3Lexer(stripnl=False, ensurenl=False)

fragments = st.one_of(
    st.sampled_from(["C: ", "S: ", "or ", "# ", "\n", "\r\n", "  ", "+OK ", "-ERR ", "[IN-USE] "]),
    st.sampled_from(["{name}", "{n:int=2}", "{{", "}}", "{", "}", "{}", "PASS {password}"]),
    st.sampled_from(["<a@b>", "<a b>", "<begins here", "...", ".", ".."]),
    st.sampled_from(["RETR 1", "AUTH PLAIN", "LIST", "é", "\ud800", ":help", "::x"]),
)
texts = st.one_of(st.text(st.characters()), st.lists(fragments, max_size=20).map("".join))


def styles(text: str) -> list[tuple[str, str]]:
    """Name what stands in a text, without its blanks."""
    tokens = LEXER.get_tokens_unprocessed(text)
    return [(STYLE_OF_TOKEN[token], piece) for _, token, piece in tokens if piece.strip()]


def dialogue(text: str) -> list[tuple[str, str]]:
    marks = {"client", "server"}
    return [found for found in styles(text) if found[0] not in marks]


@given(text=texts)
def test_the_joined_tokens_are_the_text(text: str) -> None:
    at = 0
    for index, token, piece in LEXER.get_tokens_unprocessed(text):
        assert index == at
        assert piece
        assert token in STYLE_OF_TOKEN
        assert text.startswith(piece, at)
        at += len(piece)
    assert at == len(text)


def test_a_style_has_one_token() -> None:
    assert len(TOKEN_OF_STYLE) == len(STYLE_OF_TOKEN)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcripts_have_no_error(path: Path) -> None:
    tokens = list(Pop3Lexer().get_tokens(path.read_text(encoding="utf-8")))
    assert Error not in {token for token, _ in tokens}


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.keyword)
def test_the_examples_of_the_table_are_dialogues(verb: Any) -> None:
    found = dialogue(verb.example)
    assert "error" not in {style for style, _ in found}
    assert ("relic" if verb.relic else "keyword", verb.keyword) in found


def test_a_dialogue() -> None:
    text = """
        # a comment
        S: +OK ready <1896.697@x>
        C: AUTH PLAIN
        S: +
        C: AGJvYg==
        S: +OK
        C: LIST
        or list
        S: +OK 2 messages
        S: 1 120
        S: .
        C: STAT
        S: +OK 1 120
    """
    assert dialogue(text) == [
        ("note", "# a comment"),
        ("ok", "+OK"),
        ("text", "ready "),
        ("timestamp", "<1896.697@x>"),
        ("keyword", "AUTH"),
        ("argument", "PLAIN"),
        ("challenge", "+"),
        ("secret", "AGJvYg=="),
        ("ok", "+OK"),
        ("keyword", "LIST"),
        ("direction", "or"),
        ("keyword", "list"),
        ("ok", "+OK"),
        ("text", "2 messages"),
        ("number", "1"),
        ("octets", "120"),
        ("dot", "."),
        ("keyword", "STAT"),
        ("ok", "+OK"),
        ("number", "1"),
        ("octets", "120"),
    ]


def test_a_message_has_header_body_and_dots() -> None:
    text = "C: RETR 1\nS: +OK\nS: To: bob\nS: \nS: To: nobody\nS: ..x\nS: +OK no reply\nS: ."
    assert dialogue(text) == [
        ("keyword", "RETR"),
        ("number", "1"),
        ("ok", "+OK"),
        ("header", "To:"),
        ("body", " bob"),
        ("body", "To: nobody"),
        ("dot", "."),
        ("body", ".x"),
        ("body", "+OK no reply"),
        ("dot", "."),
    ]


def test_placeholders_and_braces() -> None:
    text = "C: PASS {password}\nS: +OK {name...}\nC: TOP {n:int=2} 0{{x\nS: -ERR {bad:x}"
    assert dialogue(text) == [
        ("keyword", "PASS"),
        ("placeholder", "{password}"),
        ("ok", "+OK"),
        ("placeholder", "{name...}"),
        ("keyword", "TOP"),
        ("placeholder", "{n:int=2}"),
        ("number", "0{{x"),
        ("err", "-ERR"),
        ("text", "{bad:x}"),
    ]


def test_stage_directions() -> None:
    text = "C: <wait 2 s>\nC: TOP 1 2\nS: +OK\nS: <the header,\n   and more>\nS: ...\nS: ."
    assert [found for found in dialogue(text) if found[0] == "direction"] == [
        ("direction", "<wait 2 s>"),
        ("direction", "<the header,"),
        ("direction", "and more>"),
        ("direction", "..."),
    ]


@pytest.mark.parametrize("line", ["STAT", "C:STAT", "x: y", "order", "S; +OK"])
def test_a_line_without_a_mark_is_an_error(line: str) -> None:
    assert styles(line) == [("error", line)]


@pytest.mark.parametrize("formatter", [HtmlFormatter(), Terminal256Formatter()])
def test_pygments_own_formatters_take_the_tokens(formatter: Any) -> None:
    import pygments

    shown = pygments.highlight("S: +OK\nC: LAST\nS: -ERR\n", Pop3Lexer(), formatter)
    assert "LAST" in shown
    assert shown != "S: +OK\nC: LAST\nS: -ERR\n"


def test_a_dialogue_is_recognised() -> None:
    # Pygments makes a static method of it that takes bytes no less than text.
    assert Pop3Lexer.analyse_text("S: +OK ready\nC: QUIT\n") > 0.5
    assert Pop3Lexer.analyse_text("#!/bin/sh\n") == 0
