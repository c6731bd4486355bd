"""Message text as it travels: every line ends in CRLF, the last one too."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK_OCTETS = 262_144
"""Octets of a message that are read or handed out at once: what one write to a socket takes."""

DIGEST_OCTETS = 12
"""Octets of a hash in a unique-id, 24 hex digits: of the 70 that RFC 1939 §7 allows."""


def canonical(text: bytes) -> bytes:
    """Return a text with every line end, be it LF or CRLF, as CRLF; other CRs stay what they are."""
    if b"\r\n" in text:
        text = text.replace(b"\r\n", b"\n")
    return text.replace(b"\n", b"\r\n")


def stored_blocks(file: BinaryIO, octets: int | None = None) -> Iterator[bytes]:
    """Read a file from where it stands, in blocks.

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
    """Return stored octets with every line end as CRLF, and one behind the last line.

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
    """What one reading of a message tells.

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
        hasher: is fed what was read.
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
