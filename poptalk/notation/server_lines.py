"""Puts the lines of a server together, for logs."""

from __future__ import annotations

MAX_LINE_LOGGED = 65_536
"""Octets that are written of one line; mail lines are shorter by far."""


class ServerLines:
    """Puts lines together from octets that are cut anywhere.

    Attributes:
        rest: the last line as far as it has come, or one octet more than `MAX_LINE_LOGGED` of it.
    """

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, octets: bytes | memoryview) -> list[bytes]:
        """Return the lines that are complete now, without CRLF; an LF alone stays.

        They may be longer than `MAX_LINE_LOGGED`, so that secrets are masked before a line is cut.
        """
        *lines, rest = (self.rest + octets).split(b"\n")
        self.rest = rest[: MAX_LINE_LOGGED + 1]
        return [line[:-1] if line.endswith(b"\r") else line + b"\n" for line in lines]
