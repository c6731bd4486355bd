"""Who looks on while a session goes on: lines about sessions, their log, and the record for tests.

A server has any number of makers of witnesses, each called once for every connection.  A witness is told
what happens and changes nothing; without one, nothing is kept and nothing is paid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from poptalk.protocol.server_events import EndReason

if TYPE_CHECKING:
    from poptalk.practice.accounts import Account
    from poptalk.protocol.server_events import ServerEvent


class DropReason(Enum):
    """Why a connection ended otherwise than by a word of the session; nothing is removed then."""

    CLIENT_VANISHED = "the connection broke"
    NO_LOGIN = "no login in time"
    IDLE = "silent for too long"
    NO_HANDSHAKE = "no TLS handshake in time"
    TLS_FAILED = "TLS failed"
    MESSAGE_BROKE = "a message could not be read to its end"
    FAULT = "cut off by a fault"
    STOPPED = "the server was stopped"


How = EndReason | DropReason
"""How a session ended; the values are clauses for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A connection that has come.

    Args:
        number: from 1, in the order in which they came.
        host: the client's address.
        port: its port.
        implicit_tls: whether TLS begins at once (RFC 8314 §3).
    """

    number: int
    host: str
    port: int
    implicit_tls: bool

    @property
    def address(self) -> str:
        """Address and port, as a URL writes them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Witness:
    """Sees what happens in one session; this one looks away."""

    def told(self, event: ServerEvent) -> None:
        """Take note of what the server core tells, before it is acted upon."""

    def logged_in(self, account: Account) -> None:
        """Take note of a login that was right."""

    def tls_began(self) -> None:
        """Take note that the handshake is done."""

    def received(self, octets: bytes) -> None:
        """Take note of octets from the client, decrypted."""

    def sent(self, octets: bytes | memoryview) -> None:
        """Take note of octets for the client, not yet encrypted, cut anywhere."""

    def ended(self, how: How) -> None:
        """Take note of the end; nothing follows."""


Begin = Callable[[Visit], Witness]
"""Makes the witness of a connection that has come."""
