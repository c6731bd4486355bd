"""Capabilities: what a server says about itself in its answer to CAPA (RFC 2449 §5).

The registry is a table, `parse_capability` parses a line of the answer, `CapabilityLists` is what a
server offers, which depends on TLS and on the login, and `compare_capabilities` explains the
differences between two answers.
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


def _row(tag: bytes, meaning: str, section: str, rfc: int = 2449) -> RegisteredCapability:
    return RegisteredCapability(tag=tag, meaning=meaning, clause=Clause(rfc=rfc, section=section))


_ROWS = (
    _row(b"TOP", "the command TOP works", "6.1"),
    _row(b"USER", "the commands USER and PASS work", "6.2"),
    _row(b"SASL", "the command AUTH works, with the mechanisms named", "3", 5034),
    _row(b"RESP-CODES", "text that begins with a bracket begins with a response code", "6.4"),
    _row(b"LOGIN-DELAY", "this many seconds must lie between two logins", "6.5"),
    _row(b"PIPELINING", "commands may be sent without waiting for earlier replies", "6.6"),
    _row(
        b"EXPIRE",
        "the server keeps messages at least this many days; with 0 it may delete what was fetched, "
        "with NEVER it deletes nothing",
        "6.7",
    ),
    _row(b"UIDL", "the command UIDL works", "6.8"),
    _row(b"IMPLEMENTATION", "the server program's name; clients must not act upon it", "6.9"),
    _row(b"STLS", "the command STLS is offered; it is legal before the login only", "4", 2595),
    _row(b"AUTH-RESP-CODE", "a login refused for its credentials gets [AUTH]", "6", 3206),
    _row(b"UTF8", "UTF8 works; with USER, names and passwords may be UTF-8", "2", 6856),
    _row(b"LANG", "the command LANG works: reply texts come in other languages too", "3", 6856),
)

CAPABILITIES: Mapping[bytes, RegisteredCapability] = {row.tag: row for row in _ROWS}
"""Every registered capability by its tag in upper case."""

MAX_CAPABILITY_OCTETS = 512
"""Longest line of the answer to CAPA, including its CRLF (RFC 2449 §5)."""


class Capability(Value):
    """A line of the answer to CAPA, parsed."""

    tag: bytes
    """In upper case: tags are case-insensitive (RFC 2449 §5)."""
    parameters: tuple[bytes, ...]

    @property
    def registered(self) -> RegisteredCapability | None:
        """The row of the registry; None for a private or misspelt tag."""
        return CAPABILITIES.get(self.tag)


def parse_capability(line: bytes) -> Capability:
    """Parse a line of the answer to CAPA.

    Args:
        line: octets without the line end, byte-stuffing undone.

    Returns:
        The parts.  The tag of a blank line is empty.  Never raises.
    """
    tag, *parameters = line.split() or [b""]
    return Capability(tag=tag.upper(), parameters=tuple(parameters))


class CapabilityLists(Value):
    """The lines that a server answers CAPA with.

    There are four lists, because TLS (RFC 2595 §4) and the login (RFC 2449 §5) may change the answer.
    """

    clear: tuple[bytes, ...]
    """In the clear, before the login."""
    clear_logged_in: tuple[bytes, ...]
    tls: tuple[bytes, ...]
    """In TLS, before the login."""
    tls_logged_in: tuple[bytes, ...]

    def lines(self, *, encrypted: bool, logged_in: bool) -> tuple[bytes, ...]:
        """Return the lines that apply, without line ends."""
        if encrypted:
            return self.tls_logged_in if logged_in else self.tls
        return self.clear_logged_in if logged_in else self.clear


_ALWAYS = tuple(b"TOP|UIDL|USER|RESP-CODES|AUTH-RESP-CODE|PIPELINING|UTF8 USER|LANG".split(b"|"))

FULL_CAPABILITIES = CapabilityLists(
    clear=(*_ALWAYS, b"STLS"), clear_logged_in=_ALWAYS, tls=_ALWAYS, tls_logged_in=_ALWAYS
)
"""Everything that the server core can do by itself (AUTH needs mechanisms); STLS only where it is
permitted (RFC 2595 §4)."""


# Two answers to CAPA in one session, and why they differ.
#
# Two events may change the answer: TLS (RFC 2595 §4) and the login (RFC 2449 §5).  Each difference gets
# the rule of the RFC that allows or forbids it.


class Change(Enum):
    """How a capability differs."""

    CAME = "+"
    WENT = "-"
    CHANGED = "~"
    STAYED = "="
    """Reported only if it shouldn't have stayed."""


class CapabilityAnswer(Value):
    """An answer to CAPA, and when it was given."""

    encrypted: bool
    logged_in: bool
    lines: tuple[bytes, ...] | None
    """Without line ends, byte-stuffing undone; None if the server doesn't know CAPA."""

    @property
    def moment(self) -> str:
        """When it was given, in words."""
        wire = "in TLS" if self.encrypted else "in the clear"
        return f"{wire}, {'after' if self.logged_in else 'before'} the login"

    def parameters(self) -> dict[bytes, tuple[bytes, ...]]:
        """Return what follows each tag; if a tag comes twice, the last one counts."""
        found = map(parse_capability, self.lines or ())
        return {each.tag: each.parameters for each in found if each.tag}


