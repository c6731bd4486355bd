"""A Maildir: each message is a file in ``new`` or ``cur``, whose name is unique forever.

The name up to the colon never changes, and the file is never written to again.  So the name is enough
to identify a message: listing a Maildir opens none, and the unique-id is the name itself where RFC 1939
§7 allows it, or else a hash of it.  After the colon there are flags.  A program that reads mail changes
them, and moves files from ``new`` to ``cur``, while a session is open: a file that isn't where it was is
looked for by its unique name.  This server sets no flags and moves nothing.

Some programs write the size into the name (``,W=`` is the size with each line end counted as two); then
only the last octet of a message is read to count it.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from poptalk.practice.maildrop.locks import JournalledFolder, Steps
from poptalk.practice.maildrop.snapshot import HeldFolder, Snapshot, held, list_files, unique_id_of

FOLDERS = ("new", "cur")
"""The folders of messages; those in ``tmp`` aren't delivered yet."""

CLOCK_GRAIN_NS = 50_000_000
"""A folder written to within this time of being listed may change again without showing it: a file
system's clock ticks every 1 to 10 ms."""

COARSE_CLOCK_GRAIN_NS = 2_000_000_000
"""The same where a time of change has no fraction: some file systems know only whole or even seconds."""

Written = tuple[tuple[int, int], ...]
"""The inode of each folder, and when it was last written to."""

_UNIQUE_ID = re.compile(r"[\x21-\x7e]{1,70}")
"""RFC 1939 §7."""

_TOLD_SIZE = re.compile(r",W=([0-9]{1,18})(?=[,:]|\Z)")

_LEADING_DIGITS = re.compile(r"[0-9]{1,18}")


class MaildirSnapshot(Snapshot):
    """The messages of a Maildir as they were found.

    Args:
        folder: the Maildir.
        folders: those in it, by name.
        paths: where each message is, relative to it, in the order of the messages.
        written: when its folders were last written to.
    """

    def __init__(
        self, folder: Path, folders: Mapping[str, HeldFolder], paths: list[str], written: Written
    ) -> None:
        super().__init__(len(paths))
        self.paths = paths
        self.written = written
        self._folder = folder
        self._folders = folders
        self._unique_ids: list[bytes | None] = [None] * len(paths)
        self._searched = written

    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message: its unique name, or a hash of it (RFC 1939 §7)."""
        unique_id = self._unique_ids[number - 1]
        if unique_id is None:
            unique_id = unique_id_of_name(unique_name(self.paths[number - 1]))
            self._unique_ids[number - 1] = unique_id
        return unique_id

    def key(self, number: int) -> Hashable:
        """Return the unique name of a message."""
        return unique_name(self.paths[number - 1])

    def move(self, paths: list[str], written: Written) -> None:
        """Take note that the same messages are elsewhere now, or have other flags."""
        self.paths = paths
        self.written = self._searched = written

    def _open(self, number: int) -> BinaryIO:
        try:
            return self._open_path(number)
        except FileNotFoundError:
            # It has moved.  List the folders again, if they have changed.
            written = _times_of_change(_subfolders(self._folder))
            if written != self._searched:
                self._searched = written if _is_past(written) else ()
                there = {unique_name(path): path for path in _list(self._folder)}
                # A new list, because another thread may be reading the old one.
                self.paths = [there.get(unique_name(path), path) for path in self.paths]
            return self._open_path(number)

    def _open_path(self, number: int) -> BinaryIO:
        subfolder, _, name = self.paths[number - 1].partition("/")
        return self._folders[subfolder].open(name)

    def _is_as_listed(self, _number: int, _file: BinaryIO) -> bool:
        return True

    def _told_octets(self, number: int) -> int | None:
        told = _TOLD_SIZE.search(unique_name(self.paths[number - 1]))
        if told is None:
            return None
        octets = int(told[1])
        with self._open(number) as file:
            stored = file.seek(0, os.SEEK_END)
            file.seek(max(stored - 1, 0))
            # A last line without its end gets one when it is sent, which the size doesn't include.
            return octets if file.read(1) in (b"\n", b"") else None


class Maildir(JournalledFolder):
    """A Maildir.

    Args:
        folder: the one with ``new`` and ``cur`` in it.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # Every login asks when they changed, and joining paths would take longer than that.
        self._subfolders = _subfolders(self._folder)
        self._held: dict[str, HeldFolder] = {}

    def scan(self, before: Snapshot | None) -> Snapshot:
        """List the messages; no message is opened, and nothing is listed if nothing has changed."""
        written = _times_of_change(self._subfolders)
        if isinstance(before, MaildirSnapshot) and before.written == written:
            return before
        trusted = written if _is_past(written) else ()
        folders = {name: held(self._held.get(name), self._folder / name) for name in FOLDERS}
        exchanged, self._held = folders != self._held, folders
        going = self._journal.entries()
        # A message that is being moved may appear twice.
        there = {unique_name(path): path for path in _list(self._folder)}
        names = sorted((name for name in there if name not in going), key=_order)
        paths = [there[name] for name in names]
        if (
            isinstance(before, MaildirSnapshot)
            and not exchanged
            and names == list(map(unique_name, before.paths))
        ):
            before.move(paths, trusted)
            return before
        snapshot = MaildirSnapshot(self._folder, folders, paths, trusted)
        if before is not None:
            snapshot.learn_from(before)
        return snapshot

    def remove(self, snapshot: Snapshot, numbers: Iterable[int]) -> Steps:
        """Remove messages, wherever their files are by now; new mail isn't touched."""
        assert isinstance(snapshot, MaildirSnapshot)
        names = [unique_name(snapshot.paths[number - 1]) for number in numbers]
        entries = {name: unique_id_of_name(name).decode("ascii") for name in names}
        return self._remove(entries)

    def _files_of(self, entries: Mapping[str, str]) -> dict[str, list[str]]:
        files: dict[str, list[str]] = {subfolder: [] for subfolder in FOLDERS}
        for path in _list(self._folder):
            if unique_name(path) in entries:
                subfolder, _, name = path.partition("/")
                files[subfolder].append(name)
        return files


