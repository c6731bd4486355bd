"""An mbox: one file, each message after a line that begins with ``From`` and a space.

A message begins at the top of the file, and after each empty line that is followed by such a line; the
empty line belongs to neither.  That line is left as it is, and so is a ``>`` that a program put before a
``From`` in the message when it stored it: there are several rules, and the file doesn't say which was
used.  The module ``mailbox`` reads an mbox too, but doesn't say where in the file a message is, and a
program that rewrites the file exactly has to know.

The unique-id is a hash of that line and the content, followed by a number for the second and further of
messages that have the same.

Messages are deleted in place, under all locks.  A new file under the old name would be simpler and never
half done, but programs that have the old one open, and wait for its lock, would deliver into a file that
nobody reads anymore.  So the part of the mbox that changes is first written into a journal beside it;
the deletion happens at the moment when that gets its name.  If the process dies after that, readers take
the part from the journal, and the next session that may write finishes the work.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import struct
import tempfile
import weakref
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from poptalk.practice.maildrop import locks
from poptalk.practice.maildrop.locks import SessionLock, Steps, damaged, remove_file
from poptalk.practice.maildrop.snapshot import (
    CommitRefused,
    HeldFolder,
    MaildropError,
    MaildropLocked,
    Signature,
    Snapshot,
    canonical_blocks,
    held,
    measure,
    opened_folder,
    stored_blocks,
    unique_id_of,
)

FROM = b"From "
"""Begins the line before a message."""

READINGS = 10
"""How often to list a file that another program is writing to, before giving up."""

Blocks = Callable[[], Iterable[bytes]]
"""Makes a part of a file, each time the same."""

_BOUNDARY = re.compile(rb"\n\r?\n" + FROM)
_LONGEST_BOUNDARY = len(b"\n\r\n" + FROM)


class MboxSnapshot(Snapshot):
    """The messages of an mbox as they were found.

    Args:
        reopen: opens the file.
        signature: its state when it was read.
        starts: where the line before each message begins.
        stops: where each message ends, without the empty line after it.
    """

    def __init__(
        self,
        reopen: Callable[[], BinaryIO],
        signature: Signature,
        starts: array[int],
        stops: array[int],
    ) -> None:
        super().__init__(len(starts))
        self.signature = signature
        self.starts = starts
        self._reopen = reopen
        self._stops = stops
        self._bodies = array("q", [0]) * len(starts)
        self._digests: list[bytes] = []
        self._unique_ids: list[bytes] = []

    def read(self, file: BinaryIO) -> None:
        """Read every message once, for its size and its unique-id."""
        seen: Counter[bytes] = Counter()
        for number in range(1, self.count + 1):
            hasher = hashlib.blake2b()
            self._bodies[number - 1] = self._seek_body(number, file, hasher)
            blocks = canonical_blocks(stored_blocks(file, self._stored_octets(number)))
            measured = measure(blocks, hasher=hasher)
            self._sizes[number - 1] = measured.octets
            self._dots[number - 1] = measured.has_dot_lines
            digest = unique_id_of(hasher)
            seen[digest] += 1
            self._digests.append(digest)
            again = b".%d" % seen[digest] if seen[digest] > 1 else b""
            self._unique_ids.append(digest + again)

    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message (RFC 1939 §7)."""
        return self._unique_ids[number - 1]

    def key(self, number: int) -> Hashable:
        """Return the unique-id, which is all that a message of an mbox has."""
        return self._unique_ids[number - 1]

    def begins_with(self, other: MboxSnapshot) -> bool:
        """Tell whether this one has the messages of another at the same places, and perhaps more."""
        same_places = self.starts[: other.count] == other.starts
        return same_places and self._digests[: other.count] == other._digests

    def _seek_body(self, number: int, file: BinaryIO, hasher: hashlib.blake2b) -> int:
        """Go to the octet after the line before a message, and return its position."""
        file.seek(self.starts[number - 1])
        hasher.update(file.readline().rstrip(b"\r\n"))
        return file.tell()

    def _open(self, number: int) -> BinaryIO:
        file = self._reopen()
        file.seek(self._bodies[number - 1])
        return file

    def _stored_octets(self, number: int, _file: Signature | None = None) -> int:
        return max(self._stops[number - 1] - self._bodies[number - 1], 0)

    def _is_as_listed(self, number: int, file: BinaryIO) -> bool:
        """Compare the message if the file has changed: usually there is only new mail."""
        if Signature.of(os.fstat(file.fileno())) == self.signature:
            return True
        hasher = hashlib.blake2b()
        if self._seek_body(number, file, hasher) != self._bodies[number - 1]:
            return False
        measure(canonical_blocks(stored_blocks(file, self._stored_octets(number))), hasher=hasher)
        file.seek(self._bodies[number - 1])
        return unique_id_of(hasher) == self._digests[number - 1]

    def _is_whole(self, number: int, file: BinaryIO) -> bool:
        return self._is_as_listed(number, file)


