"""The way that a message came: its Received fields in the order of time, with the delays between them.

Each host that takes a message writes a Received field on top (RFC 5321 §4.4), so the last one in the
header is the first in time.  A host can write what it likes, and a forger begins a message with fields
of hosts that never saw it: only those that were written by hosts one trusts are worth anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime

_CLAUSES = re.compile(r"(?:^|\s)(from|by|with|id|for|via)\s+(\S+)", re.IGNORECASE)
_COMMENT = re.compile(r"\([^()]*\)")
_DEEPEST_COMMENT = 5
"""Comments stand within comments; deeper than this only in mail that was made to hurt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One host that took the message."""

    sender: str | None
    """Who it says gave it the message: what that host called itself."""
    receiver: str | None
    """What it calls itself."""
    protocol: str | None
    when: datetime | None
    """None where the date cannot be read."""
    delay: timedelta | None
    """Since the hop before; negative where a clock is wrong, or a field is forged."""
    raw: str
    """The field, unfolded."""


def trace(message: Message) -> tuple[Hop, ...]:
    """Return the hops, the first in time first."""
    hops: list[Hop] = []
    before: datetime | None = None
    for value in reversed(message.get_all("Received", [])):
        raw = " ".join(str(value).split())
        what, _, date = raw.rpartition(";")
        when = _date(date)
        found = _clauses(what)
        hops.append(
            Hop(
                sender=found.get("from"),
                receiver=found.get("by"),
                protocol=found.get("with"),
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


def _date(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text.strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # "-0000" says that nothing is known of the zone (RFC 5322 §3.3).
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
