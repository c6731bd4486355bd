"""An mbox: one file, each message behind a line that begins with ``From`` and a blank.

A message begins at the top of the file and behind each empty line that such a line follows; the empty
line belongs to neither.  What the line says, and whether the program that stored a letter put ``>`` in
front of a ``From`` of the letter's own, is left as it is: several rules are about, and none can be
told from the file.  The module ``mailbox`` reads an mbox as well, but does not tell where in the file
a message lies, and whoever rewrites the file exactly has to know.

The unique-id is a hash of that line and the content, with a number behind it for the second and further
of messages that are the same in both.
"""

from __future__ import annotations

import hashlib
import os
import re
from array import array
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from poptalk.practice.maildrop.errors import CommitRefused, MaildropError
from poptalk.practice.maildrop.journal import Steps, sync_folder
from poptalk.practice.maildrop.locks import SessionLock, delivery_stopped, remove_stale_dot_lock
from poptalk.practice.maildrop.snapshot import Signature, Snapshot
from poptalk.practice.maildrop.text import (
    canonical_blocks,
    measure,
    stored_blocks,
    unique_id_of,
)

FROM = b"From "
"""How the line in front of a message begins."""

READINGS = 3
"""How often a file is listed that is written to meanwhile, before that is given up."""

_BOUNDARY = re.compile(rb"\n\r?\n" + FROM)
_LONGEST_BOUNDARY = len(b"\n\r\n" + FROM)


class MboxSnapshot(Snapshot):
    """The messages of an mbox as they were found.

    Args:
        path: the file.
        signature: its state when it was read.
        starts: where the line in front of each message begins.
        stops: where each message ends, an empty line behind it excluded.
    """

    def __init__(
        self, path: Path, signature: Signature, starts: array[int], stops: array[int]
    ) -> None:
        super().__init__(len(starts))
        self.signature = signature
        self.starts = starts
        self._path = path
        self._stops = stops
        self._bodies = array("q", [0]) * len(starts)
        self._digests: list[bytes] = []
        self._unique_ids: list[bytes] = []

    def read(self, file: BinaryIO) -> None:
        """Read every message once, for its size and its unique-id."""
        met: Counter[bytes] = Counter()
        for number in range(1, self.count + 1):
            digest = self._read_one(number, file)
            met[digest] += 1
            self._digests.append(digest)
            self._unique_ids.append(
                digest if met[digest] == 1 else b"%b.%d" % (digest, met[digest])
            )

    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message (RFC 1939 §7)."""
        return self._unique_ids[number - 1]

    def key(self, number: int) -> Hashable:
        """Return the unique-id, which is all that a message of an mbox has."""
        return self._unique_ids[number - 1]

    def begins_with(self, other: MboxSnapshot) -> bool:
        """Tell whether this one has the messages of another at the same places, and perhaps more."""
        return (
            self.starts[: other.count] == other.starts
            and self._digests[: other.count] == other._digests
        )

    def _read_one(self, number: int, file: BinaryIO) -> bytes:
        hasher = hashlib.blake2b()
        self._bodies[number - 1] = self._seek_body(number, file, hasher)
        blocks = canonical_blocks(stored_blocks(file, self._stored_octets(number)))
        measured = measure(blocks, hasher=hasher)
        self._sizes[number - 1] = measured.octets
        self._dots[number - 1] = measured.has_dot_lines
        return unique_id_of(hasher)

    def _seek_body(self, number: int, file: BinaryIO, hasher: hashlib.blake2b) -> int:
        """Go behind the line in front of a message, and return where that is."""
        file.seek(self.starts[number - 1])
        hasher.update(file.readline().rstrip(b"\r\n"))
        return file.tell()

    def _open(self, number: int) -> BinaryIO:
        file = self._path.open("rb")
        file.seek(self._bodies[number - 1])
        return file

    def _stored_octets(self, number: int, file: Signature | None = None) -> int:
        del file
        return max(self._stops[number - 1] - self._bodies[number - 1], 0)

    def _is_as_listed(self, number: int, file: BinaryIO) -> bool:
        """Compare the message, if the file has changed: most often there is new mail behind it."""
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


class Mbox:
    """An mbox (`poptalk.practice.maildrop.source.Source`).

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        # Renaming a new file over a symbolic link would replace the link.
        self._path = path.resolve()
        self._draft = self._beside("draft")

    def scan(self, before: Snapshot | None) -> Snapshot:
        """Read the file once, unless it has not changed."""
        for _ in range(READINGS):
            with self._path.open("rb") as file:
                signature = Signature.of(os.fstat(file.fileno()))
                if isinstance(before, MboxSnapshot) and before.signature == signature:
                    return before
                snapshot = _read(self._path, file)
                if Signature.of(os.fstat(file.fileno())) == signature:
                    return snapshot
        raise MaildropError(f"{self._path} is written to all the time, so it cannot be listed.")

    def lock(self) -> SessionLock:
        """Lock the mbox by a file beside it, which holds up no delivery."""
        return SessionLock(self._beside("lock"))

    def clear_away(self) -> Steps:
        """Forget a new mbox that did not get its name, and let delivery go on."""
        self._draft.unlink(missing_ok=True)
        remove_stale_dot_lock(self._path)
        yield "what was left behind is removed"

    def remove(self, snapshot: Snapshot, numbers: Iterable[int]) -> Steps:
        """Write an mbox without some messages and put it in the place of the old one."""
        assert isinstance(snapshot, MboxSnapshot)
        with delivery_stopped(self._path) as file:
            yield "delivery is stopped"
            now = _read(self._path, file)
            if not now.begins_with(snapshot):
                raise CommitRefused(
                    f"{self._path} has changed since it was listed, so nothing was deleted."
                )
            try:
                yield from self._write_draft(file, now, leave_out=frozenset(numbers))
                if Signature.of(self._path.stat()) != now.signature:
                    raise CommitRefused(f"{self._path} was changed in spite of its locks.")
                self._draft.replace(self._path)
            finally:
                self._draft.unlink(missing_ok=True)
            yield "the new mbox has its name"
            sync_folder(self._path.parent)
            yield "the name of the new mbox is on the disk"
        yield "delivery goes on"

    def _write_draft(
        self, file: BinaryIO, now: MboxSnapshot, *, leave_out: frozenset[int]
    ) -> Steps:
        status = os.fstat(file.fileno())
        edges = [*now.starts, status.st_size]
        with self._draft.open("wb") as draft:
            os.fchmod(draft.fileno(), status.st_mode & 0o7777)
            os.fchown(draft.fileno(), status.st_uid, status.st_gid)
            yield "a new mbox is begun"
            for number in range(1, now.count + 1):
                if number not in leave_out:
                    file.seek(edges[number - 1])
                    draft.writelines(stored_blocks(file, edges[number] - edges[number - 1]))
                    yield f"message {number} is in the new mbox"
            draft.flush()
            yield "the new mbox is written"
            os.fsync(draft.fileno())
        yield "the new mbox is on the disk"

    def _beside(self, what: str) -> Path:
        return self._path.with_name(f".{self._path.name}.poptalk-{what}")


