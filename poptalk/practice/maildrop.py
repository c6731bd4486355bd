"""Maildrops made of folders: each ``.eml`` file is a message.

Messages are read once, brought into the form in which they travel (every line ending in CRLF, the
last one too) and counted.  The files are never written to and never deleted: what DELE and QUIT
remove is removed from memory.

A `Store` hands out leases.  A private store gives each session a maildrop of its own, so that a whole
class can be bob at once.  A shared one gives the same maildrop to one session at a time, "an
exclusive-access lock" (RFC 1939 §4), and what one session deletes the next does not find.
"""

from __future__ import annotations

import hashlib
import mmap
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK_OCTETS = 262_144
"""Octets of a message that are read or handed out at once: what one write to a socket takes."""

MAPPED_OCTETS = 8 * 1024 * 1024
"""Messages larger than this are kept in a temporary file that is mapped, and cost no memory."""

MAX_MESSAGE_OCTETS = 2 * 1024 * 1024 * 1024
"""Largest file that is taken as a message: more is a mistake in the name of the folder."""

UNIQUE_ID_OCTETS = 12
"""Octets of the hash in a unique-id, 24 hex digits: of the 70 that RFC 1939 §7 allows."""


class MaildropError(Exception):
    """A folder that cannot be used as a maildrop, explained in one sentence."""


class MaildropLocked(Exception):
    """Another session has the maildrop open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in canonical form.

    Args:
        content: its octets, lines ending in CRLF.
        octets: how many.
        unique_id: made from the content and the name of the file (RFC 1939 §7).
        has_dot_lines: whether a line begins with a dot.
    """

    content: bytes | mmap.mmap
    octets: int
    unique_id: bytes
    has_dot_lines: bool

    def chunks(self) -> Iterator[bytes]:
        """Hand out the octets in blocks."""
        for start in range(0, self.octets, BLOCK_OCTETS):
            yield self.content[start : start + BLOCK_OCTETS]
            if not isinstance(self.content, bytes):
                _forget_pages(self.content, start)


def _forget_pages(content: mmap.mmap, start: int) -> None:
    """Let go of the pages of a block: they stay in the system's cache, but are not ours any more."""
    if sys.platform == "linux":
        length = min(BLOCK_OCTETS, len(content) - start)
        content.madvise(mmap.MADV_DONTNEED, start, length)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderMaildrop:
    """The maildrop of one session: `poptalk.protocol.maildrop.Maildrop` over a list of messages."""

    messages: Sequence[Message]

    @property
    def count(self) -> int:
        """How many messages there are."""
        return len(self.messages)

    def octets(self, number: int) -> int:
        """Return the size of a message in octets (RFC 1939 §11)."""
        return self.messages[number - 1].octets

    def unique_id(self, number: int) -> bytes:
        """Return the unique-id of a message (RFC 1939 §7)."""
        return self.messages[number - 1].unique_id

    def chunks(self, number: int) -> Iterator[bytes]:
        """Return the octets of a message in blocks."""
        return self.messages[number - 1].chunks()

    def has_dot_lines(self, number: int) -> bool:
        """Tell whether a line of the message begins with a dot."""
        return self.messages[number - 1].has_dot_lines


class Lease:
    """A maildrop that one session has open.

    Args:
        store: where it comes from.
        messages: what it holds.
    """

    def __init__(self, store: Store, messages: tuple[Message, ...]) -> None:
        self.maildrop = FolderMaildrop(messages=messages)
        self._store = store
        self._released = False

    def commit(self, numbers: Collection[int]) -> None:
        """Remove messages by number; of a private maildrop nobody will miss them."""
        kept = (m for n, m in enumerate(self.maildrop.messages, 1) if n not in numbers)
        self._store.replace(tuple(kept))

    def release(self) -> None:
        """Give up the lock; to be called once the session is over, however it ended."""
        if not self._released:
            self._released = True
            self._store.unlock()


class Store:
    """A maildrop between sessions.

    Args:
        messages: what it holds at first.
        shared: whether all sessions have the same maildrop, one at a time; otherwise each gets a
            fresh copy.
    """

    def __init__(self, messages: Sequence[Message], *, shared: bool) -> None:
        self._messages = tuple(messages)
        self._shared = shared
        self._locked = False

    def open(self) -> Lease:
        """Open the maildrop for a session.

        Raises:
            MaildropLocked: it is shared, and another session has it open.
        """
        if self._locked:
            raise MaildropLocked
        self._locked = self._shared
        return Lease(self, self._messages)

    def replace(self, messages: tuple[Message, ...]) -> None:
        """Keep what a session left, if the maildrop is shared."""
        if self._shared:
            self._messages = messages

    def unlock(self) -> None:
        """Let the next session in."""
        self._locked = False


def load_folder(folder: Path) -> tuple[Message, ...]:
    """Read the ``.eml`` files of a folder, in the order of their names.

    Raises:
        MaildropError: the folder cannot be read, or one of its files.
    """
    if not folder.is_dir():
        raise MaildropError(
            f"{folder} is no folder that can be read. A maildrop is a folder of .eml files."
        )
    try:
        # An empty maildrop is a fine thing to learn on, so there need not be a single file.
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".eml")
        return tuple(_read_message(path) for path in files)
    except OSError as error:
        raise MaildropError(
            f"The maildrop {folder} cannot be read ({error.strerror}: {error.filename}). "
            "Do the files belong to somebody else?"
        ) from error


def _read_message(path: Path) -> Message:
    """Read a file in blocks, so that a large one needs no memory."""
    size = path.stat().st_size
    if size > MAX_MESSAGE_OCTETS:
        raise MaildropError(f"{path} has {size:,} octets, too many for a message. Is it one?")
    digest = hashlib.blake2b(path.name.encode(errors="surrogateescape"))
    octets, dots, last = 0, False, b"\n"
    # Our own copy: whoever shortens a file that is mapped kills the program that reads it.
    with tempfile.SpooledTemporaryFile(max_size=MAPPED_OCTETS) as copy:
        for block in _canonical_blocks(path):
            copy.write(block)
            digest.update(block)
            octets += len(block)
            dots = dots or b"\n." in last + block[:1] or b"\n." in block
            last = block[-1:]
        copy.flush()
        content = _content_of(copy, octets)
    unique_id = digest.hexdigest()[: 2 * UNIQUE_ID_OCTETS].encode("ascii")
    return Message(content=content, octets=octets, unique_id=unique_id, has_dot_lines=dots)


def _content_of(copy: tempfile.SpooledTemporaryFile[bytes], octets: int) -> bytes | mmap.mmap:
    if octets <= MAPPED_OCTETS:
        copy.seek(0)
        return copy.read()
    return mmap.mmap(copy.fileno(), octets, access=mmap.ACCESS_READ)


def _canonical_blocks(path: Path) -> Iterator[bytes]:
    """Read a file with every line end as CRLF, and one behind the last line (RFC 1939 §11)."""
    last = b"\n"
    with path.open("rb") as file:
        held = b""
        while block := file.read(BLOCK_OCTETS):
            block = held + block
            # A CR at the end may be half of a line end.
            held = b"\r" if block.endswith(b"\r") else b""
            block = block[: len(block) - len(held)]
            if block:
                yield canonical(block)
                last = block[-1:]
        if held or last != b"\n":
            yield b"\r\n"


def canonical(text: bytes) -> bytes:
    """Return a text with every line end, be it LF or CRLF, as CRLF; other CRs stay what they are."""
    if b"\r\n" in text:
        text = text.replace(b"\r\n", b"\n")
    return text.replace(b"\n", b"\r\n")
