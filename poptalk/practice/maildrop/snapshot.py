"""The messages of a maildrop as they were found, whatever the format.

A snapshot serves all sessions that find the maildrop unchanged.  It holds no mail: a message is read
when its size is first asked for, and again, block by block, whenever it is sent.

What if a file changes or vanishes meanwhile?  RFC 1939 promises a locked maildrop.  A folder that other
programs write to cannot keep that promise, so this module does: a message that cannot be read, or is
not the one that was listed, is `MessageUnavailable`.  Found before the answer, the client gets -ERR and
the session goes on; found while octets are on their way, the connection is cut before the lone dot.
As many octets as were announced, and the right ones, or no complete reply.
"""

from __future__ import annotations

import itertools
import os
import threading
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

from poptalk.practice.maildrop.text import Measure, canonical_blocks, measure, stored_blocks
from poptalk.protocol.maildrop import MessageUnavailable

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
    """The messages of a maildrop (`poptalk.protocol.maildrop.Maildrop`), numbered from 1.

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

    def _is_whole(self, number: int, file: BinaryIO) -> bool:
        """Tell whether a message is whole although its file was written to while it was read."""
        del number, file
        return False

    def _stored_octets(self, number: int, file: Signature) -> int:
        """Return how many octets of the file are the message; by default all of it."""
        del number
        return file.octets

    def _told_octets(self, number: int) -> int | None:
        """Return the size in octets if it is known without reading the message."""
        del number
        return None

    def _measure(self, number: int, blocks: Iterator[bytes]) -> Measure:
        """Read a message once; a format that makes unique-ids of content does that here."""
        del number
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


class Selection:
    """Some of the messages of a snapshot, numbered from 1 again.

    Args:
        snapshot: where they are.
        numbers: their numbers there, in rising order.
    """

    def __init__(self, snapshot: Snapshot, numbers: Iterable[int]) -> None:
        self._snapshot = snapshot
        self._numbers = array("q", numbers)
        self.count = len(self._numbers)

    def number_in_snapshot(self, number: int) -> int:
        """Return the number that a message has in the snapshot."""
        return self._numbers[number - 1]

    def octets(self, number: int) -> int:
        """Return the size of a message in octets (RFC 1939 §11)."""
        return self._snapshot.octets(self._numbers[number - 1])

    def octets_in_all(self) -> int | None:
        """Return the octets of all messages, None while some have not been counted."""
        if self._snapshot.octets_in_all() is None:
            return None
        return sum(map(self._snapshot.octets, self._numbers))

    def count_octets(self, wanted: Callable[[], bool]) -> None:
        """Count all messages that have not been counted, as `Snapshot.count_octets` does."""
        self._snapshot.count_octets(wanted)

    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message (RFC 1939 §7)."""
        return self._snapshot.unique_id(self._numbers[number - 1])

    def chunks(self, number: int) -> Iterable[bytes]:
        """Return the octets of a message in blocks."""
        return self._snapshot.chunks(self._numbers[number - 1])

    def has_dot_lines(self, number: int) -> bool:
        """Tell whether a line of the message begins with a dot."""
        return self._snapshot.has_dot_lines(self._numbers[number - 1])
