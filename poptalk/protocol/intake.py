"""Command lines out of the octets that a client sends.

Lines end in CRLF (RFC 1939 §3).  A bare LF is accepted too, as nearly every server does, and told
apart; a CR elsewhere is an octet like any other.  A line that is too long is thrown away up to its
end, so that its rest is not taken for the next command, and memory stays bounded.
"""

from __future__ import annotations

from poptalk.protocol.values import Value


class Line(Value):
    """A complete command line."""

    content: bytes
    """Octets without the line end."""
    end: bytes
    """CRLF, or LF alone."""


class OverlongLine(Value):
    """A line that was thrown away."""

    octets: int
    """How many were thrown away so far."""
    complete: bool
    """Whether its end has come; what follows an incomplete one cannot be made sense of."""


class Intake:
    """A reader of lines.

    Args:
        longest: octets of the longest line that is taken, its line end included; may be changed
            between two lines.
        discarded: octets of an overlong line after which its end is no longer waited for.
        line_end: the octets that end a line; where they are LF alone, a CR in front belongs to them.
    """

    def __init__(self, *, longest: int, discarded: int, line_end: bytes = b"\n") -> None:
        self.longest = longest
        self._line_end = line_end
        self._discarded = discarded
        self._octets = bytearray()
        self._searched = 0
        """Octets at the front in which no line end begins, so that slow input costs no more."""
        self._thrown_away = 0

    @property
    def waiting(self) -> int:
        """Octets that no line has been made of yet."""
        return len(self._octets)

    def feed(self, data: bytes) -> None:
        """Add octets, cut anywhere."""
        self._octets += data

    def next_line(self) -> Line | OverlongLine | None:
        """Return the next line, or None until more has come."""
        if not self._octets and not self._thrown_away:
            return None
        found = self._octets.find(self._line_end, self._searched)
        if found < 0:
            return self._without_end()
        stop = found + len(self._line_end)
        line = bytes(self._octets[:stop])
        del self._octets[:stop]
        self._searched = 0
        thrown_away, self._thrown_away = self._thrown_away, 0
        if thrown_away or len(line) > self.longest:
            return OverlongLine(octets=thrown_away + len(line), complete=True)
        end = b"\r\n" if line.endswith(b"\r\n") else b"\n"
        return Line(content=line[: -len(end)], end=end)

    def _without_end(self) -> OverlongLine | None:
        if self._thrown_away or len(self._octets) >= self.longest:
            self._thrown_away += len(self._octets)
            # Half of a line end may have come, and is kept.
            half = self._octets[-1:] if self._octets[-1:] == self._line_end[:-1] else b""
            self._octets[:] = half
            self._thrown_away -= len(half)
        self._searched = max(0, len(self._octets) - len(self._line_end) + 1)
        if self._thrown_away > self._discarded:
            return OverlongLine(octets=self._thrown_away, complete=False)
        return None

    def take_rest(self) -> bytes:
        """Return all octets that no line has been made of, and forget them."""
        rest = bytes(self._octets)
        self._octets.clear()
        self._searched = 0
        return rest