COPYING, CUTTING = b"1", b"2"
"""The state of a journal.  In the first one the mbox is as long as before.  In the second one it either
has the mark where it is to be cut, or it has been cut: new mail cannot hide which."""

MARK_OCTETS = 16

_HEADER = struct.Struct(f">cQQ{MARK_OCTETS}s64s")
"""The state, the position of the new end of the mbox, the size of the old mbox, the mark, and a hash of
the new mbox.  The rest of a journal is that new end."""


class Rewrite:
    """An mbox, and the journal that says how it changes.

    Args:
        path: the journal.
        mbox: the mbox, open for reading.
        journal: the journal, open for reading.

    Attributes:
        start: where the new end belongs.
        new_octets: the size of the mbox without the messages.
        old_end: where the part of the mbox that the journal knows ends now, and newer mail begins.
        mark: random octets to write where the mbox is to be cut, as far as there is room.

    Raises:
        MaildropError: the journal, or the mbox before the place where it changes, is damaged.
    """

    def __init__(self, path: Path, mbox: BinaryIO, journal: BinaryIO) -> None:
        self._mbox, self._journal = mbox, journal
        header = journal.read(_HEADER.size)
        octets = os.fstat(mbox.fileno()).st_size
        if len(header) < _HEADER.size:
            raise damaged(path)
        state, self.start, old_octets, mark, content_hash = _HEADER.unpack(header)
        self.new_octets = self.start + os.fstat(journal.fileno()).st_size - _HEADER.size
        self.mark = mark[: old_octets - self.new_octets]
        self.old_end = old_octets
        if state == CUTTING and self.new_octets <= octets:
            mbox.seek(self.new_octets)
            if octets < old_octets or mbox.read(len(self.mark)) != self.mark:
                self.old_end = self.new_octets
        if (
            state not in (COPYING, CUTTING)
            or self.new_octets > old_octets
            or self.old_end > octets
            or _hash(chain(_part(mbox, 0, self.start), self.new_end())) != content_hash
        ):
            raise damaged(path)

    def new_end(self) -> Iterator[bytes]:
        """Return the part of the new mbox from `start` on."""
        return _part(self._journal, _HEADER.size, None)

    def new_end_and_newer_mail(self) -> Iterator[bytes]:
        """Return that, and what other programs delivered after the process died."""
        return chain(self.new_end(), _part(self._mbox, self.old_end, None))

    def carry_out(self) -> Steps:
        """Write the new end of the mbox, and cut it off there."""
        mbox, journal = self._mbox, self._journal
        at = self.start
        for block in self.new_end():
            mbox.seek(at)
            at += mbox.write(block)
            mbox.flush()
            yield "a part of the mbox has moved up"
        mbox.seek(self.new_octets)
        mbox.write(self.mark)
        mbox.flush()
        yield "the mbox is marked"
        os.fsync(mbox.fileno())
        journal.seek(0)
        journal.write(CUTTING)
        journal.flush()
        yield "the journal says that the mbox is cut"
        os.fsync(journal.fileno())
        os.ftruncate(mbox.fileno(), self.new_octets)
        yield "the mbox is cut"
        os.fsync(mbox.fileno())


