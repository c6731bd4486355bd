"""Faults of the way between: octets that come late, in pieces, or not at all.

They act on octets of replies before TLS encrypts them, and count from the moment at which they begin:
with the connection, or with the login of the account that they are for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from poptalk.practice.faults import parameters
from poptalk.practice.faults.bodies import RFC_1939_3
from poptalk.practice.faults.fault import About, Fault, Stance
from poptalk.practice.faults.replies import ONE_RESPONSE, RFC_1939_5
from poptalk.practice.seam import Action, Ending, Pause

MULTI_LINE_END = b"\r\n.\r\n"
"""What a multi-line reply ends with, and what stuffing keeps out of everything before it."""

DRIP_OCTETS = 16
"""Most octets of one drop: a status line takes several."""


class SplitTerminator(Fault):
    """Lets the lone dot and its CRLF leave apart."""

    about = About(
        name="split-terminator",
        summary='the last "." and its CRLF come in two segments, some time apart',
        seen="cyrusimap/cyrus-imapd#4717, #4743 (Thunderbird)",
        clause=RFC_1939_3,
        sentence='Hence a multi-line response is terminated with the five octets "CRLF.CRLF".',
        suffers="one that looks for the end in each segment alone never finds it",
        stance=Stance.KEEPS,
    )
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
    """Lets everything come late."""

    about = About(
        name="slow",
        summary="everything that the server sends comes late",
        seen='Toxiproxy\'s "latency"; every mobile network',
        clause=RFC_1939_5,
        sentence=ONE_RESPONSE,
        suffers="a time-out that is too short, or a window that hangs meanwhile",
        stance=Stance.KEEPS,
    )
    parameter = parameters.seconds("2s")
    value: float

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Pause first."""
        yield Pause(seconds=self.value)
        yield octets


class Drip(Fault):
    """Lets octets come a few at a time."""

    about = About(
        name="drip",
        summary=f"1 to {DRIP_OCTETS} octets at a time, cut at random from the seed",
        seen='Toxiproxy\'s "slicer"',
        clause=RFC_1939_3,
        sentence="All responses are terminated by a CRLF pair.",
        suffers="one that takes a segment for a line, or a line end for whole, loses its place",
        stance=Stance.KEEPS,
    )
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
    """Something that happens once so many octets have left."""

    parameter = parameters.octets(500)
    excludes = "the end of the connection"
    value: int
    happens: Action
    _left: int | None = None
    """Octets that still leave; None before the first."""

    def deliver(self, octets: bytes | memoryview) -> Iterator[Action]:
        """Send what still leaves, then let it happen."""
        left = self.value if self._left is None else self._left
        self._left = max(0, left - len(octets))
        yield octets[:left]
        if left <= len(octets):
            yield self.happens


class Stall(_After):
    """Falls silent, with the connection open."""

    about = About(
        name="stall",
        summary="after some octets nothing comes any more; the connection stays open",
        seen='Toxiproxy\'s "timeout"; jstedfast/MailKit#119 (after STLS)',
        clause=RFC_1939_5,
        sentence=ONE_RESPONSE,
        suffers="without a time-out of its own it waits for ever",
    )
    happens = Pause(seconds=math.inf)


class DropAfter(_After):
    """Hangs up in good order, in the middle of a reply."""

    about = About(
        name="drop-after",
        summary="the connection is closed after some octets",
        seen='Toxiproxy\'s "limit_data"',
        clause=RFC_1939_5,
        sentence=ONE_RESPONSE,
        suffers="half a letter, which must not be kept as a whole one, and DELE is void",
    )
    happens = Ending.CLOSE


class Reset(_After):
    """Resets the connection, in the middle of a reply."""

    about = About(
        name="reset",
        summary="the connection is reset after some octets",
        seen='Toxiproxy\'s "reset_peer"',
        clause=RFC_1939_5,
        sentence=ONE_RESPONSE,
        suffers='"connection reset by peer", perhaps before what had come is read',
    )
    happens = Ending.RESET
