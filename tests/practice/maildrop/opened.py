"""Count the files that this process opens, by whatever means Python has."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_recording: list[list[str]] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _recording and isinstance(arguments[0], str | bytes | os.PathLike):
        _, _, flags = arguments
        # A folder is opened to open or list the files in it.
        if not (isinstance(flags, int) and flags & os.O_DIRECTORY):
            for files in _recording:
                files.append(os.fsdecode(arguments[0]))


# An audit hook cannot be taken away, so there is one that mostly does nothing.
sys.addaudithook(_hook)


@contextmanager
def files_opened(below: Path) -> Iterator[list[str]]:
    """Record what is opened below a folder while the context lasts.

    A file is recorded by the path that it is opened by, or by the name alone if its folder is open
    already: which folder that is cannot be seen, so all of these count.
    """
    files: list[str] = []
    found: list[str] = []
    _recording.append(files)
    try:
        yield found
    finally:
        _recording.remove(files)
        found += [file for file in files if not os.path.isabs(file) or file.startswith(str(below))]
