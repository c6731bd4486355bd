"""Command lines out of the octets that a client sends.

Lines end in CRLF (RFC 1939 §3).  A bare LF is accepted too, as nearly every server does, and told
apart; a CR elsewhere is an octet like any other.  A line that is too long is thrown away up to its
end, so that its rest is not taken for the next command, and memory stays bounded.
"""

from __future__ import annotations

from poptalk.protocol.values import Value


class OverlongLine(Value):
    """A line that was thrown away."""

    octets: int
    """How many were thrown away so far."""
    complete: bool
    """Whether its end has come; what follows an incomplete one cannot be made sense of."""


def parted(line: bytes) -> tuple[bytes, bytes]:
    """Return the content of a line and its end, which is CRLF, or LF alone."""
    return (line[:-2], b"\r\n") if line.endswith(b"\r\n") else (line[:-1], b"\n")


class LineReader:
    """A reader of lines.

    Args:
        longest: octets of the longest line that is taken, its line end included; may be changed
            between two lines.
        discarded: octets of an overlong line after which its end is no longer waited for.
        line_end: the octets that end a line; where they are LF alone, a CR in front belongs to them.
    """

    __slots__ = (
        "_at",
        "_discarded",
        "_line_end",
        "_octets",
        "_searched",
        "_thrown_away",
        "longest",
    )

    def __init__(self, *, longest: int, discarded: int, line_end: bytes = b"\n") -> None:
        self.longest = longest
        self._line_end = line_end
        self._discarded = discarded
        self._octets: bytes | bytearray = b""
        self._at = 0
        """Octets at the front that lines have been made of: cutting them off at every line would copy
        the rest each time."""
        self._searched = 0
        """Where to search on: no line end begins before, so that slow input costs no more."""
        self._thrown_away = 0

    @property
    def waiting(self) -> int:
        """Octets that no line has been made of yet."""
        return len(self._octets) - self._at

    def feed(self, data: bytes) -> None:
        """Add octets, cut anywhere."""
        if self._at == len(self._octets):
            # Most often a command comes alone and in one piece, which then is not copied.
            self._octets = data
            self._searched = 0
        else:
            if self._at or isinstance(self._octets, bytes):
                # What grows octet by octet must not be copied each time.
                self._octets = bytearray(self._octets[self._at :])
                self._searched -= self._at
            self._octets += data
        self._at = 0

    def next_line(self) -> bytes | OverlongLine | None:
        """Return the next line with its line end, or None until more has come."""
        octets, start = self._octets, self._at
        if start == len(octets):
            return None
        found = octets.find(self._line_end, self._searched)
        if found < 0:
            return self._without_end()
        stop = self._at = self._searched = found + len(self._line_end)
        if self._thrown_away or stop - start > self.longest:
            thrown_away, self._thrown_away = self._thrown_away, 0
            return OverlongLine(octets=thrown_away + stop - start, complete=True)
        return bytes(octets[start:stop])

    def _without_end(self) -> OverlongLine | None:
        if self._thrown_away or self.waiting >= self.longest:
            # Half of a line end may have come, and is kept.
            half = self._line_end[:-1]
            kept = len(half) if half and self._octets.endswith(half) else 0
            self._thrown_away += self.waiting - kept
            self._octets, self._at = half[:kept], 0
        self._searched = max(self._at, len(self._octets) - len(self._line_end) + 1)
        if self._thrown_away > self._discarded:
            return OverlongLine(octets=self._thrown_away, complete=False)
        return None

    def take_rest(self) -> bytes:
        """Return all octets that no line has been made of, and forget them."""
        rest = bytes(self._octets[self._at :])
        self._octets, self._at, self._searched = b"", 0, 0
        return rest
