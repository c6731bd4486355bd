"""A folder of ``.eml`` files, each of them a message, in the order of their names.

The unique-id is a hash of name and content.  A file that is written to while a session is open becomes
another message, which that session does not have.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from poptalk.practice.maildrop.locks import JournalledFolder, Steps
from poptalk.practice.maildrop.snapshot import (
    CommitRefused,
    HeldFolder,
    MaildropError,
    Measure,
    Signature,
    Snapshot,
    canonical_blocks,
    held,
    list_files,
    measure,
    stored_blocks,
    unique_id_of,
)

MAX_MESSAGE_OCTETS = 2 * 1024 * 1024 * 1024
"""The largest file that counts as a message: with a larger one, the wrong folder was named."""

Listing = tuple[tuple[str, Signature], ...]
"""Name and state of each file."""


class EmlSnapshot(Snapshot):
    """The messages of a folder as they were found.

    Args:
        folder: where they are.
        listing: the files, in the order of the messages.
    """

    def __init__(self, folder: HeldFolder, listing: Listing) -> None:
        super().__init__(len(listing))
        self.listing = listing
        self.folder = folder
        self._unique_ids: list[bytes | None] = [None] * len(listing)

    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message, a hash of name and content (RFC 1939 §7)."""
        if self._unique_ids[number - 1] is None:
            self._read_through(number)
        unique_id = self._unique_ids[number - 1]
        assert unique_id is not None
        return unique_id

    def key(self, number: int) -> Hashable:
        """Return the name and the state of a message's file."""
        return self.listing[number - 1]

    def _learn(self, number: int, older: Snapshot, before: int) -> None:
        super()._learn(number, older, before)
        assert isinstance(older, EmlSnapshot)
        self._unique_ids[number - 1] = older._unique_ids[before - 1]

    def _open(self, number: int) -> BinaryIO:
        return self.folder.open(self.listing[number - 1][0])

    def _is_as_listed(self, number: int, file: BinaryIO) -> bool:
        return Signature.of(os.fstat(file.fileno())) == self.listing[number - 1][1]

    def _measure(self, number: int, blocks: Iterator[bytes]) -> Measure:
        hasher = _hasher(self.listing[number - 1][0])
        measured = measure(blocks, hasher=hasher)
        self._unique_ids[number - 1] = unique_id_of(hasher)
        return measured


class EmlFolder(JournalledFolder):
    """A folder of ``.eml`` files.

    Args:
        folder: its path.
    """

    _held: HeldFolder | None = None

    def scan(self, before: Snapshot | None) -> Snapshot:
        """List the files; none is opened."""
        self._held = folder = held(self._held, self._folder)
        # The journal first: if it goes in between, so have the files that it named.
        going = self._journal.entries()
        files = (file for file in _list(self._folder) if not self._is_going(file[0], going))
        listing = tuple(sorted(files))
        found = (folder, listing)
        if isinstance(before, EmlSnapshot) and (before.folder, before.listing) == found:
            return before
        snapshot = EmlSnapshot(folder, listing)
        if before is not None:
            snapshot.learn_from(before)
        return snapshot

    def remove(self, snapshot: Snapshot, numbers: Iterable[int]) -> Steps:
        """Remove the files of messages; refuse if one of them has changed."""
        assert isinstance(snapshot, EmlSnapshot)
        entries = {}
        for number in numbers:
            name, signature = snapshot.listing[number - 1]
            try:
                as_listed = Signature.of((self._folder / name).lstat()) == signature
            except FileNotFoundError:
                # Another program has removed it, which is what the client wants.
                continue
            if not as_listed:
                raise CommitRefused(
                    f"{name} has changed since it was listed, so nothing was deleted."
                )
            entries[name] = snapshot.unique_id(number).decode("ascii")
        return self._remove(entries)

    def _is_going(self, name: str, going: Mapping[str, str]) -> bool:
        """Tell whether the journal names a file; a new one of the same name is another message."""
        if name not in going:
            return False
        hasher = _hasher(name)
        try:
            with HeldFolder(str(self._folder)).open(name) as file:
                measure(canonical_blocks(stored_blocks(file)), hasher=hasher)
        except FileNotFoundError:
            return False
        return unique_id_of(hasher).decode("ascii") == going[name]

    def _files_of(self, entries: Mapping[str, str]) -> dict[str, list[str]]:
        return {".": [name for name, _ in _list(self._folder) if self._is_going(name, entries)]}


def _list(folder: Path) -> Iterator[tuple[str, Signature]]:
    for entry in list_files(folder):
        if entry.name.lower().endswith(".eml"):
            try:
                signature = Signature.of(entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue
            if signature.octets > MAX_MESSAGE_OCTETS:
                raise MaildropError(
                    f"{folder / entry.name} has {signature.octets:,} octets, too many for a message. "
                    "Is it one?"
                )
            yield entry.name, signature


def _hasher(name: str) -> hashlib.blake2b:
    return hashlib.blake2b(os.fsencode(name))
