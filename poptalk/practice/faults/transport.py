"""Faults of the network between: octets that come late, in pieces, or not at all.

They act on octets of replies before TLS encrypts them, and count from the moment at which they begin:
with the connection, or with the login of the account for which they are meant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from poptalk.practice.faults import parameters
from poptalk.practice.faults.fault import Fault
from poptalk.practice.seam import Action, EarlyEnd, Pause

MULTI_LINE_END = b"\r\n.\r\n"
"""What a multi-line reply ends with, and what stuffing keeps out of everything before it."""

DRIP_OCTETS = 16
"""Most octets of one drop: a status line takes several."""


class SplitTerminator(Fault):
    """Sends the lone dot and its CRLF separately."""

    parameter = parameters.seconds("2s")
    value: float
    _last = b""

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Pause between the dot and its CRLF."""
        known, sent, joined = len(self._last), 0, self._last + octets
        at = joined.find(MULTI_LINE_END)
        while at >= 0:
            # The dot may have been the last octet before these.
            cut = max(at + 3 - known, 0)
            yield octets[sent:cut]
            yield Pause(seconds=self.value)
            sent = cut
            at = joined.find(MULTI_LINE_END, at + 3)
        yield octets[sent:]
        self._last = joined[-(len(MULTI_LINE_END) - 1) :]


class Slow(Fault):
    """Delays everything."""

    parameter = parameters.seconds("2s")
    value: float

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Pause first."""
        yield Pause(seconds=self.value)
        yield octets


class Drip(Fault):
    """Sends a few octets at a time."""

    parameter = parameters.seconds("20ms")
    value: float

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Pause between the pieces."""
        sent = 0
        while sent < len(octets):
            piece = octets[sent : sent + self.chance.randint(1, DRIP_OCTETS)]
            yield piece
            sent += len(piece)
            if sent < len(octets):
                yield Pause(seconds=self.value)


class _After(Fault):
    """Something that happens once a number of octets has left."""

    parameter = parameters.octets(500)
    value: int
    happens: Action
    _left: int | None = None
    """Octets that still leave; None before the first."""

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Send the octets that still leave, then let it happen."""
        left = self.value if self._left is None else self._left
        self._left = max(0, left - len(octets))
        yield octets[:left]
        if left <= len(octets):
            yield self.happens


class Stall(_After):
    """Falls silent, with the connection open."""

    happens = Pause(seconds=math.inf)


class DropAfter(_After):
    """Hangs up in good order, in the middle of a reply."""

    happens = EarlyEnd.CLOSE


class Reset(_After):
    """Resets the connection, in the middle of a reply."""

    happens = EarlyEnd.RESET
