"""What happens in a replay, as it tells it: every event of the client core, and what lies between."""

from __future__ import annotations

from dataclasses import dataclass

from poptalk.net.errors import Ending
from poptalk.net.tls import TlsFacts
from poptalk.notation.exchanges import ExpectedReply
from poptalk.notation.match import Difference
from poptalk.protocol.commands import Command
from poptalk.protocol.events import Event
from poptalk.session.exchanges import StoredReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A connection stands."""

    where: str
    """Host and port."""
    tls: TlsFacts | None
    """What came of the handshake; None in clear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsBegun:
    """STLS has led to TLS (RFC 2595 §4)."""

    facts: TlsFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The connection is gone."""

    ending: Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """A reply is as the dialogue says."""

    expected: ExpectedReply
    heard: StoredReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Differed:
    """Something is not as the dialogue says: the last occurrence of a replay."""

    difference: Difference
    command: Command | None = None
    """What was answered; None for the greeting, and for what answers nothing."""
    octets_left_out: int = 0
    """Octets of a very long reply in which the line was not looked for."""


Occurrence = Event | Opened | TlsBegun | Ended | Agreed | Differed
