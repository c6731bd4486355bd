"""Removing several files as one: all of them, or none, whenever the process dies.

What is to go is first written into a journal beside the messages.  The moment in which the journal gets
its name is the moment of the deletion: before it nothing has happened, after it whoever opens the
maildrop next finishes the work, and nobody lists what the journal names.

Everything here is done in steps, each of which ends with a `yield` of what has been done.  A session
runs them through; a test dies after each of them in turn.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

Steps = Iterator[str]
"""What has been done so far, for people; it goes on when it is asked for more."""

JOURNAL_NAME = ".poptalk-journal"
UNFINISHED_NAME = ".poptalk-journal-unfinished"
"""The journal while it is written; left behind, it means that nothing was deleted."""


class Journal:
    """The journal of a folder.

    Args:
        folder: where the messages are, or the folders that they are in.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / JOURNAL_NAME
        self._unfinished = folder / UNFINISHED_NAME

    def entries(self) -> dict[str, str]:
        """Return what is being deleted: a unique-id by name; nothing if there is no journal.

        Raises:
            OSError: it cannot be read.
        """
        try:
            entries: dict[str, str] = json.loads(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return {}
        return entries

    def write(self, entries: Mapping[str, str]) -> Steps:
        """Delete what is named, once and for all; `clear_away` does the rest.

        Raises:
            OSError: it could not be written, and nothing was deleted.
        """
        with self._unfinished.open("w", encoding="ascii") as file:
            json.dump(dict(entries), file)
            file.flush()
            yield "the journal is written"
            os.fsync(file.fileno())
        yield "the journal is on the disk"
        self._unfinished.rename(self._path)
        yield "the journal has its name"
        sync_folder(self._folder)
        yield "the name of the journal is on the disk"

    def clear_away(self, find: Callable[[Mapping[str, str]], Iterable[Path]]) -> Steps:
        """Remove the files of what the journal names, then the journal.

        Args:
            find: returns those files, as far as they are still there.
        """
        self._unfinished.unlink(missing_ok=True)
        entries = self.entries()
        if not entries:
            return
        folders = set()
        for path in find(entries):
            path.unlink(missing_ok=True)
            folders.add(path.parent)
            yield f"{path.name} is removed"
        for folder in folders:
            sync_folder(folder)
        yield "the removal is on the disk"
        self._path.unlink()
        yield "the journal is removed"
        sync_folder(self._folder)
        yield "the end of the journal is on the disk"


def sync_folder(folder: Path) -> None:
    """Make names in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
