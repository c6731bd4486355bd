"""`python -m tests.lesson.walk [LESSON...]`: every mistake at every step of every lesson."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time

from poptalk.lesson.library import find_lesson, lesson_files
from tests.lesson.walk.screens import SIZES, ScreenWalk
from tests.lesson.walk.walk import HintsWalk, LessonWalk, MistakesWalk, SkipWalk


async def _walk(words: list[str]) -> int:
    paths = [find_lesson(word) for word in words] or lesson_files()
    count = 0
    for path in paths:
        walks: list[LessonWalk] = [MistakesWalk(path), HintsWalk(path), SkipWalk(path)]
        walks += [ScreenWalk(path, columns=columns, rows=rows) for columns, rows in SIZES]
        for walk in walks:
            start = time.process_time()
            with tempfile.TemporaryDirectory() as state:
                os.environ["XDG_STATE_HOME"] = state
                await walk.run()
            count += len(walk.found)
            seconds = time.process_time() - start
            said = f"{path.stem}, {type(walk).__name__}: {walk.inputs} lines, {seconds:.1f} s"
            sys.stdout.write("".join(f"{each}\n" for each in (*walk.found, said)))
            sys.stdout.flush()
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(_walk(sys.argv[1:])))
