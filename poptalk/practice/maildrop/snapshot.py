"""The messages of a maildrop as they were found, whatever the format.

A snapshot serves all sessions that find the maildrop unchanged.  It holds no mail: a message is read
when its size is first asked for, and again, block by block, whenever it is sent.

What if a file changes or vanishes meanwhile?  RFC 1939 promises a locked maildrop.  A folder that other
programs write to cannot keep that promise, so this module does: a message that cannot be read, or isn't
the one that was listed, raises `MessageUnavailable`.  If that happens before the reply, the client gets
-ERR and the session goes on; if octets are on their way, the connection is cut before the lone dot.
A complete reply has as many octets as were announced, and the right ones.

The files are opened and read here too: only regular files, never through a link, and with CRLF at the
end of every line.
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
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO, NamedTuple

from poptalk.pop3.server.transaction import Maildrop, MessageUnavailable


class AnotherMaildrop:
    """A maildrop that is the same as another one, except where a subclass differs.

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
        """The number of messages."""
        return self._maildrop.count

    def octets(self, number: int) -> int:
        """Return the size of a message in octets."""
        return self._maildrop.octets(self.number_in_other(number))

    def octets_in_all(self) -> int | None:
        """Return the size of all messages together, None while some aren't counted yet."""
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
    """No message was removed; QUIT is answered with -ERR (RFC 1939 §6)."""


BLOCK_OCTETS = 262_144
"""Octets of a message to read or hand out at once: as many as one write to a socket takes."""

DIGEST_OCTETS = 12
"""Octets of a hash in a unique-id: 24 hex digits of the 70 characters that RFC 1939 §7 allows."""

_NO_SURPRISES = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
"""A link isn't followed, and a FIFO doesn't wait for another program."""

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
"""Only a folder, and not through a link."""

_NOT_REGULAR = (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR)
"""The errors for a link that isn't followed (systems differ), a socket, and a folder."""


def open_regular(path: str, flags: int = os.O_RDONLY, *, folder: int | None = None) -> int:
    """Open a regular file and nothing else, so that neither opening nor reading blocks.

    Args:
        path: its path, or its name in `folder`.
        flags: as for `os.open`; a new file is private.
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
    """Hold a folder open, so that nobody can replace it with a link to another meanwhile.

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
    """A folder that is held open, so that its files can be opened without looking it up again.

    If somebody replaces it with a link to another, this one doesn't change.

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
        """Tell whether the folder at its path is still this one."""
        return self._descriptor is None or os.path.samestat(self._status, os.lstat(self.path))

    def open(self, name: str, *, buffering: int = 0) -> BinaryIO:
        """Open a regular file in it for reading, by default without a buffer."""
        path = os.path.join(self.path, name) if self._descriptor is None else name
        return os.fdopen(open_regular(path, folder=self._descriptor), "rb", buffering)


def held(folder: HeldFolder | None, path: str | os.PathLike[str]) -> HeldFolder:
    """Return the folder that is now at a path: the one that is held already, if it is still there."""
    return folder if folder and folder.is_still_there() else HeldFolder(os.fspath(path))


def list_files(folder: str | os.PathLike[str]) -> Iterator[os.DirEntry[str]]:
    """List the regular files of a folder."""
    with ExitStack() as stack:
        place: str | os.PathLike[str] | int = folder
        if os.scandir in os.supports_fd:  # not on Windows
            place = stack.enter_context(opened_folder(folder))
        entries = stack.enter_context(os.scandir(place))
        yield from (entry for entry in entries if entry.is_file(follow_symlinks=False))


def canonical(text: bytes) -> bytes:
    """Return a text with every line end, LF or CRLF, as CRLF; other CRs stay as they are."""
    if b"\r\n" in text:
        text = text.replace(b"\r\n", b"\n")
    return text.replace(b"\n", b"\r\n")


def stored_blocks(file: BinaryIO, octets: int | None = None) -> Iterator[bytes]:
    """Read a file from its current position, in blocks.

    Args:
        file: open for reading.
        octets: how many to read; None for all.
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

    RFC 1939 §11 has octets counted like this where a line end is stored as one character.
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
    """The facts from reading a message once."""

    octets: int
    """Its size in canonical form."""
    has_dot_lines: bool
    """Whether a line begins with a dot."""


def measure(blocks: Iterable[bytes], *, hasher: hashlib.blake2b | None = None) -> Measure:
    """Read a message once.

    Args:
        blocks: the message in canonical form.
        hasher: takes what was read.
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
    """Return a hash as a unique-id, as RFC 1939 §7 permits."""
    return hasher.hexdigest()[: 2 * DIGEST_OCTETS].encode("ascii")


UNKNOWN = -1
"""The size of a message that isn't counted yet."""


