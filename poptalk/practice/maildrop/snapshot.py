"""The messages of a maildrop as they were found, whatever the format.

A snapshot serves all sessions that find the maildrop unchanged.  It holds no mail: a message is read
when its size is first asked for, and again, block by block, whenever it is sent.

What if a file changes or vanishes meanwhile?  RFC 1939 promises a locked maildrop.  A folder that other
programs write to cannot keep that promise, so this module does: a message that cannot be read, or is
not the one that was listed, is `MessageUnavailable`.  Found before the answer, the client gets -ERR and
the session goes on; found while octets are on their way, the connection is cut before the lone dot.
As many octets as were announced, and the right ones, or no complete reply.

The files are opened and read here too: regular files only, never through a link, and with CRLF at
the end of every line.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import stat
import threading
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from poptalk.pop3.server.transaction import Maildrop, MessageUnavailable


class AnotherMaildrop:
    """A maildrop that is the same as another one, until a subclass says otherwise.

    Args:
        maildrop: the other one.
    """

    def __init__(self, maildrop: Maildrop) -> None:
        self._maildrop = maildrop

    def number_in_other(self, number: int) -> int:
        """Return the number that a message has in the other one."""
        return number

    @property
    def count(self) -> int:
        """How many messages there are."""
        return self._maildrop.count

    def octets(self, number: int) -> int:
        """Return the size of a message in octets."""
        return self._maildrop.octets(self.number_in_other(number))

    def octets_in_all(self) -> int | None:
        """Return the size of all messages together, None while some have not been counted."""
        if self._maildrop.octets_in_all() is None:
            return None
        return sum(map(self.octets, range(1, self.count + 1)))

    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message."""
        return self._maildrop.unique_id(self.number_in_other(number))

    def chunks(self, number: int) -> Iterable[bytes]:
        """Return the octets of a message in pieces."""
        return self._maildrop.chunks(self.number_in_other(number))

    def has_dot_lines(self, number: int) -> bool:
        """Tell whether a line of the message begins with a dot."""
        return self._maildrop.has_dot_lines(self.number_in_other(number))


class MaildropError(Exception):
    """A file or folder that cannot be used as a maildrop, explained in one sentence."""


class MaildropLocked(Exception):
    """Another session, perhaps of another process, has the maildrop open."""


class CommitRefused(Exception):
    """No message was removed, and why; QUIT is answered with -ERR (RFC 1939 §6)."""


BLOCK_OCTETS = 262_144
"""Octets of a message that are read or handed out at once: what one write to a socket takes."""

DIGEST_OCTETS = 12
"""Octets of a hash in a unique-id, 24 hex digits: of the 70 that RFC 1939 §7 allows."""

_NO_SURPRISES = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
"""A link isn't followed, and a FIFO doesn't wait for another program."""

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
"""A folder and nothing else, and no link to one."""

_NOT_REGULAR = (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR)
"""What systems call a link that isn't followed (two names), a socket, and a folder."""


def open_regular(path: str, flags: int = os.O_RDONLY, *, folder: int | None = None) -> int:
    """Open a regular file and nothing else, so that opening and reading never block.

    Args:
        path: its path, or its name in `folder`.
        flags: as for `os.open`; a file that is made is private.
        folder: the descriptor of an open folder.

    Raises:
        OSError: it cannot be opened, or is a link, a folder, a FIFO, a socket or a device.
    """
    try:
        descriptor = os.open(path, flags | _NO_SURPRISES, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in _NOT_REGULAR:
            raise OSError(errno.EINVAL, "Not a regular file", path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a regular file", path)
    return descriptor


@contextmanager
def opened_folder(path: str | os.PathLike[str], *, within: int | None = None) -> Iterator[int]:
    """Hold a folder open, so that nobody can exchange it for a link to another meanwhile.

    Args:
        path: its path, or its name in `within`; the last part of it must not be a link.
        within: the descriptor of an open folder.
    """
    descriptor = os.open(path, _FOLDER, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class HeldFolder:
    """A folder that is held open, so that its files can be opened without looking for it again.

    Nobody can exchange it for a link to another meanwhile: that would not change this one.

    Args:
        path: its path, the last part of which must not be a link.
    """

    _descriptor: int | None = None

    def __init__(self, path: str) -> None:
        self.path = path
        if os.open in os.supports_dir_fd:
            self._descriptor = os.open(path, _FOLDER)
            self._status = os.fstat(self._descriptor)

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def is_still_there(self) -> bool:
        """Tell whether the folder is at its path, and not another one."""
        return self._descriptor is None or os.path.samestat(self._status, os.lstat(self.path))

    def open(self, name: str, *, buffering: int = 0) -> BinaryIO:
        """Open a regular file in it for reading, by default without a buffer."""
        path = os.path.join(self.path, name) if self._descriptor is None else name
        return os.fdopen(open_regular(path, folder=self._descriptor), "rb", buffering)


def held(folder: HeldFolder | None, path: str | os.PathLike[str]) -> HeldFolder:
    """Return the folder that is at a path now: the one that is held already, if it is that."""
    return folder if folder and folder.is_still_there() else HeldFolder(os.fspath(path))


def list_files(folder: str | os.PathLike[str]) -> Iterator[os.DirEntry[str]]:
    """List the regular files of a folder."""
    if os.scandir not in os.supports_fd:  # pragma: no cover - Windows
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))
        return
    with opened_folder(folder) as descriptor, os.scandir(descriptor) as entries:
        yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))