class Mbox:
    """An mbox (`poptalk.practice.maildrop.store.Storage`).

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        # From now on nobody can replace it with a link.
        self._path = path.resolve()
        self._folder: HeldFolder | None = None
        self._journal = self._beside("journal")

    def is_quick(self, before: Snapshot | None) -> bool:
        """Tell whether the file is as it was, or cannot be read anyway."""
        try:
            signature = Signature.of(self._path.lstat())
        except OSError:
            return True
        unchanged = isinstance(before, MboxSnapshot) and before.signature == signature
        return unchanged and not os.path.lexists(self._journal)

    def scan(self, before: Snapshot | None) -> Snapshot:
        """Read the file once, unless it has not changed."""
        self._folder = held(self._folder, self._path.parent)
        reopen = partial(self._folder.open, self._path.name, buffering=-1)
        for _ in range(READINGS):
            journal = self._journal_state()
            with reopen() as file:
                signature = Signature.of(os.fstat(file.fileno()))
                unchanged = isinstance(before, MboxSnapshot) and before.signature == signature
                if before is not None and unchanged and journal is None:
                    return before
                try:
                    snapshot = self._copied(file) if journal else _read(self._path, file, reopen)
                except (MaildropError, FileNotFoundError):
                    # A session may be rewriting it.
                    if self._journal_state() == journal:
                        raise
                    continue
                unchanged = Signature.of(os.fstat(file.fileno())) == signature
            if unchanged and self._journal_state() == journal:
                return snapshot
        raise MaildropError(f"{self._path} is written to all the time, so it cannot be listed.")

    def lock(self) -> SessionLock:
        """Lock the mbox by a file beside it, which holds up no delivery."""
        return SessionLock(self._beside("lock"))

    def clear_away(self) -> Steps:
        """Finish the work in the journal, and let delivery go on.

        Raises:
            MaildropLocked: there is work to finish, but another program is using the mbox.
        """
        with opened_folder(self._path.parent) as folder:
            remove_file(self._journal.name + locks.UNFINISHED, folder=folder)
            locks.remove_stale_dot_lock(self._path, folder=folder)
            yield "what was left behind is removed"
            if self._journal_state() is not None:
                try:
                    with locks.delivery_stopped(self._path, folder=folder, seconds=0) as file:
                        yield from self._finish(file, folder)
                except CommitRefused as error:
                    raise MaildropLocked from error

    def remove(self, snapshot: Snapshot, numbers: Iterable[int]) -> Steps:
        """Cut messages out of the file, in place; mail that is new since the snapshot is kept."""
        assert isinstance(snapshot, MboxSnapshot)
        gone = frozenset(numbers)
        if not gone:
            return
        with (
            opened_folder(self._path.parent) as folder,
            locks.delivery_stopped(self._path, folder=folder) as file,
        ):
            yield "delivery is stopped"
            now = _read(self._path, file, lambda: file)
            if not now.begins_with(snapshot):
                raise CommitRefused(
                    f"{self._path} has changed since it was listed, so nothing was deleted."
                )
            edges = [*now.starts, now.signature.octets]
            first = min(gone)
            kept = [n for n in range(first, now.count + 1) if n not in gone]

            def new_end() -> Iterator[bytes]:
                for number in kept:
                    yield from _part(file, edges[number - 1], edges[number])
                if Signature.of(os.fstat(file.fileno())) != now.signature:
                    raise CommitRefused(f"{self._path} was changed in spite of its locks.")

            yield from self._commit(file, folder, edges[first - 1], edges[-1], new_end)
            yield from self._finish(file, folder)
        yield "delivery goes on"

    def _commit(
        self, file: BinaryIO, folder: int, start: int, octets: int, new_end: Blocks
    ) -> Steps:
        """Write a journal for an mbox of so many octets, with a new end from `start` on."""
        content_hash = _hash(chain(_part(file, 0, start), new_end()))
        mark = secrets.token_bytes(MARK_OCTETS)
        header = _HEADER.pack(COPYING, start, octets, mark, content_hash)
        return locks.write_journal(self._journal.name, chain([header], new_end()), folder=folder)

    def _finish(self, file: BinaryIO, folder: int) -> Steps:
        """Do what the journal says; begun again from any point, it comes to the same end."""
        finished = False
        while not finished:
            with locks.open_journal(self._journal, os.O_RDWR, folder=folder) as journal:
                rewrite = Rewrite(self._journal, file, journal)
                octets = os.fstat(file.fileno()).st_size
                finished = octets == rewrite.old_end or rewrite.old_end == rewrite.new_octets
                if not finished:
                    # Newer mail moves up with the rest.
                    yield from self._commit(
                        file, folder, rewrite.start, octets, rewrite.new_end_and_newer_mail
                    )
                elif rewrite.old_end != rewrite.new_octets:
                    yield from rewrite.carry_out()
        remove_file(self._journal.name, folder=folder)
        yield "the journal is removed"
        os.fsync(folder)
        yield "the end of the journal is on the disk"

    def _copied(self, file: BinaryIO) -> MboxSnapshot:
        """List a copy that is changed as the journal says; the disk is left as it is."""
        descriptor, name = tempfile.mkstemp(prefix="poptalk-")
        try:
            with os.fdopen(descriptor, "w+b") as copy, locks.open_journal(self._journal) as journal:
                rewrite = Rewrite(self._journal, file, journal)
                copy.writelines(_part(file, 0, rewrite.start))
                copy.writelines(rewrite.new_end_and_newer_mail())
                copy.flush()
                folder = HeldFolder(os.path.dirname(os.path.realpath(name)))
                reopen = partial(folder.open, os.path.basename(name), buffering=-1)
                snapshot = _read(self._path, copy, reopen)
        except BaseException:
            os.unlink(name)
            raise
        weakref.finalize(snapshot, os.unlink, name)
        return snapshot

    def _journal_state(self) -> tuple[Signature, bytes] | None:
        """Return what changes while a session rewrites the mbox; None where none does."""
        try:
            with locks.open_journal(self._journal) as journal:
                return Signature.of(os.fstat(journal.fileno())), journal.read(1)
        except FileNotFoundError:
            return None

    def _beside(self, what: str) -> Path:
        return self._path.with_name(f".{self._path.name}.poptalk-{what}")


def _hash(blocks: Iterable[bytes]) -> bytes:
    hasher = hashlib.blake2b()
    for block in blocks:
        hasher.update(block)
    return hasher.digest()


def _part(file: BinaryIO, start: int, stop: int | None) -> Iterator[bytes]:
    """Read a part of a file, None for all the rest."""
    file.seek(start)
    yield from stored_blocks(file, None if stop is None else stop - start)


def _read(path: Path, file: BinaryIO, reopen: Callable[[], BinaryIO]) -> MboxSnapshot:
    """List an open file, which `reopen` opens once more for each message."""
    signature = Signature.of(os.fstat(file.fileno()))
    starts, stops = array("q"), array("q")
    if signature.octets:
        file.seek(0)
        if file.read(len(FROM)) != FROM:
            raise MaildropError(
                f'{path} is not an mbox, because it does not begin with "From ". '
                "A single message goes into a folder, as a file that ends in .eml."
            )
        starts.append(0)
        for stop, start in _boundaries(file):
            stops.append(stop)
            starts.append(start)
        # The last message ends without the empty line after it, too.
        file.seek(max(signature.octets - 3, 0))
        end = file.read(3)
        empty_line = 2 if end == b"\n\r\n" else 1 if end.endswith(b"\n\n") else 0
        stops.append(signature.octets - empty_line)
    snapshot = MboxSnapshot(reopen, signature, starts, stops)
    snapshot.read(file)
    return snapshot


def _boundaries(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield where each message but the last ends, and where the line before the next begins."""
    file.seek(0)
    held, at, last = b"", 0, -1
    for block in stored_blocks(file):
        text = held + block
        for match in _BOUNDARY.finditer(text):
            stop = at + match.start() + 1
            # The octets that are held back can contain a whole boundary, which has been seen already.
            if stop > last:
                last = stop
                yield stop, at + match.end() - len(FROM)
        held = text[1 - _LONGEST_BOUNDARY :]
        at += len(text) - len(held)
