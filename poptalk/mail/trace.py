"""The way that a message came: its Received fields in the order of time, with the delays between them.

Each host that takes a message writes a Received field on top (RFC 5321 §4.4), so the last one in the
header is the first in time.  A host can write what it likes, and a forger begins a message with fields
of hosts that never saw it: only those that were written by hosts one trusts are worth anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from poptalk.mail.charset import decode
from poptalk.mail.header import RawHeader, read_date

MOST_HOPS = 200
"""Received fields that are read: servers refuse a message with a hundred (RFC 5321 §6.3)."""

_LONGEST = 4096
"""Characters of a Received field; real ones have a few hundred."""

_CLAUSES = re.compile(r"(?:^|\s)(from|by|with|id|for|via)\s+(\S+)", re.IGNORECASE)
_COMMENT = re.compile(r"\([^()]*\)")
_DEEPEST_COMMENT = 5
"""Comments within comments; there are more levels only in mail that was made to hurt."""

_FROM = re.compile(r"(?:^|\s)from\s(.*?)(?=\s(?:by|via|with|id|for)\s|\Z)", re.IGNORECASE)
_ADDRESS = re.compile(
    r"\[(?:IPv6:)?([0-9A-Fa-f.:]{3,45})\]|[\s(](\d{1,3}(?:\.\d{1,3}){3})(?=[\s:)])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One host that took the message."""

    sender: str | None
    """Who it says gave it the message: what that host called itself."""
    address: str | None
    """The IP address from which it came: what the receiving host saw (RFC 5321 §4.4)."""
    receiver: str | None
    """What it calls itself."""
    protocol: str | None
    queue_id: str | None
    """The name of the message in its logs."""
    recipient: str | None
    """For whom it took the message."""
    when: datetime | None
    """None where the date cannot be read."""
    delay: timedelta | None
    """Since the hop before; negative where a clock is wrong, or a field is forged."""
    raw: str
    """The field, unfolded."""


def trace(header: RawHeader) -> tuple[Hop, ...]:
    """Return the hops, the first in time first: the last `MOST_HOPS` of them."""
    received = [value for name, value in header.fields if name.lower() == b"received"]
    hops: list[Hop] = []
    before: datetime | None = None
    for value in reversed(received[:MOST_HOPS]):
        raw = decode(b" ".join(value[:_LONGEST].split()), None).text
        what, _, date = raw.rpartition(";")
        when = read_date(date)
        found = _clauses(what or raw)
        hops.append(
            Hop(
                sender=found.get("from"),
                address=_address(what or raw),
                receiver=found.get("by"),
                protocol=found.get("with"),
                queue_id=found.get("id"),
                recipient=found.get("for"),
                when=when,
                delay=when - before if when is not None and before is not None else None,
                raw=raw,
            )
        )
        before = when or before
    return tuple(hops)


def _clauses(text: str) -> dict[str, str]:
    """Read ``from X by Y with Z``; the first of a name counts (RFC 5321 §4.4)."""
    for _ in range(_DEEPEST_COMMENT):
        text = _COMMENT.sub(" ", text)
    found: dict[str, str] = {}
    for name, word in _CLAUSES.findall(text):
        found.setdefault(name.lower(), word)
    return found


def _address(text: str) -> str | None:
    """Return the last address between ``from`` and the next clause, outermost comment included."""
    match = _FROM.search(text)
    found = [one or other for one, other in _ADDRESS.findall(match[1] if match else "")]
    return found[-1] if found else None