def canonical(text: bytes) -> bytes:
    """Return a text with every line end, be it LF or CRLF, as CRLF; other CRs stay what they are."""
    if b"\r\n" in text:
        text = text.replace(b"\r\n", b"\n")
    return text.replace(b"\n", b"\r\n")


def stored_blocks(file: BinaryIO, octets: int | None = None) -> Iterator[bytes]:
    """Read a file from its current position, in blocks.

    Args:
        file: open for reading.
        octets: how many to read; None for all that there are.
    """
    left = octets
    while left is None or left > 0:
        block = file.read(BLOCK_OCTETS if left is None else min(BLOCK_OCTETS, left))
        if not block:
            return
        if left is not None:
            left -= len(block)
        yield block


def canonical_blocks(stored: Iterable[bytes]) -> Iterator[bytes]:
    """Return stored octets with every line end as CRLF, and one after the last line.

    So are octets counted where a line end is stored as one character (RFC 1939 §11).
    """
    held = b""
    last = b"\n"
    for piece in stored:
        block = held + piece
        # A CR at the end may be half of a line end.
        held = b"\r" if block.endswith(b"\r") else b""
        block = block[: len(block) - len(held)]
        if block:
            yield canonical(block)
            last = block[-1:]
    if held or last != b"\n":
        yield b"\r\n"


class Measure(NamedTuple):
    """What one reading of a message shows."""

    octets: int
    """How many it has in canonical form."""
    has_dot_lines: bool
    """Whether a line begins with a dot."""


def measure(blocks: Iterable[bytes], *, hasher: hashlib.blake2b | None = None) -> Measure:
    """Read a message once.

    Args:
        blocks: the message in canonical form.
        hasher: is fed with what was read.
    """
    octets, dots, last = 0, False, b"\n"
    for block in blocks:
        if hasher is not None:
            hasher.update(block)
        octets += len(block)
        dots = dots or b"\n." in last + block[:1] or b"\n." in block
        last = block[-1:]
    return Measure(octets, dots)


def unique_id_of(hasher: hashlib.blake2b) -> bytes:
    """Return a hash as a unique-id (RFC 1939 §7 permits that)."""
    return hasher.hexdigest()[: 2 * DIGEST_OCTETS].encode("ascii")


UNKNOWN = -1
"""The size of a message that has not been counted."""


class Signature(NamedTuple):
    """What changes when a program writes to a file, or puts another in its place.

    A tuple, because two are made whenever a message is read.

    Args:
        inode: which file it is.
        octets: its size as it is stored.
        written: when it was last written to, in nanoseconds.
    """

    inode: int
    octets: int
    written: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """Read it off a file's status."""
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


