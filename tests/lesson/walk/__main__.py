"""`python -m tests.lesson.walk [LESSON...]`: every mistake at every step of every lesson."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time

from poptalk.lesson.library import find_lesson, lesson_files
from tests.lesson.walk.walk import Walk


async def _walk(words: list[str]) -> int:
    paths = [find_lesson(word) for word in words] or lesson_files()
    count = 0
    for path in paths:
        start = time.process_time()
        with tempfile.TemporaryDirectory() as state:
            os.environ["XDG_STATE_HOME"] = state
            walk = Walk(path=path)
            await walk.run()
        for finding in walk.found:
            print(finding)
        count += len(walk.found)
        print(f"{path.stem}: {walk.inputs} lines, {time.process_time() - start:.1f} s", flush=True)
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(_walk(sys.argv[1:])))
