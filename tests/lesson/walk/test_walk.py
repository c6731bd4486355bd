"""The lessons, walked through with a few mistakes at each step; `tests.lesson.walk` makes them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from poptalk.lesson.library import lesson_files
from tests.lesson.walk.screens import SIZES, ScreenWalk
from tests.lesson.walk.walk import HintsWalk, MistakesWalk, SkipWalk, a_few

LESSONS = pytest.mark.parametrize("path", lesson_files(), ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@LESSONS
async def test_no_mistake_is_answered_wrongly_or_leads_in_a_circle(path: Path) -> None:
    walk = MistakesWalk(path, choose=a_few)
    await walk.run()
    assert walk.found == []


@LESSONS
async def test_the_last_hint_says_what_passes(path: Path) -> None:
    walk = HintsWalk(path)
    await walk.run()
    assert walk.found == []


@LESSONS
async def test_skipping_comes_to_the_end(path: Path) -> None:
    walk = SkipWalk(path)
    await walk.run()
    assert walk.found == []


@LESSONS
@pytest.mark.parametrize(("columns", "rows"), SIZES)
async def test_what_is_asked_is_on_the_screen(path: Path, columns: int, rows: int) -> None:
    walk = ScreenWalk(path, columns=columns, rows=rows)
    await walk.run()
    assert walk.found == []
