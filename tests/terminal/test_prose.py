"""Markdown on the screen: wrapped, harmless, and readable without colours."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poptalk.terminal.markdown import MOST_COLUMNS, render_comment, render_item, render_prose
from poptalk.terminal.render import plain_text
from poptalk.terminal.safe import Fragments, cells
from poptalk.terminal.screen import LinearScreen
from poptalk.terminal.theme import NEUTRAL

WIDTHS = pytest.mark.parametrize("columns", [40, 120])


def shown(source: str, columns: int = 80) -> list[str]:
    return [plain_text(line) for line in render_prose(source, columns=columns)]


def styles_of(source: str) -> list[tuple[str, str]]:
    return [part for line in render_prose(source, columns=80) for part in line]


@WIDTHS
def test_a_paragraph_is_wrapped_to_a_pleasant_width(columns: int) -> None:
    lines = shown("word " * 60, columns)
    assert len(lines) > 1
    assert max(map(cells, lines)) in range(min(columns, MOST_COLUMNS) - 5, MOST_COLUMNS + 1)
    assert not any(line.endswith(" ") for line in lines)


def test_paragraphs_are_parted_by_one_empty_row() -> None:
    assert shown("one\ntwo\n\n\n\nthree") == ["one two", "", "three"]


def test_styles_within_a_line() -> None:
    parts = styles_of("Send `LIST`, **now** or *soon*.")
    assert parts == [
        ("text", "Send "),
        ("typed", "LIST"),
        ("text", ", "),
        ("strong", "now"),
        ("text", " or "),
        ("emphasis", "soon"),
        ("text", "."),
    ]


def test_code_is_not_divided_and_keeps_its_full_stop() -> None:
    for width in range(12, 40):
        lines = shown("Then send `TOP 2 0`. More.", width)
        assert any("TOP 2 0." in line for line in lines), lines


def test_a_hard_break_is_kept() -> None:
    assert shown("one  \ntwo") == ["one", "two"]


def test_lists_hang() -> None:
    assert shown("- first " + "word " * 8 + "\n- second", 24) == [
        "- first word word word",
        "  word word word word",
        "  word",
        "- second",
    ]
    assert shown("3. one\n4. two\n   - deep") == ["3. one", "4. two", "   - deep"]
    assert shown("- loose\n\n- list") == ["- loose", "", "- list"]


def test_a_quote_is_marked_on_every_row() -> None:
    assert shown("> one\n>\n> two") == ["> one", ">", "> two"]


TABLE = "| Command | Meaning |\n| --- | --- |\n| `STAT` | counts |\n| `LIST 1` | lists one |"


def test_a_table_is_aligned() -> None:
    assert shown(TABLE) == [
        "Command  Meaning",
        "-------  ---------",
        "STAT     counts",
        "LIST 1   lists one",
    ]


def test_the_last_column_is_wrapped() -> None:
    lines = shown(TABLE.replace("lists one", "lists one " * 10), 40)
    assert lines[3].startswith("LIST 1   lists one")
    assert lines[4].startswith("         ")
    assert max(map(cells, lines)) <= 40


def test_a_table_without_room_goes_row_by_row() -> None:
    assert shown(TABLE.replace("lists one", "lists one " * 4), 24) == [
        "Command: STAT",
        "Meaning: counts",
        "",
        "Command: LIST 1",
        "Meaning: lists one lists",
        "  one lists one lists",
        "  one",
    ]


@pytest.mark.parametrize(("columns", "indent"), [(40, "  "), (80, "    ")])
def test_fenced_blocks_are_literal(columns: int, indent: str) -> None:
    line = "a   b" + "c" * 100
    assert shown(f"```text\n{line}\n\n  `d`\n```", columns) == [
        f"{indent}{line}",
        "",
        f"{indent}  `d`",
    ]


def test_dialogues_look_as_in_the_shell() -> None:
    parts = styles_of("```pop3\nC: RETR 1\nS: +OK\nS: ...\n```")
    assert ("client", "C:") in parts
    assert ("keyword", "RETR") in parts
    assert ("ok", "+OK") in parts


def test_a_link_is_spelt_out_once() -> None:
    text = (
        "[RFC](https://rfc.example/1) and [again](https://rfc.example/1), <https://rfc.example/2>"
    )
    assert shown(text) == ["RFC (https://rfc.example/1) and again, https://rfc.example/2"]


def test_notes_to_the_speaker_and_other_comments_are_not_shown() -> None:
    assert shown("one\n\n<!-- note: ask the room -->\n\ntwo <!-- x --> three") == [
        "one",
        "",
        "two three",
    ]


def test_headings_and_rules() -> None:
    assert render_prose("### A `b`", columns=80) == [[("heading", "A b")]]
    assert shown("one\n\n---\n\ntwo") == ["one", "", "* * *", "", "two"]


def test_nothing_of_a_stranger_reaches_the_terminal() -> None:
    source = "a\x1b[31mb `c\x9bd`\n\n```\n\x07\n```\n\n[x](https://e.example/\u202e)"
    assert all(line.isprintable() for line in shown(source))
    assert "\\x1b[31m" in shown(source)[0]


def test_wide_characters_are_counted() -> None:
    assert max(map(cells, shown("漢字 " * 40, 40))) <= 40
    assert max(map(cells, shown("漢" * 40, 41))) <= 41


def test_a_word_longer_than_a_row_is_broken() -> None:
    assert shown("a " + "b" * 50, 20) == ["a", "b" * 20, "b" * 20, "b" * 10]


@given(st.text(), st.integers(1, 90))
def test_any_text_is_shown_within_the_columns(source: str, columns: int) -> None:
    for line in render_prose(source, columns=columns):
        text = plain_text(line)
        assert text.isprintable() or not text
        assert all(style in NEUTRAL for style, _ in line)


@given(st.lists(st.text("ab ,.", min_size=1), min_size=1), st.integers(8, 90))
def test_no_word_is_lost(parts: list[str], columns: int) -> None:
    source = " ".join(parts)
    joined = "".join(shown(source, columns)).replace(" ", "")
    assert joined == source.replace(" ", "")


# Comments and choices.


def text_of(lines: list[Fragments]) -> list[str]:
    return [plain_text(line) for line in lines]


def test_a_comment_begins_with_its_word_and_hangs() -> None:
    lines = render_comment(("notyet", "not yet"), "`LIST` is " + "long " * 6, columns=30)
    assert text_of(lines) == ["not yet: LIST is long long", "  long long long long"]
    assert lines[0][0] == ("notyet", "not yet:")


def test_a_choice_is_set_in_behind_its_number() -> None:
    assert text_of(render_item("1. ", "a **bold** " + "word " * 4, columns=16)) == [
        "1. a bold word",
        "   word word",
        "   word",
    ]


def test_code_in_prose_is_marked_without_styles_too() -> None:
    """`NO_COLOR=1 poptalk learn --plain`: what is to be typed must not be a word among others."""
    stream = io.StringIO()
    screen = LinearScreen(stream, theme=NEUTRAL, color=False)
    screen.show(render_prose("Send `LIST`, then `TOP 1 0`.", columns=72))
    assert stream.getvalue() == "Send `LIST`, then `TOP 1 0`.\n"
