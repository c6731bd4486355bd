"""The lessons that come with poptalk: nothing is wrong with them.

How long it takes to know that is measured by `benchmarks.lessons_check`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.config import lessons_directory
from poptalk.lesson.library import OWN, lesson_files
from poptalk.lesson.verify.check import check, check_lesson

SHIPPED = [*lesson_files(), *sorted((lessons_directory() / OWN).glob("*.md"))]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_lesson_passes(path: Path) -> None:
    assert [str(fault) for fault in check_lesson(path).faults] == []


def test_the_shipped_lessons_pass() -> None:
    said: list[str] = []
    assert check(say=said.append, complain=said.append) == 0
    [summary] = said
    assert summary.startswith(f"{len(lesson_files())} lessons, all right (")
