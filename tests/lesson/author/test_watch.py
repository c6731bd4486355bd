"""`poptalk lessons watch`: what counts as a save, what is shown, and the whole process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from poptalk.lesson.author.command import skeleton
from poptalk.lesson.author.preview import PATIENCE_LOOKS, changes, preview, render_lesson
from poptalk.lesson.document.parser import read_lesson
from poptalk.terminal.render import plain_text
from poptalk.terminal.safe import cells
from tests.shell.black_box import on_a_terminal, piped

CTRL_C = b"\x03"


class Author:
    """Does something to a file between two looks at it, and then nothing, for a while."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.deeds: list[str | None] = []
        self.looks = 0

    def sleep(self, _seconds: float) -> None:
        """Do the next deed: write a text, or take the file away for None."""
        self.looks += 1
        if not self.deeds:
            return
        text = self.deeds.pop(0)
        if text is None:
            self.path.unlink(missing_ok=True)
        elif text:
            self.write(text)

    def write(self, text: str) -> None:
        """Replace the file as editors do."""
        new = self.path.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        os.utime(new, ns=(self.looks, self.looks))
        new.replace(self.path)


@pytest.fixture
def author(tmp_path: Path) -> Author:
    author = Author(tmp_path / "x.md")
    author.write("one")
    return author


def sizes(author: Author, count: int) -> list[int | None]:
    """Return the sizes of the first states that are told."""
    told = islice(changes(author.path, author.sleep), count)
    return [None if stamp is None else stamp[1] for stamp in told]


def test_what_is_there_is_shown_at_once(author: Author) -> None:
    assert sizes(author, 1) == [3]
    assert author.looks == 0


def test_a_save_is_shown_once(author: Author) -> None:
    author.deeds = ["", "", "three", "", "", "four four", ""]
    assert sizes(author, 3) == [3, 5, 9]


def test_a_file_that_is_still_being_written_is_left_alone(author: Author) -> None:
    author.deeds = ["tw", "two", "two t", "two tw", "two two", ""]
    assert sizes(author, 2) == [3, 7]


def test_a_file_that_is_gone_for_a_moment(author: Author) -> None:
    author.deeds = [None, "", "seven  ", ""]
    assert sizes(author, 2) == [3, 7]


def test_a_file_that_stays_away_and_comes_back(author: Author) -> None:
    author.deeds = [None, *[""] * PATIENCE_LOOKS, "one", ""]
    assert sizes(author, 3) == [3, None, 3]


# What is shown.


def rows(columns: int) -> Iterator[str]:
    lesson = read_lesson(skeleton("My lesson"), name="x", path=Path("x.md"))
    return map(plain_text, render_lesson(lesson, columns=columns))


def test_a_preview_says_who_does_what() -> None:
    shown = list(rows(80))
    for row in (
        "My lesson",
        "1/3 Look",
        "poptalk does, folded:",
        "    C: USER {user}",
        "poptalk shows:",
        "The learner does:",
        "hint: TODO a nudge, but not the answer.",
        "By mistake:",
        "[x] all but one -- TODO why that is right.",
        "poptalk proves, on a second connection:",
    ):
        assert row in shown, row
    assert any(row.startswith("speaker's note: TODO") for row in shown)
    assert not any("<!--" in row for row in shown)


def test_a_preview_fits_a_narrow_terminal() -> None:
    assert max(map(cells, rows(40))) <= 40


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_text(skeleton("X").replace("pop3 show", "pop3 shwo"), encoding="utf-8")
    shown = [plain_text(row) for row in preview(path, columns=200)]
    assert any("PT010" in row and "did you mean 'pop3 show'?" in row for row in shown)
    assert shown[0].startswith("=== x.md, ")
    assert shown[-1] == "=== 1 finding. Ctrl-C ends this."


# The whole process.


def test_the_whole_process(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    broken = skeleton("X").replace("pop3 show", "pop3 shwo")
    path.write_text(broken, encoding="utf-8")
    with on_a_terminal("lessons", "watch", path, columns=200, rows=60) as pty:
        pty.wait_for("=== 1 finding.")
        path.unlink()
        path.write_text(broken.replace("minutes: 10", "minutes: x"), encoding="utf-8")
        pty.wait_for("=== 2 findings.")
        path.unlink()
        pty.wait_for("x.md is gone; waiting for it to come back.")
        path.write_text(broken.replace("mailbox: letters\n", ""), encoding="utf-8")
        pty.wait_for("'mailbox' is missing")
        pty.send(CTRL_C)
        assert pty.wait_exit() == 0
        assert pty.restored


def test_a_file_that_never_was() -> None:
    finished = piped(b"", "lessons", "watch", "missing.md")
    assert finished.code == 2
    assert finished.stderr.startswith("poptalk: There is no file missing.md;")
