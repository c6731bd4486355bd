"""One message in one row: what a table of a maildrop shows of it, and by what messages are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from poptalk.mail.charset import decode
from poptalk.mail.header import RawHeader, decode_words, first_value, read_date, read_header

_LONGEST = 500
"""Characters of a cell that are kept; no screen is wider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is known of a message from its header.  All texts are a stranger's, on one line."""

    number: int
    size: int | None
    """Octets, as LIST gives them; None where it was not asked."""
    when: datetime | None
    """With its zone, so that two of them compare by real time; None where the date can't be read."""
    date: str
    """The Date field as it is, or that of the top Received field; empty where there is none."""
    sender: str
    subject: str

    def is_older_than(self, moment: datetime) -> bool:
        """Whether it was sent before a moment; False where its date can't be read.

        Args:
            moment: with a time zone.
        """
        return self.when is not None and self.when < moment

    def is_from(self, text: str) -> bool:
        """Whether the From field contains a text, whatever its case."""
        return text.casefold() in self.sender.casefold()


def summary(number: int, octets: bytes, *, size: int | None) -> Summary:
    """Read what a table shows of a message.

    Args:
        number: the message's.
        octets: its header, as TOP n 0 gives it; a whole message will do.
        size: octets of the message, if they are known.
    """
    header = read_header(octets)
    date = _date_of(header)
    return Summary(
        number=number,
        size=size,
        when=read_date(date),
        date=date,
        sender=_text(header, b"from") or _text(header, b"sender") or _text(header, b"return-path"),
        subject=_text(header, b"subject"),
    )


def _text(header: RawHeader, name: bytes) -> str:
    value = first_value(header, name) or b""
    return " ".join(decode_words(value).text.split())[:_LONGEST]


def _date_of(header: RawHeader) -> str:
    date = _text(header, b"date")
    if date and read_date(date) is not None:
        return date
    top = first_value(header, b"received") or b""
    received = decode(top.rpartition(b";")[2].strip(), None).text
    return received if read_date(received) is not None else date
