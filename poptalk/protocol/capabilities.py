"""Capabilities: what a server says of itself in its answer to CAPA (RFC 2449 §5).

The registry is a table, a line of the answer is taken apart by `parse_capability`, and
`CapabilityLists` is what a server offers, which depends on TLS and on the login.
"""

from __future__ import annotations

from poptalk.protocol.values import Value
from poptalk.protocol.verbs import Clause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class RegisteredCapability(Value):
    """A row of IANA's registry "POP3 Extension Mechanism"."""

    tag: bytes
    meaning: str
    clause: Clause


_ROWS = (
    RegisteredCapability(
        tag=b"TOP", meaning="the command TOP works", clause=Clause(rfc=2449, section="6.1")
    ),
    RegisteredCapability(
        tag=b"USER",
        meaning="the commands USER and PASS work",
        clause=Clause(rfc=2449, section="6.2"),
    ),
    RegisteredCapability(
        tag=b"SASL",
        meaning="the command AUTH works, with the mechanisms named",
        clause=Clause(rfc=5034, section="3"),
    ),
    RegisteredCapability(
        tag=b"RESP-CODES",
        meaning="a text that begins with a square bracket begins with a response code",
        clause=Clause(rfc=2449, section="6.4"),
    ),
    RegisteredCapability(
        tag=b"LOGIN-DELAY",
        meaning="this many seconds must lie between two logins",
        clause=Clause(rfc=2449, section="6.5"),
    ),
    RegisteredCapability(
        tag=b"PIPELINING",
        meaning="commands may be sent without waiting for the answer to the one before",
        clause=Clause(rfc=2449, section="6.6"),
    ),
    RegisteredCapability(
        tag=b"EXPIRE",
        meaning=(
            "the server keeps messages at least this many days; with 0 it may delete what was "
            "fetched, with NEVER it deletes nothing"
        ),
        clause=Clause(rfc=2449, section="6.7"),
    ),
    RegisteredCapability(
        tag=b"UIDL", meaning="the command UIDL works", clause=Clause(rfc=2449, section="6.8")
    ),
    RegisteredCapability(
        tag=b"IMPLEMENTATION",
        meaning="the name of the server program, which clients must not act upon",
        clause=Clause(rfc=2449, section="6.9"),
    ),
    RegisteredCapability(
        tag=b"STLS",
        meaning="the command STLS is offered; it is legal before the login only",
        clause=Clause(rfc=2595, section="4"),
    ),
    RegisteredCapability(
        tag=b"AUTH-RESP-CODE",
        meaning="a login that failed for its name or password is answered with [AUTH]",
        clause=Clause(rfc=3206, section="6"),
    ),
    RegisteredCapability(
        tag=b"UTF8",
        meaning="the command UTF8 works; with USER, names and passwords may be UTF-8",
        clause=Clause(rfc=6856, section="2"),
    ),
    RegisteredCapability(
        tag=b"LANG",
        meaning="the command LANG works: reply texts come in other languages too",
        clause=Clause(rfc=6856, section="3"),
    ),
)

CAPABILITIES: Mapping[bytes, RegisteredCapability] = {row.tag: row for row in _ROWS}
"""Every registered capability by its tag in upper case."""

MAX_CAPABILITY_OCTETS = 512
"""Longest line of the answer to CAPA, its CRLF included (RFC 2449 §5)."""


class Capability(Value):
    """A line of the answer to CAPA taken apart."""

    tag: bytes
    """In upper case: tags are case-insensitive (RFC 2449 §5)."""
    parameters: tuple[bytes, ...]

    @property
    def registered(self) -> RegisteredCapability | None:
        """The row of the registry, None for a private or a misspelt tag."""
        return CAPABILITIES.get(self.tag)


def parse_capability(line: bytes) -> Capability:
    """Take a line of the answer to CAPA apart.

    Args:
        line: octets without the line end, byte-stuffing undone.

    Returns:
        The parts; the tag of a blank line is empty.  Never raises.
    """
    tag, *parameters = line.split() or [b""]
    return Capability(tag=tag.upper(), parameters=tuple(parameters))


class CapabilityLists(Value):
    """What a server offers, as the lines of its answer to CAPA.

    Four lists, because the answer may change when TLS begins (RFC 2595 §4) and at login (RFC 2449 §5).
    """

    clear: tuple[bytes, ...]
    """In clear, before the login."""
    clear_logged_in: tuple[bytes, ...]
    tls: tuple[bytes, ...]
    """In TLS, before the login."""
    tls_logged_in: tuple[bytes, ...]

    def lines(self, *, encrypted: bool, logged_in: bool) -> tuple[bytes, ...]:
        """Return the lines of one situation, without line ends."""
        if encrypted:
            return self.tls_logged_in if logged_in else self.tls
        return self.clear_logged_in if logged_in else self.clear


def _lists_of_everything() -> CapabilityLists:
    """List all that the server core can do alone; STLS only where it is permitted (RFC 2595 §4)."""
    always = (
        *(b"TOP", b"UIDL", b"USER", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING"),
        *(b"UTF8 USER", b"LANG"),
    )
    return CapabilityLists(
        clear=(*always, b"STLS"), clear_logged_in=always, tls=always, tls_logged_in=always
    )


FULL_CAPABILITIES = _lists_of_everything()
"""Everything that the server core can do alone: for AUTH it needs mechanisms."""
