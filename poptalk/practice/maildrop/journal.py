"""Removing messages as a whole: all of them, or none, whenever the process dies.

What is to be removed is first written into a journal beside the messages.  The moment in which the
journal gets its name is the moment of the deletion: before it nothing has happened, after it the next
session that opens the maildrop finishes the work, and no session lists what the journal names.

A journal is believed only if it is a regular file of our own user, and if every name in it is the plain
name of a file: a maildrop may come from a stranger, or be where others can write.

Everything here is done in steps, each of which ends with a `yield` of what has been done.  A session
runs them through; a test dies after each of them in turn.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from poptalk.practice.maildrop.errors import MaildropError
from poptalk.practice.maildrop.text import open_regular, opened_folder

Steps = Iterator[str]
"""What has been done so far, for people; it goes on when it is asked for more."""

JOURNAL_NAME = ".poptalk-journal"

UNFINISHED = "-unfinished"
"""Ends the name of a journal that is being written; left behind, it means that nothing was deleted."""

MAX_NAME_OCTETS = 255
"""The longest name of a file on the systems that there are."""

MAX_JOURNAL_OCTETS = 256 * 1024 * 1024
"""A journal that names half a million messages has a quarter of this."""


class Journal:
    """The journal of a folder.

    Args:
        folder: where the messages are, or the folders that they are in.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / JOURNAL_NAME

    def entries(self) -> dict[str, str]:
        """Return what is being deleted, a unique-id by name; nothing if there is no journal.

        Raises:
            MaildropError: it isn't a journal of ours.
            OSError: it cannot be read.
        """
        try:
            file = open_journal(self._path)
        except FileNotFoundError:
            return {}
        with file:
            stored = file.read(MAX_JOURNAL_OCTETS)
        try:
            entries = json.loads(stored)
            if isinstance(entries, dict) and all(
                isinstance(unique_id, str) and _is_plain(name)
                for name, unique_id in entries.items()
            ):
                return entries
        except (ValueError, RecursionError) as error:
            raise damaged(self._path) from error
        raise damaged(self._path)

    def write(self, entries: Mapping[str, str]) -> Steps:
        """Delete what is named, once and for all; `clear_away` does the rest.

        Raises:
            OSError: it could not be written, and nothing was deleted.
        """
        with opened_folder(self._folder) as folder:
            blocks = [json.dumps(dict(entries)).encode("ascii")]
            yield from write_journal(JOURNAL_NAME, blocks, folder=folder)

    def clear_away(self, find: Callable[[Mapping[str, str]], Mapping[str, Iterable[str]]]) -> Steps:
        """Remove the files of what the journal names, then the journal.

        Args:
            find: returns the names of the files that are left, by folder (relative to this one).
        """
        entries = self.entries()
        with opened_folder(self._folder) as folder:
            remove_file(JOURNAL_NAME + UNFINISHED, folder=folder)
            for subfolder, names in find(entries).items() if entries else ():
                with opened_folder(subfolder, within=folder) as there:
                    for name in names:
                        remove_file(name, folder=there)
                        yield f"{name} is removed"
                    os.fsync(there)
            yield "the removal is on the disk"
            if remove_file(JOURNAL_NAME, folder=folder):
                yield "the journal is removed"
                os.fsync(folder)
                yield "the end of the journal is on the disk"


def _is_plain(name: str) -> bool:
    """Tell whether a name can only be that of something in the folder itself."""
    return (
        name not in ("", ".", "..")
        and not set("/\0") & set(name)
        and len(os.fsencode(name)) <= MAX_NAME_OCTETS
    )


def damaged(path: Path) -> MaildropError:
    """Explain a journal that cannot be believed."""
    return MaildropError(
        f"{path} is damaged, or isn't a journal that this program wrote for this maildrop, so nothing "
        "is deleted; look at it, and move it away if you don't need it."
    )


def open_journal(path: Path, flags: int = os.O_RDONLY, *, folder: int | None = None) -> BinaryIO:
    """Open a journal if it's a regular file of our own user, which no one else can have written.

    Raises:
        MaildropError: it is something else.
        OSError: it cannot be opened.
    """
    try:
        descriptor = open_regular(str(path) if folder is None else path.name, flags, folder=folder)
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise damaged(path) from error
    file = os.fdopen(descriptor, "rb" if flags == os.O_RDONLY else "r+b")
    if hasattr(os, "geteuid") and os.fstat(descriptor).st_uid != os.geteuid():
        file.close()
        raise damaged(path)
    return file


def write_journal(name: str, blocks: Iterable[bytes], *, folder: int) -> Steps:
    """Write a journal and give it its name, which is the point of no return.

    Args:
        name: its name.
        blocks: what is in it; an exception raised by the iterator is passed on.
        folder: the descriptor of its folder.

    Raises:
        OSError: it could not be written, and nothing was deleted.
    """
    unfinished = name + UNFINISHED
    # O_EXCL follows no link, and takes no file that another program holds open.
    remove_file(unfinished, folder=folder)
    descriptor = open_regular(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield "the journal is begun"
            for block in blocks:
                file.write(block)
            file.flush()
            yield "the journal is written"
            os.fsync(descriptor)
        yield "the journal is on the disk"
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        remove_file(unfinished, folder=folder)
    yield "the journal has its name"
    os.fsync(folder)
    yield "the name of the journal is on the disk"


def remove_file(name: str, *, folder: int) -> bool:
    """Remove a name from an open folder; tell whether it was there."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
        return True
    return False
