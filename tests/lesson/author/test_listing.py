"""`poptalk lessons list`: what stands in it, and that it fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.lesson.author.command import NOT_YET, list_lessons
from poptalk.lesson.library import curriculum
from poptalk.terminal.safe import cells

LESSON = """\
---
title: Looking
summary: STAT and LIST; how many letters, how large, and the lone dot at the end.
minutes: {minutes}
mailbox: letters
---
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "03-looking.md").write_text(LESSON.format(minutes=10), encoding="utf-8")
    (tmp_path / "11-brief.md").write_text(LESSON.format(minutes=1), encoding="utf-8")
    return tmp_path


def rows(folder: Path, *, columns: int = 80, paths: bool = False) -> list[str]:
    return list(list_lessons(curriculum(folder), columns=columns, paths=paths))


def test_number_title_minutes_and_summary(folder: Path) -> None:
    assert rows(folder) == [
        " 3  Looking (10 minutes)",
        "    STAT and LIST; how many letters, how large, and the lone dot at the end.",
        "11  Looking (1 minute)",
        "    STAT and LIST; how many letters, how large, and the lone dot at the end.",
    ]


def test_a_narrow_terminal(folder: Path) -> None:
    narrow = rows(folder, columns=30)
    assert narrow[:3] == [
        " 3  Looking (10 minutes)",
        "    STAT and LIST; how many",
        "    letters, how large, and",
    ]
    assert max(map(cells, narrow)) <= 30


def test_paths_are_not_wrapped(folder: Path) -> None:
    assert f"    {folder / '03-looking.md'}" in rows(folder, columns=30, paths=True)


@pytest.mark.parametrize("content", [b"# no front matter", b"\0"])
def test_a_file_that_is_no_lesson_yet(folder: Path, content: bytes) -> None:
    (folder / "12-new.md").write_bytes(content)
    assert rows(folder)[-2:] == ["12  new", f"    {NOT_YET}"]


def test_no_lessons(tmp_path: Path) -> None:
    assert rows(tmp_path) == []


@pytest.mark.parametrize("columns", [40, 80, 300])
def test_the_lessons_of_poptalk_fit(columns: int) -> None:
    listed = list(list_lessons(curriculum(), columns=columns, paths=False))
    assert len([row for row in listed if not row.startswith("    ")]) == len(curriculum())
    assert max(map(cells, listed)) <= columns
