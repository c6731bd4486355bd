"""Cells, rows, cuts and wraps, wide characters and combining marks included."""

from time import thread_time

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from poptalk.terminal.safe import cells, cut, hanging, harmless, rows, wrap

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
"""Two women and a girl, joined: one grapheme."""

texts = st.text().map(harmless)
columns = st.integers(min_value=1, max_value=20)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("中文", 4),
        ("e\u0301", 1),
        ("\U0001f600!", 3),
        (FAMILY, 2),
        ("\U0001f44d\U0001f3fd", 2),
        ("\U0001f1e9\U0001f1ea", 2),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", 7),
        ("\u0915\u094d\u200d\u0937", 2),
    ],
)
def test_cells(text: str, width: int) -> None:
    assert cells(text) == width


@pytest.mark.parametrize(
    ("text", "width", "count"),
    [("", 4, 1), ("abcd", 4, 1), ("abcde", 4, 2), ("中文", 4, 1), ("a中文", 4, 2), ("abc中", 4, 2)],
)
def test_rows(text: str, width: int, count: int) -> None:
    assert rows(text, width) == count


@given(st.text(st.sampled_from("中文"), max_size=40), st.integers(min_value=1, max_value=10))
def test_rows_are_those_of_a_terminal(text: str, half_width: int) -> None:
    # An even width: pyte, unlike terminals, lets a wide character begin in the last cell.
    width = 2 * half_width
    screen = pyte.Screen(width, 100)
    pyte.Stream(screen).feed(text)
    assert rows(text, width) == screen.cursor.y + 1


def test_cut() -> None:
    assert cut("abcdef", 3) == "abc"
    assert cut("abc", 0) == ""
    assert cut("a中文", 2) == "a"
    assert cut("ae\u0301x", 2) == "ae\u0301"
    assert cut(f"a{FAMILY}b", 2) == "a"
    assert cut(f"a{FAMILY}b", 3) == f"a{FAMILY}"


@given(texts, st.integers(min_value=0, max_value=20))
def test_a_cut_is_the_longest_beginning_that_fits(text: str, width: int) -> None:
    beginning = cut(text, width)
    assert text.startswith(beginning)
    assert cells(beginning) <= width
    following = next(iter_graphemes(text[len(beginning) :]), "")
    assert beginning == text or cells(beginning + following) > width


def test_wrap() -> None:
    assert wrap("the lone  dot", 8) == ["the lone", "dot"]
    assert wrap("", 8) == [""]
    assert wrap("a abcdefghij b", 4) == ["a", "abcd", "efgh", "ij b"]
    assert wrap("中", 1) == ["中"]
    assert wrap("中文中 文", 4) == ["中文", "中", "文"]
    assert wrap(FAMILY * 3, 5) == [FAMILY * 2, FAMILY]


@pytest.mark.parametrize("width", [1, 3, 20])
def test_a_word_without_end_is_broken_at_once(width: int) -> None:
    before = thread_time()
    wrap("é" * 20_000, width)
    hanging([("text", "S: "), ("text", "é" * 20_000)], width)
    assert thread_time() - before < 1


@given(texts, columns)
def test_wrapped_rows_fit_and_lose_nothing(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert "".join(lines).replace(" ", "") == "".join(text.split())
    assert all(cells(line) <= max(width, 2) for line in lines)
    assert all(line == line.strip() for line in lines)
