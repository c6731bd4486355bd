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
    """In the clear, before the login."""
    clear_logged_in: tuple[bytes, ...]
    tls: tuple[bytes, ...]
    """In TLS, before the login."""
    tls_logged_in: tuple[bytes, ...]

    def lines(self, *, encrypted: bool, logged_in: bool) -> tuple[bytes, ...]:
        """Return the lines of one situation, without line ends."""
        if encrypted:
            return self.tls_logged_in if logged_in else self.tls
        return self.clear_logged_in if logged_in else self.clear


_ALWAYS = tuple(b"TOP|UIDL|USER|RESP-CODES|AUTH-RESP-CODE|PIPELINING|UTF8 USER|LANG".split(b"|"))

FULL_CAPABILITIES = CapabilityLists(
    clear=(*_ALWAYS, b"STLS"), clear_logged_in=_ALWAYS, tls=_ALWAYS, tls_logged_in=_ALWAYS
)
"""All that the server core can do alone (AUTH needs mechanisms); STLS only where it is permitted
(RFC 2595 §4)."""


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
        wire = "in TLS" if self.encrypted else "in the clear"
        return f"{wire}, {'after' if self.logged_in else 'before'} the login"

    def parameters(self) -> dict[bytes, tuple[bytes, ...]]:
        """Return what follows each tag; of a tag that comes twice, the last."""
        found = map(parse_capability, self.lines or ())
        return {each.tag: each.parameters for each in found if each.tag}


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
    odd: bool


def _why(why: str, clause: Clause, *, odd: bool = False) -> _Why:
    return _Why(why=why, clause=clause, odd=odd)


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
"""What becomes of capabilities when TLS has begun."""

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
"""What becomes of capabilities at the login."""

_USUAL_WITH_LOGIN = {
    Change.CAME: _why("it may: some are for TRANSACTION only", _AFTER_LOGIN),
    Change.WENT: _why(
        "what is listed before the login must be listed after it", _AFTER_LOGIN, odd=True
    ),
    Change.CHANGED: _why(
        "only a capability whose definition says so may change at the login", _AFTER_LOGIN, odd=True
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
    with_tls = after.encrypted and not before.encrypted
    with_login = after.logged_in and not before.logged_in
    reasons = {**(_WITH_LOGIN if with_login else {}), **(_WITH_TLS if with_tls else {})}
    for tag in [*new, *(tag for tag in old if tag not in new)]:
        difference = _difference(old.get(tag), new.get(tag))
        if difference is Change.STAYED and (tag, difference) not in reasons:
            continue
        reason = reasons.get((tag, difference)) or _usual_reason(
            difference, with_tls=with_tls, with_login=with_login
        )
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


def _usual_reason(difference: Change, *, with_tls: bool, with_login: bool) -> _Why:
    if with_tls:
        why = "it may; what is in the clear could be anybody's, and what is said in TLS is what counts"
        return _why(why, _AFTER_STLS)
    if with_login:
        return _USUAL_WITH_LOGIN[difference]
    why = "nothing has happened in between that could be the reason"
    return _why(why, _AFTER_LOGIN, odd=True)