class Snapshot(ABC):
    """The messages of a maildrop (`poptalk.pop3.server.transaction.Maildrop`), numbered from 1.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._sizes = array("q", [UNKNOWN]) * count
        self._dots = bytearray(b"\1") * count
        self._in_all: int | None = None
        """The octets of all messages, once they are counted and have been asked for."""
        self._counting = threading.Lock()
        """Held while all messages are counted, so that no other session reads them a second time."""
        self._contradicted: set[int] = set()
        """Messages whose size was not what their name said."""

    # What the server core asks for.

    def octets(self, number: int) -> int:
        """Return the size of a message in octets (RFC 1939 §11); counted once.

        Raises:
            MessageUnavailable: it has not been counted before, and cannot be read now.
        """
        size = self._sizes[number - 1]
        return size if size != UNKNOWN else self._count_octets(number)

    def octets_in_all(self) -> int | None:
        """Return the octets of all messages, None while some have not been counted."""
        if self._in_all is None and UNKNOWN not in self._sizes:
            self._in_all = sum(self._sizes)
        return self._in_all

    @abstractmethod
    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message (RFC 1939 §7); MessageUnavailable as for `octets`."""

    def has_dot_lines(self, number: int) -> bool:
        """Tell whether a line of the message begins with a dot; True where that is unknown."""
        return bool(self._dots[number - 1])

    def chunks(self, number: int) -> Iterable[bytes]:
        """Open a message and return its octets in blocks.

        Raises:
            MessageUnavailable: it cannot be read or is not what it was; also while iterating.
        """
        blocks = self._checked_blocks(number)
        # The first block is read at once, so that a missing file is found before the answer; and where
        # that is all, what else could be wrong is found as well.
        first = next(blocks, b"")
        if len(first) == self._sizes[number - 1]:
            return (first, *blocks)
        return itertools.chain((first,), blocks)

    # What a driver asks for.

    def count_octets(self, wanted: Callable[[], bool]) -> None:
        """Count all messages that have not been counted; those that cannot be read are left out.

        That takes time, in which others go on: it may be called in another thread, and while one
        session counts, the next waits for it instead of reading everything as well.

        Args:
            wanted: tells whether to go on.
        """
        with self._counting:
            for number in range(1, self.count + 1):
                if not wanted():
                    return
                try:
                    self.octets(number)
                except MessageUnavailable:
                    continue

    # What a store asks for.

    @abstractmethod
    def key(self, number: int) -> Hashable:
        """Return what makes a message the same one in the next snapshot."""

    def learn_from(self, older: Snapshot) -> None:
        """Take over the sizes that an older snapshot of the same maildrop has counted."""
        known = {older.key(n): n for n in range(1, older.count + 1) if older.is_counted(n)}
        for number in range(1, self.count + 1) if known else ():
            if (before := known.get(self.key(number))) is not None:
                self._learn(number, older, before)

    def is_counted(self, number: int) -> bool:
        """Tell whether the size of a message is known."""
        return self._sizes[number - 1] != UNKNOWN

    def _learn(self, number: int, older: Snapshot, before: int) -> None:
        """Take over what is known of one message."""
        self._sizes[number - 1] = older._sizes[before - 1]
        self._dots[number - 1] = older._dots[before - 1]

    # What a format knows.

    @abstractmethod
    def _open(self, number: int) -> BinaryIO:
        """Open the file that a message is in, standing where the message begins."""

    @abstractmethod
    def _is_as_listed(self, number: int, file: BinaryIO) -> bool:
        """Tell whether an open file holds the message that was listed; it may read, and seek back."""

    def _is_whole(self, _number: int, _file: BinaryIO) -> bool:
        """Tell whether a message is whole although its file was written to while it was read."""
        return False

    def _stored_octets(self, _number: int, file: Signature) -> int:
        """Return how many octets of the file are the message; by default all of it."""
        return file.octets

    def _told_octets(self, _number: int) -> int | None:
        """Return the size in octets if it is known without reading the message."""
        return None

    def _measure(self, _number: int, blocks: Iterator[bytes]) -> Measure:
        """Read a message once; a format that makes unique-ids of content does that here."""
        return measure(blocks)

    # Reading.

    def _count_octets(self, number: int) -> int:
        try:
            told = None if number in self._contradicted else self._told_octets(number)
        except OSError as error:
            raise _unavailable(number, error) from error
        if told is not None:
            self._sizes[number - 1] = told
            return told
        return self._read_through(number).octets

    def _read_through(self, number: int) -> Measure:
        """Read a message, and remember its size and whether it has lines with dots."""
        measured = self._measure(number, self._blocks(number))
        self._sizes[number - 1] = measured.octets
        self._dots[number - 1] = measured.has_dot_lines
        return measured

    def _blocks(self, number: int) -> Iterator[bytes]:
        """Read a message in canonical form, and make sure that it is the one that was listed."""
        try:
            with self._open(number) as file:
                before = Signature.of(os.fstat(file.fileno()))
                if not self._is_as_listed(number, file):
                    raise _changed(number)
                octets = self._stored_octets(number, before)
                yield from canonical_blocks(stored_blocks(file, octets))
                written_to = Signature.of(os.fstat(file.fileno())) != before
                if written_to and not self._is_whole(number, file):
                    raise _changed(number)
        except OSError as error:
            raise _unavailable(number, error) from error

    def _checked_blocks(self, number: int) -> Iterator[bytes]:
        """Read a message, and break off rather than let its octets contradict its announced size."""
        announced = self._sizes[number - 1]
        sent = 0
        for block in self._blocks(number):
            sent += len(block)
            if announced != UNKNOWN and sent > announced:
                break
            yield block
        if announced not in (UNKNOWN, sent):
            self._contradicted.add(number)
            self._sizes[number - 1] = UNKNOWN
            self._in_all = None
            raise MessageUnavailable(
                f"Message {number} has not the {announced} octets that were announced."
            )


def _changed(number: int) -> MessageUnavailable:
    return MessageUnavailable(f"Message {number} was changed by another program.")


def _unavailable(number: int, error: OSError) -> MessageUnavailable:
    if isinstance(error, MessageUnavailable):
        return error
    return MessageUnavailable(f"Message {number} cannot be read ({error.strerror}).")


class Selection(AnotherMaildrop):
    """Some of the messages of a snapshot, numbered from 1 again.

    Args:
        snapshot: where they are.
        numbers: their numbers there, in rising order.
    """

    def __init__(self, snapshot: Snapshot, numbers: Iterable[int]) -> None:
        super().__init__(snapshot)
        self._numbers = array("q", numbers)
        self.count_octets = snapshot.count_octets

    @property
    def count(self) -> int:
        """How many messages there are."""
        return len(self._numbers)

    def number_in_other(self, number: int) -> int:
        """Return the number that a message has in the snapshot."""
        return self._numbers[number - 1]