class Signature(NamedTuple):
    """The state of a file, which changes when a program writes to it, or replaces it.

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
        count: the number of messages.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._sizes = array("q", [UNKNOWN]) * count
        self._dots = bytearray(b"\1") * count
        self._in_all: int | None = None
        """The octets of all messages, once they are counted and have been asked for."""
        self._counting = threading.Lock()
        """Held while all messages are counted, so that no other session reads them as well."""
        self._contradicted: set[int] = set()
        """Messages whose size differed from the one in their name."""

    # For the server core.

    def octets(self, number: int) -> int:
        """Return the size of a message in octets (RFC 1939 §11); counted once.

        Raises:
            MessageUnavailable: it isn't counted yet, and cannot be read now.
        """
        size = self._sizes[number - 1]
        return size if size != UNKNOWN else self._count_octets(number)

    def octets_in_all(self) -> int | None:
        """Return the octets of all messages, None while some aren't counted yet."""
        if self._in_all is None and UNKNOWN not in self._sizes:
            self._in_all = sum(self._sizes)
        return self._in_all

    @abstractmethod
    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message (RFC 1939 §7); MessageUnavailable as for `octets`."""

    def has_dot_lines(self, number: int) -> bool:
        """Tell whether a line of the message begins with a dot; True if that is unknown."""
        return bool(self._dots[number - 1])

    def chunks(self, number: int) -> Iterable[bytes]:
        """Open a message and return its octets in blocks.

        Raises:
            MessageUnavailable: it cannot be read, or has changed; also while iterating.
        """
        blocks = self._checked_blocks(number)
        # The first block is read at once, so that a missing file is found before the reply; and where
        # it is the only one, so is everything else that could be wrong.
        first = next(blocks, b"")
        if len(first) == self._sizes[number - 1]:
            return (first, *blocks)
        return itertools.chain((first,), blocks)

    # For a driver.

    def count_octets(self, wanted: Callable[[], bool]) -> None:
        """Count all messages that aren't counted yet, except for those that cannot be read.

        This takes time, and may be called in another thread.  While one session counts, the next waits
        for it instead of reading everything as well.

        Args:
            wanted: tells whether to go on.
        """
        with self._counting:
            for number in range(1, self.count + 1):
                if not wanted():
                    return
                with suppress(MessageUnavailable):
                    self.octets(number)

    # For a store.

    @abstractmethod
    def key(self, number: int) -> Hashable:
        """Return the key of a message, which is the same in the next snapshot."""

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
        """Take over what is known about one message."""
        self._sizes[number - 1] = older._sizes[before - 1]
        self._dots[number - 1] = older._dots[before - 1]

    # For a format to define.

    @abstractmethod
    def _open(self, number: int) -> BinaryIO:
        """Open the file that a message is in, at the position where the message begins."""

    @abstractmethod
    def _is_as_listed(self, number: int, file: BinaryIO) -> bool:
        """Tell whether an open file has the message that was listed; it may read, and seek back."""

    def _is_whole(self, _number: int, _file: BinaryIO) -> bool:
        """Tell whether a message is whole although its file was written to while it was read."""
        return False

    def _stored_octets(self, _number: int, file: Signature) -> int:
        """Return how many octets of the file are the message; by default all of them."""
        return file.octets

    def _told_octets(self, _number: int) -> int | None:
        """Return the size in octets if it is known without reading the message."""
        return None

    def _measure(self, _number: int, blocks: Iterator[bytes]) -> Measure:
        """Read a message once; a format that makes unique-ids from the content does that here."""
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
        """Read a message, and remember its size and whether it has lines that begin with a dot."""
        measured = self._measure(number, self._blocks(number))
        self._sizes[number - 1] = measured.octets
        self._dots[number - 1] = measured.has_dot_lines
        return measured

    def _blocks(self, number: int) -> Iterator[bytes]:
        """Read a message in canonical form, and make sure that it is the one that was listed."""
        try:
            with self._open(number) as file:
                before = Signature.of(os.fstat(file.fileno()))
                whole = self._is_as_listed(number, file)
                if whole:
                    octets = self._stored_octets(number, before)
                    yield from canonical_blocks(stored_blocks(file, octets))
                    written_to = Signature.of(os.fstat(file.fileno())) != before
                    whole = not written_to or self._is_whole(number, file)
                if not whole:
                    raise MessageUnavailable(f"Message {number} was changed by another program.")
        except OSError as error:
            raise _unavailable(number, error) from error

    def _checked_blocks(self, number: int) -> Iterator[bytes]:
        """Read a message, but break off before its octets contradict its announced size."""
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
                f"Message {number} doesn't have the {announced} octets that were announced."
            )


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
        """The number of messages."""
        return len(self._numbers)

    def number_in_other(self, number: int) -> int:
        """Return the number that a message has in the snapshot."""
        return self._numbers[number - 1]
