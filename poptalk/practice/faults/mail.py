"""Faults in the mail itself: its sizes, its unique-ids, and what strangers write into it.

Each shows the session a maildrop that differs from the real one.  The last two are honest: LIST
announces what RETR sends.
"""

from __future__ import annotations

from collections.abc import Iterator

from poptalk.practice.another_maildrop import AnotherMaildrop
from poptalk.practice.faults import parameters
from poptalk.practice.faults.fault import Fault
from poptalk.practice.faults.replies import ESCAPES
from poptalk.protocol.maildrop import Maildrop


class UidlReused(Fault):
    """Uses message-numbers as unique-ids."""

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Return numbers as unique-ids."""
        return _NumberedMaildrop(maildrop)


class _NumberedMaildrop(AnotherMaildrop):
    def unique_id(self, number: int) -> bytes:
        return b"%d" % number


class UidlSpaces(Fault):
    """Puts too many spaces into unique-id listings."""

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Put spaces before the unique-ids."""
        return _SpacedMaildrop(maildrop)


class _SpacedMaildrop(AnotherMaildrop):
    def unique_id(self, number: int) -> bytes:
        return b"  " + super().unique_id(number)


class WrongOctets(Fault):
    """Announces wrong sizes."""

    parameter = parameters.octets(-2, least=-parameters.MAX_OCTETS)
    value: int

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Miscount."""
        return _MiscountedMaildrop(maildrop, self.value)


class _MiscountedMaildrop(AnotherMaildrop):
    def __init__(self, maildrop: Maildrop, error: int) -> None:
        super().__init__(maildrop)
        self._error = error

    def octets(self, number: int) -> int:
        return max(0, super().octets(number) + self._error)


class LongLine(Fault):
    """Puts a line into messages that is longer than a client's buffer."""

    parameter = parameters.octets(5_000, least=2)
    value: int

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Add the line."""
        return _AugmentedMaildrop(maildrop, last=b"x" * (self.value - 2) + b"\r\n")


class _AugmentedMaildrop(AnotherMaildrop):
    """A maildrop whose messages have something more at their beginning and end."""

    def __init__(self, maildrop: Maildrop, *, header: bytes = b"", last: bytes) -> None:
        super().__init__(maildrop)
        self._header = header
        self._last = last

    def octets(self, number: int) -> int:
        return len(self._header) + super().octets(number) + len(self._last)

    def chunks(self, number: int) -> Iterator[bytes]:
        yield self._header
        yield from super().chunks(number)
        yield self._last


HOSTILE_HEADER = b"X-Hostile: \x1b]0;owned\x07\x1b[8mhidden\r\n"
HOSTILE_LINE = b"%b\x08\x08\x08 \xe2\x80\xaetxt.exe\r\n" % ESCAPES
"""Escape sequences, backspaces, and a right-to-left override in UTF-8."""


class EscapeMail(Fault):
    """Puts escape sequences into messages."""

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Add a field to the header and a line to the body."""
        return _AugmentedMaildrop(maildrop, header=HOSTILE_HEADER, last=HOSTILE_LINE)
