"""The lines of a server out of its octets, for those who write a dialogue down."""

from __future__ import annotations

MAX_LINE_LOGGED = 65_536
"""Octets that are written of one line; mail lines are shorter by far."""


class ServerLines:
    """Puts lines together from octets that are cut anywhere.

    Attributes:
        rest: the last line as far as it has come, and as far as `MAX_LINE_LOGGED`.
    """

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, octets: bytes | memoryview) -> list[bytes]:
        """Return the lines that are complete now, without their ends, CRLF or LF.

        They may be longer than `MAX_LINE_LOGGED`: who masks them does so before they are cut.
        """
        *lines, rest = (self.rest + octets).split(b"\n")
        self.rest = rest[:MAX_LINE_LOGGED]
        return [line.removesuffix(b"\r") for line in lines]
