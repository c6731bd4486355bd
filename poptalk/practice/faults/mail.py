"""Faults in the mail itself: its sizes, its unique-ids, and what strangers write into it.

Each shows the session another maildrop than the one that is there.  The last two are honest: LIST
announces what RETR sends.
"""

from __future__ import annotations

from collections.abc import Iterator

from poptalk.practice.another_maildrop import AnotherMaildrop
from poptalk.practice.faults import parameters
from poptalk.practice.faults.fault import About, Fault, Stance
from poptalk.practice.faults.replies import ESCAPES, RFC_1939_5, RFC_1939_7, UNIQUE_ID_LISTING
from poptalk.protocol.maildrop import Maildrop
from poptalk.protocol.verbs import Clause


class _NumberedMaildrop(AnotherMaildrop):
    def unique_id(self, number: int) -> bytes:
        return b"%d" % number


class UidlReused(Fault):
    """Uses message-numbers as unique-ids."""

    about = About(
        name="uidl-reused",
        summary="the unique-id is the message-number, and so goes to another message later",
        seen="cyrusimap/cyrus-imapd#374",
        clause=RFC_1939_7,
        sentence=(
            "The server should never reuse an unique-id in a given maildrop, for as long as the "
            "entity using the unique-id exists."
        ),
        suffers='a new letter is "already seen" and never fetched',
    )

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Give numbers for unique-ids."""
        return _NumberedMaildrop(maildrop)


class _SpacedMaildrop(AnotherMaildrop):
    def unique_id(self, number: int) -> bytes:
        return b"  " + super().unique_id(number)


class UidlSpaces(Fault):
    """Puts too many blanks into unique-id listings."""

    about = About(
        name="uidl-spaces",
        summary="three blanks between message-number and unique-id",
        seen="thunderbird/thunderbird-android PR 323",
        clause=RFC_1939_7,
        sentence=UNIQUE_ID_LISTING,
        suffers="split at single blanks, the unique-id is empty: all letters have the same one",
    )

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Put blanks in front of the unique-ids."""
        return _SpacedMaildrop(maildrop)


class _MiscountedMaildrop(AnotherMaildrop):
    def __init__(self, maildrop: Maildrop, error: int) -> None:
        super().__init__(maildrop)
        self._error = error

    def octets(self, number: int) -> int:
        return max(0, super().octets(number) + self._error)


class WrongOctets(Fault):
    """Announces sizes that are wrong."""

    about = About(
        name="wrong-octets",
        summary="announced sizes differ from what is sent",
        seen="Dovecot 2.3.19: 46 octets announced, 48 sent, for mail without a final line end",
        clause=RFC_1939_5,
        sentence=(
            "A scan listing consists of the message-number of the message, followed by a single "
            "space and the exact size of the message in octets."
        ),
        suffers="progress bars, quotas and buffers are wrong; who reads by size loses the thread",
    )
    parameter = parameters.octets(-2, least=-parameters.MAX_OCTETS)
    value: int

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Miscount."""
        return _MiscountedMaildrop(maildrop, self.value)


class _AugmentedMaildrop(AnotherMaildrop):
    """A maildrop whose messages begin and end with more than they have."""

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


class LongLine(Fault):
    """Puts a line into messages that is longer than a client's buffer."""

    about = About(
        name="long-line",
        summary="each message ends in a line of many octets",
        seen="odoo/odoo#10920 (poplib takes 2,048 octets)",
        clause=Clause(rfc=2449, section="4"),
        sentence=(
            "The maximum length of the first line of a command response (including the initial "
            "greeting) is unchanged at 512 octets (including the terminating CRLF)."
        ),
        suffers="it gives up at that letter, and at every attempt again; later ones never come",
        stance=Stance.KEEPS,
    )
    parameter = parameters.octets(5_000, least=2)
    value: int

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Add the line."""
        return _AugmentedMaildrop(maildrop, last=b"x" * (self.value - 2) + b"\r\n")


HOSTILE_HEADER = b"X-Hostile: \x1b]0;owned\x07\x1b[8mhidden\r\n"
HOSTILE_LINE = b"%b\x08\x08\x08 \xe2\x80\xaetxt.exe\r\n" % ESCAPES
"""Escape sequences, backspaces, and a right-to-left override in UTF-8."""


class EscapeMail(Fault):
    """Puts escape sequences into messages."""

    about = About(
        name="escape-mail",
        summary="messages hold escape sequences, in the header and in the body",
        seen="CWE-150: netstat CVE-2024-58251, Apache's logs CVE-2003-0020; curl#6150",
        clause=Clause(rfc=1939, section="11"),
        sentence=(
            "All messages transmitted during a POP3 session are assumed to conform to the standard "
            "for the format of Internet text messages [RFC822]."
        ),
        suffers="who writes it to a terminal obeys a stranger: colours, titles, hidden text",
        stance=Stance.KEEPS,
    )

    def maildrop(self, maildrop: Maildrop) -> Maildrop:
        """Add a field to the header and a line to the body."""
        return _AugmentedMaildrop(maildrop, header=HOSTILE_HEADER, last=HOSTILE_LINE)