def unique_name(path: str) -> str:
    """Return the part of a file's name that never changes.

    Args:
        path: the folder, ``/`` and the name, whose flags follow a colon.
    """
    return path.partition("/")[2].partition(":")[0]


def unique_id_of_name(name: str) -> bytes:
    """Return the unique-id of the message with a unique name (RFC 1939 §7)."""
    if _UNIQUE_ID.fullmatch(name):
        return name.encode("ascii")
    return unique_id_of(hashlib.blake2b(os.fsencode(name)))


def _list(folder: Path) -> Iterator[str]:
    for subfolder in FOLDERS:
        for entry in list_files(folder / subfolder):
            if not entry.name.startswith("."):
                yield f"{subfolder}/{entry.name}"


def _order(name: str) -> tuple[int, str]:
    """Sort by the time of delivery, with which names begin, and then by the rest."""
    time_of_delivery = _LEADING_DIGITS.match(name)
    return (int(time_of_delivery[0]) if time_of_delivery else 0, name)


def _subfolders(folder: Path) -> tuple[str, ...]:
    return tuple(os.path.join(folder, name) for name in FOLDERS)


def _times_of_change(subfolders: Iterable[str]) -> Written:
    """Return which folders there are, and when they were last written to, in nanoseconds."""
    found = map(os.lstat, subfolders)
    return tuple([(status.st_ino, status.st_mtime_ns) for status in found])


def _is_past(written: Written) -> bool:
    """Tell whether any later change of the folders would show in their times of change."""
    now = time.time_ns()
    return all(
        now - then > (CLOCK_GRAIN_NS if then % 1_000_000_000 else COARSE_CLOCK_GRAIN_NS)
        for _, then in written
    )
