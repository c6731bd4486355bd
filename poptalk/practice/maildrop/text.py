"""Message text: read from regular files only, and sent with CRLF at the end of every line."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

BLOCK_OCTETS = 262_144
"""Octets of a message that are read or handed out at once: what one write to a socket takes."""

DIGEST_OCTETS = 12
"""Octets of a hash in a unique-id, 24 hex digits: of the 70 that RFC 1939 §7 allows."""

_NO_SURPRISES = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
"""A link isn't followed, and a FIFO doesn't wait for another program."""

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
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_message(folder: str, name: str, *, buffering: int = 0) -> BinaryIO:
    """Open a file of a folder for reading, by default without a buffer."""
    if os.open not in os.supports_dir_fd:  # pragma: no cover - Windows
        return os.fdopen(open_regular(os.path.join(folder, name)), "rb", buffering)
    with opened_folder(folder) as descriptor:
        return os.fdopen(open_regular(name, folder=descriptor), "rb", buffering)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What one reading of a message shows.

    Args:
        octets: how many it has in canonical form.
        has_dot_lines: whether a line begins with a dot.
    """

    octets: int
    has_dot_lines: bool


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
    return Measure(octets=octets, has_dot_lines=dots)


def unique_id_of(hasher: hashlib.blake2b) -> bytes:
    """Return a hash as a unique-id (RFC 1939 §7 permits that)."""
    return hasher.hexdigest()[: 2 * DIGEST_OCTETS].encode("ascii")
