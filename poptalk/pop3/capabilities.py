"""Capabilities: what a server says of itself in its answer to CAPA (RFC 2449 §5).

The registry is a table, a line of the answer is taken apart by `parse_capability`, and
`CapabilityLists` is what a server offers, which depends on TLS and on the login.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

from poptalk.pop3.commands import Clause
from poptalk.pop3.values import Value


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


# What CAPA said at two moments of a session, and why it may differ, or may not.
#
# Two events change the answer: TLS (RFC 2595 §4) and the login (RFC 2449 §5).  Each difference gets the
# sentence of the RFC that allows it or forbids it.


class Change(Enum):
    """What has become of a capability."""

    CAME = "+"
    WENT = "-"
    CHANGED = "~"
    STAYED = "="
    """Only reported where it should not have stayed."""


class CapabilityAnswer(Value):
    """What CAPA said at one moment."""

    encrypted: bool
    logged_in: bool
    lines: tuple[bytes, ...] | None
    """Without line ends, byte-stuffing undone; None where the server knows no CAPA."""

    @property
    def moment(self) -> str:
        """When that was, in words."""
        return f"{'in TLS' if self.encrypted else 'in clear'}, {_LOGIN[self.logged_in]} the login"

    def parameters(self) -> dict[bytes, tuple[bytes, ...]]:
        """Return what stands behind each tag; of a tag that comes twice, the last."""
        found = map(parse_capability, self.lines or ())
        return {each.tag: each.parameters for each in found if each.tag}


_LOGIN = {False: "before", True: "after"}


class CapabilityChange(Value):
    """One capability that is not as it was."""

    tag: bytes
    difference: Change
    before: tuple[bytes, ...]
    """Its parameters; empty where it was not there."""
    after: tuple[bytes, ...]
    why: str
    """Why that may be, or that it may not: one sentence."""
    clause: Clause
    odd: bool = False
    """Whether the server breaks a rule, or should be looked at twice."""


_AFTER_STLS = Clause(rfc=2595, section="4")
_AFTER_LOGIN = Clause(rfc=2449, section="5")
_SASL = Clause(rfc=5034, section="3")


class _Why(Value):
    why: str
    clause: Clause
    odd: bool = False


_Reasons = Mapping["tuple[bytes, Change]", _Why]

_WITH_TLS: _Reasons = {
    (b"STLS", Change.WENT): _Why(
        why="as it must be: TLS is on, and there is nothing left to start", clause=_AFTER_STLS
    ),
    (b"STLS", Change.STAYED): _Why(
        why="TLS is on, and STLS again is refused: a server should not offer it",
        clause=_AFTER_STLS,
        odd=True,
    ),
    (b"SASL", Change.CHANGED): _Why(
        why="it may: mechanisms that show the password are for TLS only", clause=_SASL
    ),
    (b"SASL", Change.CAME): _Why(
        why="it may: this server wants no password in clear", clause=_SASL
    ),
    (b"USER", Change.CAME): _Why(
        why="it may: PASS shows the password, so this server wants TLS first",
        clause=Clause(rfc=2595, section="2.3"),
    ),
}
"""What becomes of capabilities when TLS has begun."""

_AT_ANY_RATE = "the list in clear could be anybody's; what a server says in TLS is what counts"

_WITH_LOGIN: _Reasons = {
    (b"STLS", Change.WENT): _Why(
        why="as it should be: STLS is listed where it is permitted, which is before the login",
        clause=_AFTER_STLS,
    ),
    (b"STLS", Change.STAYED): _Why(
        why="STLS is permitted before the login only, and should be listed there only",
        clause=_AFTER_STLS,
        odd=True,
    ),
    (b"SASL", Change.WENT): _Why(
        why="RFC 5034 says that it must stay, though AUTH is of no use now; many servers drop it",
        clause=_SASL,
        odd=True,
    ),
    (b"USER", Change.WENT): _Why(
        why="what is listed before the login must be listed after it; many servers drop it",
        clause=_AFTER_LOGIN,
        odd=True,
    ),
    (b"EXPIRE", Change.CHANGED): _Why(
        why="it may: before the login it is the least of all users, now it is yours",
        clause=Clause(rfc=2449, section="6.7"),
    ),
    (b"LOGIN-DELAY", Change.CHANGED): _Why(
        why="it may: before the login it is the most of all users, now it is yours",
        clause=Clause(rfc=2449, section="6.5"),
    ),
    (b"IMPLEMENTATION", Change.CAME): _Why(
        why="it may: a server need not tell strangers what it is",
        clause=Clause(rfc=2449, section="6.9"),
    ),
}
"""What becomes of capabilities at the login."""

_USUAL_WITH_LOGIN = {
    Change.CAME: _Why(why="it may: some are for TRANSACTION only", clause=_AFTER_LOGIN),
    Change.WENT: _Why(
        why="what is listed before the login must be listed after it", clause=_AFTER_LOGIN, odd=True
    ),
    Change.CHANGED: _Why(
        why="only a capability whose definition says so may change at the login",
        clause=_AFTER_LOGIN,
        odd=True,
    ),
}


def compare_capabilities(
    before: CapabilityAnswer, after: CapabilityAnswer
) -> Iterator[CapabilityChange]:
    """Say what is different between two answers to CAPA, in the order of the later one.

    Args:
        before: the earlier answer.
        after: the later one, of the same server; where both were given at like moments, every
            difference is odd.
    """
    old, new = before.parameters(), after.parameters()
    reasons = _reasons(before, after)
    for tag in [*new, *(tag for tag in old if tag not in new)]:
        difference = _difference(old.get(tag), new.get(tag))
        if difference is Change.STAYED and (tag, difference) not in reasons:
            continue
        reason = reasons.get((tag, difference)) or _usual_reason(difference, before, after)
        yield CapabilityChange(
            tag=tag,
            difference=difference,
            before=old.get(tag, ()),
            after=new.get(tag, ()),
            why=reason.why,
            clause=reason.clause,
            odd=reason.odd,
        )


def _difference(old: Sequence[bytes] | None, new: Sequence[bytes] | None) -> Change:
    if old is None:
        return Change.CAME
    if new is None:
        return Change.WENT
    return Change.STAYED if sorted(old) == sorted(new) else Change.CHANGED


def _reasons(before: CapabilityAnswer, after: CapabilityAnswer) -> _Reasons:
    with_login = _WITH_LOGIN if after.logged_in and not before.logged_in else {}
    with_tls = _WITH_TLS if after.encrypted and not before.encrypted else {}
    return {**with_login, **with_tls}


def _usual_reason(difference: Change, before: CapabilityAnswer, after: CapabilityAnswer) -> _Why:
    if after.encrypted and not before.encrypted:
        return _Why(why=f"it may; {_AT_ANY_RATE}", clause=_AFTER_STLS)
    if after.logged_in and not before.logged_in:
        return _USUAL_WITH_LOGIN[difference]
    return _Why(
        why="nothing has happened in between that could be the reason",
        clause=_AFTER_LOGIN,
        odd=True,
    )