def _read(path: Path, file: BinaryIO) -> MboxSnapshot:
    """List an open file."""
    signature = Signature.of(os.fstat(file.fileno()))
    starts, stops = array("q"), array("q")
    if signature.octets:
        file.seek(0)
        if file.read(len(FROM)) != FROM:
            raise MaildropError(
                f'{path} is no mbox, because it does not begin with "From ". '
                "A single message goes into a folder, as a file that ends in .eml."
            )
        starts.append(0)
        for stop, start in _boundaries(file):
            stops.append(stop)
            starts.append(start)
        stops.append(_last_stop(file, signature.octets))
    snapshot = MboxSnapshot(path, signature, starts, stops)
    snapshot.read(file)
    return snapshot


def _boundaries(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Return where each message but the last ends, and where the line in front of the next begins."""
    file.seek(0)
    held, at, last = b"", 0, -1
    for block in stored_blocks(file):
        text = held + block
        for match in _BOUNDARY.finditer(text):
            stop = at + match.start() + 1
            # The octets that are held back can hold a whole boundary, which has been seen then.
            if stop > last:
                last = stop
                yield stop, at + match.end() - len(FROM)
        held = text[1 - _LONGEST_BOUNDARY :]
        at += len(text) - len(held)


def _last_stop(file: BinaryIO, octets: int) -> int:
    """Return where the last message ends, an empty line behind it excluded."""
    file.seek(max(octets - 3, 0))
    end = file.read(3)
    if end == b"\n\r\n":
        return octets - 2
    return octets - 1 if end.endswith(b"\n\n") else octets
