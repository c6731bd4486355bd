"""Byte-stuffing, both ways (RFC 1939 §3).

A multi-line reply ends with a line that holds a lone dot, so a line of the message that begins with a
dot travels with a second one in front.  Both directions work on whole chunks and carry the seam from
one chunk to the next: a line's first dot may come in another chunk than the line end before it, and a
server that forgets this sends "." and CRLF in the middle of a message, which ends it early.

A line begins behind any LF, although RFC 1939 knows only CRLF.  In a proper message that is the
same; in one with a bare LF it keeps readers that split at LF from seeing an end which is none.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TERMINATION = b".\r\n"
"""The last line of a multi-line reply: the termination octet and CRLF."""


def stuff(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Make the rest of a multi-line reply out of what it is to carry.

    Args:
        chunks: the octets of the lines with their CRLF, cut anywhere.

    Returns:
        The same octets stuffed, a CRLF where the last line lacks its own, and the termination.
    """
    last = b"\n"
    for chunk in chunks:
        if not chunk:
            continue
        # A lone "." is searched by memchr, thirty times faster: base64 holds none.
        if b"." in chunk and (b"\n." in chunk or b"\n." in last + chunk[:1]):
            yield (last + chunk).replace(b"\n.", b"\n..")[1:]
        else:
            yield chunk
        last = chunk[-1:]
    if last != b"\n":
        yield b"\r\n"
    yield TERMINATION


def terminate(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Do as `stuff` does for lines of which none begins with a dot, without looking at them.

    Args:
        chunks: the octets of the lines with their CRLF, the last one complete.
    """
    yield from chunks
    yield TERMINATION


class Unstuffer:
    """Undo byte-stuffing, chunk by chunk.

    It is fed the octets behind the status line, cut anywhere, up to the termination, which comes out
    as nothing; where the termination is, its feeder knows.
    """

    def __init__(self) -> None:
        self._last = b"\n"
        self._held = b""
        """A dot at the beginning of a line, and perhaps CR, of which the next octet decides."""

    def feed(self, data: bytes) -> bytes:
        """Return what `data` adds to the message.

        Args:
            data: octets from the wire.
        """
        wire = self._last + self._held + data
        if len(wire) == 1:
            return b""
        for undecided in (b"\n.", b"\n.\r"):
            if wire.endswith(undecided):
                self._held = undecided[1:]
                wire = wire[: -len(self._held)]
                break
        else:
            self._held = b""
            wire = _without_termination(wire)
        self._last = wire[-1:]
        if b"." in wire:
            wire = wire.replace(b"\n.", b"\n")
        return wire[1:]


def _without_termination(wire: bytes) -> bytes:
    """Cut off a termination, which a server that knows no CRLF sends with LF alone."""
    for termination in (TERMINATION, b".\n"):
        if wire.endswith(b"\n" + termination):
            return wire[: -len(termination)]
    return wire


def unstuff_line(line: bytes) -> bytes:
    """Undo byte-stuffing on one line.

    Args:
        line: a line of a multi-line reply which is not its termination, with or without line end.
    """
    return line[1:] if line.startswith(b".") else line