class CapabilityChange(Value):
    """A capability that isn't as it was before."""

    tag: bytes
    difference: Change
    before: tuple[bytes, ...]
    """Its parameters; empty if it wasn't listed."""
    after: tuple[bytes, ...]
    why: str
    """Why it may differ, or that it may not, in one sentence."""
    clause: Clause
    odd: bool = False
    """Whether the server breaks a rule, or deserves a second look."""


_AFTER_STLS = Clause(rfc=2595, section="4")
_AFTER_LOGIN = Clause(rfc=2449, section="5")
_SASL = Clause(rfc=5034, section="3")


_Why = tuple[str, Clause, bool]
"""The last three fields of a `CapabilityChange`."""


def _why(why: str, clause: Clause, *, odd: bool = False) -> _Why:
    return why, clause, odd


_WITH_TLS = {
    (b"STLS", Change.WENT): _why("as it must be: there is nothing left to start", _AFTER_STLS),
    (b"STLS", Change.STAYED): _why(
        "TLS is on, and STLS again is refused: a server should not offer it", _AFTER_STLS, odd=True
    ),
    (b"SASL", Change.CHANGED): _why(
        "it may: mechanisms that show the password are for TLS only", _SASL
    ),
    (b"SASL", Change.CAME): _why("it may: this server wants no password in the clear", _SASL),
    (b"USER", Change.CAME): _why(
        "it may: PASS shows the password, so this server wants TLS first",
        Clause(rfc=2595, section="2.3"),
    ),
}
"""How capabilities may differ after TLS has begun."""

_WITH_LOGIN = {
    (b"STLS", Change.WENT): _why(
        "as it should be: STLS is listed where it is permitted, which is before the login",
        _AFTER_STLS,
    ),
    (b"STLS", Change.STAYED): _why(
        "STLS is permitted before the login only, and should be listed there only",
        _AFTER_STLS,
        odd=True,
    ),
    (b"SASL", Change.WENT): _why(
        "RFC 5034 says that it must stay, though AUTH is of no use now; many servers drop it",
        _SASL,
        odd=True,
    ),
    (b"USER", Change.WENT): _why(
        "what is listed before the login must be listed after it; many servers drop it",
        _AFTER_LOGIN,
        odd=True,
    ),
    (b"EXPIRE", Change.CHANGED): _why(
        "it may: before the login it is the least of all users, now it is yours",
        Clause(rfc=2449, section="6.7"),
    ),
    (b"LOGIN-DELAY", Change.CHANGED): _why(
        "it may: before the login it is the most of all users, now it is yours",
        Clause(rfc=2449, section="6.5"),
    ),
    (b"IMPLEMENTATION", Change.CAME): _why(
        "it may: a server need not tell strangers what it is", Clause(rfc=2449, section="6.9")
    ),
}
"""How capabilities may differ after the login."""

_USUAL_WITH_TLS = dict.fromkeys(
    Change,
    _why(
        "it may; what is in the clear could be anybody's, and what is said in TLS is what counts",
        _AFTER_STLS,
    ),
)
_USUAL_WITH_LOGIN = {
    Change.CAME: _why("it may: some are for TRANSACTION only", _AFTER_LOGIN),
    Change.WENT: _why(
        "what is listed before the login must be listed after it", _AFTER_LOGIN, odd=True
    ),
    Change.CHANGED: _why(
        "only a capability whose definition says so may change at the login", _AFTER_LOGIN, odd=True
    ),
}
_UNEXPLAINED = dict.fromkeys(
    Change,
    _why("nothing has happened in between that could be the reason", _AFTER_LOGIN, odd=True),
)


def compare_capabilities(
    before: CapabilityAnswer, after: CapabilityAnswer
) -> Iterator[CapabilityChange]:
    """Compare two answers to CAPA, in the order of the later one.

    Args:
        before: the earlier answer.
        after: the later one, from the same server.  If neither TLS nor the login came between them,
            every difference is odd.
    """
    old, new = before.parameters(), after.parameters()
    reasons, usual = {}, _UNEXPLAINED
    if after.logged_in and not before.logged_in:
        reasons, usual = _WITH_LOGIN, _USUAL_WITH_LOGIN
    if after.encrypted and not before.encrypted:
        reasons, usual = {**reasons, **_WITH_TLS}, _USUAL_WITH_TLS
    for tag in [*new, *(tag for tag in old if tag not in new)]:
        difference = _difference(old.get(tag), new.get(tag))
        if difference is Change.STAYED and (tag, difference) not in reasons:
            continue
        why, clause, odd = reasons.get((tag, difference)) or usual[difference]
        yield CapabilityChange(
            tag=tag,
            difference=difference,
            before=old.get(tag, ()),
            after=new.get(tag, ()),
            why=why,
            clause=clause,
            odd=odd,
        )


def _difference(old: Sequence[bytes] | None, new: Sequence[bytes] | None) -> Change:
    if old is None:
        return Change.CAME
    if new is None:
        return Change.WENT
    return Change.STAYED if sorted(old) == sorted(new) else Change.CHANGED
